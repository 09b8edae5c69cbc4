//! Flaws of a history beyond its paths.

use akd_core::HistoryProof;

use super::case::{Ask, Case};
use super::forge::*;
use super::vectors::{Flaw, flaw};

pub fn flaws() -> Vec<Flaw> {
    [order(), updates(), markers()].concat()
}

const EPOCH: u64 = 9;

fn base(epochs: &[u64]) -> (User, Node) {
    let user = User::new("account:user", epochs);
    let tree = Node::honest([user.leaves(), filler(6)].concat());
    (user, tree)
}

fn edited(epochs: &[u64], since: u64, edit: &dyn Fn(&mut HistoryProof)) -> Case {
    let (user, tree) = base(epochs);
    let mut proof = user.history(&tree, since, epochs.len() as u64, EPOCH);
    edit(&mut proof);
    user.history_case(&tree, since, EPOCH)
        .with_proof(history_bytes(&proof))
}

fn order() -> Vec<Flaw> {
    let honest = [1, 3, 5, 6];
    let empty = edited(&honest, 1, &|proof| proof.update_proofs.clear());
    let gap = edited(&honest, 1, &|proof| drop(proof.update_proofs.remove(1)));
    let twice = edited(&honest, 1, &|proof| {
        proof.update_proofs.insert(1, proof.update_proofs[1].clone())
    });
    let rising = edited(&honest, 1, &|proof| proof.update_proofs.reverse());
    let mut later = edited(&honest, 2, &|_| {});
    later.ask = Ask::History { since: 1 };
    let mut earlier = edited(&honest, 1, &|_| {});
    earlier.ask = Ask::History { since: 2 };
    let zero = edited(&honest, 1, &|proof| {
        let mut zero = proof.update_proofs[3].clone();
        zero.version = 0;
        proof.update_proofs.push(zero);
    });
    // All hashes fit: the operator published two versions in one epoch, or backwards.
    let same_epoch = edited(&[1, 5, 5, 6], 1, &|_| {});
    let backwards = edited(&[1, 5, 4, 6], 1, &|_| {});
    let above = edited(&[1, 1, 5, 6], 1, &|_| {});
    let future = edited(&[1, 3, 5, EPOCH + 1], 1, &|_| {});
    vec![
        flaw("history", "history-empty", "no version at all", empty),
        flaw("history", "version-gap", "a version is left out", gap).named("version-left-out"),
        flaw("history", "version-gap", "a version twice", twice).named("version-twice"),
        flaw("history", "version-gap", "oldest first", rising).named("oldest-first"),
        flaw("history", "history-start", "begins later than asked", later).named("begins-later"),
        flaw("history", "history-start", "begins earlier than asked", earlier).named("begins-earlier"),
        flaw("history", "version-zero", "version 0 below version 1", zero),
        flaw("history", "epoch-order", "two versions in one epoch", same_epoch).named("two-in-one-epoch"),
        flaw(
            "history",
            "epoch-order",
            "an older version in a later epoch",
            backwards,
        )
        .named("epochs-fall"),
        flaw("history", "version-above-epoch", "version 2 in epoch 1", above),
        flaw(
            "history",
            "record-epoch-above-head",
            "a version after the head",
            future,
        ),
    ]
}

/// A history in which one version's value is blank, honestly committed as blank.
fn blank(version: usize) -> Case {
    let mut user = User::new("account:user", &[1, 3, 5, 6]);
    user.versions[version - 1].1 = Vec::new();
    let tree = Node::honest([user.leaves(), filler(6)].concat());
    user.history_case(&tree, 1, EPOCH)
}

