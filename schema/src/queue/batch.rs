//! From the queue into an epoch: freeze, publish (elsewhere), finish.

use diesel::prelude::*;
use keyglass_protocol::quantity::{Epoch, Millis};

use super::Frozen;
use super::enqueue::{TABLE, open};
use super::receipt;
use crate::connection::{Tx, first, on_both};
use crate::error::StoreError;
use crate::keys::StoreKeys;
use crate::number::{loaded, loaded_millis, loaded_version, stored, stored_count, stored_epoch};
use crate::store::Store;
use crate::tables::{receipts, updates};
use crate::tree::tree_head;

impl Store {
    /// Fixes which updates go into `epoch`: at most `max`, oldest first. If a batch is frozen for this epoch already, it
    /// is returned as it is, so a crash in between changes nothing. May be empty; then nothing is frozen.
    ///
    /// # Errors
    /// [`StoreError::AlreadyPublished`] if the tree has this epoch and no batch of it is left unfinished.
    pub fn freeze_batch(&self, epoch: Epoch, max: usize) -> Result<Vec<Frozen>, StoreError> {
        self.database.write("freeze_batch", |tx| {
            let frozen = frozen(tx, &self.keys, epoch)?;
            if !frozen.is_empty() {
                return Ok(frozen);
            }
            if tree_head(tx)?.is_some_and(|head| head.epoch >= epoch.get()) {
                return Err(StoreError::AlreadyPublished(epoch.get()));
            }
            freeze(tx, epoch, max)?;
            self::frozen(tx, &self.keys, epoch)
        })
    }

    /// The batch that is frozen for `epoch`, oldest first; empty if there is none.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row is damaged.
    pub fn frozen(&self, epoch: Epoch) -> Result<Vec<Frozen>, StoreError> {
        self.database
            .read("frozen_batch", |tx| frozen(tx, &self.keys, epoch))
    }

    /// The batch of `epoch` is in a signed epoch: its receipts name it, its queue rows go. Returns how many; 0 if it
    /// was finished before.
    ///
    /// # Errors
    /// [`StoreError::EpochMoved`] if the tree has not reached this epoch.
    pub fn finish_batch(&self, epoch: Epoch) -> Result<usize, StoreError> {
        self.database.write("finish_batch", |tx| {
            let head = tree_head(tx)?.map(|head| head.epoch);
            if head.is_none_or(|head| head < epoch.get()) {
                return Err(StoreError::EpochMoved {
                    expected: epoch.get(),
                    found: head,
                });
            }
            finish(tx, epoch)
        })
    }

    /// Updates that wait, frozen or not.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn queue_depth(&self) -> Result<u64, StoreError> {
        self.database.read_one("queue_depth", |tx| {
            let count: i64 = on_both!(tx, conn => updates::table.count().get_result(conn)?);
            loaded(count, TABLE)
        })
    }

    /// When the oldest waiting update was accepted; `None` if none waits.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn oldest_accepted(&self) -> Result<Option<Millis>, StoreError> {
        self.database.read_one("oldest_accepted", |tx| {
            let query = || updates::table.select(diesel::dsl::min(updates::accepted_ms));
            let oldest: Option<i64> = first!(tx, query())?;
            oldest.map(|ms| loaded_millis(ms, TABLE)).transpose()
        })
    }

    /// When the oldest update was accepted that is in no epoch up to `epoch`; `None` if none waits beyond it.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn oldest_accepted_beyond(&self, epoch: Epoch) -> Result<Option<Millis>, StoreError> {
        let epoch = stored_epoch(epoch)?;
        self.database.read_one("oldest_accepted_beyond", |tx| {
            let query = || {
                let beyond = updates::epoch.is_null().or(updates::epoch.gt(epoch));
                let waiting = updates::table.filter(beyond.assume_not_null());
                waiting.select(diesel::dsl::min(updates::accepted_ms))
            };
            let oldest: Option<i64> = first!(tx, query())?;
            oldest.map(|ms| loaded_millis(ms, TABLE)).transpose()
        })
    }

    /// Updates that are in no epoch up to `epoch` and were accepted before `time`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn accepted_before_beyond(&self, time: Millis, epoch: Epoch) -> Result<u64, StoreError> {
        let epoch = stored_epoch(epoch)?;
        let time = stored(time.get(), "time")?;
        self.database.read_one("accepted_before_beyond", |tx| {
            let query = || {
                let beyond = updates::epoch.is_null().or(updates::epoch.gt(epoch));
                let waiting = updates::table.filter(beyond.assume_not_null());
                waiting.filter(updates::accepted_ms.lt(time)).count()
            };
            let count: i64 = on_both!(tx, conn => query().get_result(conn)?);
            loaded(count, TABLE)
        })
    }

    /// When the newest update of the batch of `epoch` was accepted; `None` if no batch is frozen for it.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn newest_accepted_in(&self, epoch: Epoch) -> Result<Option<Millis>, StoreError> {
        let epoch = stored_epoch(epoch)?;
        self.database.read_one("newest_accepted_in", |tx| {
            let query = || {
                let batch = updates::table.filter(updates::epoch.eq(epoch));
                batch.select(diesel::dsl::max(updates::accepted_ms))
            };
            let newest: Option<i64> = first!(tx, query())?;
            newest.map(|ms| loaded_millis(ms, TABLE)).transpose()
        })
    }
}

