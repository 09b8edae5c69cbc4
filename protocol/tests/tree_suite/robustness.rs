//! Bytes of any kind: no panic, no unbounded work; and facts that no vector file shows.

use keyglass_protocol::quantity::{Commitment, Epoch, KeyVersion, LeafLabel, RootHash};
use keyglass_protocol::tree::{
    self, Freshness, TreeError, TreeHead, VrfPublicKey, audit_contains, empty_root, verify_absence,
    verify_history, verify_lookup, verify_vrf, wire::WireError,
};
use proptest::prelude::*;

use super::case::{Ask, Case};
use super::forge::{self, *};
use super::honest::World;
use super::message::{Kind, Msg, Val};

fn asks(vrf_proof: &[u8]) -> Vec<Ask> {
    vec![
        Ask::Lookup { markers: Vec::new() },
        Ask::Absence {
            vrf_proof: vrf_proof.to_vec(),
        },
        Ask::History { since: 1 },
        Ask::AppendOnly { previous: [0; 32] },
        Ask::Vrf,
    ]
}

fn verify_all(epoch: u64, proof: &[u8]) {
    let head = forge::User::head(&missing(), epoch);
    for ask in asks(&vrf_proof("x", Fresh, 1)) {
        let case = Case {
            head: head.clone(),
            label: "x".to_owned(),
            ask,
            proof: proof.to_vec(),
        };
        assert!(case.verify().is_err());
    }
    let _ = audit_contains(proof, &LeafLabel::ZERO, &Commitment::ZERO);
}

/// Bytes that look like protobuf: fields of few numbers, nested.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(|n| {
            let mut out = Vec::new();
            tree::wire::put_varint(&mut out, 3, n);
            out
        }),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop::collection::vec((1..11_u32, inner), 0..6).prop_map(|fields| {
            let mut out = Vec::new();
            fields
                .iter()
                .for_each(|(number, bytes)| tree::wire::put_bytes(&mut out, *number, bytes));
            out
        })
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_without_panic(epoch: u64, proof in prop::collection::vec(any::<u8>(), 0..300)) {
        verify_all(epoch, &proof);
    }

    #[test]
    fn arbitrary_messages_are_refused_without_panic(epoch: u64, proof in message()) {
        verify_all(epoch, &proof);
    }

    #[test]
    fn arbitrary_vrf_keys_and_proofs_do_not_panic(key: [u8; 32], proof in prop::collection::vec(any::<u8>(), 80)) {
        if let Ok(key) = VrfPublicKey::parse(&key) {
            prop_assert!(verify_vrf(&key, b"x", Freshness::Fresh, KeyVersion::FIRST, &proof).is_err());
        }
    }
}

#[test]
fn sizes_are_capped_before_parsing() {
    let over = |ask: Ask, max: usize| {
        let head = forge::User::head(&missing(), 3);
        let case = Case {
            head,
            label: "x".to_owned(),
            ask,
            proof: vec![0; max + 1],
        };
        assert_eq!(
            case.verify(),
            Err(TreeError::ProofTooLong { max, found: max + 1 })
        );
    };
    over(Ask::Lookup { markers: Vec::new() }, tree::MAX_LOOKUP_PROOF_BYTES);
    over(
        Ask::Absence {
            vrf_proof: Vec::new(),
        },
        tree::MAX_MEMBERSHIP_PROOF_BYTES,
    );
    over(Ask::History { since: 1 }, tree::MAX_HISTORY_PROOF_BYTES);
    over(Ask::AppendOnly { previous: [0; 32] }, tree::MAX_AUDIT_PROOF_BYTES);
    let long = vec![0; tree::MAX_AUDIT_PROOF_BYTES + 1];
    let found = long.len();
    let max = tree::MAX_AUDIT_PROOF_BYTES;
    let error = audit_contains(&long, &LeafLabel::ZERO, &Commitment::ZERO);
    assert_eq!(error, Err(TreeError::ProofTooLong { max, found }));
}

/// A message in which one field is repeated.
fn repeated(case: &Case, kind: Kind, address: &[(u32, usize)], field: u32, times: usize) -> Case {
    let mut whole = Msg::parse(kind, &case.proof);
    let place = address.iter().fold(&mut whole, |message, (number, nth)| {
        message.message(*number, *nth)
    });
    let value = place.field(field, 0).clone();
    place.fields.extend((0..times).map(|_| (field, value.clone())));
    case.with_proof(whole.encode())
}

