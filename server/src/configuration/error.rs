//! Why keys and settings are not those of this log.

use std::path::PathBuf;

use keyglass_protocol::config::ConfigError;
use keyglass_schema::StoreError;
use thiserror::Error;

/// Keys and settings that do not make the configuration of this log.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The values make no document, or what never changes within a log was changed.
    #[error("configuration: {0}")]
    Document(#[from] ConfigError),
    /// The database failed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The leaf names a document that is not stored.
    #[error("the newest leaf names a configuration document that is not stored")]
    Missing,
    /// Keys changed since the newest leaf, and nobody said that this is intended.
    #[error(
        "the keys differ from the configuration of this log: {0}. Bring the right key files back, or, if the change is \
         intended, start with --accept-config-change {0}: it is announced to every verifier, and alarms"
    )]
    NotAccepted(String),
    /// A change was named as accepted that does not exist.
    #[error("accept-config-change: {0:?} is no change that can be accepted")]
    UnknownChange(String),
    /// The successor's key is none.
    #[error("successor: not the verifier key of a log")]
    Successor,
    /// The file that states the predecessor is none.
    #[error("{path}: not the statement that `keyglass-server final-state` prints: {why}")]
    Predecessor {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl ConfigurationError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Document(e) => e.reason(),
            Self::Store(_) => "store",
            Self::Missing => "configuration-missing",
            Self::NotAccepted(_) => "configuration-changed",
            Self::UnknownChange(_) => "configuration-change-unknown",
            Self::Successor => "successor-invalid",
            Self::Predecessor { .. } => "predecessor-invalid",
        }
    }
}
