//! What happens to accounts and names over their lives, with the three real programs: lost and recovered, closed,
//! handed over, reassigned.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

#[path = "end_to_end/place.rs"]
mod place;

use ed25519_dalek::SigningKey;
use keyglass_protocol::codec::base64_decode;
use keyglass_protocol::message::{Answer, B64, PutRequest, from_json};
use keyglass_protocol::record::AliasRecord;
use keyglass_testkit::process::poll;
use keyglass_testkit::world::{Person, tree_value};
use place::{PATIENCE, Place};
use serde_json::Value;

const INVALID: i32 = 1;
const NO_KEY: i32 = 3;
const ALARM: i32 = 5;

fn reason(answer: &Value) -> &str {
    answer["reason"].as_str().unwrap()
}

/// A directory and its auditor, and people who are settled there.
fn town(people: &[&str]) -> Place {
    let mut place = Place::new();
    place.start_directory("directory", true);
    place.start_auditor();
    place.ready();
    for person in people {
        place.trust(person);
        place.good(person, &["identity", "new", "--account", person]);
        place.good(person, &["identity", "publish"]);
    }
    place
}

/// The first reason that `monitor` alarms for.
fn alarmed(place: &Place, person: &str) -> String {
    let (code, answer) = place.keyglass(person, &["monitor"]);
    assert_eq!(code, ALARM, "{answer}");
    reason(&answer).to_owned()
}

#[test]
fn an_account_is_recovered_after_its_delay_unless_its_owner_objects() {
    let place = town(&["bob"]);
    place.trust("alice");
    let new = ["identity", "new", "--account", "alice", "--recovery-delay", "15"];
    place.good("alice", &new);
    place.good("alice", &["identity", "publish"]);
    place.good("bob", &["contact", "add", "account:alice", "--name", "Alice"]);
    place.trust("phone");
    place.trust("desk");
    let key = place.path("directory").join("keys").join("recovery.key");
    let key = key.to_str().unwrap();
    let ask = |file: &str| {
        let path = place.path(file);
        let request = ["identity", "recover", "--account", "alice", "--request"];
        let asked = place.good("phone", &[&request[..], &[path.to_str().unwrap()]].concat());
        asked["announced"].as_bool().unwrap()
    };
    let grant = |file: &str| {
        let path = place.path(file);
        let request = ["identity", "recover", "--grant", path.to_str().unwrap()];
        place.keyglass("desk", &[&request[..], &["--recovery-key", key]].concat())
    };
    // Announced, and stopped by the owner.
    assert!(!ask("first"));
    assert_eq!(grant("first").0, 0);
    assert_eq!(alarmed(&place, "alice"), "recovery-announced");
    let told = place.good("bob", &["monitor"]);
    let findings = told["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|f| f["reason"] == "contact-recovery-announced"),
        "{told}"
    );
    place.good("alice", &["identity", "publish", "--cancel-recovery"]);
    place.good("alice", &["monitor", "--accept"]);
    // Announced again; nobody objects, and the delay passes.
    assert!(!ask("second"));
    assert_eq!(grant("second").0, 0);
    assert!(ask("third"));
    let (code, answer) = grant("third");
    assert_eq!(code, INVALID, "before the delay has passed: {answer}");
    poll("the delay", PATIENCE, || (grant("third").0 == 0).then_some(()));
    let done = place.good("phone", &["identity", "recover", "--account", "alice"]);
    assert_eq!(reason(&done), "recovered", "{done}");
    // The new device goes on; the old one, and the contact, are told.
    place.good("phone", &["device", "add"]);
    place.good("phone", &["monitor"]);
    let (code, told) = place.keyglass("alice", &["monitor"]);
    let findings = told["findings"].as_array().unwrap();
    let taken = findings.iter().any(|f| f["reason"] == "own-key-changed");
    assert!(code == ALARM && taken, "{told}");
    assert_eq!(alarmed(&place, "bob"), "contact-identity-changed");
    let listed = place.good("bob", &["contact", "list"]);
    assert_eq!(listed["contacts"][0]["concern_why"], "recovery", "{listed}");
}