fn freeze(tx: &mut Tx<'_>, epoch: Epoch, max: usize) -> Result<(), StoreError> {
    let epoch = stored_epoch(epoch)?;
    let free = || {
        let oldest = updates::table
            .filter(updates::epoch.is_null())
            .order(updates::seq.asc());
        oldest.limit(stored_count(max)).select(updates::seq)
    };
    let chosen: Vec<i64> = on_both!(tx, conn => free().load(conn)?);
    let Some(last) = chosen.last().copied() else {
        return Ok(());
    };
    let upto = || {
        updates::table
            .filter(updates::epoch.is_null())
            .filter(updates::seq.le(last))
    };
    on_both!(tx, conn => diesel::update(upto()).set(updates::epoch.eq(epoch)).execute(conn)?);
    Ok(())
}

/// An update's label hash, version and sealed record, and its receipt.
type Columns = (Vec<u8>, i64, Vec<u8>, Option<receipt::Columns>);

fn frozen(tx: &mut Tx<'_>, keys: &StoreKeys, epoch: Epoch) -> Result<Vec<Frozen>, StoreError> {
    let epoch = stored_epoch(epoch)?;
    let query = || {
        let given = receipts::table.on(receipts::receipt_hash.eq(updates::receipt_hash));
        updates::table
            .left_join(given)
            .filter(updates::epoch.eq(epoch))
            .order(updates::seq.asc())
            .select((
                updates::label_hash,
                updates::version,
                updates::sealed,
                (receipts::receipt_hash, receipts::epoch, receipts::sealed).nullable(),
            ))
    };
    let rows: Vec<Columns> = on_both!(tx, conn => query().load(conn)?);
    rows.into_iter().map(|row| open_frozen(keys, row)).collect()
}

fn open_frozen(keys: &StoreKeys, row: Columns) -> Result<Frozen, StoreError> {
    let (label_hash, version, sealed, receipt) = row;
    let (label, record) = open(keys, &label_hash, version, &sealed)?;
    let receipt = receipt.ok_or(StoreError::Corrupt {
        table: TABLE,
        why: "an update without its receipt",
    })?;
    let receipt = receipt::open(keys, receipt)?;
    Ok(Frozen {
        label,
        version: loaded_version(version, TABLE)?,
        record,
        receipt: receipt.row,
    })
}

fn finish(tx: &mut Tx<'_>, epoch: Epoch) -> Result<usize, StoreError> {
    let epoch = stored_epoch(epoch)?;
    let batch = || updates::table.filter(updates::epoch.eq(epoch));
    let given = || receipts::receipt_hash.eq_any(batch().select(updates::receipt_hash));
    on_both!(tx, conn => {
        diesel::update(receipts::table.filter(given())).set(receipts::epoch.eq(epoch)).execute(conn)?;
        Ok(diesel::delete(batch()).execute(conn)?)
    })
}
