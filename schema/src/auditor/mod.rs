//! An auditor's own memory: what it verified, what it signed, what it caught. One SQLite file.
//!
//! Two numbers per log: everything below *verified* has been checked, and the newest *signed* checkpoint. Both only
//! rise, each by compare-and-set, and [`AuditorStore`] commits durably before it answers. The caller lets a
//! signature out only after the call that recorded it, so whatever was ever seen from the auditor is in here.

mod error;
#[cfg(feature = "test-util")]
mod fault;
mod latch;
mod read;
mod tables;
mod watch;
mod write;

use std::path::Path;

use diesel::sqlite::SqliteConnection;
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogHash, LogSize, Seconds};

pub use error::AuditorStoreError;
#[cfg(feature = "test-util")]
pub use fault::{BrokenWrites, LostRows};
pub use latch::{Latch, NewLatch};
pub use watch::{Heartbeats, MAX_HEADS, PeerHead};

use crate::connection::Tx;
use crate::database::Database;
use crate::error::StoreError;
use crate::sqlite::PageCache;
use crate::url::DatabaseUrl;

/// The auditor's database. Calls block; clones share connections.
#[derive(Clone)]
pub struct AuditorStore {
    database: Database,
}

/// A followed log in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryId(i64);

/// How far a log is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// First leaf that was verified here; those before it were taken on trust.
    pub start: LogSize,
    /// Number of leaves.
    pub size: LogSize,
    /// RFC 6962 root of the log of this size.
    pub root: LogHash,
}

/// The newest signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its size.
    pub size: LogSize,
    /// Its root.
    pub root: LogHash,
    /// The note as received.
    pub note: Vec<u8>,
    /// Time in the newest cosignature.
    pub at: Seconds,
}

/// Hash of a complete subtree of `2^level` leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// log2 of the number of leaves below.
    pub level: u8,
    /// Its number in the level, from the left.
    pub index: u64,
    /// Its hash.
    pub hash: LogHash,
}

/// A configuration document and the first leaf that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedConfig {
    /// SHA-256 of the bytes.
    pub hash: ConfigHash,
    /// The document.
    pub bytes: Vec<u8>,
    /// First epoch that names it.
    pub first: Epoch,
}

/// A step of verification: the leaves from `from` to `to`.
#[derive(Debug, Clone)]
pub struct Step<'a> {
    /// Size that the caller built on.
    pub from: LogSize,
    /// Size afterwards.
    pub to: LogSize,
    /// Root at `to`.
    pub root: LogHash,
    /// The leaves, 164 bytes each.
    pub leaves: &'a [Vec<u8>],
    /// The subtrees of level 1 and above that these leaves complete.
    pub nodes: &'a [Node],
    /// Configuration documents that these leaves name for the first time.
    pub configs: &'a [NamedConfig],
}

/// A checkpoint that is about to be cosigned.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// Its size, verified by now.
    pub size: LogSize,
    /// Its root.
    pub root: LogHash,
    /// The note as received.
    pub note: &'a [u8],
    /// Time that will stand in the cosignature.
    pub at: Seconds,
}

/// Where verification starts if not from epoch 0.
#[derive(Debug, Clone)]
pub struct Start<'a> {
    /// Size of the trusted checkpoint, at least 1.
    pub size: LogSize,
    /// Its root.
    pub root: LogHash,
    /// Its note.
    pub note: &'a [u8],
    /// Its last leaf.
    pub leaf: &'a [u8],
    /// The subtrees that make up the log of this size.
    pub nodes: &'a [Node],
    /// The configuration document that the last leaf names.
    pub config: &'a NamedConfig,
}

impl AuditorStore {
    /// Opens or creates the database in the file `path`; its directory must exist.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be opened, or was made by a newer program.
    pub fn open(path: &Path) -> Result<Self, AuditorStoreError> {
        let database = Database::open(&DatabaseUrl::sqlite(path), PageCache::default())?;
        crate::migrate::migrate_auditor(database.pools())?;
        Ok(Self { database })
    }

    fn read<T>(
        &self,
        name: &'static str,
        mut work: impl FnMut(&mut SqliteConnection) -> Result<T, AuditorStoreError>,
    ) -> Result<T, AuditorStoreError> {
        flat(self.database.read(name, |tx| settled(work(sqlite(tx)?))))
    }

    fn write<T>(
        &self,
        name: &'static str,
        mut work: impl FnMut(&mut SqliteConnection) -> Result<T, AuditorStoreError>,
    ) -> Result<T, AuditorStoreError> {
        let mut refused = None;
        let done = self.database.write(name, |tx| match work(sqlite(tx)?) {
            Ok(value) => Ok(value),
            Err(AuditorStoreError::Store(error)) => Err(error),
            Err(other) => {
                refused = Some(other);
                // Any error rolls the transaction back; the caller sees the one kept above.
                Err(StoreError::Query(diesel::result::Error::RollbackTransaction))
            }
        });
        match refused {
            Some(error) => Err(error),
            None => done.map_err(AuditorStoreError::Store),
        }
    }
}

/// A read changes nothing, so a refusal may pass through a committed transaction.
fn settled<T>(result: Result<T, AuditorStoreError>) -> Result<Result<T, AuditorStoreError>, StoreError> {
    match result {
        Err(AuditorStoreError::Store(error)) => Err(error),
        other => Ok(other),
    }
}

fn flat<T>(result: Result<Result<T, AuditorStoreError>, StoreError>) -> Result<T, AuditorStoreError> {
    result.map_err(AuditorStoreError::Store)?
}

fn sqlite<'t>(tx: &'t mut Tx<'_>) -> Result<&'t mut SqliteConnection, StoreError> {
    match tx {
        Tx::Sqlite(conn) => Ok(conn),
        Tx::Postgres(_) => Err(StoreError::BadUrl),
    }
}