#[test]
fn a_closed_account_ends_for_everybody() {
    let place = town(&["alice", "bob"]);
    place.good("alice", &["handle", "claim", "alice"]);
    place.good("bob", &["contact", "add", "@alice", "--name", "Alice"]);
    place.good("alice", &["identity", "close", "--yes"]);
    for label in ["account:alice", "@alice"] {
        let (code, answer) = place.keyglass("bob", &["lookup", label]);
        assert_eq!((code, reason(&answer)), (NO_KEY, "closed"), "{answer}");
    }
    let (code, answer) = place.keyglass("bob", &["monitor"]);
    assert_eq!((code, reason(&answer)), (NO_KEY, "closed"), "{answer}");
    place.good("alice", &["monitor"]);
    let (code, answer) = place.keyglass("alice", &["device", "add"]);
    assert_ne!(code, 0, "{answer}");
    let history = place.good("bob", &["history", "account:alice"]);
    let versions = history["versions"].as_array().unwrap();
    assert_eq!(versions.last().unwrap()["kind"], "closed", "{history}");
}

#[test]
fn a_name_is_handed_over_and_reassigned() {
    let place = town(&["alice", "bob", "eve"]);
    place.good("alice", &["handle", "claim", "band"]);
    place.good("eve", &["contact", "add", "@band", "--name", "The band"]);
    let offer = place.path("offer");
    let offer = offer.to_str().unwrap();
    let transfer = [
        "handle",
        "transfer",
        "@band",
        "--to",
        "account:bob",
        "--offer",
        offer,
    ];
    place.good("alice", &transfer);
    let (code, answer) = place.keyglass("eve", &["handle", "transfer", "--accept", offer]);
    assert_eq!(
        (code, reason(&answer)),
        (INVALID, "transfer-not-yours"),
        "{answer}"
    );
    place.good("bob", &["handle", "transfer", "--accept", offer]);
    assert_eq!(place.good("eve", &["lookup", "@band"])["account"], "account:bob");
    assert_eq!(alarmed(&place, "eve"), "contact-account-changed");
    place.good("alice", &["monitor"]);
    place.good("bob", &["monitor"]);
    place.good("eve", &["contact", "unverify", "The band"]);
    reassign(&place);
    assert_eq!(alarmed(&place, "bob"), "own-alias-changed");
    assert_eq!(alarmed(&place, "eve"), "contact-account-changed");
    let listed = place.good("eve", &["contact", "list"]);
    assert_eq!(listed["contacts"][0]["concern_why"], "reassign", "{listed}");
}

/// The platform gives `@band` to zoe.
fn reassign(place: &Place) {
    let zoe = Person::new("zoe", 9);
    put(place, "/v1/accounts/zoe", zoe.newest.bytes());
    let (_, body) = place.http().get("/v1/handles/band").unwrap();
    let answer: Answer = from_json(&body).unwrap();
    let held = AliasRecord::decode(&tree_value(&answer.lookups[0])).unwrap();
    let record = zoe.reassign(&held, &recovery_key(place));
    put(place, "/v1/handles/band", record.bytes());
}

fn recovery_key(place: &Place) -> SigningKey {
    let path = place.path("directory").join("keys").join("recovery.key");
    let text = std::fs::read_to_string(path).unwrap();
    let typed = base64_decode(text.trim().splitn(5, '+').last().unwrap()).unwrap();
    SigningKey::from_bytes(typed[1..].try_into().unwrap())
}

/// Sends a record and waits until it is in the log.
fn put(place: &Place, path: &str, record: &[u8]) {
    let request = PutRequest {
        record: B64(record.to_vec()),
    };
    let (status, body) = place
        .http()
        .put(path, serde_json::to_vec(&request).unwrap())
        .unwrap();
    let text = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, 202, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let receipt = format!("/v1/receipts/{}", answer["id"].as_str().unwrap());
    poll("the record in the log", PATIENCE, || {
        let (_, body) = place.http().get(&receipt).unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        (answer["status"] == "included").then_some(())
    });
}
