//! A leaf that breaks a rule of leaves.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, Finding, open, proven};
use crate::config::ConfigDocument;
use crate::epoch::{EpochError, Leaf};
use crate::log;
use crate::message::{B64, EpochProof};
use crate::note::{SignedCheckpoint, VerifierKey};
use crate::quantity::{ConfigHash, Epoch};

/// A leaf, or two that follow each other, proven under one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadLeaf {
    /// The signed note.
    pub checkpoint: String,
    /// One leaf that is wrong by itself, or two neighbours, the older first.
    pub leaves: Vec<EpochProof>,
    /// The configuration documents that the leaves name, one per leaf, if they are what is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<B64>,
}

impl BadLeaf {
    pub(super) fn verify(&self, log: &VerifierKey) -> Result<Finding, EvidenceError> {
        let checkpoint = open(&self.checkpoint, log)?;
        match self.leaves.as_slice() {
            [leaf] => self.alone(&checkpoint, leaf, log),
            [older, newer] => self.neighbours(&checkpoint, older, newer),
            _ => Err(EvidenceError::NoContradiction),
        }
    }

    /// A leaf whose bytes are in the log and are no leaf, state another epoch than their index, or name a document
    /// that no leaf may name.
    fn alone(
        &self,
        checkpoint: &SignedCheckpoint,
        proof: &EpochProof,
        log: &VerifierKey,
    ) -> Result<Finding, EvidenceError> {
        let head = checkpoint.checkpoint();
        let hashes = crate::epoch::hashes(&proof.inclusion_proof)?;
        let hash = log::leaf_hash(&proof.leaf.0);
        log::verify_inclusion(&hash, proof.index, head.size, &hashes, &head.root)
            .map_err(EpochError::Inclusion)?;
        match (Leaf::decode(&proof.leaf.0), self.configs.as_slice()) {
            (Err(broken), _) => proven(broken.reason()),
            (Ok(leaf), _) if leaf.epoch.get() != proof.index => proven("epoch-not-index"),
            (Ok(leaf), [config]) => document(&config.0, &leaf, log),
            (Ok(_), _) => Err(EvidenceError::NoContradiction),
        }
    }

    fn neighbours(
        &self,
        checkpoint: &SignedCheckpoint,
        older: &EpochProof,
        newer: &EpochProof,
    ) -> Result<Finding, EvidenceError> {
        let older_leaf = super::included(checkpoint, older)?;
        let newer_leaf = super::included(checkpoint, newer)?;
        if older.index.checked_add(1) != Some(newer.index) {
            return Err(EvidenceError::NoContradiction);
        }
        if let Err(broken) = Leaf::check_successor(&older_leaf, &newer_leaf) {
            return proven(broken.reason());
        }
        let [old, new] = self.configs.as_slice() else {
            return Err(EvidenceError::NoContradiction);
        };
        let (old, new) = (ConfigDocument::parse(&old.0)?, ConfigDocument::parse(&new.0)?);
        super::bound(&old, &older_leaf)?;
        super::bound(&new, &newer_leaf)?;
        if old.hash() == new.hash() {
            // A document that names a successor stands in the last leaf and in no other.
            return match old.successor {
                Some(_) => proven("log-ended"),
                None => Err(EvidenceError::NoContradiction),
            };
        }
        match old.check_successor(&new) {
            Err(broken) => proven(broken.reason()),
            Ok(_) => Err(EvidenceError::NoContradiction),
        }
    }
}

/// A leaf names a document that is none, is another log's, or cannot be the first.
fn document(document: &[u8], leaf: &Leaf, log: &VerifierKey) -> Result<Finding, EvidenceError> {
    use sha2::{Digest as _, Sha256};
    if ConfigHash::new(Sha256::digest(document).into()) != leaf.config {
        return Err(EvidenceError::OtherConfiguration);
    }
    let good = ConfigDocument::parse(document).and_then(|document| match leaf.epoch {
        Epoch::ZERO => document.check_first(log),
        _ => document.check_log(log),
    });
    match good {
        Err(broken) => proven(broken.reason()),
        Ok(()) => Err(EvidenceError::NoContradiction),
    }
}
