//! Evidence: a file with which a stranger who has only the log's key convinces himself, offline, that the
//! operator broke a rule.
//!
//! A file holds signed statements that contradict each other or a rule; nothing that could also be explained
//! by a cache, a network or missing data. It is JSON:
//! `{"schema": 1, "kind": "...", "config": "<b64 configuration document>", "items": {...}}`.
//! A configuration counts only if a leaf proven by the items names its hash.

mod append;
mod error;
mod fork;
mod freeze;
mod leaf;
mod receipt;
mod record;

use serde::{Deserialize, Serialize};

pub use append::BadAppend;
pub use error::EvidenceError;
pub use fork::{Fork, ProvenLeaf};
pub use freeze::Freeze;
pub use leaf::BadLeaf;
pub use receipt::{BrokenReceipt, EpochWithProof, RECEIPT_GRACE_MS};
pub use record::BadRecord;

use crate::config::ConfigDocument;
use crate::epoch::Leaf;
use crate::message::{B64, EpochProof, from_json_within};
use crate::note::{SignedCheckpoint, VerifierKey};
use crate::tree::MAX_AUDIT_PROOF_BYTES;

/// Version of the file format.
pub const SCHEMA: u32 = 1;
/// Most bytes of a file: the longest audit proof in base64, and what shows that the log states it.
pub const MAX_EVIDENCE_BYTES: usize = MAX_AUDIT_PROOF_BYTES / 3 * 4 + (1 << 20);

/// An evidence file. Nothing is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What is claimed, and the signed statements that show it.
    #[serde(flatten)]
    pub claim: Claim,
    /// The configuration document in force, its exact bytes.
    pub config: B64,
}

/// What is claimed, and the signed statements that show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "items", rename_all = "kebab-case")]
pub enum Claim {
    /// Two logs under one name.
    Fork(Fork),
    /// A step of the tree that is not append-only.
    BadAppend(BadAppend),
    /// A leaf that breaks a rule of leaves.
    BadLeaf(BadLeaf),
    /// A record in the log that breaks a rule of authorisation.
    BadRecord(BadRecord),
    /// A promise that was not kept.
    BrokenReceipt(BrokenReceipt),
    /// The operator stood by an old head after it had stood by a newer one.
    Freeze(Freeze),
}

impl Claim {
    /// The kind's name in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Fork(_) => "fork",
            Self::BadAppend(_) => "bad-append",
            Self::BadLeaf(_) => "bad-leaf",
            Self::BadRecord(_) => "bad-record",
            Self::BrokenReceipt(_) => "broken-receipt",
            Self::Freeze(_) => "freeze",
        }
    }
}

/// What a verified evidence file shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The operator's own signatures contradict each other or a rule.
    Proven {
        /// Stable kebab-case name of the broken rule.
        reason: String,
    },
    /// Everything in it is genuine, but the user may have wanted it: a change that the platform vouched for.
    Disputed {
        /// Stable kebab-case name of what happened.
        reason: String,
    },
}

impl Evidence {
    /// Reads an evidence file.
    ///
    /// # Errors
    /// [`EvidenceError::Format`] if it is none or has more than [`MAX_EVIDENCE_BYTES`],
    /// [`EvidenceError::OtherSchema`] if its schema is another.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let evidence: Self = from_json_within(bytes, MAX_EVIDENCE_BYTES)?;
        if evidence.schema != SCHEMA {
            return Err(EvidenceError::OtherSchema {
                found: evidence.schema,
            });
        }
        Ok(evidence)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`EvidenceError::TooLarge`] above the size that [`Self::parse`] reads.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EvidenceError> {
        let bytes = serde_json::to_vec_pretty(self).map_err(|_| EvidenceError::TooLarge)?;
        if bytes.len() > MAX_EVIDENCE_BYTES {
            Err(EvidenceError::TooLarge)
        } else {
            Ok(bytes)
        }
    }

    /// Checks every signature and proof in the file against the log's key.
    ///
    /// # Errors
    /// An [`EvidenceError`] if the file does not show what it claims.
    pub fn verify(&self, log: &VerifierKey) -> Result<Finding, EvidenceError> {
        match &self.claim {
            Claim::Fork(items) => items.verify(log),
            Claim::BadAppend(items) => items.verify(log),
            Claim::BadLeaf(items) => items.verify(log),
            Claim::BadRecord(items) => items.verify(log, &self.config()?),
            Claim::BrokenReceipt(items) => items.verify(log, &self.config()?),
            Claim::Freeze(items) => items.verify(log, &self.config()?),
        }
    }

    fn config(&self) -> Result<ConfigDocument, EvidenceError> {
        Ok(ConfigDocument::parse(&self.config.0)?)
    }
}

fn proven(reason: &str) -> Result<Finding, EvidenceError> {
    Ok(Finding::Proven {
        reason: reason.to_owned(),
    })
}

/// A checkpoint with the log's signature.
fn open(note: &str, log: &VerifierKey) -> Result<SignedCheckpoint, EvidenceError> {
    Ok(SignedCheckpoint::open(note.as_bytes(), log)?)
}

/// A leaf that is in the log under a signed checkpoint.
fn included(checkpoint: &SignedCheckpoint, proof: &EpochProof) -> Result<Leaf, EvidenceError> {
    let hashes = crate::epoch::hashes(&proof.inclusion_proof)?;
    Ok(crate::epoch::included_leaf(
        checkpoint,
        proof.index,
        &proof.leaf.0,
        &hashes,
    )?)
}

/// The configuration must be the one that a proven leaf names.
fn bound(config: &ConfigDocument, leaf: &Leaf) -> Result<(), EvidenceError> {
    if leaf.config == config.hash() {
        Ok(())
    } else {
        Err(EvidenceError::OtherConfiguration)
    }
}
