//! Why a call to the store failed: one variant per broken rule.

use thiserror::Error;

/// A refused or failed call to the store. Nothing was written when a call answers with one of these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The URL is neither `sqlite://path` nor `postgres://…`.
    #[error("not a database URL: expected sqlite://path or postgres://…")]
    BadUrl,
    /// No connection could be had: database down, unreachable, or out of connections.
    #[error("database unreachable: {0}")]
    Unreachable(String),
    /// The database refused or broke off a statement.
    #[error("database error: {0}")]
    Query(#[from] diesel::result::Error),
    /// A migration failed or the migration table is unreadable.
    #[error("migration failed: {0}")]
    Migration(String),
    /// The database was migrated by a newer program.
    #[error("the database has the unknown, newer schema version {found}")]
    NewerSchema {
        /// The first version that this program does not know.
        found: String,
    },
    /// The database lacks a migration, and this process may not apply any.
    #[error("the database lacks the schema version {missing}: a sequencer brings it when it starts")]
    OlderSchema {
        /// The first version that is missing.
        missing: String,
    },
    /// The database was never opened by a sequencer.
    #[error("there is no directory in this database yet")]
    NoDirectory,
    /// Only Postgres splits tables.
    #[error("tables are split on Postgres only")]
    PartitionsNeedPostgres,
    /// A table cannot have so many parts.
    #[error("a table has 2 to {} parts, not {parts}", crate::partition::MAX_PARTS)]
    BadParts {
        /// What was asked for.
        parts: u16,
    },
    /// The tables are split already; the number of parts stays.
    #[error("the tables are split already")]
    AlreadyPartitioned,
    /// The key that was handed in is not the one that the database was made with.
    #[error("the storage key does not open this database")]
    WrongKey,
    /// A transaction kept colliding with others until its attempts were used up.
    #[error("transaction {name} gave up after {attempts} attempts")]
    Contended {
        /// The transaction's name.
        name: &'static str,
        /// How often it was tried.
        attempts: u32,
    },
    /// A stored row does not decode.
    #[error("corrupt row in {table}: {why}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What does not hold.
        why: &'static str,
    },
    /// A sealed field does not open under its row's key: the row was altered or moved.
    #[error("sealed field in {table} does not open: the row was altered")]
    BrokenSeal {
        /// The table.
        table: &'static str,
    },
    /// A number does not fit the database's 64-bit signed integers.
    #[error("{0} is outside the range of the database")]
    OutOfRange(&'static str),
    /// The armed compare-and-set found the tree at another epoch.
    #[error("tree is at epoch {found:?}, expected {expected}")]
    EpochMoved {
        /// What the publisher had seen.
        expected: u64,
        /// What is stored.
        found: Option<u64>,
    },
    /// A publish whose last record is not the epoch, or whose epoch is not the next one.
    #[error("a commit must end with the next epoch")]
    CommitWithoutEpoch,
    /// The epoch to freeze a batch for is already in the tree.
    #[error("epoch {0} is already published")]
    AlreadyPublished(u64),
    /// A leaf whose index is not the number of leaves.
    #[error("leaf out of order: expected index {expected}, found {found}")]
    LeafOutOfOrder {
        /// The number of leaves.
        expected: u64,
        /// The leaf's index.
        found: u64,
    },
    /// A leaf that is not a successor of the one before it.
    #[error("leaf does not follow its predecessor: {why}")]
    LeafNotSuccessor {
        /// The broken rule's stable name.
        why: &'static str,
    },
    /// The leaf may not change any more: a checkpoint covers it.
    #[error("a checkpoint of size {size} already covers the leaf")]
    LeafCovered {
        /// That checkpoint's size.
        size: u64,
    },
    /// A subtree hash that is not complete in the stored log was asked for.
    #[error("subtree {index} of level {level} is not complete")]
    SubtreeIncomplete {
        /// log2 of the leaves below it.
        level: u8,
        /// Its index in that level.
        index: u64,
    },
    /// A checkpoint, cosignature or head for a size that the log does not have.
    #[error("size {size} has no leaf or no checkpoint")]
    SizeUnknown {
        /// The size.
        size: u64,
    },
    /// Another checkpoint of this size is stored.
    #[error("another checkpoint of size {size} is stored")]
    CheckpointDiffers {
        /// The size.
        size: u64,
    },
    /// The readers' head would go back.
    #[error("head would go back from size {current} to {offered}")]
    HeadBackwards {
        /// The stored head.
        current: u64,
        /// The offered one.
        offered: u64,
    },
    /// Other bytes are stored under this configuration hash.
    #[error("other bytes are stored under this configuration hash")]
    ConfigDiffers,
    /// A leaf that the tree has already.
    #[error("a leaf would be inserted twice")]
    LeafTwice,
    /// akd and our own tree came to different roots for one batch: one of them is wrong, and nothing is written.
    #[error("akd and the tree in memory differ about the root of epoch {epoch}")]
    TreesDiffer {
        /// The epoch.
        epoch: u64,
    },
    /// The guard's database is a directory's: the guard would be in its backups.
    #[error("the guard must not live in a directory's database: a restored backup would restore it as well")]
    GuardInDirectory,
    /// Another sequencer took the lease: this process must write nothing any more.
    #[error("another sequencer took over: our fencing number is {ours}, the database's {found}")]
    Fenced {
        /// Our fencing number.
        ours: u64,
        /// The one in the database.
        found: u64,
    },
    /// The server behind the URL is another one than the lease was taken on: a standby was promoted.
    #[error("a standby was promoted: the lease was taken on timeline {ours}, the database is on {found}")]
    Promoted {
        /// The timeline of the lease.
        ours: u32,
        /// The timeline of the server.
        found: u32,
    },
    /// The blocking thread that worked on a call died.
    #[error("the thread of a database call died")]
    ThreadDied,
}

