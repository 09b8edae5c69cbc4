//! A range of epochs, verified once and not signed.

use std::ops::RangeInclusive;
use std::sync::Arc;

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::note::{NoteError, SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::Epoch;
use thiserror::Error;

use crate::place::{Place, bare, text};
use crate::refusal::{Contradiction, Refusal, Stop};
use crate::source::{self, Damage, EpochSource, LEAVES_PER_TILE, Trouble};
use crate::steps::{Limits, verify_steps};
use crate::window::{MissingSubtree, Tile, Window};

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
    /// A leaf or a step breaks a rule, and a stranger can be shown.
    #[error("epoch {epoch}: {}", .found.reason)]
    Contradiction {
        /// The epoch.
        epoch: Epoch,
        /// The broken rule, and what shows it.
        found: Box<Contradiction>,
    },
    /// A leaf or a step is not accepted, and a stranger could not be shown why.
    #[error("{0}")]
    Refused(Refusal),
    /// A mistake of this program.
    #[error("internal: {0}")]
    Internal(String),
}

impl RangeError {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Trouble(e) => e.reason(),
            Self::NotThere { .. } => "epoch-not-there",
            Self::Checkpoint(e) => e.reason(),
            Self::Contradiction { found, .. } => found.reason,
            Self::Refused(refusal) => refusal.reason(),
            Self::Internal(_) => "internal",
        }
    }
}

impl From<MissingSubtree> for RangeError {
    fn from(error: MissingSubtree) -> Self {
        Self::Internal(error.to_string())
    }
}

impl RangeError {
    fn of(epoch: Epoch, stop: Stop) -> Self {
        match stop {
            Stop::Trouble(trouble) => Self::Trouble(trouble),
            Stop::Refused(refusal) => Self::Refused(refusal),
            Stop::Contradiction(found) => Self::Contradiction { epoch, found },
            other => Self::Internal(other.to_string()),
        }
    }
}

/// Verifies the steps into the epochs of `range` under the directory's newest checkpoint, several at once; answers
/// how many. `progress` is told of every verified epoch, in order.
///
/// # Errors
/// [`RangeError`] of the first epoch that is not good.
pub async fn audit_range(
    source: &Arc<dyn EpochSource>,
    log: &VerifierKey,
    range: RangeInclusive<Epoch>,
    limits: Limits,
    mut progress: impl FnMut(Epoch),
) -> Result<u64, RangeError> {
    let head = SignedCheckpoint::open(&source::pending(&**source).await?, log)?;
    let target = head.checkpoint();
    let (first, last) = (range.start().get(), range.end().get());
    if last >= target.size.get() {
        return Err(RangeError::NotThere { epoch: *range.end() });
    }
    let window = Window::whole(&**source, target.size).await?;
    if window.root()? != target.root {
        return Err(Damage::LogRoot.at("/log/tile/entries").into());
    }
    let note = text(&bare(&head, log)?);
    let mut newest = None;
    let mut before: Option<Tile> = None;
    let mut at = first.saturating_sub(1);
    while at <= last {
        let tile = window.tile(&**source, at / LEAVES_PER_TILE).await?;
        let view = window.view(&tile, before.as_ref());
        let place = |index| Place {
            note: &note,
            view: &view,
            tile: &tile,
            index,
        };
        let end = tile.end().min(last.saturating_add(1));
        let mut steps = Vec::new();
        let mut flaw = None;
        for index in at..end {
            match follow(&place(index), newest.as_ref()) {
                Ok(leaf) => {
                    if index >= first && index > 0 {
                        steps.push(leaf);
                    }
                    newest = Some(leaf);
                }
                Err(stop) => {
                    flaw = Some(RangeError::of(Epoch::new(index), stop));
                    break;
                }
            }
        }
        verify_steps(source, &steps, limits, |leaf, _| progress(leaf.epoch))
            .await
            .map_err(|(leaf, bad)| {
                RangeError::of(leaf.epoch, place(leaf.epoch.get()).judge(leaf.epoch, bad))
            })?;
        flaw.map_or(Ok(()), Err)?;
        at = end;
        before = Some(tile);
    }
    Ok(last.saturating_sub(first).saturating_add(1))
}

/// The leaf at a place, if it may follow the one before.
fn follow(place: &Place<'_>, before: Option<&Leaf>) -> Result<Leaf, Stop> {
    let leaf = place.decode()?;
    if let Some(before) = before {
        Leaf::check_successor(before, &leaf).map_err(|broken| place.bad_pair(broken.reason(), &[]))?;
    }
    Ok(leaf)
}
