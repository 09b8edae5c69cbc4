//! What others have seen: heads that are still to be compared, heartbeats, cosignatures of peers.

use diesel::prelude::*;
use keyglass_protocol::quantity::{LogHash, LogSize, Seconds};

use super::error::AuditorStoreError;
use super::tables::{heads, heartbeats, peers};
use super::{AuditorStore, DirectoryId};
use crate::number::{loaded, stored};

/// Most heads of one log that wait to be compared. All of them carry the log's signature, so only its operator could
/// fill this; those that do not fit are compared with what waits, and forgotten.
pub const MAX_HEADS: i64 = 1024;

/// The operator's heartbeats on the largest head on which one was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeats {
    /// Size of that head.
    pub size: LogSize,
    /// Earliest heartbeat on it, and the note that carries it.
    pub first: (Seconds, Vec<u8>),
    /// Latest heartbeat on it.
    pub last: (Seconds, Vec<u8>),
}

/// The newest cosignature of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerHead {
    /// What it cosigned.
    pub size: LogSize,
    /// Time in its cosignature.
    pub at: Seconds,
    /// The note with the log's and the peer's lines.
    pub note: Vec<u8>,
}

impl AuditorStore {
    /// Keeps a signed head to be compared later; answers the note of another root at this size, if one waits too.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn keep_head(
        &self,
        id: DirectoryId,
        size: LogSize,
        root: &LogHash,
        note: &[u8],
    ) -> Result<Option<Vec<u8>>, AuditorStoreError> {
        let size = stored(size.get(), "size")?;
        self.write("auditor_keep_head", |conn| {
            let of_log = heads::table.filter(heads::directory.eq(id.0));
            let rival: Option<Vec<u8>> = of_log
                .filter(heads::size.eq(size))
                .filter(heads::root.ne(root.as_bytes().as_slice()))
                .select(heads::note)
                .first(conn)
                .optional()?;
            let waiting: i64 = of_log.count().get_result(conn)?;
            if waiting < MAX_HEADS {
                diesel::insert_into(heads::table)
                    .values((
                        heads::directory.eq(id.0),
                        heads::size.eq(size),
                        heads::root.eq(root.as_bytes().as_slice()),
                        heads::note.eq(note),
                    ))
                    .on_conflict_do_nothing()
                    .execute(conn)?;
            }
            Ok(rival)
        })
    }

    /// The smallest waiting head that is not larger than `verified`.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails or the row is damaged.
    pub fn waiting_head(
        &self,
        id: DirectoryId,
        verified: LogSize,
    ) -> Result<Option<Vec<u8>>, AuditorStoreError> {
        let verified = stored(verified.get(), "size")?;
        self.read("auditor_waiting_head", |conn| {
            Ok(heads::table
                .filter(heads::directory.eq(id.0))
                .filter(heads::size.le(verified))
                .order(heads::size.asc())
                .select(heads::note)
                .first(conn)
                .optional()?)
        })
    }

    /// Forgets a head that was compared.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn forget_head(
        &self,
        id: DirectoryId,
        size: LogSize,
        root: &LogHash,
    ) -> Result<(), AuditorStoreError> {
        let size = stored(size.get(), "size")?;
        self.write("auditor_forget_head", |conn| {
            let row = heads::table.find((id.0, size, root.as_bytes().as_slice()));
            diesel::delete(row).execute(conn)?;
            Ok(())
        })
    }

    /// The heartbeats on the largest head on which one was seen.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails or the row is damaged.
    pub fn heartbeats(&self, id: DirectoryId) -> Result<Option<Heartbeats>, AuditorStoreError> {
        type Row = (i64, i64, Vec<u8>, i64, Vec<u8>);
        self.read("auditor_heartbeats", |conn| {
            let row: Option<Row> = heartbeats::table
                .find(id.0)
                .select((
                    heartbeats::size,
                    heartbeats::first_at,
                    heartbeats::first,
                    heartbeats::last_at,
                    heartbeats::last,
                ))
                .first(conn)
                .optional()?;
            row.map(|(size, first_at, first, last_at, last)| {
                Ok(Heartbeats {
                    size: LogSize::new(loaded(size, "heartbeats")?),
                    first: (Seconds::new(loaded(first_at, "heartbeats")?), first),
                    last: (Seconds::new(loaded(last_at, "heartbeats")?), last),
                })
            })
            .transpose()
        })
    }

    /// Replaces what is remembered of heartbeats.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn set_heartbeats(&self, id: DirectoryId, new: &Heartbeats) -> Result<(), AuditorStoreError> {
        let size = stored(new.size.get(), "size")?;
        let first_at = stored(new.first.0.get(), "time")?;
        let last_at = stored(new.last.0.get(), "time")?;
        self.write("auditor_set_heartbeats", |conn| {
            diesel::replace_into(heartbeats::table)
                .values((
                    heartbeats::directory.eq(id.0),
                    heartbeats::size.eq(size),
                    heartbeats::first_at.eq(first_at),
                    heartbeats::first.eq(&new.first.1),
                    heartbeats::last_at.eq(last_at),
                    heartbeats::last.eq(&new.last.1),
                ))
                .execute(conn)?;
            Ok(())
        })
    }

    /// The newest cosignature of a peer.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails or the row is damaged.
    pub fn peer_head(&self, id: DirectoryId, vkey: &str) -> Result<Option<PeerHead>, AuditorStoreError> {
        self.read("auditor_peer_head", |conn| {
            let row: Option<(i64, i64, Vec<u8>)> = peers::table
                .find((id.0, vkey))
                .select((peers::size, peers::at, peers::note))
                .first(conn)
                .optional()?;
            row.map(|(size, at, note)| {
                Ok(PeerHead {
                    size: LogSize::new(loaded(size, "peers")?),
                    at: Seconds::new(loaded(at, "peers")?),
                    note,
                })
            })
            .transpose()
        })
    }

    /// Remembers a peer's cosignature, unless a larger or later one is remembered.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn set_peer_head(
        &self,
        id: DirectoryId,
        vkey: &str,
        new: &PeerHead,
    ) -> Result<(), AuditorStoreError> {
        let (size, at) = (stored(new.size.get(), "size")?, stored(new.at.get(), "time")?);
        self.write("auditor_set_peer_head", |conn| {
            let known: Option<(i64, i64)> = peers::table
                .find((id.0, vkey))
                .select((peers::size, peers::at))
                .first(conn)
                .optional()?;
            if known.is_some_and(|known| known >= (size, at)) {
                return Ok(());
            }
            diesel::replace_into(peers::table)
                .values((
                    peers::directory.eq(id.0),
                    peers::vkey.eq(vkey),
                    peers::size.eq(size),
                    peers::at.eq(at),
                    peers::note.eq(&new.note),
                ))
                .execute(conn)?;
            Ok(())
        })
    }
}
