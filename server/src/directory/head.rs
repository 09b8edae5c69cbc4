//! Where readers stand: one signed, cosigned epoch, replaced as a whole.

use std::sync::{Arc, PoisonError, RwLock};

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log;
use keyglass_protocol::message::{B64, EpochProof};
use keyglass_protocol::quantity::{Epoch, LogHash, LogSize};
use keyglass_schema::Store;

use super::LookupError;
use super::ProofSource;
use super::prover::Prover;
use super::served::{Answers, answers};

/// The epoch that readers are answered from.
pub struct Head {
    /// Size of the log.
    pub size: LogSize,
    /// The signed note with all cosignatures and the heartbeat.
    pub checkpoint: String,
    /// The last leaf.
    pub leaf: Leaf,
    /// The last leaf with its inclusion proof.
    pub epoch: EpochProof,
    /// Makes proofs at this epoch.
    pub prover: Arc<Prover>,
    /// Answers that were given at this head. They go with it.
    pub(super) answers: Answers,
    pub(super) answer_bytes: u64,
}

impl Head {
    /// Reads everything about the log of `size` that readers need.
    ///
    /// # Errors
    /// [`LookupError`] if the store lacks any of it or the tree does not have the signed root.
    pub async fn load(source: &ProofSource, size: LogSize, note: &[u8]) -> Result<Self, LookupError> {
        let epoch = size.last_epoch().ok_or(LookupError::Unavailable)?;
        let store = source.store.clone();
        let (leaf, proof) = super::blocking(move || leaf_with_proof(&store, epoch, size)).await?;
        let prover = Prover::new(source, epoch, leaf.root).await?;
        Ok(Self {
            size,
            checkpoint: text(note)?,
            leaf,
            epoch: proof,
            prover: Arc::new(prover),
            answers: answers(source.answer_bytes),
            answer_bytes: source.answer_bytes,
        })
    }

    /// The same epoch under a note with fresher cosignatures.
    ///
    /// # Errors
    /// [`LookupError::Damaged`] if the note is no text.
    pub fn with_note(&self, note: &[u8]) -> Result<Self, LookupError> {
        Ok(Self {
            size: self.size,
            checkpoint: text(note)?,
            leaf: self.leaf,
            epoch: self.epoch.clone(),
            prover: Arc::clone(&self.prover),
            answers: answers(self.answer_bytes),
            answer_bytes: self.answer_bytes,
        })
    }
}

fn text(note: &[u8]) -> Result<String, LookupError> {
    String::from_utf8(note.to_vec()).map_err(|_| LookupError::Damaged("the checkpoint is not text"))
}

/// A leaf with its inclusion proof in the log of `size`. Blocking.
pub(super) fn leaf_with_proof(
    store: &Store,
    epoch: Epoch,
    size: LogSize,
) -> Result<(Leaf, EpochProof), LookupError> {
    let leaf = store
        .leaf(epoch)?
        .ok_or(LookupError::Damaged("a leaf is missing"))?;
    let hashes = log::inclusion_proof(store, epoch.get(), size)?;
    let proof = EpochProof {
        index: epoch.get(),
        leaf: B64(leaf.encode()),
        inclusion_proof: encode(&hashes),
    };
    Ok((leaf, proof))
}

pub(super) fn encode(hashes: &[LogHash]) -> Vec<B64> {
    hashes.iter().map(|h| B64(h.as_bytes().to_vec())).collect()
}

/// The cell that the publisher writes and every reader looks at. Cheap to clone.
#[derive(Clone, Default)]
pub struct HeadCell(Arc<RwLock<Option<Arc<Head>>>>);

impl HeadCell {
    /// Where readers stand now; `None` before the first epoch is complete.
    pub fn get(&self) -> Option<Arc<Head>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves the readers. Never to a smaller size.
    pub fn set(&self, head: Head) {
        let mut cell = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if cell.as_ref().is_none_or(|current| current.size <= head.size) {
            *cell = Some(Arc::new(head));
        }
    }
}