impl StoreError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadUrl => "bad-database-url",
            Self::Unreachable(_) => "database-unreachable",
            Self::Query(_) => "database-error",
            Self::Migration(_) => "migration-failed",
            Self::NewerSchema { .. } => "newer-schema",
            Self::OlderSchema { .. } => "older-schema",
            Self::NoDirectory => "no-directory",
            Self::PartitionsNeedPostgres => "partitions-need-postgres",
            Self::BadParts { .. } => "bad-parts",
            Self::AlreadyPartitioned => "already-partitioned",
            Self::WrongKey => "wrong-storage-key",
            Self::Contended { .. } => "transaction-contended",
            Self::Corrupt { .. } => "corrupt-row",
            Self::BrokenSeal { .. } => "broken-seal",
            Self::OutOfRange(_) => "out-of-range",
            Self::EpochMoved { .. } => "epoch-moved",
            Self::CommitWithoutEpoch => "commit-without-epoch",
            Self::AlreadyPublished(_) => "already-published",
            Self::LeafOutOfOrder { .. } => "leaf-out-of-order",
            Self::LeafNotSuccessor { .. } => "leaf-not-successor",
            Self::LeafCovered { .. } => "leaf-covered",
            Self::SubtreeIncomplete { .. } => "subtree-incomplete",
            Self::SizeUnknown { .. } => "size-unknown",
            Self::CheckpointDiffers { .. } => "checkpoint-differs",
            Self::HeadBackwards { .. } => "head-backwards",
            Self::ConfigDiffers => "config-differs",
            Self::LeafTwice => "leaf-twice",
            Self::TreesDiffer { .. } => "trees-differ",
            Self::GuardInDirectory => "guard-in-directory",
            Self::Fenced { .. } => "fenced",
            Self::Promoted { .. } => "database-promoted",
            Self::ThreadDied => "database-thread-died",
        }
    }

    /// Whether running the same transaction again may succeed: serialization failure, deadlock, busy SQLite,
    /// a row that another transaction inserted meanwhile.
    pub(crate) fn is_collision(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        match self {
            Self::Query(Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _)) => true,
            // Of two overlapping serializable transactions with one key, Postgres may tell the second so instead.
            Self::Query(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => true,
            // diesel does not hand out SQLSTATE 40P01 or SQLITE_BUSY, only their fixed messages.
            Self::Query(Error::DatabaseError(_, info)) => matches!(
                info.message(),
                "deadlock detected" | "database is locked" | "database table is locked"
            ),
            _ => false,
        }
    }

    /// Whether the database is not to be had, or not from this process: nothing is wrong with what was asked, and another
    /// time, or another server, may answer it.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Contended { .. } | Self::Fenced { .. } | Self::Promoted { .. } => {
                true
            }
            Self::Query(error) => broke_off(error),
            _ => false,
        }
    }

    /// Whether a unique key was already taken.
    pub(crate) fn is_duplicate(&self) -> bool {
        use diesel::result::{DatabaseErrorKind, Error};
        matches!(
            self,
            Self::Query(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
        )
    }
}

/// Whether the connection ended in the middle, or leads to a server that takes no writes any more.
fn broke_off(error: &diesel::result::Error) -> bool {
    use diesel::result::{DatabaseErrorKind as Kind, Error};
    match error {
        Error::BrokenTransactionManager
        | Error::DatabaseError(
            Kind::ClosedConnection | Kind::UnableToSendCommand | Kind::ReadOnlyTransaction,
            _,
        ) => true,
        Error::RollbackErrorOnCommit { commit_error, .. } => broke_off(commit_error),
        // SQLSTATEs of class 57P, and libpq's own words: diesel hands out only the messages.
        Error::DatabaseError(Kind::Unknown, info) => {
            let said = [
                "terminating connection",
                "the database system is",
                "connection to server",
                "to the server",
            ];
            said.iter().any(|words| info.message().contains(words))
        }
        _ => false,
    }
}

/// For akd's storage trait. Never `NotFound`: akd reads a child that is not found as an empty subtree.
impl From<StoreError> for akd::errors::StorageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unreachable(_) => Self::Connection(error.to_string()),
            StoreError::EpochMoved { .. }
            | StoreError::CommitWithoutEpoch
            | StoreError::Contended { .. }
            | StoreError::Query(_) => Self::Transaction(error.to_string()),
            other => Self::Other(other.to_string()),
        }
    }
}
