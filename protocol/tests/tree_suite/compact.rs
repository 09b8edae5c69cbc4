//! The compact form: restored, it is akd's exact bytes; it has one spelling; what has no such form travels as it is.

use keyglass_protocol::tree::compact::{
    compact_absence, compact_history, compact_lookup, compact_membership, restore_absence, restore_history,
    restore_lookup, restore_membership,
};
use keyglass_protocol::tree::wire::{Fields, Value, WireError, put_bytes, put_varint};
use keyglass_protocol::tree::{MAX_HISTORY_PROOF_BYTES, MAX_HISTORY_VERSIONS, MAX_LOOKUP_PROOF_BYTES};
use proptest::prelude::*;

use super::case::{Ask, Case};
use super::honest::World;

fn markers(case: &Case) -> Vec<Vec<u8>> {
    match &case.ask {
        Ask::Lookup { markers } => markers.iter().map(|m| m.proof.clone()).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_akd_makes_is_restored_byte_for_byte() {
    for (versions, others) in [(1, 0), (1, 1), (2, 3), (9, 60), (17, 20)] {
        let world = World::busy(versions, others);
        let mut labels = vec!["account:busy".to_owned()];
        labels.extend((0..others.min(12)).map(|i| format!("account:{i}")));
        for label in &labels {
            let lookup = world.lookup(label);
            let short = compact_lookup(&lookup.proof).unwrap();
            assert_eq!(restore_lookup(&short).unwrap(), lookup.proof, "{label}");
            for marker in markers(&lookup) {
                let short = compact_membership(&marker).unwrap();
                assert_eq!(restore_membership(&short).unwrap(), marker, "{label}");
            }
        }
        for since in [1, versions.div_ceil(2), versions] {
            let history = world.history("account:busy", since, versions);
            let short = compact_history(&history.proof).unwrap();
            assert!(restore_history(&short).unwrap() == history.proof, "since {since}");
        }
        let absence = world.absence("account:nobody");
        let short = compact_absence(&absence.proof).unwrap();
        assert_eq!(restore_absence(&short).unwrap(), absence.proof);
        assert!(short.len() < absence.proof.len());
    }
}

#[test]
fn a_first_version_takes_less_than_half() {
    let world = World::busy(1, 500);
    let lookup = world.lookup("account:busy");
    let short = compact_lookup(&lookup.proof).unwrap();
    assert!(
        2 * short.len() < lookup.proof.len(),
        "{} of {}",
        short.len(),
        lookup.proof.len()
    );
}

/// The fields of a message; each may be left out, replaced or moved.
fn fields(message: &[u8]) -> Vec<(u32, Value<'_>)> {
    Fields::new(message)
        .map(|field| field.map(|f| (f.number, f.value)).unwrap())
        .collect()
}

fn message(fields: &[(u32, Value<'_>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, value) in fields {
        match value {
            Value::Varint(n) => put_varint(&mut out, *number, *n),
            Value::Bytes(bytes) => put_bytes(&mut out, *number, bytes),
        }
    }
    out
}

#[test]
fn what_repeats_may_not_be_spelt_out() {
    let world = World::busy(2, 9);
    let short = compact_lookup(&world.lookup("account:busy").proof).unwrap();
    let field = |number: u32| {
        let mut fields = Fields::new(&short).map(Result::unwrap);
        fields.find(|f| f.number == number).unwrap().bytes().unwrap()
    };
    let mut again = short.clone();
    put_bytes(&mut again, 6, field(4));
    put_bytes(&mut again, 7, field(5));
    assert_eq!(restore_lookup(&again), Err(WireError::Compact));
    let mut half = short.clone();
    put_bytes(&mut half, 6, field(4));
    assert_eq!(restore_lookup(&half), Err(WireError::MissingField(7)));
    let mut other_half = short.clone();
    put_bytes(&mut other_half, 7, field(5));
    assert_eq!(restore_lookup(&other_half), Err(WireError::MissingField(6)));
    let mut unknown = short.clone();
    put_bytes(&mut unknown, 11, b"");
    assert_eq!(restore_lookup(&unknown), Err(WireError::UnknownField(11)));
    let mut twice = short.clone();
    put_bytes(&mut twice, 10, field(10));
    assert_eq!(restore_lookup(&twice), Err(WireError::DuplicateField(10)));
}

/// A leaf 0…0 with one sibling, the leaf 10…0, under the root.
fn pair() -> Vec<u8> {
    let mut bytes = vec![0; 32];
    bytes.extend_from_slice(&[7; 32]);
    bytes.extend_from_slice(&[0, 255, 0x80]);
    bytes.extend_from_slice(&[0; 31]);
    bytes.extend_from_slice(&[8; 32]);
    bytes
}

#[test]
fn each_flaw_of_a_compact_path_is_refused() {
    assert!(restore_membership(&pair()).is_ok());
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = pair();
        change(&mut bytes);
        restore_membership(&bytes)
    };
    let level = |step: u8, n: u8, packed: &[u8]| {
        let mut bytes = vec![step, n];
        bytes.extend_from_slice(packed);
        bytes.extend_from_slice(&[9; 32]);
        bytes
    };
    let then = |more: Vec<u8>| with(&|bytes| bytes.extend_from_slice(&more));
    assert!(then(level(1, 1, &[0x80])).is_ok());
    assert_eq!(
        with(&|b| b.truncate(40)),
        Err(WireError::Compact),
        "cut in the value"
    );
    assert_eq!(
        with(&|b| b.truncate(b.len() - 1)),
        Err(WireError::Compact),
        "cut in a sibling"
    );
    assert_eq!(then(vec![1]), Err(WireError::Compact), "cut behind a step");
    assert_eq!(
        then(level(0, 1, &[0x80])),
        Err(WireError::Compact),
        "a parent no longer than the one before"
    );
    assert_eq!(
        then(level(1, 1, &[0xc0])),
        Err(WireError::Compact),
        "a bit behind the label"
    );
    assert_eq!(
        then(level(255, 1, &[0x80])),
        Err(WireError::Compact),
        "a leaf that is not said to be one"
    );
    let deep = [level(255, 255, &[0x80]), level(1, 255, &[])].concat();
    assert_eq!(
        then(deep),
        Err(WireError::Compact),
        "a parent as long as the leaf"
    );
    assert!(then(level(255, 255, &[0x80])).is_ok(), "the deepest parent");
}

#[test]
fn fields_of_a_history_stand_in_akds_order() {
    let world = World::busy(17, 3);
    let short = compact_history(&world.history("account:busy", 17, 17).proof).unwrap();
    let mut fields = fields(&short);
    assert!(fields.iter().any(|(number, _)| *number == 3), "with past markers");
    fields.reverse();
    assert_eq!(restore_history(&message(&fields)), Err(WireError::Compact));
}

/// A value that makes a lookup's compact form `length` bytes long.
fn long_lookup(short: &[u8], length: usize) -> Vec<u8> {
    let with_value = |value: &[u8]| {
        let mut fields = fields(short);
        fields.iter_mut().find(|(number, _)| *number == 2).unwrap().1 = Value::Bytes(value);
        message(&fields)
    };
    let value = vec![1; length];
    let around = with_value(&value).len() - length;
    with_value(&value[around..])
}

#[test]
fn nothing_longer_than_its_limit_is_restored() {
    let world = World::busy(1, 1);
    let short = compact_lookup(&world.lookup("account:busy").proof).unwrap();
    let longest = long_lookup(&short, MAX_LOOKUP_PROOF_BYTES);
    assert_eq!(longest.len(), MAX_LOOKUP_PROOF_BYTES);
    assert!(restore_lookup(&longest).is_ok());
    let longer = long_lookup(&short, MAX_LOOKUP_PROOF_BYTES + 1);
    assert_eq!(restore_lookup(&longer), Err(WireError::Compact));
    // One VRF proof of a marker: a number and a length of four bytes before it.
    let history = |length: usize| message(&[(2, Value::Bytes(&vec![1; length - 5]))]);
    let longest = history(MAX_HISTORY_PROOF_BYTES);
    assert_eq!(longest.len(), MAX_HISTORY_PROOF_BYTES);
    assert!(restore_history(&longest).unwrap() == longest);
    assert_eq!(
        restore_history(&history(MAX_HISTORY_PROOF_BYTES + 1)),
        Err(WireError::Compact)
    );
}

#[test]
fn no_history_of_more_versions_than_there_may_be_is_restored() {
    let world = World::busy(1, 0);
    let short = compact_history(&world.history("account:busy", 1, 1).proof).unwrap();
    let update = fields(&short)[0];
    assert_eq!(update.0, 1);
    let most = message(&vec![update; MAX_HISTORY_VERSIONS]);
    assert!(restore_history(&most).is_ok());
    let more = message(&vec![update; MAX_HISTORY_VERSIONS + 1]);
    assert_eq!(restore_history(&more), Err(WireError::TooMany(1)));
}

#[test]
fn another_spelling_of_a_proof_is_left_alone() {
    let world = World::busy(3, 9);
    let reversed = |proof: &[u8]| {
        let mut fields = fields(proof);
        fields.reverse();
        message(&fields)
    };
    let lookup = world.lookup("account:busy");
    assert!(compact_lookup(&lookup.proof).is_some());
    assert_eq!(compact_lookup(&reversed(&lookup.proof)), None);
    let marker = markers(&lookup).remove(0);
    assert!(compact_membership(&marker).is_some());
    assert_eq!(compact_membership(&reversed(&marker)), None);
    let absence = world.absence("account:nobody").proof;
    assert!(compact_absence(&absence).is_some());
    assert_eq!(compact_absence(&reversed(&absence)), None);
    // With a field behind the updates: what repeats has no order.
    let history = World::busy(17, 3).history("account:busy", 17, 17).proof;
    assert!(compact_history(&history).is_some());
    assert_eq!(compact_history(&reversed(&history)), None);
}

#[test]
fn what_has_no_compact_form_is_left_alone() {
    let world = World::busy(3, 9);
    let mut proof = world.lookup("account:busy").proof;
    proof.push(0);
    assert_eq!(compact_lookup(&proof), None);
    assert_eq!(compact_membership(b"nonsense"), None);
    assert_eq!(compact_absence(&[]), None);
    assert_eq!(compact_history(&[0x08]), None);
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_have_this_one_spelling(bytes in prop::collection::vec(any::<u8>(), 0..600), cut in 0..400_usize) {
        let mut near = pair();
        near.truncate(cut);
        near.extend_from_slice(&bytes);
        for bytes in [&bytes, &near] {
            if let Ok(proof) = restore_membership(bytes) {
                prop_assert_eq!(compact_membership(&proof), Some(bytes.clone()));
            }
            if let Ok(proof) = restore_absence(bytes) {
                prop_assert_eq!(compact_absence(&proof), Some(bytes.clone()));
            }
            let _ = (restore_lookup(bytes), restore_history(bytes));
        }
    }
}
