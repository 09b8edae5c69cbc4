//! Bringing receipts and queue forward with a journal, after an old backup was restored.

use diesel::prelude::*;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion};

use super::ReceiptRow;
use super::receipt::by_hash;
use crate::connection::{Tx, on_both};
use crate::error::StoreError;
use crate::keys::StoreKeys;
use crate::number::{stored, stored_epoch};
use crate::store::Store;
use crate::tables::{receipts, updates};

/// A receipt with the version that it promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenReceipt {
    /// The label.
    pub label: Label,
    /// The version.
    pub version: KeyVersion,
    /// The receipt.
    pub receipt: ReceiptRow,
}

impl Store {
    /// The receipts of a batch that is in `epoch` again: they name it, and their updates wait no longer. The same call
    /// again changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing changed.
    pub fn replay_receipts(&self, epoch: Epoch, given: &[GivenReceipt]) -> Result<(), StoreError> {
        let epoch = stored_epoch(epoch)?;
        self.database.write("replay_receipts", |tx| {
            given
                .iter()
                .try_for_each(|one| replay(tx, &self.keys, epoch, one))
        })
    }
}

fn replay(tx: &mut Tx<'_>, keys: &StoreKeys, epoch: i64, given: &GivenReceipt) -> Result<(), StoreError> {
    let label_hash = keys.label_hash(given.label.as_bytes());
    let hash = given.receipt.hash(keys);
    let version = stored(given.version.get(), "version")?;
    let waiting = || {
        updates::table
            .filter(updates::label_hash.eq(label_hash.as_slice()))
            .filter(updates::version.le(version))
    };
    on_both!(tx, conn => diesel::delete(waiting()).execute(conn)?);
    if by_hash(tx, keys, &hash)?.is_none() {
        given.receipt.insert(tx, keys, &label_hash, given.version)?;
    }
    let row = || receipts::table.filter(receipts::receipt_hash.eq(hash.as_slice()));
    on_both!(tx, conn => diesel::update(row()).set(receipts::epoch.eq(epoch)).execute(conn)?);
    Ok(())
}
