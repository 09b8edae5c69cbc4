//! The guard of logs in a second, small Postgres: one row for each, replaced by compare-and-swap.
//!
//! What may replace what is decided by the caller. Here it is only made sure that nothing came in between, and that the
//! answer is durable.

use diesel::prelude::*;

use crate::connection::Tx;
use crate::database::Database;
use crate::error::StoreError;
use crate::migrate::migrate_guard;
use crate::number::{loaded, stored};
use crate::sqlite::PageCache;
use crate::tables::keyglass_guard as guard;
use crate::url::DatabaseUrl;

const TABLE: &str = "keyglass_guard";

/// What the guard remembers of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardRow {
    /// Size that was signed last; 0: none yet.
    pub size: u64,
    /// Its root.
    pub root: [u8; 32],
    /// Fencing number of the sequencer that may move it; 0: none yet.
    pub fence: u64,
    /// The database that it was last used with, as the caller writes it down.
    pub database: String,
}

/// A Postgres that keeps guards. Calls block.
#[derive(Clone)]
pub struct GuardStore {
    database: Database,
}

impl GuardStore {
    /// Opens it and makes its table if need be.
    ///
    /// # Errors
    /// [`StoreError::GuardInDirectory`] if a directory lives there: its guard would be in its backups.
    /// [`StoreError::BadUrl`] for SQLite.
    pub fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        if matches!(url, DatabaseUrl::Sqlite(_)) {
            return Err(StoreError::BadUrl);
        }
        if url.in_use()? {
            return Err(StoreError::GuardInDirectory);
        }
        let database = Database::open(url, PageCache::default())?;
        migrate_guard(database.pools())?;
        Ok(Self { database })
    }

    /// What is remembered of the log `origin`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or the row is damaged.
    pub fn read(&self, origin: &str) -> Result<Option<GuardRow>, StoreError> {
        self.database.read_one("guard", |tx| row(postgres(tx)?, origin))
    }

    /// Replaces what is remembered by `next` if it is `expected`, durably, and answers whether it was.
    ///
    /// # Errors
    /// [`StoreError`]: then it is unknown whether it was replaced, until it is read again.
    pub fn replace(
        &self,
        origin: &str,
        expected: Option<&GuardRow>,
        next: &GuardRow,
    ) -> Result<bool, StoreError> {
        let size = stored(next.size, "size")?;
        let fence = stored(next.fence, "fence")?;
        self.database.write("replace_guard", |tx| {
            let conn = postgres(tx)?;
            // Serializable: of two that read the same row one is told to begin again, and finds it replaced.
            if row(conn, origin)?.as_ref() != expected {
                return Ok(false);
            }
            let columns = (
                guard::size.eq(size),
                guard::root.eq(next.root.as_slice()),
                guard::fence.eq(fence),
                guard::database.eq(&next.database),
            );
            diesel::insert_into(guard::table)
                .values((guard::origin.eq(origin), columns))
                .on_conflict(guard::origin)
                .do_update()
                .set(columns)
                .execute(conn)?;
            Ok(true)
        })
    }
}

fn postgres<'t>(tx: &'t mut Tx<'_>) -> Result<&'t mut PgConnection, StoreError> {
    match tx {
        Tx::Postgres(conn) => Ok(conn),
        Tx::Sqlite(_) => Err(StoreError::BadUrl),
    }
}

fn row(conn: &mut PgConnection, origin: &str) -> Result<Option<GuardRow>, StoreError> {
    let query = guard::table
        .find(origin)
        .select((guard::size, guard::root, guard::fence, guard::database));
    let found: Option<(i64, Vec<u8>, i64, String)> = query.first(conn).optional()?;
    let read = |(size, root, fence, database): (i64, Vec<u8>, i64, String)| {
        Ok(GuardRow {
            size: loaded(size, TABLE)?,
            root: root.try_into().map_err(|_| StoreError::Corrupt {
                table: TABLE,
                why: "length of the root",
            })?,
            fence: loaded(fence, TABLE)?,
            database,
        })
    };
    found.map(read).transpose()
}
