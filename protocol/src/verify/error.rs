//! Why an answer is refused.

use thiserror::Error;

use crate::epoch::{EpochError, HeadError, Shortfall};
use crate::error::FormatError;
use crate::quantity::KeyVersion;
use crate::record::RecordError;
use crate::tree::TreeError;

/// Why an answer is refused: the broken rule, by name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Malformed bytes or text.
    #[error("malformed: {0}")]
    Format(#[from] FormatError),
    /// The checkpoint or its last leaf.
    #[error("{0}")]
    Epoch(#[from] EpochError),
    /// The head against those seen before.
    #[error("{0}")]
    Head(#[from] HeadError),
    /// Quorum, auditor, freshness, clock.
    #[error("{0}")]
    Policy(#[from] Shortfall),
    /// A proof in the akd tree.
    #[error("{0}")]
    Tree(#[from] TreeError),
    /// A record: its form, or a rule of authorisation.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// The answer is about another label than the one asked for.
    #[error("asked for {asked}, answered for {found}")]
    OtherLabel {
        /// The label asked for.
        asked: String,
        /// The label in the answer.
        found: String,
    },
    /// The record was made for another directory.
    #[error("the record was made for another directory")]
    RecordOfOtherOrigin,
    /// The record was made for another label.
    #[error("the record was made for another label")]
    RecordOfOtherLabel,
    /// The record states another version than the tree.
    #[error("the record states version {stated}, the tree proves version {proven}")]
    RecordOfOtherVersion {
        /// In the record.
        stated: KeyVersion,
        /// In the tree.
        proven: KeyVersion,
    },
    /// Neither a lookup nor a proof of absence.
    #[error("the answer proves neither presence nor absence")]
    LookupMissing,
    /// More lookups than the label needs.
    #[error("the answer holds more lookups than were asked for")]
    SurplusLookup,
    /// Presence and absence at once.
    #[error("the answer claims presence and absence at once")]
    LookupAndAbsence,
    /// The alias points to an account and the account's lookup is missing.
    #[error("the alias points to an account whose proof is missing")]
    AliasStepMissing,
    /// The history that was asked for is missing.
    #[error("the history is missing")]
    HistoryMissing,
    /// The history does not end at the record that the lookup shows.
    #[error("the history does not end at the record that the lookup shows")]
    HistoryEndsElsewhere,
    /// An account was expected and the label is an alias.
    #[error("the label is not an account")]
    NotAnAccount,
}

/// What a refusal means for the person who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictClass {
    /// A proof, signature or rule failed.
    Invalid,
    /// The policy is not met: quorum, auditor, freshness, stale head, clock.
    Policy,
    /// Two signed statements contradict each other.
    Alarm,
    /// Not decodable at all.
    Malformed,
    /// Nothing could be verified because something is missing.
    Unverifiable,
}

impl Refusal {
    /// Stable kebab-case name of the broken rule.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Format(e) => e.reason(),
            Self::Epoch(e) => e.reason(),
            Self::Head(e) => e.reason(),
            Self::Policy(e) => e.reason(),
            Self::Tree(e) => e.reason(),
            Self::Record(e) => e.reason(),
            Self::OtherLabel { .. } => "other-label",
            Self::RecordOfOtherOrigin => "record-of-other-origin",
            Self::RecordOfOtherLabel => "record-of-other-label",
            Self::RecordOfOtherVersion { .. } => "record-of-other-version",
            Self::LookupMissing => "lookup-missing",
            Self::SurplusLookup => "surplus-lookup",
            Self::LookupAndAbsence => "lookup-and-absence",
            Self::AliasStepMissing => "alias-step-missing",
            Self::HistoryMissing => "history-missing",
            Self::HistoryEndsElsewhere => "history-ends-elsewhere",
            Self::NotAnAccount => "not-an-account",
        }
    }

    /// What the refusal means for the person who asked.
    pub fn class(&self) -> VerdictClass {
        match self {
            Self::Format(_) => VerdictClass::Malformed,
            Self::Policy(_) | Self::Head(HeadError::Older { .. }) => VerdictClass::Policy,
            Self::Head(HeadError::Fork { .. }) => VerdictClass::Alarm,
            Self::Epoch(EpochError::ConfigurationChanged { .. }) => VerdictClass::Unverifiable,
            _ => VerdictClass::Invalid,
        }
    }
}
