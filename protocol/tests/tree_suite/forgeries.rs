//! Forgeries that akd 0.13.0 (or 0.12.0) accepts, with secrets that only an operator has.

use akd_core::configuration::{Configuration as _, WhatsAppV1Configuration as Akd};
use serde_json::Value;

use super::akd_verdict;
use super::case::{Ask, Case, MarkerBytes};
use super::forge::{Fresh, leaf_label, membership_bytes, public_key, vrf_proof};
use super::message::{Kind, Msg};
use super::vectors::directory;

fn read(name: &str) -> Value {
    let path = directory().join("forgeries").join(name).with_extension("json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn check(name: &str) -> Case {
    let json = read(name);
    let case = Case::from_json(&json);
    assert_eq!(case.reason(), json["reason"].as_str().unwrap(), "{name}");
    assert_eq!(
        akd_verdict::accepts(&case),
        json["akd_accepts"].as_bool().unwrap(),
        "{name}"
    );
    case
}

#[test]
fn a_replaced_version_is_not_newest() {
    check("stale");
}

#[test]
fn an_existing_user_is_not_absent() {
    check("absence");
}

#[test]
fn a_rewritten_leaf_is_not_append_only() {
    check("append_only");
}

#[test]
fn a_version_that_the_owner_never_sees_is_refused_and_his_history_verifies() {
    let hidden = check("hidden_version");
    let history = check("hidden_version_history");
    assert_eq!(hidden.head.root, history.head.root);
}

/// The operator answers with the markers 1 (honest) and 4 (whatever he has): the leaf
/// (label, fresh, 4) does not exist, and no other proof stands in for it.
#[test]
fn no_marker_can_be_made_for_the_hidden_version() {
    let mut hidden = Case::from_json(&read("hidden_version"));
    assert_eq!(
        hidden.head.vrf,
        public_key(),
        "the forger's VRF key is akd's test key"
    );
    let mut lookup = Msg::parse(Kind::Lookup, &hidden.proof);
    let mut history = Msg::parse(
        Kind::History,
        &Case::from_json(&read("hidden_version_history")).proof,
    );
    let first = MarkerBytes {
        version: 1,
        vrf_proof: vrf_proof("alice", Fresh, 1),
        proof: history.message(1, 0).message(5, 0).encode(),
    };
    let existence = lookup.message(5, 0).encode();
    let root_value = empty_path_of(leaf_label("alice", Fresh, 4));
    for (vrf_version, proof, reason) in [
        (4, existence.clone(), "label-mismatch"),
        (8, existence, "vrf-mismatch"),
        (4, root_value, "empty-path"),
    ] {
        let fourth = MarkerBytes {
            version: 4,
            vrf_proof: vrf_proof("alice", Fresh, vrf_version),
            proof,
        };
        hidden.ask = Ask::Lookup {
            markers: vec![first.clone(), fourth],
        };
        assert_eq!(hidden.reason(), reason);
    }
}

/// The empty-path forgery for any leaf of the same tree; akd takes it for membership.
fn empty_path_of(label: akd_core::NodeLabel) -> Vec<u8> {
    let json = read("empty_path");
    let bytes = hex::decode(json["proof"].as_str().unwrap()).unwrap();
    let Msg { fields, .. } = Msg::parse(Kind::Membership, &bytes);
    let super::message::Val::Bytes(value) = &fields[1].1 else {
        panic!("value")
    };
    let value = akd_core::AzksValue(value.as_slice().try_into().unwrap());
    let root: [u8; 32] = hex::decode(json["root"].as_str().unwrap())
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(Akd::compute_root_hash_from_val(&value), root);
    let proof = akd_core::MembershipProof {
        label,
        hash_val: value,
        sibling_proofs: Vec::new(),
    };
    assert_eq!(
        akd_core::verify::verify_membership_for_tests_only::<Akd>(root, &proof),
        Ok(())
    );
    membership_bytes(&proof)
}
