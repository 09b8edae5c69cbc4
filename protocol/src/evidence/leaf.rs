//! A leaf that breaks a rule of leaves.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, Finding, open, proven};
use crate::config::ConfigDocument;
use crate::epoch::{EpochError, Leaf};
use crate::log;
use crate::message::{B64, EpochProof};
use crate::note::{SignedCheckpoint, VerifierKey};

/// A leaf, or two that follow each other, proven under one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadLeaf {
    /// The signed note.
    pub checkpoint: String,
    /// One leaf that is wrong by itself, or two neighbours, the older first.
    pub leaves: Vec<EpochProof>,
    /// The configuration documents named by the two leaves, if they are what is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<B64>,
}

impl BadLeaf {
    pub(super) fn verify(&self, log: &VerifierKey) -> Result<Finding, EvidenceError> {
        let checkpoint = open(&self.checkpoint, log)?;
        match self.leaves.as_slice() {
            [leaf] => alone(&checkpoint, leaf),
            [older, newer] => self.neighbours(&checkpoint, older, newer),
            _ => Err(EvidenceError::NoContradiction),
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

/// A leaf whose bytes are in the log and are no leaf, or state another epoch than their index.
fn alone(checkpoint: &SignedCheckpoint, proof: &EpochProof) -> Result<Finding, EvidenceError> {
    let head = checkpoint.checkpoint();
    let hashes = crate::epoch::hashes(&proof.inclusion_proof)?;
    log::verify_inclusion(
        &log::leaf_hash(&proof.leaf.0),
        proof.index,
        head.size,
        &hashes,
        &head.root,
    )
    .map_err(EpochError::Inclusion)?;
    match Leaf::decode(&proof.leaf.0) {
        Err(broken) => proven(broken.reason()),
        Ok(leaf) if leaf.epoch.get() != proof.index => proven("epoch-not-index"),
        Ok(_) => Err(EvidenceError::NoContradiction),
    }
}
