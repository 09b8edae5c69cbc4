//! Why a replica did not follow.

use keyglass_protocol::config::ConfigError;
use keyglass_protocol::note::NoteError;
use keyglass_protocol::quantity::LogSize;
use thiserror::Error;

use crate::directory::LookupError;

/// A head that readers were not moved to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// What the head needs cannot be read, or the tree does not have the signed root.
    #[error("{0}")]
    Load(#[from] LookupError),
    /// The stored head is not signed by the log key.
    #[error("the head is not one of this log: {0}")]
    Note(#[from] NoteError),
    /// The stored head says another size than its row.
    #[error("the head of size {size} says another size")]
    OtherSize {
        /// The row's.
        size: LogSize,
    },
    /// A configuration document is damaged.
    #[error("a configuration document is damaged: {0}")]
    Configuration(#[from] ConfigError),
    /// The database holds less than was answered from: another server was promoted, or an old copy brought back.
    #[error("the database went back to a head of size {size}")]
    DatabaseBehind {
        /// Its size.
        size: LogSize,
    },
}

impl ReplicaError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Load(_) => "head-unreadable",
            Self::Note(e) => e.reason(),
            Self::OtherSize { .. } => "head-other-size",
            Self::Configuration(e) => e.reason(),
            Self::DatabaseBehind { .. } => "database-behind",
        }
    }
}
