//! Checkpoints as the log key signed them, and their cosignatures.

use diesel::prelude::*;
use keyglass_protocol::quantity::{Epoch, LogSize, Seconds};

use crate::connection::{Tx, first, on_both};
use crate::error::StoreError;
use crate::number::{loaded, loaded_epoch, stored, stored_epoch};
use crate::store::Store;
use crate::tables::{checkpoints, cosignatures, epochs};

/// One cosigner's newest signature on a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The cosigner's vkey text.
    pub vkey: String,
    /// The signature line of the note.
    pub line: String,
    /// The time that the cosignature states.
    pub time: Seconds,
}

/// The epoch of a checkpoint's last leaf, as checkpoints are keyed.
pub(super) fn last_epoch(size: LogSize) -> Result<i64, StoreError> {
    stored_epoch(size.last_epoch().ok_or(StoreError::SizeUnknown { size: 0 })?)
}

pub(super) fn size_of(epoch: i64, table: &'static str) -> Result<LogSize, StoreError> {
    loaded_epoch(epoch, table)?
        .log_size()
        .ok_or(StoreError::OutOfRange("log size"))
}

impl Store {
    /// Stores the checkpoint of `size` as signed by the log key. The same bytes again are accepted.
    ///
    /// # Errors
    /// [`StoreError::SizeUnknown`] if the log is smaller; [`StoreError::CheckpointDiffers`] if other bytes are stored.
    pub fn put_checkpoint(&self, size: LogSize, note: &[u8]) -> Result<(), StoreError> {
        let epoch = last_epoch(size)?;
        self.database.write("put_checkpoint", |tx| {
            match note_at(tx, epoch)? {
                Some(stored) if stored == note => return Ok(()),
                Some(_) => return Err(StoreError::CheckpointDiffers { size: size.get() }),
                None => {}
            }
            require_leaf(tx, epoch, size)?;
            on_both!(tx, conn => diesel::insert_into(checkpoints::table)
                .values((checkpoints::epoch.eq(epoch), checkpoints::note.eq(note)))
                .execute(conn)?);
            Ok(())
        })
    }

    /// The checkpoint of `size` as signed by the log key.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn checkpoint(&self, size: LogSize) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(epoch) = size.last_epoch() else {
            return Ok(None);
        };
        let epoch = stored_epoch(epoch)?;
        self.database.read_one("checkpoint", |tx| note_at(tx, epoch))
    }

    /// The largest checkpoint.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn newest_checkpoint(&self) -> Result<Option<(LogSize, Vec<u8>)>, StoreError> {
        self.database.read_one("newest_checkpoint", |tx| {
            let query = || checkpoints::table.order(checkpoints::epoch.desc());
            let row: Option<(i64, Vec<u8>)> = first!(tx, query()).optional()?;
            row.map(|(epoch, note)| Ok((size_of(epoch, "checkpoints")?, note)))
                .transpose()
        })
    }

    /// Stores a verified cosignature of the checkpoint of `size`. Of one key the newest time stays; returns whether this
    /// one was stored.
    ///
    /// # Errors
    /// [`StoreError::SizeUnknown`] if that checkpoint is not stored.
    pub fn put_cosignature(
        &self,
        size: LogSize,
        vkey: &str,
        line: &str,
        time: Seconds,
    ) -> Result<bool, StoreError> {
        let epoch = last_epoch(size)?;
        let time_s = stored(time.get(), "time")?;
        let key_hash = *blake3::hash(vkey.as_bytes()).as_bytes();
        self.database.write("put_cosignature", |tx| {
            require_checkpoint(tx, epoch, size)?;
            let row = || cosignatures::table.find((epoch, key_hash.as_slice()));
            let newest: Option<i64> = first!(tx, row().select(cosignatures::time_s)).optional()?;
            if newest.is_some_and(|newest| newest >= time_s) {
                return Ok(false);
            }
            on_both!(tx, conn => diesel::insert_into(cosignatures::table)
                .values((
                    cosignatures::epoch.eq(epoch),
                    cosignatures::key_hash.eq(key_hash.as_slice()),
                    cosignatures::vkey.eq(vkey),
                    cosignatures::line.eq(line),
                    cosignatures::time_s.eq(time_s),
                ))
                .on_conflict((cosignatures::epoch, cosignatures::key_hash))
                .do_update()
                .set((cosignatures::line.eq(line), cosignatures::time_s.eq(time_s)))
                .execute(conn)?);
            Ok(true)
        })
    }

    /// The cosignatures of the checkpoint of `size`, ordered by vkey.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn cosignatures(&self, size: LogSize) -> Result<Vec<Cosignature>, StoreError> {
        let Some(epoch) = size.last_epoch() else {
            return Ok(Vec::new());
        };
        let epoch = stored_epoch(epoch)?;
        self.database.read_one("cosignatures", |tx| {
            let query = || {
                let of_size = cosignatures::table.filter(cosignatures::epoch.eq(epoch));
                of_size.select((cosignatures::vkey, cosignatures::line, cosignatures::time_s))
            };
            let rows: Vec<(String, String, i64)> = on_both!(tx, conn => query().load(conn)?);
            let mut found = Vec::with_capacity(rows.len());
            for (vkey, line, time) in rows {
                found.push(Cosignature {
                    vkey,
                    line,
                    time: Seconds::new(loaded(time, "cosignatures")?),
                });
            }
            // Here and not in SQL: collations differ between databases.
            found.sort_by(|a, b| a.vkey.cmp(&b.vkey));
            Ok(found)
        })
    }
}

fn note_at(tx: &mut Tx<'_>, epoch: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let query = || checkpoints::table.find(epoch).select(checkpoints::note);
    Ok(first!(tx, query()).optional()?)
}

fn require_leaf(tx: &mut Tx<'_>, epoch: i64, size: LogSize) -> Result<(), StoreError> {
    let query = || epochs::table.find(epoch).select(epochs::epoch);
    let found: Option<i64> = first!(tx, query()).optional()?;
    found
        .map(drop)
        .ok_or(StoreError::SizeUnknown { size: size.get() })
}

/// There must be a checkpoint of this size.
pub(super) fn require_checkpoint(tx: &mut Tx<'_>, epoch: i64, size: LogSize) -> Result<(), StoreError> {
    let query = || checkpoints::table.find(epoch).select(checkpoints::epoch);
    let found: Option<i64> = first!(tx, query()).optional()?;
    found
        .map(drop)
        .ok_or(StoreError::SizeUnknown { size: size.get() })
}

/// Whether a checkpoint covers this epoch's leaf.
pub(super) fn is_covered(tx: &mut Tx<'_>, epoch: Epoch) -> Result<Option<LogSize>, StoreError> {
    let epoch = stored_epoch(epoch)?;
    let query = || {
        checkpoints::table
            .filter(checkpoints::epoch.ge(epoch))
            .select(diesel::dsl::min(checkpoints::epoch))
    };
    let covering: Option<i64> = first!(tx, query())?;
    covering.map(|epoch| size_of(epoch, "checkpoints")).transpose()
}
