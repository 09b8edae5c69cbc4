//! Memory of the heads of a log: what was seen once binds the operator for ever.

use thiserror::Error;

use super::signed::{VerifiedEpoch, hashes};
use crate::error::FormatError;
use crate::log::{self, LogError};
use crate::message::ConsistencyProof;
use crate::quantity::{LogHash, LogSize};

/// A head that this verifier has verified before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenHead {
    /// Size of the log.
    pub size: LogSize,
    /// Its root.
    pub root: LogHash,
}

/// How a new head relates to the newest remembered one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The same size with another root: two logs under one name. Evidence.
    #[error("fork: two different logs of size {size} carry the log's signature")]
    Fork {
        /// The size that both have.
        size: LogSize,
    },
    /// The head is smaller than one seen before. A lagging replica, or an old state passed off as new.
    #[error("the head of size {found} is older than the one of size {seen} seen before")]
    Older {
        /// Size seen before.
        seen: LogSize,
        /// Size of this head.
        found: LogSize,
    },
    /// No consistency proof from the remembered size.
    #[error("no consistency proof from size {seen}")]
    NoConsistencyProof {
        /// Size seen before.
        seen: LogSize,
    },
    /// The consistency proof starts at another size.
    #[error("the consistency proof starts at {found}, asked was {seen}")]
    OtherSize {
        /// Size seen before.
        seen: LogSize,
        /// Size that the proof starts at.
        found: u64,
    },
    /// The proof is malformed.
    #[error("malformed: {0}")]
    Format(#[from] FormatError),
    /// The remembered log is not a prefix of this one, or the proof is wrong.
    #[error("inconsistent with the head of size {seen} seen before: {error}")]
    Inconsistent {
        /// Size seen before.
        seen: LogSize,
        /// What is wrong with the proof.
        error: LogError,
    },
}

impl HeadError {
    /// Stable kebab-case name of the broken rule.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Fork { .. } => "fork",
            Self::Older { .. } => "stale-head",
            Self::NoConsistencyProof { .. } => "consistency-missing",
            Self::OtherSize { .. } => "consistency-other-size",
            Self::Format(e) => e.reason(),
            Self::Inconsistent { .. } => "inconsistent",
        }
    }
}

impl VerifiedEpoch {
    /// This epoch's head, to be remembered.
    pub fn head(&self) -> SeenHead {
        SeenHead {
            size: self.size(),
            root: self.checkpoint().checkpoint().root,
        }
    }

    /// Demands that the log of `seen` is a prefix of this one.
    ///
    /// # Errors
    /// One [`HeadError`] per way in which it is not, or is not shown to be.
    pub fn extends(&self, seen: &SeenHead, proof: Option<&ConsistencyProof>) -> Result<(), HeadError> {
        let head = self.head();
        if head.size < seen.size {
            return Err(HeadError::Older {
                seen: seen.size,
                found: head.size,
            });
        }
        if head.size == seen.size {
            let same = head.root == seen.root;
            return if same {
                Ok(())
            } else {
                Err(HeadError::Fork { size: seen.size })
            };
        }
        let proof = proof.ok_or(HeadError::NoConsistencyProof { seen: seen.size })?;
        if proof.from != seen.size.get() {
            return Err(HeadError::OtherSize {
                seen: seen.size,
                found: proof.from,
            });
        }
        log::verify_consistency(
            seen.size,
            &seen.root,
            head.size,
            &head.root,
            &hashes(&proof.hashes)?,
        )
        .map_err(|error| HeadError::Inconsistent {
            seen: seen.size,
            error,
        })
    }
}
