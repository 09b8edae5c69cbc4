//! SQLite's connections: many that read, one that writes, and one that copies the write-ahead log back into the file.
//!
//! SQLite would copy it within the commit that makes it long, and whoever commits would wait. Here a thread of its own does
//! that while the writer goes on; only if it falls far behind does the writer copy too, so that the log stays bounded.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error as R2d2Error, Pool, PooledConnection};
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use crate::connection::{CONNECTIONS, WAIT, checkout};
use crate::error::StoreError;

/// WAL so that readers never wait for the publisher; FULL so that a commit has reached the disk.
const SETTINGS: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;";
/// The log is copied by the writer itself from 16,384 pages (64 MB) on.
const BOUNDED_LOG: &str = "PRAGMA wal_autocheckpoint = 16384;";
/// Pages in the log from which on it is worth copying: 4 MB, as SQLite has it.
const WORTH_COPYING: i64 = 1_000;

type SqlitePool = Pool<ConnectionManager<SqliteConnection>>;
type Pooled = PooledConnection<ConnectionManager<SqliteConnection>>;

/// Most memory for pages of one SQLite file, in bytes; at most 1 TiB of it is used. Half is for the connection that writes (a
/// batch of 5,000 records lands on nearly as many pages, and what has no room is written twice), half is shared by those
/// that read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCache(u64);

impl PageCache {
    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(if bytes > 1 << 40 { 1 << 40 } else { bytes })
    }

    fn writing(self) -> String {
        format!("PRAGMA cache_size = -{}; {BOUNDED_LOG}", self.half())
    }

    fn reading(self) -> String {
        format!("PRAGMA cache_size = -{};", self.half() / u64::from(CONNECTIONS))
    }

    /// In KiB.
    fn half(self) -> u64 {
        self.0 >> 11
    }
}

impl Default for PageCache {
    /// 64 MiB.
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

/// The connections to one file.
pub(crate) struct Sqlite {
    readers: SqlitePool,
    /// One connection.
    writer: SqlitePool,
    /// SQLite has one writer at a time. Waiting here is fair; its own busy handler polls and starves.
    turn: Mutex<()>,
    copier: Copier,
}

impl Sqlite {
    pub(crate) fn open(path: &str, pages: PageCache) -> Result<Self, StoreError> {
        Ok(Self {
            readers: pool(path, CONNECTIONS, pages.reading())?,
            writer: pool(path, 1, pages.writing())?,
            turn: Mutex::new(()),
            copier: Copier::start(path)?,
        })
    }

    pub(crate) fn reader(&self) -> Result<Pooled, StoreError> {
        checkout(&self.readers)
    }

    /// Whether one of the connections that read has nothing to do.
    pub(crate) fn has_free_reader(&self) -> bool {
        self.readers.state().idle_connections > 0
    }

    /// Lets `work` have the connection that writes, alone.
    pub(crate) fn writing<T>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let done = {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut *checkout(&self.writer)?)
        };
        self.copier.wake();
        done
    }
}

fn pool(path: &str, connections: u32, cache: String) -> Result<SqlitePool, StoreError> {
    Pool::builder()
        .max_size(connections)
        .min_idle(Some(1))
        .test_on_check_out(false)
        .connection_timeout(WAIT)
        .connection_customizer(Box::new(Settings(cache)))
        .build(ConnectionManager::new(path))
        .map_err(|e| StoreError::Unreachable(e.to_string()))
}

#[derive(Debug)]
struct Settings(String);

impl CustomizeConnection<SqliteConnection, R2d2Error> for Settings {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), R2d2Error> {
        let set = conn.batch_execute(SETTINGS);
        set.and_then(|()| conn.batch_execute(&self.0))
            .map_err(R2d2Error::QueryError)
    }
}

/// The thread that copies. Ends with its owner.
struct Copier {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Copier {
    fn start(path: &str) -> Result<Self, StoreError> {
        let (wake, woken) = sync_channel(1);
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("checkpoint".to_owned());
        let thread = thread.spawn(move || copy_when_woken(&path, &woken));
        Ok(Self {
            wake: Some(wake),
            thread: Some(thread.map_err(|e| StoreError::Unreachable(e.to_string()))?),
        })
    }

    /// Something was written. One wake-up that waits already is enough.
    fn wake(&self) {
        if let Some(wake) = &self.wake {
            let _one_waits = wake.try_send(());
        }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _it_died = thread.join();
        }
    }
}

fn copy_when_woken(path: &str, woken: &Receiver<()>) {
    let mut conn = None;
    while woken.recv().is_ok() {
        let done = match &mut conn {
            Some(conn) => copy(conn),
            None => connect(path).and_then(|new| copy(conn.insert(new))),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the write-ahead log is not copied, the writer will do it");
        }
    }
}

fn connect(path: &str) -> Result<SqliteConnection, StoreError> {
    let unreachable = |e: ConnectionError| StoreError::Unreachable(e.to_string());
    let mut conn = SqliteConnection::establish(path).map_err(unreachable)?;
    conn.batch_execute(SETTINGS)?;
    Ok(conn)
}

