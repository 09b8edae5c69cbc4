//! Many steps of the tree, fetched and verified side by side, judged strictly in order.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::tree::MAX_AUDIT_PROOF_BYTES;
use tokio::task::JoinSet;

use crate::source::{self, EpochSource, Trouble};
use crate::step::{self, StepError, Transition, verify_step};

/// Memory for audit proofs and their verification, in bytes, unless a setting says otherwise.
pub const DEFAULT_MEMORY: u64 = 1 << 30;

/// How much is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most steps that are under way. One per core is enough when the directory is near.
    pub steps: NonZeroUsize,
    /// Most bytes of memory for audit proofs and their verification ([`step::memory`]). A proof that needs more is
    /// verified alone; the settings see to it that none does ([`Limits::least_memory`]).
    pub memory: u64,
    /// Longest proof that akd's verifier sees too, in bytes.
    pub second_opinion_max: u64,
}

impl Limits {
    /// Two steps per core, so that one is fetched while another is verified, and [`DEFAULT_MEMORY`].
    #[must_use]
    pub fn for_this_machine(second_opinion_max: u64) -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            steps: cores.saturating_mul(NonZeroUsize::MIN.saturating_add(1)),
            memory: DEFAULT_MEMORY,
            second_opinion_max,
        }
    }

    /// What any single proof that is allowed may need, in bytes.
    #[must_use]
    pub fn least_memory(second_opinion_max: u64) -> u64 {
        let longest = u64::try_from(MAX_AUDIT_PROOF_BYTES).unwrap_or(u64::MAX);
        let both = longest.min(second_opinion_max);
        step::memory(longest, second_opinion_max).max(step::memory(both, second_opinion_max))
    }
}

/// Why a step is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadStep {
    /// Missing or damaged; proves nothing.
    Trouble(Trouble),
    /// The leaf states another number of inserted leaves than the proof has.
    InsertedCount(Arc<Vec<u8>>),
    /// The proof that the leaf states is not accepted.
    Refused(StepError, Arc<Vec<u8>>),
}

/// Verifies the steps into the epochs of `leaves`, which follow each other and of which none is epoch 0. Calls
/// `done` for every good one, in order; answers the leaf and the flaw of the first that is not good.
///
/// # Errors
/// The first bad step in order, however early a later one was found.
pub async fn verify_steps(
    source: &Arc<dyn EpochSource>,
    leaves: &[Leaf],
    limits: Limits,
    mut done: impl FnMut(&Leaf, Duration),
) -> Result<(), (Leaf, BadStep)> {
    let mut under_way: JoinSet<(usize, Result<Duration, BadStep>)> = JoinSet::new();
    let mut finished = BTreeMap::new();
    let (mut begun, mut judged, mut held) = (0, 0, 0_u64);
    while let Some(next) = leaves.get(judged) {
        while let Some(leaf) = leaves.get(begun) {
            let needed = step::memory(leaf.audit_length, limits.second_opinion_max);
            let room = held == 0 || held.saturating_add(needed) <= limits.memory;
            if under_way.len() >= limits.steps.get() || !room {
                break;
            }
            held = held.saturating_add(needed);
            let (source, leaf, position) = (Arc::clone(source), *leaf, begun);
            let second_opinion_max = limits.second_opinion_max;
            under_way.spawn(async move { (position, one(&*source, &leaf, second_opinion_max).await) });
            begun += 1;
        }
        if let Some(result) = finished.remove(&judged) {
            match result {
                Ok(elapsed) => done(next, elapsed),
                // What is under way behind it is of no use any more; dropping the set ends it.
                Err(bad) => return Err((*next, bad)),
            }
            judged += 1;
        } else if let Some(ended) = under_way.join_next().await {
            match ended {
                Ok((position, result)) => {
                    let needed = |leaf: &Leaf| step::memory(leaf.audit_length, limits.second_opinion_max);
                    held = held.saturating_sub(leaves.get(position).map_or(0, needed));
                    finished.insert(position, result);
                }
                Err(error) => {
                    let broken = StepError::Broken(error.to_string());
                    return Err((*next, BadStep::Refused(broken, Arc::default())));
                }
            }
        }
    }
    Ok(())
}

/// Fetches and verifies one step; answers how long the verification took.
async fn one(source: &dyn EpochSource, leaf: &Leaf, second_opinion_max: u64) -> Result<Duration, BadStep> {
    let proof = source::audit_proof(source, leaf).await;
    let proof = Arc::new(proof.map_err(BadStep::Trouble)?);
    let step = Transition {
        epoch: leaf.epoch,
        previous: leaf.previous_root,
        root: leaf.root,
    };
    let started = Instant::now();
    match verify_step(Arc::clone(&proof), step, second_opinion_max).await {
        Ok(inserted) if inserted == leaf.inserted => Ok(started.elapsed()),
        Ok(_) => Err(BadStep::InsertedCount(proof)),
        Err(error) => Err(BadStep::Refused(error, proof)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_proof_that_is_allowed_has_room() {
        let longest = u64::try_from(MAX_AUDIT_PROOF_BYTES).unwrap_or(u64::MAX);
        for second_opinion_max in [0, 1, 16 << 20, longest, u64::MAX] {
            let least = Limits::least_memory(second_opinion_max);
            for length in [0, 1, 16 << 20, (16 << 20) + 1, longest] {
                assert!(
                    step::memory(length, second_opinion_max) <= least,
                    "{length} {second_opinion_max}"
                );
            }
        }
        assert!(Limits::least_memory(16 << 20) <= DEFAULT_MEMORY);
    }
}