#[test]
fn counts_are_capped_while_parsing() {
    let user = User::new("account:user", &[1, 2, 3]);
    let node = Node::honest([user.leaves(), filler(6)].concat());
    let history = user.history_case(&node, 3, 8);
    let too_many = |number| Err(TreeError::Wire(WireError::TooMany(number)));
    assert_eq!(
        repeated(&history, Kind::History, &[], 1, 1024).verify(),
        too_many(1)
    );
    for field in 2..=5 {
        assert_eq!(
            repeated(&history, Kind::History, &[], field, 72).verify(),
            too_many(field)
        );
    }
    let nobody = "account:nobody";
    let absence = absence_case(nobody, &node, 3, &node.absent(&leaf_label(nobody, Fresh, 1)));
    // Steps as small as they can be, so that the count is reached before the size.
    let mut whole = Msg::parse(Kind::NonMembership, &absence.proof);
    let step = Msg::parse(
        Kind::Membership,
        &forge::membership_bytes(&node.member(&filler(1)[0].0)),
    )
    .fields[2]
        .clone();
    whole.message(4, 0).fields.extend((0..257).map(|_| step.clone()));
    assert_eq!(absence.with_proof(whole.encode()).verify(), too_many(3));

    let mut small = Vec::new();
    tree::wire::put_bytes(&mut small, 1, &[0x0a, 1, 1, 0x10, 8]);
    tree::wire::put_bytes(&mut small, 2, &[5; 32]);
    let mut element = Vec::new();
    tree::wire::put_bytes(&mut element, 2, &small);
    let proof = element.repeat(tree::MAX_AUDIT_NODES + 1);
    assert!(proof.len() < tree::MAX_AUDIT_PROOF_BYTES);
    assert_eq!(
        audit_contains(&proof, &LeafLabel::ZERO, &Commitment::ZERO),
        Err(TreeError::Wire(WireError::TooMany(2)))
    );
}

