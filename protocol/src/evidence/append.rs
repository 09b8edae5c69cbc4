//! A step of the tree that is not append-only.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, Finding, included, open, proven};
use crate::epoch::Leaf;
use crate::message::{B64, EpochProof};
use crate::note::VerifierKey;
use crate::quantity::AuditHash;
use crate::tree;

/// A leaf of the log and the audit proof whose hash it states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadAppend {
    /// The signed note.
    pub checkpoint: String,
    /// The leaf and its inclusion proof.
    pub epoch: EpochProof,
    /// akd `SingleAppendOnlyProof` of the step into this epoch.
    pub audit_proof: B64,
}

impl BadAppend {
    pub(super) fn verify(&self, log: &VerifierKey) -> Result<Finding, EvidenceError> {
        let leaf = included(&open(&self.checkpoint, log)?, &self.epoch)?;
        if !is_stated(&leaf, &self.audit_proof.0) {
            return Err(EvidenceError::OtherAuditProof);
        }
        match tree::verify_append_only(&self.audit_proof.0, leaf.epoch, &leaf.previous_root, &leaf.root) {
            Err(broken) => proven(broken.reason()),
            Ok(appended) if appended.inserted() != leaf.inserted => proven("inserted-count"),
            Ok(_) => Err(EvidenceError::NoContradiction),
        }
    }
}

/// Whether these are the bytes whose hash and length the leaf states.
pub(super) fn is_stated(leaf: &Leaf, audit_proof: &[u8]) -> bool {
    use sha2::{Digest as _, Sha256};
    u64::try_from(audit_proof.len()) == Ok(leaf.audit_length)
        && AuditHash::new(Sha256::digest(audit_proof).into()) == leaf.audit_hash
}
