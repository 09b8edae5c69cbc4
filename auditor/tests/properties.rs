//! Random publish sequences: what is honest is accepted, any single change is refused, and akd agrees but for what is
//! enumerated here.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use akd::local_auditing::{AuditBlob, AuditBlobName};
use akd::{AppendOnlyProof, AzksValue, SingleAppendOnlyProof, WhatsAppV1Configuration};
use keyglass_auditor::step::{Transition, verify_step};
use keyglass_protocol::quantity::{Epoch, RootHash};
use keyglass_protocol::tree::verify_append_only;
use keyglass_testkit::audited::{Staged, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

/// What akd's verifier lets through and ours refuses, by our reason.
const AKD_IS_LOOSER: &[&str] = &[
    // A step that adds nothing, from a root to itself.
    "nothing-inserted",
];

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..Config::default()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Which labels change in which epoch.
fn sequences() -> impl Strategy<Value = Vec<BTreeSet<u8>>> {
    proptest::collection::vec(proptest::collection::btree_set(0_u8..40, 1..16), 1..6)
}

async fn publish(sequence: &[BTreeSet<u8>]) -> Vec<Staged> {
    let mut world = World::new().await;
    let mut steps = Vec::new();
    for (turn, labels) in sequence.iter().enumerate() {
        let updates = labels
            .iter()
            .map(|label| (format!("account:{label}"), vec![turn as u8 + 1; 20]));
        let staged = world.stage_updates(updates.collect()).await;
        world.put(&staged);
        steps.push(staged);
    }
    steps
}

fn transition(staged: &Staged) -> Transition {
    Transition {
        epoch: staged.leaf.epoch,
        previous: staged.leaf.previous_root,
        root: staged.leaf.root,
    }
}

fn ours(proof: &[u8], step: Transition) -> Result<u64, &'static str> {
    verify_append_only(proof, step.epoch, &step.previous, &step.root)
        .map(|appended| appended.inserted())
        .map_err(|broken| broken.reason())
}

/// akd's own answer; a panic of it is a refusal.
async fn akd_accepts(proof: Vec<u8>, step: Transition) -> bool {
    let verified = tokio::spawn(async move {
        let start = step.epoch.previous()?.get();
        let (previous, root) = (*step.previous.as_bytes(), *step.root.as_bytes());
        let name = AuditBlobName {
            epoch: start,
            previous_hash: previous,
            current_hash: root,
        };
        let (_, _, _, single) = AuditBlob { name, data: proof }.decode().ok()?;
        let proof = AppendOnlyProof {
            proofs: vec![single],
            epochs: vec![start],
        };
        akd::auditor::audit_verify::<WhatsAppV1Configuration>(vec![previous, root], proof)
            .await
            .ok()
    });
    matches!(verified.await, Ok(Some(())))
}

/// A change of the proof as akd sees it.
#[derive(Debug, Clone)]
enum Change {
    DropInserted(usize),
    DropUnchanged(usize),
    RepeatInserted(usize),
    RepeatUnchanged(usize),
    ValueOfInserted(usize, u8),
    ValueOfUnchanged(usize, u8),
    LabelBit(usize, u16),
    LabelLength(usize, u16),
    Promote(usize),
    Demote(usize),
    SwapValues(usize, usize),
    Reverse,
    ClearInserted,
}

fn changes() -> impl Strategy<Value = Change> {
    let at = 0_usize..64;
    prop_oneof![
        at.clone().prop_map(Change::DropInserted),
        at.clone().prop_map(Change::DropUnchanged),
        at.clone().prop_map(Change::RepeatInserted),
        at.clone().prop_map(Change::RepeatUnchanged),
        (at.clone(), 0_u8..=255).prop_map(|(i, bit)| Change::ValueOfInserted(i, bit)),
        (at.clone(), 0_u8..=255).prop_map(|(i, bit)| Change::ValueOfUnchanged(i, bit)),
        (at.clone(), 0_u16..256).prop_map(|(i, bit)| Change::LabelBit(i, bit)),
        (at.clone(), 0_u16..300).prop_map(|(i, length)| Change::LabelLength(i, length)),
        at.clone().prop_map(Change::Promote),
        at.clone().prop_map(Change::Demote),
        (at.clone(), at).prop_map(|(i, j)| Change::SwapValues(i, j)),
        Just(Change::Reverse),
        Just(Change::ClearInserted),
    ]
}

fn flip(value: &mut AzksValue, bit: u8) {
    value.0[usize::from(bit) / 8] ^= 1 << (bit % 8);
}