#[test]
fn every_field_of_every_message_is_required_once() {
    let user = User::new("account:user", &[1, 2, 3]);
    let tree = Node::honest([user.leaves(), filler(6)].concat());
    let cases = [
        (Kind::Lookup, user.lookup_case(&tree, 3, 8)),
        (Kind::History, user.history_case(&tree, 3, 8)),
    ];
    let mut checked = 0;
    for (kind, case) in cases {
        let whole = Msg::parse(kind, &case.proof);
        for address in whole.addresses() {
            let message = whole.clone().at(&address).clone();
            for (i, (number, value)) in message.fields.iter().enumerate() {
                let edited = |edit: &dyn Fn(&mut Msg)| {
                    let mut copy = whole.clone();
                    edit(copy.at(&address));
                    case.with_proof(copy.encode()).reason()
                };
                let other = match value {
                    Val::Varint(_) => Val::Bytes(vec![1]),
                    _ => Val::Varint(1),
                };
                assert_eq!(edited(&|m| m.fields[i].1 = other.clone()), "protobuf-wrong-type");
                assert_eq!(edited(&|m| m.fields[i].0 = 15), "protobuf-unknown-field");
                if !message.kind.repeated(*number) {
                    assert_eq!(
                        edited(&|m| m.fields.push(m.fields[i].clone())),
                        "protobuf-duplicate-field"
                    );
                    let optional = message.kind == Kind::Update && [6, 7].contains(number);
                    let missing = if optional {
                        "previous-missing"
                    } else {
                        "protobuf-missing-field"
                    };
                    assert_eq!(edited(&|m| drop(m.fields.remove(i))), missing);
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn results_say_what_was_proven() {
    let world = World::busy(5, 3);
    let head = world.head();
    let (root, vrf) = (RootHash::new(head.root), VrfPublicKey::parse(&head.vrf).unwrap());
    let head = TreeHead {
        epoch: Epoch::new(head.epoch),
        root: &root,
        vrf: &vrf,
    };
    let busy = "account:busy";

    let lookup = world.lookup(busy);
    let Ask::Lookup { markers } = &lookup.ask else {
        panic!("lookup")
    };
    let markers: Vec<_> = markers.iter().map(super::case::MarkerBytes::borrowed).collect();
    let proven = verify_lookup(&head, busy.as_bytes(), &lookup.proof, &markers).unwrap();
    assert_eq!((proven.version().get(), proven.epoch()), (5, Epoch::new(5)));
    assert_eq!(proven.value(), b"account:busy at 5");
    assert_eq!(proven.into_value(), b"account:busy at 5");

    let since = KeyVersion::new(2).unwrap();
    let versions = verify_history(&head, busy.as_bytes(), since, &world.history(busy, 2, 5).proof).unwrap();
    let seen: Vec<_> = versions
        .iter()
        .map(|v| (v.version().get(), v.epoch().get(), v.value().unwrap()))
        .collect();
    let expected: Vec<_> = (2..=5)
        .map(|n| (n, n, format!("account:busy at {n}").into_bytes()))
        .collect();
    assert_eq!(
        seen,
        expected
            .iter()
            .map(|(v, e, value)| (*v, *e, value.as_slice()))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_blanked_old_version_is_proven_but_not_opened() {
    let user = User::new("account:user", &[1, 3, 5]);
    let tree = Node::honest([user.leaves(), filler(6)].concat());
    let mut proof = user.history(&tree, 1, 3, 8);
    proof.update_proofs[1].value.0.clear();
    let case = user.history_case(&tree, 1, 8).with_proof(history_bytes(&proof));
    let (root, vrf) = (
        RootHash::new(case.head.root),
        VrfPublicKey::parse(&case.head.vrf).unwrap(),
    );
    let head = TreeHead {
        epoch: Epoch::new(8),
        root: &root,
        vrf: &vrf,
    };
    let versions = verify_history(&head, b"account:user", KeyVersion::FIRST, &case.proof).unwrap();
    let opened: Vec<_> = versions.iter().map(|v| v.value().is_some()).collect();
    assert_eq!(opened, [true, false, true]);
    assert_eq!(versions[1].epoch(), Epoch::new(3));
    // Its epoch is still bound, by the leaf that retires the version before.
    proof.update_proofs[1].epoch = 4;
    assert_eq!(case.with_proof(history_bytes(&proof)).reason(), "stale-mismatch");
}

#[test]
fn at_epoch_0_the_root_is_the_proof() {
    let (root, vrf) = (empty_root(), VrfPublicKey::parse(&public_key()).unwrap());
    let head = TreeHead {
        epoch: Epoch::ZERO,
        root: &root,
        vrf: &vrf,
    };
    let vrf_proof = vrf_proof("x", Fresh, 1);
    assert_eq!(verify_absence(&head, b"x", &vrf_proof, &[]), Ok(()));
    assert_eq!(verify_absence(&head, b"x", &[], &[]), Ok(()));
    assert_eq!(
        verify_absence(&head, b"y", &vrf_proof, &[]),
        Err(TreeError::VrfMismatch)
    );
    assert_eq!(World::new().roots, [*root.as_bytes()]);
}

#[test]
fn audit_contains_finds_the_pair_and_nothing_else() {
    let mut world = World::new();
    world.publish(&["account:a".to_owned(), "account:b".to_owned()]);
    world.publish(&["account:c".to_owned(), "account:a".to_owned()]);
    let proof = &world.audits[1].proof;
    let inserted = |freshness, version| LeafLabel::new(leaf_label("account:a", freshness, version).label_val);
    let stale = Commitment::new(blake3::hash(&[0]).into());
    assert_eq!(audit_contains(proof, &inserted(Stale, 1), &stale), Ok(true));
    assert_eq!(
        audit_contains(proof, &inserted(Stale, 1), &Commitment::ZERO),
        Ok(false)
    );
    assert_eq!(audit_contains(proof, &inserted(Fresh, 2), &stale), Ok(false));
    assert_eq!(audit_contains(proof, &inserted(Stale, 2), &stale), Ok(false));
    // The unchanged leaf of account:b and version 1 of account:a are there, but not inserted.
    let mut whole = Msg::parse(Kind::AppendOnly, proof);
    for (number, _) in &mut whole.fields {
        *number = 2;
    }
    assert_eq!(
        audit_contains(&whole.encode(), &inserted(Stale, 1), &stale),
        Ok(false)
    );
    assert_eq!(
        audit_contains(&proof[1..], &inserted(Stale, 1), &stale)
            .map_err(|e| e.reason().starts_with("protobuf")),
        Err(true)
    );
}

#[test]
fn akd_is_a_tool_of_the_tests_only() {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            "keyglass-protocol",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(
        tree.lines().any(|line| line.starts_with("curve25519-dalek ")),
        "{tree}"
    );
    assert!(!tree.lines().any(|line| line.starts_with("akd")), "{tree}");
}
