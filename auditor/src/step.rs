//! One step of the tree, verified twice: by our own fold, and by akd's general-purpose tree.
//!
//! Ours decides and is strict. akd's is older and looser, and shares no code with ours; if the two disagree,
//! at least one of them has a mistake and nothing is signed until a person has looked.

use std::sync::Arc;

use akd::WhatsAppV1Configuration;
use akd::local_auditing::{AuditBlob, AuditBlobName};
use akd::{AppendOnlyProof, auditor::audit_verify};
use keyglass_protocol::quantity::{Epoch, RootHash};
use keyglass_protocol::tree::{TreeError, verify_append_only};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

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
        spawn_blocking(move || verify_append_only(&proof, step.epoch, &step.previous, &step.root))
    };
    let akd = second.then(|| {
        let runtime = Handle::current();
        spawn_blocking(move || runtime.block_on(akd_verifies(&proof, step)))
    });
    let appended = ours.await.map_err(|e| StepError::Broken(e.to_string()))??;
    if let Some(akd) = akd {
        akd.await
            .map_err(|e| StepError::Broken(e.to_string()))?
            .map_err(StepError::SecondOpinion)?;
    }
    Ok(appended.inserted())
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
