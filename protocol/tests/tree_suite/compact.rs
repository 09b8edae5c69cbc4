//! The compact form: restored, it is akd's exact bytes; it has one spelling; what has no such form travels as it is.

use keyglass_protocol::tree::compact::{
    compact_absence, compact_history, compact_lookup, compact_membership, restore_absence, restore_history,
    restore_lookup, restore_membership,
};
use keyglass_protocol::tree::wire::{Fields, WireError, put_bytes};
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
    let mut fields: Vec<(u32, Vec<u8>)> = Fields::new(&short)
        .map(|f| f.map(|f| (f.number, f.bytes().unwrap().to_vec())).unwrap())
        .collect();
    assert!(fields.iter().any(|(number, _)| *number == 3), "with past markers");
    fields.reverse();
    let mut out = Vec::new();
    fields
        .iter()
        .for_each(|(number, bytes)| put_bytes(&mut out, *number, bytes));
    assert_eq!(restore_history(&out), Err(WireError::Compact));
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
