//! Where epochs come from: a directory over HTTP, or memory.
//!
//! Nothing that a source answers is believed, and no failure of it is an accusation: caches, networks and
//! overloaded servers lose, delay and truncate. Whoever reads states how many bytes he will take.

mod damage;
mod fetch;
mod http;
mod memory;

use async_trait::async_trait;
use keyglass_monitoring::FetchError;
use thiserror::Error;

pub use damage::Damage;
pub use fetch::{
    LEAVES_PER_TILE, MAX_CHECKPOINT_BYTES, MAX_CONFIG_BYTES, MAX_ENTRY_BYTES, audit_proof, checkpoint,
    config, entries, hash_tile, pending,
};
pub use http::{HttpSource, SILENCE};
pub use memory::MemorySource;

/// The directory's public files, by path.
#[async_trait]
pub trait EpochSource: Send + Sync {
    /// The bytes at `path` (such as `/log/pending`), at most `max` of them.
    ///
    /// # Errors
    /// [`Trouble`]; also when there are more than `max` bytes.
    async fn get(&self, path: &str, max: u64) -> Result<Vec<u8>, Trouble>;

    /// Hands a cosigned checkpoint to the directory.
    ///
    /// # Errors
    /// [`Trouble`] if it did not arrive or was not taken.
    async fn hand_in(&self, note: &[u8]) -> Result<(), Trouble>;
}

/// Why something could not be read. Never an accusation; tried again later.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Trouble {
    /// No connection, or it broke.
    #[error("network: {0}")]
    Network(String),
    /// Too slow.
    #[error("timed out")]
    Timeout,
    /// Another HTTP status than 200.
    #[error("the directory answered with status {status} for {path}")]
    Status {
        /// The status.
        status: u16,
        /// What was asked for.
        path: String,
    },
    /// More bytes than are allowed here.
    #[error("{path} has more than the allowed {max} bytes")]
    TooLarge {
        /// What was asked for.
        path: String,
        /// The allowed number.
        max: u64,
    },
    /// The bytes are not what was asked for: truncated, stale or altered on the way.
    #[error("{path} is not what the log states: {what}")]
    Damaged {
        /// What was asked for.
        path: String,
        /// What does not fit.
        what: Damage,
    },
}

impl Trouble {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Network(_) => "network",
            Self::Timeout => "timeout",
            Self::Status { .. } => "status",
            Self::TooLarge { .. } => "too-large",
            Self::Damaged { what, .. } => what.reason(),
        }
    }

    /// The metric's kind.
    #[must_use]
    pub fn kind(&self) -> FetchError {
        match self {
            Self::Network(_) | Self::Damaged { .. } => FetchError::Network,
            Self::Timeout => FetchError::Timeout,
            Self::Status { .. } => FetchError::Status,
            Self::TooLarge { .. } => FetchError::TooLarge,
        }
    }
}
