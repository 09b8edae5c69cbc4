//! One leaf in its log: what is wrong with it, and what a stranger is shown about it.

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::evidence::{BadAppend, BadLeaf, Claim};
use keyglass_protocol::message::{B64, EpochProof};
use keyglass_protocol::note::{Note, NoteError, SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::Epoch;

use crate::refusal::{Refusal, Stop};
use crate::step::StepError;
use crate::steps::BadStep;
use crate::window::{Tile, View};

/// One leaf in its log.
pub(crate) struct Place<'a> {
    /// The signed note over it, see [`bare`].
    pub(crate) note: &'a str,
    /// The log under the head.
    pub(crate) view: &'a View<'a>,
    /// The tile that has the leaf.
    pub(crate) tile: &'a Tile,
    /// The leaf's index.
    pub(crate) index: u64,
}

impl Place<'_> {
    /// The leaf at this place.
    pub(crate) fn decode(&self) -> Result<Leaf, Stop> {
        let bytes = self.tile.entry(self.index);
        let bytes = bytes.ok_or_else(|| Stop::Internal("leaf outside its tile".to_owned()))?;
        match Leaf::decode(bytes) {
            Err(broken) => Err(self.bad_leaf(broken.reason(), &[])),
            Ok(leaf) if leaf.epoch.get() != self.index => Err(self.bad_leaf("epoch-not-index", &[])),
            Ok(leaf) => Ok(leaf),
        }
    }

    /// What a bad step means.
    pub(crate) fn judge(&self, epoch: Epoch, bad: BadStep) -> Stop {
        match bad {
            BadStep::Trouble(trouble) => trouble.into(),
            BadStep::InsertedCount(proof) => self.bad_append("inserted-count", &proof),
            BadStep::Refused(StepError::NotAppendOnly(broken), proof) => {
                self.bad_append(broken.reason(), &proof)
            }
            BadStep::Refused(StepError::SecondOpinion(error), _) => {
                Refusal::SecondOpinion { epoch, error }.into()
            }
            BadStep::Refused(other, _) => Stop::Internal(other.to_string()),
        }
    }

    /// A leaf that is wrong by itself, or names one of `configs` that is.
    pub(crate) fn bad_leaf(&self, reason: &'static str, configs: &[&[u8]]) -> Stop {
        let claim = self.proof(self.index, self.tile).map(|leaf| {
            Claim::BadLeaf(BadLeaf {
                checkpoint: self.note.to_owned(),
                leaves: vec![leaf],
                configs: configs.iter().map(|bytes| B64::from(*bytes)).collect(),
            })
        });
        Stop::contradiction("bad-leaf", reason, claim)
    }

    /// A leaf that may not follow the one before it.
    pub(crate) fn bad_pair(&self, reason: &'static str, configs: &[&[u8]]) -> Stop {
        let older = self
            .index
            .checked_sub(1)
            .and_then(|index| self.proof(index, self.view.tile_of(index)?));
        let claim = older
            .zip(self.proof(self.index, self.tile))
            .map(|(older, newer)| {
                let configs = configs.iter().map(|bytes| B64::from(*bytes)).collect();
                Claim::BadLeaf(BadLeaf {
                    checkpoint: self.note.to_owned(),
                    leaves: vec![older, newer],
                    configs,
                })
            });
        Stop::contradiction("bad-leaf", reason, claim)
    }

    /// A step that is not append-only.
    fn bad_append(&self, reason: &'static str, proof: &[u8]) -> Stop {
        let claim = self.proof(self.index, self.tile).map(|epoch| {
            Claim::BadAppend(BadAppend {
                checkpoint: self.note.to_owned(),
                epoch,
                audit_proof: B64::from(proof),
            })
        });
        Stop::contradiction("bad-append", reason, claim)
    }

    fn proof(&self, index: u64, tile: &Tile) -> Option<EpochProof> {
        let leaf = B64(tile.entry(index)?.clone());
        let hashes = self.view.inclusion(index)?;
        let inclusion_proof = hashes
            .iter()
            .map(|hash| B64::from(hash.as_bytes().as_slice()))
            .collect();
        Some(EpochProof {
            index,
            leaf,
            inclusion_proof,
        })
    }
}

/// A head's note with the log's lines only. Anybody may add others; without them what is shown of one lie is always the
/// same bytes.
pub(crate) fn bare(head: &SignedCheckpoint, log: &VerifierKey) -> Result<Vec<u8>, NoteError> {
    let note = head.note();
    let of_log = note.signatures().iter().filter(|line| log.claims(line));
    Ok(Note::new(note.text(), of_log.cloned().collect())?.to_bytes())
}

/// A note as text, which notes are.
pub(crate) fn text(note: &[u8]) -> String {
    String::from_utf8_lossy(note).into_owned()
}