fn updates() -> Vec<Flaw> {
    let honest = [1, 3, 5, 6];
    let value = edited(&honest, 1, &|proof| proof.update_proofs[2].value.0[0] ^= 1);
    let nonce = edited(&honest, 1, &|proof| {
        proof.update_proofs[2].commitment_nonce.push(0)
    });
    let long = edited(&honest, 1, &|proof| {
        proof.update_proofs[2].value.0.resize(16_385, 1)
    });
    let no_previous = edited(&honest, 1, &|proof| {
        proof.update_proofs[0].previous_version_proof = None;
        proof.update_proofs[0].previous_version_vrf_proof = None;
    });
    let no_vrf = edited(&honest, 1, &|proof| {
        proof.update_proofs[0].previous_version_vrf_proof = None
    });
    let unexpected = edited(&honest, 1, &|proof| {
        proof.update_proofs[3].previous_version_vrf_proof =
            proof.update_proofs[2].previous_version_vrf_proof.clone();
        proof.update_proofs[3].previous_version_proof = proof.update_proofs[2].previous_version_proof.clone();
    });
    let other_previous = edited(&honest, 1, &|proof| {
        proof.update_proofs[0].previous_version_proof = proof.update_proofs[1].previous_version_proof.clone();
    });
    // The leaf that retires version 1 was inserted later than version 2.
    let (user, _) = base(&honest);
    let mut leaves = user.leaves();
    let retired = leaf_label(&user.label, Stale, 1);
    leaves.iter_mut().find(|(label, _)| *label == retired).unwrap().1 = stale_value(4);
    let late_stale = user.history_case(&Node::honest([leaves, filler(6)].concat()), 1, EPOCH);
    vec![
        flaw("history", "blank-value", "the newest value is blank", blank(4)),
        flaw(
            "history",
            "value-mismatch",
            "another value of an old version",
            value,
        ),
        flaw(
            "history",
            "value-too-long",
            "a value longer than any record",
            long,
        ),
        flaw("history", "hash-length", "a nonce of 33 bytes", nonce).named("long-nonce"),
        flaw(
            "history",
            "previous-missing",
            "nothing retires the version before",
            no_previous,
        ),
        flaw(
            "history",
            "previous-missing",
            "the VRF proof of the version before is missing",
            no_vrf,
        )
        .named("previous-vrf-missing"),
        flaw(
            "history",
            "previous-unexpected",
            "version 1 with a version before it",
            unexpected,
        ),
        flaw(
            "history",
            "label-mismatch",
            "the retirement of another version",
            other_previous,
        ),
        flaw(
            "history",
            "stale-mismatch",
            "the version before was retired later",
            late_stale,
        ),
    ]
}

fn markers() -> Vec<Flaw> {
    let honest = [1, 2, 3, 5, 6];
    let past = edited(&honest, 5, &|proof| {
        proof.past_marker_vrf_proofs.pop();
        proof.existence_of_past_marker_proofs.pop();
    });
    let past_one = edited(&honest, 5, &|proof| drop(proof.past_marker_vrf_proofs.pop()));
    let past_other = edited(&honest, 5, &|proof| {
        drop(proof.existence_of_past_marker_proofs.pop())
    });
    let past_wrong = edited(&honest, 5, &|proof| {
        proof.existence_of_past_marker_proofs[0] = proof.update_proofs[0].existence_proof.clone();
    });
    let future = edited(&honest, 1, &|proof| {
        proof.future_marker_vrf_proofs.pop();
        proof.non_existence_of_future_marker_proofs.pop();
    });
    let future_one = edited(&honest, 1, &|proof| drop(proof.future_marker_vrf_proofs.pop()));
    let future_other = edited(&honest, 1, &|proof| {
        drop(proof.non_existence_of_future_marker_proofs.pop())
    });
    let (user, tree) = base(&honest);
    let hidden = user
        .history_case(&tree, 1, EPOCH)
        .with_proof(history_bytes(&user.history(&tree, 1, 4, EPOCH)));
    vec![
        flaw("history", "past-marker-count", "a past marker is missing", past),
        flaw(
            "history",
            "past-marker-count",
            "a past VRF proof is missing",
            past_one,
        )
        .named("past-vrf-missing"),
        flaw(
            "history",
            "past-marker-count",
            "a past proof is missing",
            past_other,
        )
        .named("past-proof-missing"),
        flaw(
            "history",
            "label-mismatch",
            "a past marker of another version",
            past_wrong,
        )
        .named("past-of-another"),
        flaw(
            "history",
            "future-marker-count",
            "a future marker is missing",
            future,
        ),
        flaw(
            "history",
            "future-marker-count",
            "a future VRF proof is missing",
            future_one,
        )
        .named("future-vrf-missing"),
        flaw(
            "history",
            "future-marker-count",
            "a future proof is missing",
            future_other,
        )
        .named("future-proof-missing"),
        flaw(
            "history",
            "child-is-prefix",
            "the newest version is hidden",
            hidden,
        )
        .named("newest-hidden"),
    ]
}
