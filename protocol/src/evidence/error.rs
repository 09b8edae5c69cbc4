//! Why an evidence file shows nothing.

use thiserror::Error;

use crate::config::ConfigError;
use crate::epoch::{EpochError, TrustError};
use crate::error::FormatError;
use crate::log::LogError;
use crate::note::NoteError;
use crate::receipt::ReceiptError;
use crate::record::RecordError;
use crate::tree::TreeError;
use crate::verify::Refusal;

/// Why an evidence file shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Malformed.
    #[error("malformed: {0}")]
    Format(#[from] FormatError),
    /// A schema that this program does not know.
    #[error("evidence schema {found} is not known here")]
    OtherSchema {
        /// The schema in the file.
        found: u32,
    },
    /// Too large to be read by anyone.
    #[error("the evidence is too large for one file")]
    TooLarge,
    /// A signature or note in it is not good: anybody could have made it.
    #[error("a note in it does not verify: {0}")]
    Note(#[from] NoteError),
    /// A leaf in it is not proven.
    #[error("a leaf in it does not verify: {0}")]
    Epoch(#[from] EpochError),
    /// Two heads in it are not shown to be heads of one log.
    #[error("a consistency proof in it does not verify: {0}")]
    Consistency(LogError),
    /// The configuration document is malformed.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The configuration is another log's.
    #[error("{0}")]
    Trust(#[from] TrustError),
    /// No proven leaf names the configuration.
    #[error("the configuration is not the one that the log names")]
    OtherConfiguration,
    /// A proof in it is not one of the log.
    #[error("a proof in it does not verify: {0}")]
    Tree(#[from] TreeError),
    /// An answer in it is not genuine.
    #[error("an answer in it does not verify: {0}")]
    Answer(#[from] Refusal),
    /// The receipt is not genuine.
    #[error("the receipt does not verify: {0}")]
    Receipt(#[from] ReceiptError),
    /// The record is malformed in a way that proves nothing.
    #[error("record: {0}")]
    Record(#[from] RecordError),
    /// The audit proof is not the one whose hash the leaf states: a cache or network may have changed it.
    #[error("the audit proof is not the one that the leaf states")]
    OtherAuditProof,
    /// The statements are genuine and agree with each other and with every rule.
    #[error("no contradiction: everything in the file is in order")]
    NoContradiction,
    /// The epochs in the file do not reach from the receipt's acceptance to its deadline without a gap.
    #[error("the epochs do not cover the receipt's whole time")]
    Gap,
}

impl EvidenceError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Format(e) => e.reason(),
            Self::OtherSchema { .. } => "other-schema",
            Self::TooLarge => "too-large",
            Self::Note(e) => e.reason(),
            Self::Epoch(e) => e.reason(),
            Self::Consistency(e) => e.reason(),
            Self::Config(e) => e.reason(),
            Self::Trust(e) => e.reason(),
            Self::OtherConfiguration => "other-configuration",
            Self::Tree(e) => e.reason(),
            Self::Answer(e) => e.reason(),
            Self::Receipt(e) => e.reason(),
            Self::Record(e) => e.reason(),
            Self::OtherAuditProof => "other-audit-proof",
            Self::NoContradiction => "no-contradiction",
            Self::Gap => "epochs-missing",
        }
    }
}
