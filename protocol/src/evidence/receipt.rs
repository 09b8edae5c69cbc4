//! A promise that was not kept.
//!
//! A receipt promises that a pair (leaf label, commitment) enters the tree by a deadline. The operator may not
//! stamp a leaf earlier than the acceptance of anything in it, so the pair can only be in an epoch whose leaf is
//! not earlier than the acceptance. Broken means: all those epochs, up to the first leaf later than the deadline,
//! lack it; or they lack it up to a head on which the operator's heartbeat is later than deadline + grace.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, Finding, append::is_stated, bound, included, open, proven};
use crate::config::ConfigDocument;
use crate::epoch::Leaf;
use crate::message::{B64, EpochProof};
use crate::note::{SignedCheckpoint, VerifierKey};
use crate::receipt::{Receipt, SignedReceipt};
use crate::tree;

/// How long after the deadline a hold may keep an update from the readers: 10 minutes of waiting for the quorum
/// and one of slack. A longer hold stops the heartbeat.
pub const RECEIPT_GRACE_MS: u64 = 660_000;

/// A receipt and every epoch in which its update should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenReceipt {
    /// The receipt, a signed note.
    pub receipt: String,
    /// The head under which all leaves are proven.
    pub checkpoint: String,
    /// The last leaf earlier than the acceptance.
    pub before: EpochProof,
    /// Every following epoch, ascending, with its audit proof.
    pub epochs: Vec<EpochWithProof>,
}

/// A leaf with the audit proof of the step into its epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochWithProof {
    /// The leaf and its inclusion proof.
    pub epoch: EpochProof,
    /// akd `SingleAppendOnlyProof`.
    pub audit_proof: B64,
}

impl BrokenReceipt {
    pub(super) fn verify(
        &self,
        log: &VerifierKey,
        config: &ConfigDocument,
    ) -> Result<Finding, EvidenceError> {
        let signed = SignedReceipt::open(self.receipt.as_bytes(), &config.values().receipt_vkey)?;
        let receipt = signed.receipt();
        if receipt.config != config.hash() || receipt.origin != config.values().origin {
            return Err(EvidenceError::OtherConfiguration);
        }
        let checkpoint = open(&self.checkpoint, log)?;
        let before = included(&checkpoint, &self.before)?;
        if before.time >= receipt.accepted {
            return Err(EvidenceError::Gap);
        }
        let mut last = before;
        let mut named = last.config == config.hash();
        for item in &self.epochs {
            last = lacks(&checkpoint, &last, item, receipt)?;
            named |= last.config == config.hash();
        }
        if !named {
            bound(config, &last)?;
        }
        overdue(&checkpoint, &last, receipt, config)
    }
}

/// Checks that one epoch follows the one before and lacks the promised pair.
fn lacks(
    checkpoint: &SignedCheckpoint,
    last: &Leaf,
    item: &EpochWithProof,
    receipt: &Receipt,
) -> Result<Leaf, EvidenceError> {
    let leaf = included(checkpoint, &item.epoch)?;
    if last.epoch.next() != Some(leaf.epoch) {
        return Err(EvidenceError::Gap);
    }
    if !is_stated(&leaf, &item.audit_proof.0) {
        return Err(EvidenceError::OtherAuditProof);
    }
    if tree::audit_contains(&item.audit_proof.0, &receipt.leaf_label, &receipt.commitment)? {
        return Err(EvidenceError::NoContradiction);
    }
    Ok(leaf)
}

/// Whether the epochs that lack the pair reach far enough.
fn overdue(
    checkpoint: &SignedCheckpoint,
    last: &Leaf,
    receipt: &Receipt,
    config: &ConfigDocument,
) -> Result<Finding, EvidenceError> {
    if last.time > receipt.deadline {
        return proven("not-included-by-deadline");
    }
    if checkpoint.checkpoint().size.last_epoch() != Some(last.epoch) {
        return Err(EvidenceError::Gap);
    }
    let limit = receipt.deadline.plus(RECEIPT_GRACE_MS);
    match checkpoint.cosignature(&config.values().heartbeat_vkey)? {
        Some(heartbeat) if heartbeat.millis() > limit => proven("heartbeat-without-update"),
        _ => Err(EvidenceError::Gap),
    }
}
