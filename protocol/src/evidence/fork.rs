//! Two logs under one name: two roots at one size, or two leaves at one index.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, Finding, open, proven};
use crate::log;
use crate::message::EpochProof;
use crate::note::VerifierKey;

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
        }
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
