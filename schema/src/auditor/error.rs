//! Why a call to the auditor's memory failed.

use keyglass_protocol::quantity::{LogSize, Seconds};
use thiserror::Error;

use crate::error::StoreError;

/// A refused or failed call. Nothing was written when a call answers with one of these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditorStoreError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The origin is known with another log key.
    #[error("{origin} is stored with another log key")]
    OtherLogKey {
        /// The log's origin.
        origin: String,
    },
    /// Something was verified before: the log cannot be started again from elsewhere.
    #[error("{size} leaves are verified already")]
    AlreadyStarted {
        /// Number of verified leaves.
        size: LogSize,
    },
    /// The verified head is not the one that the caller built on.
    #[error("the verified head moved: expected size {expected}, found {found}")]
    Moved {
        /// The size that the caller built on.
        expected: LogSize,
        /// The stored size.
        found: LogSize,
    },
    /// The leaves do not fill the step.
    #[error("{found} leaves for a step from {from} to {to}")]
    WrongStep {
        /// Size before.
        from: LogSize,
        /// Size after.
        to: LogSize,
        /// Number of leaves.
        found: usize,
    },
    /// A checkpoint beyond what is verified was to be signed.
    #[error("size {size} is not verified: only {verified} are")]
    NotVerified {
        /// The checkpoint's size.
        size: LogSize,
        /// What is verified.
        verified: LogSize,
    },
    /// A larger checkpoint is signed already.
    #[error("size {signed} is signed already, {size} is smaller")]
    SignedLarger {
        /// The size asked for.
        size: LogSize,
        /// The largest signed.
        signed: LogSize,
    },
    /// Another checkpoint of this size is signed already.
    #[error("another root is signed for size {size}")]
    SignedOther {
        /// The size.
        size: LogSize,
    },
    /// A later time is signed already: the clock went back.
    #[error("the clock went back: time {signed} is signed already, now is {now}")]
    SignedLater {
        /// Newest time in a signature.
        signed: Seconds,
        /// The time asked for.
        now: Seconds,
    },
    /// Nothing is signed while a contradiction is not cleared.
    #[error("latched: {reason}")]
    Latched {
        /// The broken rule.
        reason: String,
    },
}

impl AuditorStoreError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Store(e) => e.reason(),
            Self::OtherLogKey { .. } => "other-log-key",
            Self::AlreadyStarted { .. } => "already-started",
            Self::Moved { .. } => "verified-head-moved",
            Self::WrongStep { .. } => "wrong-step",
            Self::NotVerified { .. } => "not-verified",
            Self::SignedLarger { .. } => "signed-larger",
            Self::SignedOther { .. } => "signed-other-root",
            Self::SignedLater { .. } => "clock-went-back",
            Self::Latched { .. } => "latched",
        }
    }
}

impl From<diesel::result::Error> for AuditorStoreError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}
