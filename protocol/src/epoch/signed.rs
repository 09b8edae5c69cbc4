//! From the bytes of an answer to an epoch that may be believed.

use thiserror::Error;

use super::leaf::{Leaf, LeafError};
use super::standing::Standing;
use super::trust::Trust;
use crate::error::FormatError;
use crate::log::{self, LogError};
use crate::message::{Answer, B64, EpochProof};
use crate::note::{NoteError, SignedCheckpoint};
use crate::quantity::{ConfigHash, Epoch, LogHash, LogSize, Millis, RootHash};

/// A checkpoint with its last leaf, as received. Nothing is verified.
#[derive(Debug, Clone)]
pub struct SignedEpoch<'a> {
    /// The signed note.
    pub checkpoint: &'a [u8],
    /// Claimed index of the leaf.
    pub index: u64,
    /// The leaf's 164 bytes.
    pub leaf: &'a [u8],
    /// RFC 6962 inclusion proof of the leaf in the checkpoint.
    pub inclusion_proof: Vec<LogHash>,
}

/// An epoch whose checkpoint carries the log's signature and whose leaf is the last one of that checkpoint,
/// under the pinned configuration. Only [`SignedEpoch::verify`] makes one.
///
/// Who else vouches for it is its [`Standing`], which must be checked before anything is called verified.
#[derive(Debug, Clone)]
pub struct VerifiedEpoch {
    checkpoint: SignedCheckpoint,
    leaf: Leaf,
    standing: Standing,
}

/// Why a signed epoch is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EpochError {
    /// Something in it is malformed.
    #[error("malformed: {0}")]
    Format(#[from] FormatError),
    /// The checkpoint's note, or a signature on it.
    #[error("checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The leaf's bytes.
    #[error("leaf: {0}")]
    Leaf(#[from] LeafError),
    /// The leaf's inclusion proof.
    #[error("inclusion proof of the leaf: {0}")]
    Inclusion(LogError),
    /// The checkpoint is of the empty log and proves nothing.
    #[error("the checkpoint is of an empty log")]
    EmptyLog,
    /// The leaf is not the last one of the checkpoint: an older state is passed off as the newest.
    #[error("leaf {found} is not the last leaf {expected} of the checkpoint")]
    NotLastLeaf {
        /// Index of the last leaf.
        expected: u64,
        /// Claimed index.
        found: u64,
    },
    /// The leaf states another epoch than its index.
    #[error("the leaf at index {index} states epoch {stated}")]
    EpochNotIndex {
        /// Index of the leaf.
        index: u64,
        /// Epoch in its bytes.
        stated: u64,
    },
    /// The leaf names another configuration document than the pinned one.
    #[error("the leaf names configuration {found}, pinned is {pinned}")]
    ConfigurationChanged {
        /// Hash of the pinned document.
        pinned: ConfigHash,
        /// Hash in the leaf.
        found: ConfigHash,
    },
}

impl EpochError {
    /// Stable kebab-case name of the broken rule.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Format(e) => e.reason(),
            Self::Note(e) => e.reason(),
            Self::Leaf(e) => e.reason(),
            Self::Inclusion(_) => "leaf-not-included",
            Self::EmptyLog => "empty-log",
            Self::NotLastLeaf { .. } => "not-last-leaf",
            Self::EpochNotIndex { .. } => "epoch-not-index",
            Self::ConfigurationChanged { .. } => "configuration-changed",
        }
    }
}

impl<'a> SignedEpoch<'a> {
    /// The signed epoch of an answer.
    ///
    /// # Errors
    /// [`FormatError`] if a hash of the inclusion proof is not 32 bytes.
    pub fn of_answer(answer: &'a Answer) -> Result<Self, FormatError> {
        Self::new(answer.checkpoint.as_bytes(), &answer.epoch)
    }

    /// From a checkpoint's note and the proof of its last leaf.
    ///
    /// # Errors
    /// [`FormatError`] if a hash of the inclusion proof is not 32 bytes.
    pub fn new(checkpoint: &'a [u8], proof: &'a EpochProof) -> Result<Self, FormatError> {
        Ok(Self {
            checkpoint,
            index: proof.index,
            leaf: &proof.leaf.0,
            inclusion_proof: hashes(&proof.inclusion_proof)?,
        })
    }

    /// Verifies everything about the epoch that does not depend on a label.
    ///
    /// # Errors
    /// One [`EpochError`] per broken rule.
    pub fn verify(&self, trust: &Trust, now: Millis) -> Result<VerifiedEpoch, EpochError> {
        let checkpoint = SignedCheckpoint::open(self.checkpoint, trust.log_key())?;
        let size = checkpoint.checkpoint().size;
        let last = size.last_epoch().ok_or(EpochError::EmptyLog)?;
        if self.index != last.get() {
            return Err(EpochError::NotLastLeaf {
                expected: last.get(),
                found: self.index,
            });
        }
        let leaf = included_leaf(&checkpoint, self.index, self.leaf, &self.inclusion_proof)?;
        let pinned = trust.document().hash();
        if leaf.config != pinned {
            return Err(EpochError::ConfigurationChanged {
                pinned,
                found: leaf.config,
            });
        }
        let standing = Standing::of(&checkpoint, leaf.time, trust, now)?;
        Ok(VerifiedEpoch {
            checkpoint,
            leaf,
            standing,
        })
    }
}

/// A leaf of the log under a checkpoint: canonical, at this index, and stating this index as its epoch.
pub(crate) fn included_leaf(
    checkpoint: &SignedCheckpoint,
    index: u64,
    bytes: &[u8],
    proof: &[LogHash],
) -> Result<Leaf, EpochError> {
    let head = checkpoint.checkpoint();
    let leaf = Leaf::decode(bytes)?;
    log::verify_inclusion(&log::leaf_hash(bytes), index, head.size, proof, &head.root)
        .map_err(EpochError::Inclusion)?;
    if leaf.epoch.get() != index {
        return Err(EpochError::EpochNotIndex {
            index,
            stated: leaf.epoch.get(),
        });
    }
    Ok(leaf)
}

/// The 32-byte hashes of a proof.
pub(crate) fn hashes(items: &[B64]) -> Result<Vec<LogHash>, FormatError> {
    items.iter().map(|h| LogHash::try_from(h.0.as_slice())).collect()
}

impl VerifiedEpoch {
    /// The checkpoint with all its signature lines.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// The last leaf.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The epoch: the last leaf's index.
    pub fn epoch(&self) -> Epoch {
        self.leaf.epoch
    }

    /// Size of the log.
    pub fn size(&self) -> LogSize {
        self.checkpoint.checkpoint().size
    }

    /// Root of the akd tree at this epoch.
    pub fn root(&self) -> &RootHash {
        &self.leaf.root
    }

    /// Who vouches for the epoch.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The leaf of an older epoch under the same checkpoint.
    ///
    /// # Errors
    /// [`EpochError`] as for the last leaf.
    pub fn older_leaf(&self, proof: &EpochProof) -> Result<Leaf, EpochError> {
        included_leaf(
            &self.checkpoint,
            proof.index,
            &proof.leaf.0,
            &hashes(&proof.inclusion_proof)?,
        )
    }
}
