//! Two logs under one name: two roots at one size, two leaves at one index, or a head that a larger one disowns.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, Finding, open, proven};
use crate::log;
use crate::message::{B64, EpochProof};
use crate::note::{SignedCheckpoint, VerifierKey};
use crate::quantity::LogHash;

/// Two contradicting statements of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Fork {
    /// Two checkpoints of one size with different roots.
    Checkpoints {
        /// The two signed notes.
        checkpoints: [String; 2],
    },
    /// Two different leaves proven at one index, each under its own checkpoint.
    Leaves {
        /// The two leaves.
        leaves: Box<[ProvenLeaf; 2]>,
    },
    /// A head, and a larger one that is proven to have another root at the first one's size.
    Heads {
        /// The smaller signed note.
        smaller: String,
        /// The larger signed note.
        larger: String,
        /// Root of the larger log at the smaller size, 32 bytes.
        root: B64,
        /// Consistency proof from that root to the larger head.
        consistency_proof: Vec<B64>,
    },
}

/// A leaf with the checkpoint that it is proven under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenLeaf {
    /// The signed note.
    pub checkpoint: String,
    /// The leaf and its inclusion proof.
    pub epoch: EpochProof,
}

impl Fork {
    pub(super) fn verify(&self, log: &VerifierKey) -> Result<Finding, EvidenceError> {
        match self {
            Self::Checkpoints { checkpoints: [a, b] } => {
                let (a, b) = (open(a, log)?, open(b, log)?);
                let (a, b) = (a.checkpoint(), b.checkpoint());
                if a.size == b.size && a.root != b.root {
                    proven("two-roots-at-one-size")
                } else {
                    Err(EvidenceError::NoContradiction)
                }
            }
            Self::Leaves { leaves } => {
                let [a, b] = leaves.as_ref();
                a.check(log)?;
                b.check(log)?;
                if a.epoch.index == b.epoch.index && a.epoch.leaf != b.epoch.leaf {
                    proven("two-leaves-at-one-index")
                } else {
                    Err(EvidenceError::NoContradiction)
                }
            }
            Self::Heads {
                smaller,
                larger,
                root,
                consistency_proof,
            } => disowned(
                &open(smaller, log)?,
                &open(larger, log)?,
                &LogHash::try_from(root.0.as_slice())?,
                &crate::epoch::hashes(consistency_proof)?,
            ),
        }
    }
}

/// Whether `larger` has the root `root` at the size of `smaller`, and `smaller` another one.
fn disowned(
    smaller: &SignedCheckpoint,
    larger: &SignedCheckpoint,
    root: &LogHash,
    proof: &[LogHash],
) -> Result<Finding, EvidenceError> {
    let (smaller, larger) = (smaller.checkpoint(), larger.checkpoint());
    log::verify_consistency(smaller.size, root, larger.size, &larger.root, proof)
        .map_err(EvidenceError::Consistency)?;
    if smaller.root != *root {
        proven("another-root-at-its-size")
    } else {
        Err(EvidenceError::NoContradiction)
    }
}

impl ProvenLeaf {
    /// Inclusion only: the bytes need not be a well-formed leaf to contradict another.
    fn check(&self, log: &VerifierKey) -> Result<(), EvidenceError> {
        let checkpoint = open(&self.checkpoint, log)?;
        let head = checkpoint.checkpoint();
        let proof = crate::epoch::hashes(&self.epoch.inclusion_proof)?;
        let hash = log::leaf_hash(&self.epoch.leaf.0);
        log::verify_inclusion(&hash, self.epoch.index, head.size, &proof, &head.root)
            .map_err(crate::epoch::EpochError::Inclusion)?;
        Ok(())
    }
}
