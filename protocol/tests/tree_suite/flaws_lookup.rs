//! Flaws of a lookup beyond its paths: versions, epochs, values, markers, VRF proofs.

use akd_core::{AkdValue, LookupProof};

use super::case::{Ask, Case};
use super::forge::*;
use super::vectors::{Flaw, flaw};

pub fn flaws() -> Vec<Flaw> {
    [record(), markers(), vrf()].concat()
}

fn base(epochs: &[u64]) -> (User, Node) {
    let user = User::new("account:user", epochs);
    let tree = Node::honest([user.leaves(), filler(6)].concat());
    (user, tree)
}

fn edited(user: &User, tree: &Node, version: u64, epoch: u64, edit: &dyn Fn(&mut LookupProof)) -> Case {
    let mut proof = user.lookup(tree, version);
    edit(&mut proof);
    user.lookup_case(tree, version, epoch)
        .with_proof(lookup_bytes(&proof))
}

/// A user with one version whose value and nonce are as given; all hashes fit.
fn with_value(value: &[u8], nonce: &[u8]) -> Case {
    let mut user = User::new("account:user", &[1]);
    user.versions[0].1 = value.to_vec();
    let mut leaves = user.leaves();
    leaves[0].1 = akd_leaf(value, nonce);
    let tree = Node::honest([leaves, filler(6)].concat());
    edited(&user, &tree, 1, 3, &|proof| {
        proof.commitment_nonce = nonce.to_vec()
    })
}

fn akd_leaf(value: &[u8], nonce: &[u8]) -> akd_core::AzksValue {
    use akd_core::configuration::{Configuration as _, WhatsAppV1Configuration as Akd};
    akd_core::AzksValue(Akd::hash_leaf_with_value(&AkdValue(value.to_vec()), 1, nonce).0)
}

fn record() -> Vec<Flaw> {
    let (user, tree) = base(&[1]);
    let zero = edited(&user, &tree, 1, 3, &|proof| proof.version = 0);
    let other_value = edited(&user, &tree, 1, 3, &|proof| proof.value.0[0] ^= 1);
    let other_nonce = edited(&user, &tree, 1, 3, &|proof| proof.commitment_nonce[0] ^= 1);
    let other_epoch = edited(&user, &tree, 1, 3, &|proof| proof.epoch = 2);
    let (early, early_tree) = base(&[1, 1]);
    let above = early.lookup_case(&early_tree, 2, 3);
    let (late, late_tree) = base(&[4]);
    let future = late.lookup_case(&late_tree, 1, 3);
    let (twice, twice_tree) = base(&[1, 2]);
    let stale_at = leaf_label(&twice.label, Stale, 1);
    let stale = twice.lookup_case(&twice_tree, 1, 3);
    assert!(twice_tree.find(&stale_at).is_some());
    vec![
        flaw("lookup", "version-zero", "version 0", zero),
        flaw("lookup", "version-above-epoch", "version 2 in epoch 1", above),
        flaw(
            "lookup",
            "record-epoch-above-head",
            "a record of epoch 4 at epoch 3",
            future,
        ),
        flaw("lookup", "blank-value", "an empty value", with_value(b"", &NONCE)),
        flaw(
            "lookup",
            "value-too-long",
            "a value longer than any record",
            with_value(&[1; 16_385], &NONCE),
        ),
        flaw(
            "lookup",
            "hash-length",
            "a nonce of 31 bytes",
            with_value(b"v", &[7; 31]),
        )
        .named("short-nonce"),
        flaw("lookup", "value-mismatch", "another value", other_value).named("other-value"),
        flaw("lookup", "value-mismatch", "another nonce", other_nonce).named("other-nonce"),
        flaw("lookup", "value-mismatch", "another epoch", other_epoch).named("other-epoch"),
        flaw(
            "lookup",
            "child-is-prefix",
            "version 1 as newest although it was replaced",
            stale,
        )
        .named("stale"),
    ]
}