fn apply(change: &Change, proof: &mut SingleAppendOnlyProof) {
    let (new, old) = (proof.inserted.len(), proof.unchanged_nodes.len());
    let all = new + old;
    match *change {
        Change::DropInserted(i) => drop(proof.inserted.remove(i % new)),
        Change::RepeatInserted(i) => proof.inserted.push(proof.inserted[i % new]),
        Change::ValueOfInserted(i, bit) => flip(&mut proof.inserted[i % new].value, bit),
        Change::Demote(i) => proof.unchanged_nodes.push(proof.inserted.remove(i % new)),
        Change::SwapValues(i, j) => {
            let value = proof.inserted[i % new].value;
            proof.inserted[i % new].value = proof.inserted[j % new].value;
            proof.inserted[j % new].value = value;
        }
        Change::LabelBit(i, bit) => {
            let (byte, mask) = (usize::from(bit) / 8, 0x80 >> (bit % 8));
            let at = i % all;
            let element = if at < new {
                &mut proof.inserted[at]
            } else {
                &mut proof.unchanged_nodes[at - new]
            };
            element.label.label_val[byte] ^= mask;
        }
        Change::LabelLength(i, length) => {
            let at = i % all;
            let element = if at < new {
                &mut proof.inserted[at]
            } else {
                &mut proof.unchanged_nodes[at - new]
            };
            element.label.label_len = u32::from(length);
        }
        Change::Reverse => {
            proof.inserted.reverse();
            proof.unchanged_nodes.reverse();
        }
        Change::ClearInserted => proof.inserted.clear(),
        Change::DropUnchanged(i) if old > 0 => drop(proof.unchanged_nodes.remove(i % old)),
        Change::RepeatUnchanged(i) if old > 0 => proof.unchanged_nodes.push(proof.unchanged_nodes[i % old]),
        Change::ValueOfUnchanged(i, bit) if old > 0 => flip(&mut proof.unchanged_nodes[i % old].value, bit),
        Change::Promote(i) if old > 0 => proof.inserted.push(proof.unchanged_nodes.remove(i % old)),
        _ => {}
    }
}

/// Both verifiers say the same, or it is an enumerated case.
async fn agree(proof: &[u8], step: Transition, what: &dyn core::fmt::Debug) -> Result<(), TestCaseError> {
    let (mine, theirs) = (ours(proof, step), akd_accepts(proof.to_vec(), step).await);
    match mine {
        Ok(_) => prop_assert!(theirs, "only ours accepts: {what:?}"),
        Err(reason) => prop_assert!(
            !theirs || AKD_IS_LOOSER.contains(&reason),
            "only akd accepts, ours says {reason}: {what:?}"
        ),
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn honest_steps_are_accepted_by_both(sequence in sequences()) {
        runtime().block_on(async {
            for staged in publish(&sequence).await {
                let inserted = verify_step(Arc::new(staged.proof.clone()), transition(&staged), u64::MAX).await;
                prop_assert_eq!(inserted, Ok(staged.leaf.inserted));
            }
            Ok(())
        })?;
    }

    #[test]
    fn any_single_bit_counts(sequence in sequences(), bits in proptest::collection::vec(any::<proptest::sample::Index>(), 60)) {
        runtime().block_on(async {
            for staged in publish(&sequence).await {
                let step = transition(&staged);
                for bit in &bits {
                    let mut proof = staged.proof.clone();
                    let at = bit.index(proof.len() * 8);
                    proof[at / 8] ^= 1 << (at % 8);
                    prop_assert!(ours(&proof, step).is_err(), "bit {} of the proof", at);
                    let at = bit.index(256);
                    let flipped = |root: &RootHash| {
                        let mut bytes = *root.as_bytes();
                        bytes[at / 8] ^= 1 << (at % 8);
                        RootHash::new(bytes)
                    };
                    let other = Transition { root: flipped(&step.root), ..step };
                    prop_assert_eq!(ours(&staged.proof, other), Err("root-mismatch"));
                    let other = Transition { previous: flipped(&step.previous), ..step };
                    prop_assert_eq!(ours(&staged.proof, other), Err("previous-root-mismatch"));
                }
                for epoch in [step.epoch.next().unwrap(), Epoch::new(step.epoch.get() + 40)] {
                    prop_assert_eq!(ours(&staged.proof, Transition { epoch, ..step }), Err("root-mismatch"));
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn both_verifiers_agree(sequence in sequences(), changes in proptest::collection::vec(changes(), 24)) {
        runtime().block_on(async {
            for staged in publish(&sequence).await {
                let step = transition(&staged);
                for change in &changes {
                    let mut changed = staged.clone();
                    changed.edit(|proof| apply(change, proof));
                    if changed.proof != staged.proof && !matches!(change, Change::Reverse) {
                        prop_assert!(
                            ours(&changed.proof, step).is_err() || same_elements(&changed, &staged),
                            "accepted: {:?}", change
                        );
                    }
                    agree(&changed.proof, step, change).await?;
                }
            }
            Ok(())
        })?;
    }
}

/// The same leaves and subtrees, perhaps in another order.
fn same_elements(a: &Staged, b: &Staged) -> bool {
    let sorted = |staged: &Staged| {
        let mut staged = staged.clone();
        let mut out = (Vec::new(), Vec::new());
        staged.edit(|proof| {
            let key = |e: &akd::AzksElement| (e.label.label_val, e.label.label_len, e.value.0);
            out = (
                proof.inserted.iter().map(key).collect(),
                proof.unchanged_nodes.iter().map(key).collect(),
            );
        });
        out.0.sort_unstable();
        out.1.sort_unstable();
        out
    };
    sorted(a) == sorted(b)
}

/// The only enumerated case is a real one.
#[test]
fn a_step_that_adds_nothing_is_the_difference() {
    runtime().block_on(async {
        let steps = publish(&[BTreeSet::from([1, 2, 3]), BTreeSet::from([4])]).await;
        let mut nothing = steps[1].clone();
        nothing.edit(|proof| proof.inserted.clear());
        let step = Transition {
            root: nothing.leaf.previous_root,
            ..transition(&nothing)
        };
        assert_eq!(ours(&nothing.proof, step), Err("nothing-inserted"));
        assert!(akd_accepts(nothing.proof, step).await);
    });
}
