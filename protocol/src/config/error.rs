//! Why a configuration document, or a change of it, is refused.

use thiserror::Error;

use crate::quantity::Epoch;
use crate::record::KeyError;

/// A configuration document that cannot be used, or cannot follow another.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// More bytes than a document may have.
    #[error("the configuration document is too long: at most {max} bytes, found {found}")]
    TooLong {
        /// The limit in bytes.
        max: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// A field that no document has: a newer format, or a mistake.
    #[error("unknown field in the configuration document: {0}")]
    UnknownField(String),
    /// A field that stands twice.
    #[error("field stands twice in the configuration document: {0}")]
    DuplicateField(String),
    /// A field is missing; an absent value is written as null.
    #[error("field is missing in the configuration document: {0}")]
    MissingField(String),
    /// No JSON, or another type of value.
    #[error("the configuration document is malformed: {0}")]
    Malformed(String),
    /// The origin is not a valid key name.
    #[error("the origin is not a valid name of a log")]
    Origin,
    /// A verifier key is malformed.
    #[error("{0} is not a verifier key")]
    VerifierKey(&'static str),
    /// A verifier key of another kind than its role needs.
    #[error("{0} is a key of the wrong kind")]
    KeyKind(&'static str),
    /// A log key does not have the name of its origin.
    #[error("{0} does not have the name of its origin")]
    LogKeyName(&'static str),
    /// One public key in two roles.
    #[error("{0} is used in another role too: one key per role")]
    KeyTwice(&'static str),
    /// The VRF key has low order or is not canonical.
    #[error("the VRF key cannot be used: {0}")]
    VrfKey(KeyError),
    /// Not canonical base64 of 32 bytes.
    #[error("{0} is not canonical base64 of 32 bytes")]
    Bytes32(&'static str),
    /// Another configuration of akd than `WhatsAppV1`.
    #[error("the akd configuration is not WhatsAppV1")]
    AkdConfiguration,
    /// The merge delay is zero or longer than a day.
    #[error("the merge delay is not 1 to 86,400 s: {0}")]
    MergeDelay(u64),
    /// A limit is zero or beyond the protocol's own.
    #[error("the limit {0} is zero or beyond the protocol's own")]
    Limit(&'static str),
    /// The predecessor log is empty: every log begins with its epoch 0.
    #[error("the predecessor log is empty")]
    PredecessorEmpty,

    /// The next document does not name the hash of this one.
    #[error("the document does not name the hash of the one before")]
    PreviousHash,
    /// The first document of a log names a previous one.
    #[error("the first document of a log names a previous one")]
    NotAFirst,
    /// The origin changed.
    #[error("the origin never changes within one log")]
    OriginChanged,
    /// The VRF key changed.
    #[error("the VRF key never changes within one log")]
    VrfKeyChanged,
    /// The log key changed.
    #[error("the log key never changes within one log")]
    LogKeyChanged,
    /// The predecessor changed.
    #[error("the predecessor never changes within one log")]
    PredecessorChanged,
    /// The document before named the log that continues this one: nothing follows it.
    #[error("the log has ended: its configuration names a successor and never changes again")]
    AfterSuccessor,
    /// An epoch after the one whose leaf named the successor first.
    #[error("epoch {found} comes after the last one: the log has ended with epoch {last}")]
    AfterTheEnd {
        /// The epoch whose leaf names the successor.
        last: Epoch,
        /// The epoch found.
        found: Epoch,
    },
    /// A limit became smaller, so that records in the log would break it.
    #[error("the limit {0} became smaller")]
    LimitLowered(&'static str),
    /// The document begins in an epoch that is not later than the one before it.
    #[error("the document does not begin later than the one before it")]
    EpochOrder,
}

impl ConfigError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "config-too-long",
            Self::UnknownField(_) => "config-unknown-field",
            Self::DuplicateField(_) => "config-duplicate-field",
            Self::MissingField(_) => "config-missing-field",
            Self::Malformed(_) => "config-malformed",
            Self::Origin => "config-origin-invalid",
            Self::VerifierKey(_) => "config-verifier-key",
            Self::KeyKind(_) => "config-key-kind",
            Self::LogKeyName(_) => "config-log-key-name",
            Self::KeyTwice(_) => "config-key-twice",
            Self::VrfKey(_) => "config-vrf-key",
            Self::Bytes32(_) => "config-bytes",
            Self::AkdConfiguration => "config-akd-configuration",
            Self::MergeDelay(_) => "config-merge-delay",
            Self::Limit(_) => "config-limit",
            Self::PredecessorEmpty => "config-predecessor-empty",
            Self::PreviousHash => "config-previous-hash",
            Self::NotAFirst => "config-not-a-first",
            Self::OriginChanged => "config-origin-changed",
            Self::VrfKeyChanged => "config-vrf-key-changed",
            Self::LogKeyChanged => "config-log-key-changed",
            Self::PredecessorChanged => "config-predecessor-changed",
            Self::AfterSuccessor => "config-after-successor",
            Self::AfterTheEnd { .. } => "log-ended",
            Self::LimitLowered(_) => "config-limit-lowered",
            Self::EpochOrder => "config-epoch-order",
        }
    }
}
