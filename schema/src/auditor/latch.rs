//! Contradictions: what was caught, and that the auditor's owner has seen it.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use keyglass_protocol::quantity::Millis;

use super::error::AuditorStoreError;
use super::tables::latches;
use super::write::adopt_checkpoint;
use super::{AuditorStore, DirectoryId, Signing};
use crate::number::{loaded_millis, stored};

type Row = (
    i64,
    String,
    String,
    Option<String>,
    i64,
    Option<i64>,
    Option<String>,
    Option<i64>,
);

/// A contradiction that was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latch {
    /// Its number.
    pub id: i64,
    /// Kind of the evidence, such as `bad-append`.
    pub kind: String,
    /// Stable name of the broken rule.
    pub reason: String,
    /// Name of the evidence file, if it could be written.
    pub file: Option<String>,
    /// When it was caught.
    pub at: Millis,
    /// When and why the owner cleared it.
    pub cleared: Option<(Millis, String)>,
    /// When the owner was told of it by every configured hook.
    pub told: Option<Millis>,
}

/// A contradiction that has just been caught.
#[derive(Debug, Clone, Copy)]
pub struct NewLatch<'a> {
    /// Kind of the evidence.
    pub kind: &'a str,
    /// Stable name of the broken rule.
    pub reason: &'a str,
    /// Name of the evidence file, if it could be written.
    pub file: Option<&'a str>,
    /// Now.
    pub at: Millis,
}

impl AuditorStore {
    /// Records a contradiction; from now on nothing of this log is signed. The same one again changes nothing.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn latch(&self, id: DirectoryId, new: &NewLatch<'_>) -> Result<(), AuditorStoreError> {
        let at = stored(new.at.get(), "time")?;
        self.write("auditor_latch", |conn| insert(conn, id, new, at))
    }

    /// Takes up a signature of our own that is not remembered here: from now on nothing older is signed, and
    /// nothing at all until the owner has cleared the contradiction. One commit.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn adopt(
        &self,
        id: DirectoryId,
        own: &Signing<'_>,
        new: &NewLatch<'_>,
    ) -> Result<(), AuditorStoreError> {
        let at = stored(new.at.get(), "time")?;
        self.write("auditor_adopt", |conn| {
            adopt_checkpoint(conn, id, own)?;
            insert(conn, id, new, at)
        })
    }

    /// Records that the owner was told of a contradiction.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn told(&self, latch: i64, now: Millis) -> Result<(), AuditorStoreError> {
        let now = stored(now.get(), "time")?;
        self.write("auditor_told", |conn| {
            diesel::update(latches::table.find(latch))
                .set(latches::told_at.eq(now))
                .execute(conn)?;
            Ok(())
        })
    }

    /// The oldest contradiction that is not cleared.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn latched(&self, id: DirectoryId) -> Result<Option<Latch>, AuditorStoreError> {
        self.read("auditor_latched", |conn| standing(conn, id))
    }

    /// All contradictions ever caught, oldest first.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn latches(&self, id: DirectoryId) -> Result<Vec<Latch>, AuditorStoreError> {
        self.read("auditor_latches", |conn| of(conn, id))
    }

    /// Clears all contradictions of this log; answers how many there were.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn clear_latches(
        &self,
        id: DirectoryId,
        because: &str,
        now: Millis,
    ) -> Result<usize, AuditorStoreError> {
        let now = stored(now.get(), "time")?;
        self.write("auditor_clear_latches", |conn| {
            let open = latches::table
                .filter(latches::directory.eq(id.0))
                .filter(latches::cleared_at.is_null());
            let set = (latches::cleared_at.eq(now), latches::cleared_because.eq(because));
            Ok(diesel::update(open).set(set).execute(conn)?)
        })
    }
}

pub(super) fn standing(
    conn: &mut SqliteConnection,
    id: DirectoryId,
) -> Result<Option<Latch>, AuditorStoreError> {
    Ok(of(conn, id)?.into_iter().find(|latch| latch.cleared.is_none()))
}

fn insert(
    conn: &mut SqliteConnection,
    id: DirectoryId,
    new: &NewLatch<'_>,
    at: i64,
) -> Result<(), AuditorStoreError> {
    let same = of(conn, id)?.into_iter().any(|latch| {
        latch.cleared.is_none() && latch.reason == new.reason && latch.file.as_deref() == new.file
    });
    if same {
        return Ok(());
    }
    diesel::insert_into(latches::table)
        .values((
            latches::directory.eq(id.0),
            latches::kind.eq(new.kind),
            latches::reason.eq(new.reason),
            latches::file.eq(new.file),
            latches::latched_at.eq(at),
        ))
        .execute(conn)?;
    Ok(())
}

fn of(conn: &mut SqliteConnection, id: DirectoryId) -> Result<Vec<Latch>, AuditorStoreError> {
    let rows: Vec<Row> = latches::table
        .filter(latches::directory.eq(id.0))
        .order(latches::id.asc())
        .select((
            latches::id,
            latches::kind,
            latches::reason,
            latches::file,
            latches::latched_at,
            latches::cleared_at,
            latches::cleared_because,
            latches::told_at,
        ))
        .load(conn)?;
    rows.into_iter().map(latch).collect()
}

fn latch(
    (id, kind, reason, file, at, cleared_at, because, told_at): Row,
) -> Result<Latch, AuditorStoreError> {
    let at = loaded_millis(at, "latches")?;
    let cleared = match (cleared_at, because) {
        (Some(when), Some(because)) => Some((loaded_millis(when, "latches")?, because)),
        _ => None,
    };
    Ok(Latch {
        id,
        kind,
        reason,
        file,
        at,
        cleared,
        told: told_at.map(|at| loaded_millis(at, "latches")).transpose()?,
    })
}
