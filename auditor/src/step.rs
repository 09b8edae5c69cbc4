//! One step of the tree, verified twice: by our own fold, and by akd's general-purpose tree.
//!
//! Ours decides and is strict. akd's is older and looser, and shares no code with ours; if the two disagree,
//! at least one of them has a mistake and nothing is signed until a person has looked.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use akd::WhatsAppV1Configuration;
use akd::local_auditing::{AuditBlob, AuditBlobName};
use akd::{AppendOnlyProof, auditor::audit_verify};
use keyglass_protocol::quantity::{Epoch, RootHash};
use keyglass_protocol::tree::{Appended, StepPart, TreeError, Work, verify_append_only_in_parts};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// Proofs from this length on (about 4,000 nodes) are verified on all cores: shorter ones gain less than threads cost.
const SPLIT_FROM: usize = 256 << 10;

/// Room for what does not depend on the proof: the batches of hashes of each part.
const OWN_MEMORY: u64 = 4 << 20;

/// The claim that an audit proof is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The epoch that the step leads INTO.
    pub epoch: Epoch,
    /// akd root before.
    pub previous: RootHash,
    /// akd root after.
    pub root: RootHash,
}

/// Bytes of memory that verifying a proof of `length` bytes takes at most, the proof included. Measured: 3.3 times the
/// proof for ours however it is split (docs/performance.md), and 8 to 12 times for akd's.
#[must_use]
pub fn memory(length: u64, second_opinion_max: u64) -> u64 {
    let ours = length.saturating_mul(4).saturating_add(OWN_MEMORY);
    let akd = if length <= second_opinion_max {
        length.saturating_mul(12)
    } else {
        0
    };
    ours.saturating_add(akd)
}

/// Why a step is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StepError {
    /// The step is not append-only, or the proof does not show that it is.
    #[error("not append-only: {0}")]
    NotAppendOnly(#[from] TreeError),
    /// Our verifier accepts, akd's does not.
    #[error("the second verifier refuses what ours accepts: {0}")]
    SecondOpinion(String),
    /// The program failed, not the proof.
    #[error("the verification was broken off: {0}")]
    Broken(String),
}

impl StepError {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotAppendOnly(e) => e.reason(),
            Self::SecondOpinion(_) => "verifiers-disagree",
            Self::Broken(_) => "internal",
        }
    }
}

/// Verifies that `proof` shows an append-only step; answers how many leaves were inserted.
///
/// Proofs of more than `second_opinion_max` bytes are verified by our verifier only: akd's needs many times their
/// size in memory. Both run at once, on threads for blocking work.
///
/// # Errors
/// [`StepError`].
pub async fn verify_step(
    proof: Arc<Vec<u8>>,
    step: Transition,
    second_opinion_max: u64,
) -> Result<u64, StepError> {
    let second = u64::try_from(proof.len()).is_ok_and(|length| length <= second_opinion_max);
    let ours = {
        let proof = Arc::clone(&proof);
        spawn_blocking(move || we_verify(&proof, step))
    };
    let akd = second.then(|| {
        let runtime = Handle::current();
        spawn_blocking(move || runtime.block_on(akd_verifies(&proof, step)))
    });
    let appended = ours.await.map_err(|e| StepError::Broken(e.to_string()))??;
    let akd = match akd {
        Some(akd) => Some(akd.await.map_err(|e| StepError::Broken(e.to_string()))?),
        None => None,
    };
    judge(&appended, akd)
}

/// What our verifier accepts is good, unless akd's was asked and refuses.
fn judge(appended: &Appended, akd: Option<Result<(), String>>) -> Result<u64, StepError> {
    match akd {
        Some(Err(error)) => Err(StepError::SecondOpinion(error)),
        _ => Ok(appended.inserted()),
    }
}

/// Our verifier, a long proof on all cores. The verdict does not depend on how many threads there are.
fn we_verify(proof: &[u8], step: Transition) -> Result<Appended, TreeError> {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let work = Work {
        parts: if proof.len() < SPLIT_FROM {
            NonZeroUsize::MIN
        } else {
            cores
        },
        ..Work::default()
    };
    verify_append_only_in_parts(proof, step.epoch, &step.previous, &step.root, work, on_threads)
}