fn markers() -> Vec<Flaw> {
    let (user, tree) = base(&[1, 2, 3, 4, 5, 6, 7]);
    let case = |edit: &dyn Fn(&mut Vec<super::case::MarkerBytes>)| {
        let mut case = user.lookup_case(&tree, 7, 8);
        match &mut case.ask {
            Ask::Lookup { markers } => edit(markers),
            other => panic!("{other:?}"),
        }
        case
    };
    let wrong = case(&|markers| {
        markers[1].proof = membership_bytes(&tree.member(&leaf_label(&user.label, Fresh, 5)))
    });
    let long = case(&|markers| markers[1].proof = vec![0; 40 * 1024 + 1]);
    let power = edited(&user, &tree, 7, 8, &|proof| {
        proof.marker_proof = proof.existence_proof.clone();
        proof.marker_vrf_proof = proof.existence_vrf_proof.clone();
    });
    let one = User::new("account:user", &[1]);
    let one_tree = Node::honest([one.leaves(), filler(6)].concat());
    let other_marker = edited(&one, &one_tree, 1, 3, &|proof| {
        proof.marker_proof = one_tree.member(&filler(1)[0].0);
    });
    let marker_vrf = edited(&one, &one_tree, 1, 3, &|proof| proof.marker_vrf_proof[40] ^= 1);
    vec![
        flaw(
            "lookup",
            "marker-set",
            "a marker is missing",
            case(&|m| drop(m.pop())),
        )
        .named("marker-missing"),
        flaw(
            "lookup",
            "marker-set",
            "a marker too many",
            case(&|m| m.push(m[0].clone())),
        )
        .named("marker-extra"),
        flaw(
            "lookup",
            "marker-set",
            "markers not ascending",
            case(&|m| m.swap(0, 1)),
        )
        .named("marker-order"),
        flaw("lookup", "label-mismatch", "a marker of another version", wrong).named("marker-of-another"),
        flaw("lookup", "proof-too-long", "a marker proof over its size", long).named("marker-too-long"),
        flaw(
            "lookup",
            "vrf-mismatch",
            "the proof's own marker is another version",
            power,
        )
        .named("power-of-another"),
        flaw(
            "lookup",
            "label-mismatch",
            "version 1, but its own marker is another leaf",
            other_marker,
        )
        .named("repeated-marker-differs"),
        flaw(
            "lookup",
            "vrf-mismatch",
            "version 1, but its own marker's VRF proof is wrong",
            marker_vrf,
        )
        .named("repeated-marker-vrf"),
    ]
}

/// Group order of Ed25519, little-endian.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

fn vrf() -> Vec<Flaw> {
    let (user, tree) = base(&[1]);
    let label = user.label.clone();
    let with_vrf = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut proof = vrf_proof(&label, Fresh, 1);
        edit(&mut proof);
        Case {
            head: User::head(&tree, 3),
            label: label.clone(),
            ask: Ask::Vrf,
            proof,
        }
    };
    let plus_order = with_vrf(&|proof| {
        let order = hex::decode(ORDER).unwrap();
        let mut carry = 0;
        for (byte, add) in proof[48..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
    });
    let gamma = |bytes: [u8; 32]| with_vrf(&|proof| proof[..32].copy_from_slice(&bytes));
    let with_key = |key: [u8; 32]| {
        let mut case = with_vrf(&|_| {});
        case.head.vrf = key;
        case
    };
    // y = 1 with a sign; y = p + 1; y = p + 3, which is y = 3 not reduced.
    let signed_one = core::array::from_fn(|i| {
        [(0, 1), (31, 0x80)]
            .iter()
            .find(|(at, _)| *at == i)
            .map_or(0, |(_, b)| *b)
    });
    let unreduced = |low: u8| {
        core::array::from_fn(|i| match i {
            0 => low,
            31 => 0x7f,
            _ => 0xff,
        })
    };
    let two: [u8; 32] = core::array::from_fn(|i| if i == 0 { 2 } else { 0 });
    let mut identity = [0; 32];
    identity[0] = 1;
    vec![
        flaw(
            "vrf",
            "vrf-proof-length",
            "81 bytes",
            with_vrf(&|proof| proof.push(0)),
        ),
        flaw("vrf", "vrf-scalar", "the scalar plus the group order", plus_order),
        flaw(
            "vrf",
            "vrf-gamma",
            "a point whose y is not reduced",
            gamma(unreduced(0xf0)),
        )
        .named("gamma-not-reduced"),
        flaw("vrf", "vrf-gamma", "x = 0 with a sign", gamma(signed_one)).named("gamma-negative-zero"),
        flaw("vrf", "vrf-gamma", "not on the curve", gamma(two)).named("gamma-off-curve"),
        flaw(
            "vrf",
            "vrf-mismatch",
            "the proof of the stale leaf",
            with_vrf(&|p| *p = vrf_proof(&label, Stale, 1)),
        )
        .named("other-freshness"),
        flaw(
            "vrf",
            "vrf-mismatch",
            "the proof of version 2",
            with_vrf(&|p| *p = vrf_proof(&label, Fresh, 2)),
        )
        .named("other-version"),
        flaw(
            "vrf",
            "vrf-mismatch",
            "the proof of another label",
            with_vrf(&|p| *p = vrf_proof("x", Fresh, 1)),
        )
        .named("other-label"),
        flaw(
            "vrf",
            "vrf-mismatch",
            "another challenge",
            with_vrf(&|p| p[33] ^= 1),
        )
        .named("other-challenge"),
        flaw("vrf", "vrf-key", "a key of small order", with_key(identity)).named("key-of-small-order"),
        flaw(
            "vrf",
            "vrf-key",
            "a key whose y is not reduced",
            with_key(unreduced(0xf0)),
        )
        .named("key-not-reduced"),
        flaw("vrf", "vrf-key", "a key off the curve", with_key(two)).named("key-off-curve"),
    ]
}
