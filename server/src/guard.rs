//! The guard: the last size and root that the log key signed, kept outside the database and its backups.
//!
//! It moves by compare-and-swap *before* the log key signs. A database that was restored from an old backup is
//! therefore behind the guard, and the publisher refuses to sign a second history.
//!
//! Beside SQLite it is one file that the process locks ([`FileGuard`]). Sequencers on Postgres that may replace each other
//! share one ([`SharedGuard`]).

mod claim;
mod file;
mod shared;
mod versions;

use std::io;
use std::path::PathBuf;

use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::{DatabaseUrl, StoreError};
use thiserror::Error;

pub use claim::{Claim, Mark, State};
pub use file::FileGuard;
pub use shared::{SharedGuard, place};

use crate::settings::Settings;

/// What the log key signed last, or was about to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarded {
    /// Size of the log.
    pub size: LogSize,
    /// Its root.
    pub root: LogHash,
}

/// Why the guard does not move.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GuardError {
    /// Reading, writing or syncing failed. Whether a swap took effect is unknown until the guard is read again.
    #[error("guard {path}: {error}")]
    Io {
        /// The guard's file.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
    /// The file is not a guard.
    #[error("guard {0}: not a guard file")]
    Malformed(PathBuf),
    /// The guard belongs to another log.
    #[error("the guard belongs to the log {found}, not to {expected}")]
    OtherOrigin {
        /// This log.
        expected: String,
        /// The log that the guard names.
        found: String,
    },
    /// Another process holds the guard: a second sequencer on this log.
    #[error("guard {0}: held by another process")]
    Held(PathBuf),
    /// The guard is not where the swap expects it.
    #[error("the guard moved: expected {expected:?}, found {found:?}")]
    Moved {
        /// What the caller had read.
        expected: Option<Guarded>,
        /// What is there.
        found: Option<Guarded>,
    },
    /// Another sequencer has claimed the guard.
    #[error(
        "the guard was claimed under the fencing number {found:?}, ours is {ours:?}: another sequencer took over"
    )]
    Fenced {
        /// Our number; `None`: this process has not claimed it.
        ours: Option<u64>,
        /// The number in the guard.
        found: Option<u64>,
    },
    /// The guard's database failed. Whether a swap took effect is unknown until the guard is read again.
    #[error("the guard's database: {0}")]
    Database(#[from] StoreError),
    /// Others kept changing the guard.
    #[error("the guard keeps changing")]
    Busy,
    /// No sequencer with a lease has ever used this guard.
    #[error("the guard was never claimed: there is nothing to accept")]
    NeverClaimed,
}

impl GuardError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "guard-io",
            Self::Malformed(_) => "guard-malformed",
            Self::OtherOrigin { .. } => "guard-other-origin",
            Self::Held(_) => "guard-held",
            Self::Moved { .. } => "guard-moved",
            Self::Fenced { .. } => "guard-fenced",
            Self::Database(StoreError::GuardInDirectory) => "guard-in-directory",
            Self::Database(_) => "guard-database",
            Self::Busy => "guard-busy",
            Self::NeverClaimed => "guard-never-claimed",
        }
    }

    /// Whether trying again may help.
    pub fn passes(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Busy => true,
            Self::Database(error) => !matches!(error, StoreError::GuardInDirectory),
            _ => false,
        }
    }
}

/// The one place that says what the log key may sign next.
pub trait Guard: Send + Sync {
    /// What was signed last; `None` if the guard was never set.
    ///
    /// # Errors
    /// The guard cannot be read.
    fn read(&self) -> Result<Option<Guarded>, GuardError>;

    /// Moves the guard from `expected` to `next`, durably.
    ///
    /// # Errors
    /// [`GuardError::Moved`] if it stands elsewhere; otherwise the outcome is unknown until it is read again.
    fn swap(&self, expected: Option<Guarded>, next: Guarded) -> Result<(), GuardError>;
}

/// The guard of the settings, for a tool: beside SQLite nothing else may have it open.
///
/// # Errors
/// What opening it may answer.
pub fn open(settings: &Settings, origin: &str) -> Result<Box<dyn Guard>, GuardError> {
    Ok(match &settings.database {
        DatabaseUrl::Sqlite(_) => Box::new(FileGuard::open(&settings.guard, origin)?),
        DatabaseUrl::Postgres(_) => Box::new(SharedGuard::open(settings, origin)?),
    })
}