/// What `PRAGMA wal_checkpoint` answers.
#[derive(QueryableByName)]
struct Checkpoint {
    /// Pages in the log; -1 if there is none.
    #[diesel(sql_type = BigInt)]
    log: i64,
    /// Pages of it that are in the file.
    #[diesel(sql_type = BigInt)]
    checkpointed: i64,
}

/// Copies what is worth it. Never waits for readers or the writer, and never keeps them waiting.
fn copy(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let seen: Checkpoint = diesel::sql_query("PRAGMA wal_checkpoint(NOOP)").get_result(conn)?;
    if seen.log.saturating_sub(seen.checkpointed) >= WORTH_COPYING {
        conn.batch_execute("PRAGMA wal_checkpoint(PASSIVE)")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn seen(conn: &mut SqliteConnection) -> (i64, i64) {
        let seen: Checkpoint = diesel::sql_query("PRAGMA wal_checkpoint(NOOP)")
            .get_result(conn)
            .unwrap();
        (seen.log, seen.checkpointed)
    }

    /// A file with a table, and two connections to it that nothing else uses.
    fn writer_and_copier() -> (tempfile::TempDir, Pooled, SqliteConnection) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db").display().to_string();
        let mut writer = checkout(&pool(&path, 1, PageCache::default().writing()).unwrap()).unwrap();
        let copier = connect(&path).unwrap();
        writer.batch_execute("CREATE TABLE t (x BLOB)").unwrap();
        (dir, writer, copier)
    }

    #[derive(QueryableByName)]
    struct CacheSize {
        #[diesel(sql_type = BigInt)]
        cache_size: i64,
    }

    #[test]
    fn half_of_the_pages_are_the_writers_and_all_readers_share_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db").display().to_string();
        for (bytes, writer, reader) in [
            (64 << 20, 32_768, 3_276),
            (1 << 20, 512, 51),
            (0, 0, 0),
            (u64::MAX, 1 << 29, 53_687_091),
        ] {
            let sqlite = Sqlite::open(&path, PageCache::new(bytes)).unwrap();
            let kib = |conn: &mut SqliteConnection| -> i64 {
                let size: CacheSize = diesel::sql_query("PRAGMA cache_size").get_result(conn).unwrap();
                -size.cache_size
            };
            let found = sqlite.writing(|conn| Ok(kib(conn))).unwrap();
            assert_eq!((found, kib(&mut sqlite.reader().unwrap())), (writer, reader));
        }
    }

    /// Who reads in a worker must not wait there for others that read.
    #[test]
    fn no_reader_is_free_while_all_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db").display().to_string();
        let sqlite = Sqlite::open(&path, PageCache::default()).unwrap();
        drop(sqlite.reader().unwrap());
        assert!(sqlite.has_free_reader());
        let all: Vec<_> = (0..CONNECTIONS).map(|_| sqlite.reader().unwrap()).collect();
        assert!(!sqlite.has_free_reader());
        drop(all);
        assert!(sqlite.has_free_reader());
    }

    /// Without the thread, so that nothing depends on its pace.
    #[test]
    fn a_long_log_is_copied_and_a_short_one_is_not() {
        let (_dir, mut writer, mut copier) = writer_and_copier();
        copy(&mut copier).unwrap();
        let (log, copied) = seen(&mut copier);
        assert!(log > 0 && copied == 0, "{log} {copied}");

        // 8 MB: SQLite's own bound would have had the writer copy it, ours has not.
        let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
             INSERT INTO t SELECT randomblob(4000) FROM n";
        writer.batch_execute(rows).unwrap();
        let (log, copied) = seen(&mut copier);
        assert!(log > 2 * WORTH_COPYING && copied == 0, "{log} {copied}");
        copy(&mut copier).unwrap();
        assert_eq!(seen(&mut copier), (log, log));

        // Copied whole, the log begins anew, and does not grow.
        writer.batch_execute("INSERT INTO t VALUES (1)").unwrap();
        let (log, copied) = seen(&mut copier);
        assert!(log < WORTH_COPYING && copied == 0, "{log} {copied}");
    }

    /// A thread that died costs the writer time and the disk no more than the bound.
    #[test]
    fn the_writer_copies_a_very_long_log_itself() {
        let (_dir, mut writer, mut other) = writer_and_copier();
        for (megabytes, copies) in [(50, false), (20, true)] {
            let row = format!("INSERT INTO t VALUES (zeroblob({megabytes}000000))");
            writer.batch_execute(&row).unwrap();
            let (log, copied) = seen(&mut other);
            assert_eq!(copied == log, copies, "{log} {copied}");
        }
    }

    #[test]
    fn what_is_written_through_the_store_is_copied_by_its_thread_at_the_latest_when_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let sqlite = Sqlite::open(path.to_str().unwrap(), PageCache::default()).unwrap();
        sqlite
            .writing(|conn| {
                conn.batch_execute("CREATE TABLE t (x BLOB); INSERT INTO t VALUES (randomblob(9000000))")?;
                Ok(())
            })
            .unwrap();
        let Sqlite {
            readers,
            writer,
            turn: _,
            copier,
        } = sqlite;
        // What waits is done before the thread ends.
        drop(copier);
        let mut conn = checkout(&readers).unwrap();
        let (log, copied) = seen(&mut conn);
        assert!(log > 2 * WORTH_COPYING && copied == log, "{log} {copied}");
        drop(writer);
    }
}
