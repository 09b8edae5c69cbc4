//! The only road to the database: named transactions that may run twice.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::{Access, Pools, Tx};
use crate::error::StoreError;
use crate::lease::{FenceCell, admit};
use crate::sqlite::PageCache;
use crate::url::DatabaseUrl;

/// Attempts at one transaction before it gives up.
const ATTEMPTS: u32 = 12;

/// A database with its connections. Clones share them.
#[derive(Clone)]
pub(crate) struct Database {
    pools: Arc<Pools>,
    fence: FenceCell,
}

impl Database {
    pub(crate) fn open(url: &DatabaseUrl, pages: PageCache) -> Result<Self, StoreError> {
        Ok(Self {
            pools: Arc::new(Pools::open(url, pages)?),
            fence: FenceCell::default(),
        })
    }

    /// As [`Self::open`], for reading only.
    pub(crate) fn open_to_read(url: &DatabaseUrl) -> Result<Self, StoreError> {
        Ok(Self {
            pools: Arc::new(Pools::open_to_read(url)?),
            fence: FenceCell::default(),
        })
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// What writes are checked against.
    pub(crate) fn fence(&self) -> &FenceCell {
        &self.fence
    }

    /// Reads by one SELECT and no more.
    pub(crate) fn read_one<T>(
        &self,
        name: &'static str,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.run(name, Access::Statement, work)
    }

    /// Reads in one consistent snapshot.
    pub(crate) fn read<T>(
        &self,
        name: &'static str,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.run(name, Access::Read, work)
    }

    /// Writes in one serializable transaction: durably, and only while the lease is ours, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] or [`StoreError::Promoted`] once it is not, and what `work` answers.
    pub(crate) fn write<T>(
        &self,
        name: &'static str,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let fence = self.fence.get()?;
        let done = self.run(name, Access::Write, |tx| {
            // First of all: the snapshot begins with this statement, so whoever was quicker is seen or waited for.
            admit(tx, fence.as_ref())?;
            work(tx)
        });
        if let Err(error) = &done {
            self.fence.note(error);
        }
        done
    }

    /// Runs the transaction `name`. `work` may run several times and must have no effect outside the database; only
    /// collisions with other transactions (serialization failure, deadlock, busy SQLite, a key just taken) are tried again.
    fn run<T>(
        &self,
        name: &'static str,
        access: Access,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        for attempt in 1..=ATTEMPTS {
            match self.pools.transaction(access, &mut work) {
                Err(error) if error.is_collision() && attempt < ATTEMPTS => {
                    tracing::debug!(transaction = name, attempt, "collided, trying again");
                    std::thread::sleep(pause(attempt));
                }
                // A key that stays taken is no collision but a mistake, and says so itself.
                Err(error) if error.is_collision() && !error.is_duplicate() => break,
                other => return other,
            }
        }
        Err(StoreError::Contended {
            name,
            attempts: ATTEMPTS,
        })
    }
}

/// 2, 4, 8, … at most 128 ms.
fn pause(attempt: u32) -> Duration {
    Duration::from_millis(1_u64 << attempt.min(7))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use diesel::result::{DatabaseErrorKind, Error};

    fn database() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(&dir.path().join("db"));
        let database = Database::open(&url, PageCache::default()).unwrap();
        (dir, database)
    }

    fn failure(kind: DatabaseErrorKind, message: &str) -> StoreError {
        StoreError::Query(Error::DatabaseError(kind, Box::new(message.to_owned())))
    }

    #[test]
    fn collisions_are_tried_again_and_only_they() {
        let (_dir, database) = database();
        for (kind, message, expected) in [
            (DatabaseErrorKind::SerializationFailure, "x", 3),
            (DatabaseErrorKind::UniqueViolation, "x", 3),
            (DatabaseErrorKind::Unknown, "deadlock detected", 3),
            (DatabaseErrorKind::Unknown, "database is locked", 3),
            (DatabaseErrorKind::Unknown, "x", 1),
            (DatabaseErrorKind::CheckViolation, "x", 1),
        ] {
            let mut runs = 0;
            let done = database.write("test", |_| {
                runs += 1;
                if runs < 3 {
                    Err(failure(kind, message))
                } else {
                    Ok(())
                }
            });
            assert_eq!((runs, done.is_ok()), (expected, expected == 3), "{message}");
        }
    }

    #[test]
    fn attempts_are_capped() {
        let (_dir, database) = database();
        for (kind, reason) in [
            (DatabaseErrorKind::SerializationFailure, "transaction-contended"),
            (DatabaseErrorKind::UniqueViolation, "database-error"),
        ] {
            let mut runs = 0;
            let error = database
                .write("test", |_| -> Result<(), _> {
                    runs += 1;
                    Err(failure(kind, "x"))
                })
                .unwrap_err();
            assert_eq!((runs, error.reason()), (ATTEMPTS, reason));
        }
    }
}
