//! A range of epochs, verified once and not signed.

use std::ops::RangeInclusive;
use std::sync::Arc;

use keyglass_protocol::epoch::{Leaf, LeafError};
use keyglass_protocol::note::{NoteError, SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::Epoch;
use keyglass_protocol::tree::{self, MAX_AUDIT_PROOF_BYTES};
use thiserror::Error;

use crate::source::{self, EpochSource, LEAVES_PER_TILE, Trouble};
use crate::step::{StepError, Transition, verify_step};
use crate::window::{MissingSubtree, Window};

/// Why a range is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RangeError {
    /// Something is missing or damaged; proves nothing.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The log has not so many epochs.
    #[error("the log ends before epoch {epoch}")]
    NotThere {
        /// The epoch asked for.
        epoch: Epoch,
    },
    /// The checkpoint is not the log's word.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// A leaf is malformed or does not follow the one before.
    #[error("epoch {epoch}: {error}")]
    Leaf {
        /// The epoch.
        epoch: Epoch,
        /// The broken rule.
        error: LeafError,
    },
    /// A leaf states another epoch than its index, epoch 0 is not the empty tree, or a stated number is wrong.
    #[error("epoch {epoch}: {reason}")]
    Stated {
        /// The epoch.
        epoch: Epoch,
        /// Stable name of the broken rule.
        reason: &'static str,
    },
    /// A step is not append-only.
    #[error("epoch {epoch}: {error}")]
    Step {
        /// The epoch.
        epoch: Epoch,
        /// What is wrong with it.
        error: StepError,
    },
    /// A mistake of this program.
    #[error("internal: {0}")]
    Internal(#[from] MissingSubtree),
}

impl RangeError {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Trouble(e) => e.reason(),
            Self::NotThere { .. } => "epoch-not-there",
            Self::Checkpoint(e) => e.reason(),
            Self::Leaf { error, .. } => error.reason(),
            Self::Stated { reason, .. } => reason,
            Self::Step { error, .. } => error.reason(),
            Self::Internal(_) => "internal",
        }
    }
}

/// Verifies the steps into the epochs of `range` under the directory's newest checkpoint; answers how many.
///
/// # Errors
/// [`RangeError`].
pub async fn audit_range(
    source: &dyn EpochSource,
    log: &VerifierKey,
    range: RangeInclusive<Epoch>,
    second_opinion_max: u64,
) -> Result<u64, RangeError> {
    let head = SignedCheckpoint::open(&source::pending(source).await?, log)?;
    let target = head.checkpoint();
    let (first, last) = (range.start().get(), range.end().get());
    if last >= target.size.get() {
        return Err(RangeError::NotThere { epoch: *range.end() });
    }
    let window = Window::whole(source, target.size).await?;
    if window.root()? != target.root {
        let what = "the leaves do not hash to the checkpoint";
        return Err(Trouble::Damaged {
            path: "/log/tile/entries".to_owned(),
            what,
        }
        .into());
    }
    let mut before = None;
    let mut tile = window
        .tile(source, first.saturating_sub(1) / LEAVES_PER_TILE)
        .await?;
    for index in first.saturating_sub(1)..=last {
        if index >= tile.end() {
            tile = window.tile(source, index / LEAVES_PER_TILE).await?;
        }
        let epoch = Epoch::new(index);
        let bytes = tile.entry(index).ok_or(RangeError::NotThere { epoch })?;
        let leaf = Leaf::decode(bytes).map_err(|error| RangeError::Leaf { epoch, error })?;
        if leaf.epoch != epoch {
            return Err(RangeError::Stated {
                epoch,
                reason: "epoch-not-index",
            });
        }
        if index >= first {
            check(source, before.as_ref(), &leaf, second_opinion_max).await?;
        }
        before = Some(leaf);
    }
    Ok(last.saturating_sub(first).saturating_add(1))
}

async fn check(
    source: &dyn EpochSource,
    before: Option<&Leaf>,
    leaf: &Leaf,
    second_opinion_max: u64,
) -> Result<(), RangeError> {
    let epoch = leaf.epoch;
    let Some(before) = before else {
        let empty = leaf.root == tree::empty_root();
        return if empty {
            Ok(())
        } else {
            Err(RangeError::Stated {
                epoch,
                reason: "first-root",
            })
        };
    };
    Leaf::check_successor(before, leaf).map_err(|error| RangeError::Leaf { epoch, error })?;
    if usize::try_from(leaf.audit_length).map_or(true, |length| length > MAX_AUDIT_PROOF_BYTES) {
        return Err(RangeError::Stated {
            epoch,
            reason: "audit-proof-too-long",
        });
    }
    let proof = Arc::new(source::audit_proof(source, leaf).await?);
    let step = Transition {
        epoch,
        previous: leaf.previous_root,
        root: leaf.root,
    };
    let inserted = verify_step(proof, step, second_opinion_max).await;
    let inserted = inserted.map_err(|error| RangeError::Step { epoch, error })?;
    if inserted == leaf.inserted {
        Ok(())
    } else {
        Err(RangeError::Stated {
            epoch,
            reason: "inserted-count",
        })
    }
}
