//! Agreement with akd: what we accept, akd accepts; what akd accepts and we refuse is one of an
//! enumerated list, each entry of which must occur.

use std::collections::BTreeSet;

use super::akd_verdict;
use super::case::{Ask, Case};
use super::honest::World;
use super::message::{Kind, Msg, Val};

/// Reasons that akd does not know, met by mutating honest proofs without knowing any secret.
const AKD_IS_LENIENT: &[&str] = &[
    "bad-direction",
    "bits-past-length",
    "blank-value",
    "label-not-minimal",
    "parent-not-prefix",
    "protobuf-bad-wire-type",
    "protobuf-duplicate-field",
    "protobuf-truncated",
    "protobuf-unknown-field",
    "protobuf-varint-not-minimal",
    "sibling-count",
    "vrf-scalar",
];

fn kind(case: &Case) -> Kind {
    match case.ask {
        Ask::Lookup { .. } => Kind::Lookup,
        Ask::Absence { .. } => Kind::NonMembership,
        Ask::History { .. } => Kind::History,
        Ask::AppendOnly { .. } => Kind::AppendOnly,
        Ask::Vrf => unreachable!("no message"),
    }
}

/// Adds 2^252 + 27742317777372353535851937790883648493 to the scalar of a VRF proof.
fn add_group_order(proof: &mut [u8]) {
    let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
    let mut carry = 0;
    for (byte, add) in proof[48..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
}

/// One changed value in place of a field's value.
fn changed(value: &Val) -> Vec<Val> {
    match value {
        Val::Varint(n) => [n ^ 1, n.wrapping_add(2), 0, n + 16, n + (1 << 32), u64::MAX]
            .map(Val::Varint)
            .to_vec(),
        Val::Message(message) => {
            let mut reversed = message.clone();
            reversed.fields.reverse();
            vec![Val::Varint(1), Val::Message(reversed)]
        }
        Val::Bytes(bytes) => {
            let mut all = vec![Vec::new(), [&bytes[..], &[0]].concat()];
            all.push(bytes.split_last().map_or(vec![1], |(_, rest)| rest.to_vec()));
            for i in [0, bytes.len() / 2, bytes.len().saturating_sub(1)] {
                let mut flipped = bytes.clone();
                if let Some(byte) = flipped.get_mut(i) {
                    *byte ^= 0x10;
                    all.push(flipped);
                }
            }
            if bytes.len() == 80 {
                let mut same = bytes.clone();
                add_group_order(&mut same);
                all.push(same);
            }
            all.into_iter().map(Val::Bytes).collect()
        }
        Val::Raw(_) => Vec::new(),
    }
}

/// Every mutation of one message inside a proof: each field changed, dropped, doubled, swapped.
fn mutations(message: &Msg) -> Vec<Msg> {
    let mut all = Vec::new();
    let mut push = |edit: &dyn Fn(&mut Msg)| {
        let mut copy = message.clone();
        edit(&mut copy);
        all.push(copy);
    };
    push(&|m| m.fields.reverse());
    push(&|m| m.fields.push((15, Val::Varint(1))));
    push(&|m| m.fields.push((15, Val::Raw(vec![0x7d, 1, 2, 3, 4]))));
    for i in 0..message.fields.len() {
        push(&|m| drop(m.fields.remove(i)));
        push(&|m| m.fields.insert(i, m.fields[i].clone()));
        for j in i + 1..message.fields.len().min(i + 4) {
            push(&|m| {
                let (left, right) = m.fields.split_at_mut(j);
                core::mem::swap(&mut left[i].1, &mut right[0].1);
            });
        }
        if let Val::Varint(n) = message.fields[i].1 {
            let raw = vec![(message.fields[i].0 << 3) as u8, 0x80 | (n & 0x7f) as u8, 0x00];
            if n < 128 {
                push(&|m| m.fields[i].1 = Val::Raw(raw.clone()));
            }
        }
        for value in changed(&message.fields[i].1) {
            push(&|m| m.fields[i].1 = value.clone());
        }
    }
    all
}

#[derive(Default)]
struct Tally {
    compared: usize,
    accepted: usize,
    exceptions: BTreeSet<&'static str>,
}

impl Tally {
    fn compare(&mut self, case: &Case) {
        let (ours, theirs) = (case.verify(), akd_verdict::accepts(case));
        self.compared += 1;
        match ours {
            Ok(()) => {
                assert!(theirs, "we accept what akd refuses: {case:?}");
                self.accepted += 1;
            }
            Err(error) if theirs => {
                let reason = error.reason();
                assert!(
                    AKD_IS_LENIENT.contains(&reason),
                    "akd accepts, we say {reason}: {case:?}"
                );
                self.exceptions.insert(reason);
            }
            Err(_) => {}
        }
    }

    /// Every `nth` structural mutation of a case, and byte flips.
    fn mutate(&mut self, case: &Case, nth: usize) {
        let whole = Msg::parse(kind(case), &case.proof);
        assert_eq!(whole.encode(), case.proof, "akd's own encoding is what we write");
        let mut count = 0;
        for address in whole.addresses() {
            for mutated in mutations(whole.clone().at(&address)) {
                count += 1;
                if count % nth == 0 {
                    let mut copy = whole.clone();
                    *copy.at(&address) = mutated;
                    self.compare(&case.with_proof(copy.encode()));
                }
            }
        }
        for i in (0..case.proof.len()).step_by(case.proof.len() / 150 + 1) {
            let mut bytes = case.proof.clone();
            bytes[i] ^= 1 << (i % 8);
            self.compare(&case.with_proof(bytes));
            self.compare(&case.with_proof(case.proof[..i].to_vec()));
        }
    }
}

fn honest_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (versions, others) in [(1, 0), (1, 1), (2, 3), (5, 40), (19, 120)] {
        let world = World::busy(versions, others);
        let busy = "account:busy";
        cases.push(world.lookup(busy));
        for since in 1..=versions {
            cases.push(world.history(busy, since, versions));
        }
        for i in 0..others {
            let label = format!("account:{i}");
            cases.push(world.lookup(&label));
        }
        for i in 0..10 {
            cases.push(world.absence(&format!("account:absent{i}")));
        }
        cases.extend(world.audits.clone());
        cases.extend((1..=world.epoch()).map(|epoch| world.audit(epoch)));
    }
    cases
}

#[test]
fn honest_proofs_of_akd_verify() {
    let cases = honest_cases();
    assert!(cases.len() > 250, "{}", cases.len());
    for case in &cases {
        assert_eq!(case.verify(), Ok(()), "{case:?}");
        assert!(akd_verdict::accepts(case), "{case:?}");
    }
}

#[test]
fn mutated_proofs_get_the_same_verdict_but_for_the_list() {
    let mut tally = Tally::default();
    for (versions, others, nth) in [(1, 0, 1), (3, 5, 1), (7, 30, 5)] {
        let world = World::busy(versions, others);
        let busy = "account:busy";
        tally.mutate(&world.lookup(busy), nth);
        tally.mutate(&world.history(busy, 1, versions), 3 * nth);
        tally.mutate(&world.history(busy, versions, versions), nth);
        tally.mutate(&world.absence("account:nobody"), 1);
        tally.mutate(world.audits.last().unwrap(), nth);
    }
    let used: Vec<_> = tally.exceptions.into_iter().collect();
    assert_eq!(used, AKD_IS_LENIENT, "each exception must occur");
    assert!(tally.compared > 5_000, "{}", tally.compared);
    assert!(tally.accepted > 50, "{}", tally.accepted);
}
