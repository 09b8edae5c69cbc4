//! Why publishing does not go on.

use std::io;

use akd::errors::AkdError;
use keyglass_protocol::epoch::LeafError;
use keyglass_protocol::log::ProveError as LogProveError;
use keyglass_protocol::note::NoteError;
use keyglass_protocol::quantity::{Epoch, LogSize};
use keyglass_protocol::tree::TreeError;
use keyglass_schema::StoreError;
use thiserror::Error;

use crate::configuration::ConfigurationError;
use crate::directory::{LookupError, ProveError, describe};
use crate::guard::GuardError;
use crate::journal::JournalError;
use crate::keys::SignError;

/// A reason to stop. [`PublishError::is_fatal`] says whether to try again or to end the process.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The database failed; nothing is known to be wrong with what it holds.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// akd failed while it published. Whether the tree moved is unknown, and akd may hold a state that is not stored.
    #[error("the tree's commit is uncertain: {0}")]
    Commit(String),
    /// akd failed while it read.
    #[error("akd: {0}")]
    Akd(String),
    /// An audit proof or another immutable file could not be written or read.
    #[error("artefact: {0}")]
    Audit(io::Error),
    /// The journal could not be written.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// A key did not sign.
    #[error("{0}")]
    Sign(#[from] SignError),
    /// The guard could not be read or moved.
    #[error("{0}")]
    Guard(#[from] GuardError),
    /// A freshly made proof does not verify: the stored tree is damaged. Nothing was signed.
    #[error("self-check failed: {0}")]
    SelfCheck(String),
    /// A note could not be made or read.
    #[error("note: {0}")]
    Note(#[from] NoteError),
    /// A leaf does not follow its predecessor.
    #[error("leaf: {0}")]
    Leaf(#[from] LeafError),
    /// The readers' side could not be made.
    #[error("readers: {0}")]
    Readers(#[from] LookupError),
    /// A proof could not be made.
    #[error("proof: {0}")]
    Prove(#[from] ProveError),
    /// The leaf names a configuration document that does not continue those of the log.
    #[error("{0}")]
    Configuration(#[from] ConfigurationError),
    /// A record that was accepted must not stand in this epoch. Its batch waits.
    #[error("an accepted record must not stand in epoch {epoch}: {why}")]
    NotDue {
        /// The epoch that was to be published.
        epoch: Epoch,
        /// The rule that it would break.
        why: String,
    },
    /// The clock is more than a minute behind the newest leaf: signing now would state a time in the future.
    #[error("the clock is more than a minute behind the newest leaf")]
    ClockBehind,
    /// Tree and log do not fit together: one of them is from another time.
    #[error("the tree is at epoch {tree}, the log has {leaves} leaves: one of them is from another time")]
    TreeAndLog {
        /// Epoch of the tree.
        tree: Epoch,
        /// Leaves in the log.
        leaves: LogSize,
    },
    /// There is a database and no guard.
    #[error("the guard is missing beside a database that was signed from: run `guard init`")]
    GuardMissing,
    /// The guard is ahead of the database: an old backup was restored.
    #[error(
        "the guard is at size {guard}, the database at {database}: an old backup was restored; refusing to sign"
    )]
    GuardAhead {
        /// Size that the log key signed.
        guard: LogSize,
        /// Size of the log in the database.
        database: LogSize,
    },
    /// The guard is behind what the database has signed.
    #[error(
        "the guard is at size {guard}, but size {signed} was signed: an old guard was restored; run `guard init`"
    )]
    GuardBehind {
        /// Size in the guard.
        guard: LogSize,
        /// Size that was signed.
        signed: LogSize,
    },
    /// The guard has another root for the same size: this database is another history.
    #[error("the guard has another root for size {size}: this database is another history; refusing to sign")]
    GuardFork {
        /// The size.
        size: LogSize,
    },
    /// A cosigner holds a checkpoint that our log key signed and this database does not have.
    #[error(
        "cosigner {cosigner} holds a checkpoint of size {theirs} signed by our own key, we have {ours}: refusing to sign"
    )]
    CosignerAhead {
        /// Its name.
        cosigner: String,
        /// Size that it holds.
        theirs: LogSize,
        /// Size that this database has signed.
        ours: LogSize,
    },
    /// A cosigner holds another root for a size, signed by our log key.
    #[error(
        "cosigner {cosigner} holds another root for size {size}, signed by our own key: refusing to sign"
    )]
    CosignerFork {
        /// Its name.
        cosigner: String,
        /// The size.
        size: LogSize,
    },
}

impl PublishError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Store(e @ (StoreError::Fenced { .. } | StoreError::Promoted { .. })) => e.reason(),
            Self::Store(_) => "store",
            Self::Commit(_) => "commit-uncertain",
            Self::Akd(_) => "akd",
            Self::Audit(_) => "audit-proof",
            Self::Journal(e) => e.reason(),
            Self::Sign(e) => e.reason(),
            Self::Guard(e) => e.reason(),
            Self::SelfCheck(_) => "self-check",
            Self::Note(e) => e.reason(),
            Self::Leaf(e) => e.reason(),
            Self::Readers(_) => "readers",
            Self::Prove(_) => "proof",
            Self::Configuration(e) => e.reason(),
            Self::NotDue { .. } => "record-not-due",
            Self::ClockBehind => "clock-behind",
            Self::TreeAndLog { .. } => "tree-and-log",
            Self::GuardMissing => "guard-missing",
            Self::GuardAhead { .. } => "guard-ahead",
            Self::GuardBehind { .. } => "guard-behind",
            Self::GuardFork { .. } => "guard-fork",
            Self::CosignerAhead { .. } => "cosigner-ahead",
            Self::CosignerFork { .. } => "cosigner-fork",
        }
    }

    /// Whether the process must end. Everything else is tried again from what is durable.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Commit(_)
            | Self::SelfCheck(_)
            | Self::TreeAndLog { .. }
            | Self::GuardMissing
            | Self::GuardAhead { .. }
            | Self::GuardBehind { .. }
            | Self::GuardFork { .. }
            | Self::CosignerAhead { .. }
            | Self::CosignerFork { .. } => true,
            Self::Configuration(e) => !matches!(e, ConfigurationError::Store(_)),
            Self::Guard(e) => !e.passes(),
            Self::Store(e) => matches!(e, StoreError::Fenced { .. } | StoreError::Promoted { .. }),
            Self::Prove(e) | Self::Readers(LookupError::Prove(e)) => matches!(
                e,
                ProveError::RootDiffers { .. } | ProveError::Inconsistent { .. }
            ),
            _ => false,
        }
    }
}

impl From<AkdError> for PublishError {
    fn from(error: AkdError) -> Self {
        Self::Akd(describe(&error))
    }
}

impl From<TreeError> for PublishError {
    fn from(error: TreeError) -> Self {
        Self::SelfCheck(error.to_string())
    }
}

impl From<LogProveError<StoreError>> for PublishError {
    fn from(error: LogProveError<StoreError>) -> Self {
        Self::Readers(error.into())
    }
}