/// The first part here, the others on threads of their own.
fn on_threads(parts: &mut [StepPart<'_>]) {
    let Some((first, others)) = parts.split_first_mut() else {
        return;
    };
    thread::scope(|scope| {
        for part in others {
            // Without a thread for it, the part is folded by whoever asked for it.
            let started = thread::Builder::new().spawn_scoped(scope, || part.work());
            if let Err(error) = started {
                tracing::debug!(%error, "no thread for a part of a step");
            }
        }
        first.work();
    });
}

async fn akd_verifies(proof: &[u8], step: Transition) -> Result<(), String> {
    let start = step
        .epoch
        .previous()
        .ok_or_else(|| "epoch 0 has no step".to_owned())?
        .get();
    let (previous, root) = (*step.previous.as_bytes(), *step.root.as_bytes());
    // akd names a step by the epoch that it starts from.
    let name = AuditBlobName {
        epoch: start,
        previous_hash: previous,
        current_hash: root,
    };
    let blob = AuditBlob {
        name,
        data: proof.to_vec(),
    };
    let (_, _, _, single) = blob.decode().map_err(|e| format!("{e:?}"))?;
    let proof = AppendOnlyProof {
        proofs: vec![single],
        epochs: vec![start],
    };
    audit_verify::<WhatsAppV1Configuration>(vec![previous, root], proof)
        .await
        .map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use keyglass_protocol::tree::wire::{put_bytes, put_varint};
    use keyglass_protocol::tree::{Hashing, empty_root};
    use sha2::{Digest as _, Sha256};

    /// A step that inserts leaves with hashes for labels into the empty tree; akd tells the root.
    async fn step(leaves: u32) -> (Vec<u8>, Transition) {
        let mut proof = Vec::new();
        let mut inserted = Vec::new();
        for i in 0..leaves {
            let mut label: [u8; 32] = Sha256::digest(i.to_be_bytes()).into();
            // The last byte is written, whatever it is.
            *label.last_mut().unwrap() |= 1;
            let (mut name, mut node) = (Vec::new(), Vec::new());
            put_bytes(&mut name, 1, &label);
            put_varint(&mut name, 2, 256);
            put_bytes(&mut node, 1, &name);
            put_bytes(&mut node, 2, &[7; 32]);
            put_bytes(&mut proof, 1, &node);
            let label = akd::NodeLabel::new(label, 256);
            let value = akd::AzksValue([7; 32]);
            inserted.push(akd::AzksElement { label, value });
        }
        let root = akd_root(inserted).await;
        let step = Transition {
            epoch: Epoch::new(1),
            previous: empty_root(),
            root: RootHash::new(root),
        };
        (proof, step)
    }

    async fn akd_root(leaves: Vec<akd::AzksElement>) -> [u8; 32] {
        use akd::append_only_zks::InsertMode;
        let storage =
            akd::storage::StorageManager::new_no_cache(akd::storage::memory::AsyncInMemoryDatabase::new());
        let mut tree = akd::Azks::new::<WhatsAppV1Configuration, _>(&storage)
            .await
            .unwrap();
        let parallelism = akd::AzksParallelismConfig::default();
        tree.batch_insert_nodes::<WhatsAppV1Configuration, _>(
            &storage,
            leaves,
            InsertMode::Directory,
            parallelism,
        )
        .await
        .unwrap();
        tree.get_root_hash::<WhatsAppV1Configuration, _>(&storage)
            .await
            .unwrap()
    }

    /// No proof is known that ours accepts and akd's refuses.
    #[tokio::test]
    async fn a_second_opinion_that_differs_refuses() {
        let (proof, step) = step(3).await;
        let appended = we_verify(&proof, step).unwrap();
        assert_eq!(judge(&appended, None), Ok(3));
        assert_eq!(judge(&appended, Some(akd_verifies(&proof, step).await)), Ok(3));
        let other = Transition {
            root: empty_root(),
            ..step
        };
        let opinion = akd_verifies(&proof, other).await;
        let refused = judge(&appended, Some(opinion)).unwrap_err();
        assert_eq!(refused.reason(), "verifiers-disagree");
    }

    /// Long enough to be split; both verifiers see it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_proof_is_verified_in_parts() {
        let (proof, step) = step(4_000).await;
        assert!(proof.len() >= SPLIT_FROM);
        let proof = Arc::new(proof);
        assert_eq!(verify_step(Arc::clone(&proof), step, u64::MAX).await, Ok(4_000));
        let other = Transition {
            root: empty_root(),
            ..step
        };
        let refused = StepError::NotAppendOnly(TreeError::RootMismatch);
        assert_eq!(verify_step(Arc::clone(&proof), other, 0).await, Err(refused));
        for hashing in [Hashing::OneByOne, Hashing::ManyAtOnce] {
            let parts = NonZeroUsize::new(5).unwrap();
            let work = Work { parts, hashing };
            let verdict =
                verify_append_only_in_parts(&proof, step.epoch, &step.previous, &step.root, work, on_threads);
            assert_eq!(verdict.unwrap().inserted(), 4_000);
        }
    }
}
