//! The only road to the database: named transactions that may run twice.

use std::sync::Arc;
use std::time::Duration;

use crate::connection::{Access, Pools, Tx};
use crate::error::StoreError;
use crate::lease::{FenceCell, admit};
use crate::sqlite::PageCache;
use crate::url::DatabaseUrl;

/// Attempts at one transaction before it gives up: somebody waits for the answer, and can ask again. About a second.
const ATTEMPTS: u32 = 12;
/// The same if its failure ends the process. On Postgres a transaction that waits for a standby makes others fail until the
/// standby answers, so that is waited for: about half a minute, unless the lease is lost before.
const PATIENT_ATTEMPTS: u32 = 250;

/// A database with its connections. Clones share them.
#[derive(Clone)]
pub(crate) struct Database {
    pools: Arc<Pools>,
    fence: FenceCell,
    sleep: fn(Duration),
}

impl Database {
    pub(crate) fn open(url: &DatabaseUrl, pages: PageCache) -> Result<Self, StoreError> {
        Ok(Self {
            pools: Arc::new(Pools::open(url, pages)?),
            fence: FenceCell::default(),
            sleep: std::thread::sleep,
        })
    }

    /// As [`Self::open`], for reading only.
    pub(crate) fn open_to_read(url: &DatabaseUrl) -> Result<Self, StoreError> {
        Ok(Self {
            pools: Arc::new(Pools::open_to_read(url)?),
            fence: FenceCell::default(),
            sleep: std::thread::sleep,
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
        self.run(name, ATTEMPTS, Access::Statement, work)
    }

    /// Reads in one consistent snapshot.
    pub(crate) fn read<T>(
        &self,
        name: &'static str,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.run(name, ATTEMPTS, Access::Read, work)
    }

    /// Writes in one serializable transaction: durably, and only while the lease is ours, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] or [`StoreError::Promoted`] once it is not, and what `work` answers.
    pub(crate) fn write<T>(
        &self,
        name: &'static str,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write_within(name, ATTEMPTS, work)
    }

    /// As [`Self::write`], for what the process cannot go on without.
    pub(crate) fn write_patiently<T>(
        &self,
        name: &'static str,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.write_within(name, PATIENT_ATTEMPTS, work)
    }

    fn write_within<T>(
        &self,
        name: &'static str,
        attempts: u32,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let fence = self.fence.get()?;
        let done = self.run(name, attempts, Access::Write, |tx| {
            // First of all: the snapshot begins with this statement, so whoever was quicker is seen or waited for.
            admit(tx, fence.as_ref())?;
            work(tx)
        });
        if let Err(error) = &done {
            self.fence.note(error);
        }
        done
    }

    /// Runs the transaction `name`, at most `attempts` times. `work` may run several times and must have no effect outside the
    /// database; only collisions with other transactions (serialization failure, deadlock, busy SQLite, a key just taken)
    /// are tried again.
    fn run<T>(
        &self,
        name: &'static str,
        attempts: u32,
        access: Access,
        mut work: impl FnMut(&mut Tx<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        for attempt in 1..=attempts {
            match self.pools.transaction(access, &mut work) {
                // A key that stays taken is no collision but a mistake, and says so itself.
                Err(error) if error.is_duplicate() && attempt >= ATTEMPTS => return Err(error),
                Err(error) if error.is_collision() && attempt < attempts => {
                    tracing::debug!(transaction = name, attempt, "collided, trying again");
                    (self.sleep)(pause(attempt));
                }
                Err(error) if error.is_collision() => break,
                other => return other,
            }
        }
        Err(StoreError::Contended { name, attempts })
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

    /// One whose transactions are tried again at once.
    fn database() -> (tempfile::TempDir, Database) {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(&dir.path().join("db"));
        let mut database = Database::open(&url, PageCache::default()).unwrap();
        database.sleep = drop;
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
        let (contended, taken) = (
            (DatabaseErrorKind::SerializationFailure, "transaction-contended"),
            (DatabaseErrorKind::UniqueViolation, "database-error"),
        );
        for ((kind, reason), patient, attempts) in [
            (contended, false, ATTEMPTS),
            (contended, true, PATIENT_ATTEMPTS),
            (taken, false, ATTEMPTS),
            (taken, true, ATTEMPTS),
        ] {
            let mut runs = 0;
            let work = |_: &mut Tx<'_>| -> Result<(), StoreError> {
                runs += 1;
                Err(failure(kind, "x"))
            };
            let done = if patient {
                database.write_patiently("test", work)
            } else {
                database.write("test", work)
            };
            assert_eq!((runs, done.unwrap_err().reason()), (attempts, reason));
        }
    }

    #[test]
    fn what_the_process_needs_is_tried_for_longer_than_a_lease_lasts() {
        let time = |attempts| (1..=attempts).map(pause).sum::<Duration>();
        assert!(time(ATTEMPTS) < Duration::from_secs(2));
        assert!(time(PATIENT_ATTEMPTS) > Duration::from_secs(30));
    }
}
