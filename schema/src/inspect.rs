//! Rows as they are, page by page, for whoever checks all of them. A damaged row is told and does not end the page.

use diesel::prelude::*;
use keyglass_protocol::quantity::{Epoch, LogHash};

use crate::connection::{first, on_both};
use crate::error::StoreError;
use crate::number::{loaded, loaded_epoch, stored, stored_count};
use crate::queue::ReceiptStatus;
use crate::store::Store;
use crate::tables::{checkpoints, label_states, log_hashes, receipts, updates};
use crate::tree::StateRow;

/// Where a page ends: the key of its last row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor(Vec<u8>, i64);

/// One version of a label.
#[derive(Debug)]
pub struct InspectedState {
    /// The keyed hash under which it stands, in hex.
    pub place: String,
    /// The epoch that published it.
    pub epoch: u64,
    /// Its version.
    pub version: u64,
    /// Label and record, if the row opens.
    pub opened: Result<(Vec<u8>, Vec<u8>), StoreError>,
}

/// One receipt.
#[derive(Debug)]
pub struct InspectedReceipt {
    /// The keyed hash under which it stands, in hex.
    pub place: String,
    /// The receipt, if the row opens.
    pub opened: Result<ReceiptStatus, StoreError>,
}

impl Store {
    /// Up to `count` versions of labels after a cursor, those of one label together and ascending.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn inspect_states(
        &self,
        after: &Cursor,
        count: usize,
    ) -> Result<(Vec<InspectedState>, Cursor), StoreError> {
        let (hash, epoch) = (after.0.as_slice(), after.1);
        let rows: Vec<(Vec<u8>, i64, i64, Vec<u8>)> = self.database.read_one("inspect_states", |tx| {
            let query = || {
                let later = label_states::label_hash.gt(hash).or(label_states::label_hash
                    .eq(hash)
                    .and(label_states::epoch.gt(epoch)));
                let ordered = label_states::table
                    .filter(later)
                    .order((label_states::label_hash.asc(), label_states::epoch.asc()));
                ordered.limit(stored_count(count)).select((
                    label_states::label_hash,
                    label_states::epoch,
                    label_states::version,
                    label_states::sealed,
                ))
            };
            Ok(on_both!(tx, conn => query().load(conn)?))
        })?;
        let end = rows
            .last()
            .map(|row| Cursor(row.0.clone(), row.1))
            .unwrap_or_default();
        let inspect = |(label_hash, epoch, version, sealed): (Vec<u8>, i64, i64, Vec<u8>)| {
            let row = StateRow {
                label_hash,
                epoch,
                version,
                sealed,
            };
            Ok(InspectedState {
                place: hex(&row.label_hash),
                epoch: loaded(epoch, "label_states")?,
                version: loaded(version, "label_states")?,
                opened: row
                    .open_any(&self.keys)
                    .map(|state| (state.username.0, state.value.0)),
            })
        };
        let rows: Result<_, StoreError> = rows.into_iter().map(inspect).collect();
        Ok((rows?, end))
    }

    /// Up to `count` receipts after a cursor.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn inspect_receipts(
        &self,
        after: &Cursor,
        count: usize,
    ) -> Result<(Vec<InspectedReceipt>, Cursor), StoreError> {
        let hashes: Vec<Vec<u8>> = self.database.read_one("inspect_receipts", |tx| {
            let query = || {
                let later = receipts::table.filter(receipts::receipt_hash.gt(after.0.as_slice()));
                let ordered = later.order(receipts::receipt_hash.asc());
                ordered.limit(stored_count(count)).select(receipts::receipt_hash)
            };
            Ok(on_both!(tx, conn => query().load(conn)?))
        })?;
        let end = hashes
            .last()
            .map(|hash| Cursor(hash.clone(), 0))
            .unwrap_or_default();
        let inspect = |hash: Vec<u8>| InspectedReceipt {
            place: hex(&hash),
            opened: self.receipt_at(&hash),
        };
        Ok((hashes.into_iter().map(inspect).collect(), end))
    }

    /// Updates that wait without the receipt that was given for them.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn updates_without_receipt(&self) -> Result<u64, StoreError> {
        self.database.read_one("updates_without_receipt", |tx| {
            let query = || {
                let given = receipts::table.select(receipts::receipt_hash);
                updates::table.filter(updates::receipt_hash.ne_all(given)).count()
            };
            let count: i64 = on_both!(tx, conn => query().get_result(conn)?);
            loaded(count, "updates")
        })
    }

    /// Sizes of all stored checkpoints, as the last epoch that each covers, ascending.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row is damaged.
    pub fn inspect_checkpoints(&self) -> Result<Vec<Epoch>, StoreError> {
        self.database.read_one("inspect_checkpoints", |tx| {
            let query = || {
                checkpoints::table
                    .select(checkpoints::epoch)
                    .order(checkpoints::epoch.asc())
            };
            let rows: Vec<i64> = on_both!(tx, conn => query().load(conn)?);
            rows.into_iter()
                .map(|epoch| loaded_epoch(epoch, "checkpoints"))
                .collect()
        })
    }

    /// One stored hash of the log; `None` if there is no such row.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or the row is damaged.
    pub fn inspect_log_hash(&self, level: u8, index: u64) -> Result<Option<LogHash>, StoreError> {
        let index = stored(index, "log index")?;
        self.database.read_one("inspect_log_hash", |tx| {
            let query = || {
                let row = log_hashes::table.find((i16::from(level), index));
                row.select(log_hashes::hash)
            };
            let row: Option<Vec<u8>> = first!(tx, query()).optional()?;
            let damaged = |_| StoreError::Corrupt {
                table: "log_hashes",
                why: "hash length",
            };
            row.map(|hash| LogHash::try_from(hash.as_slice()).map_err(damaged))
                .transpose()
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
            let _always_fits = write!(out, "{byte:02x}");
            out
        })
}
