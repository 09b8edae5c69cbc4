//! Accepting one update: every rule is decided and the row written in one serializable transaction.

use diesel::prelude::*;
use keyglass_protocol::codec::{Reader, put_bytes16};
use keyglass_protocol::error::FormatError;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::KeyVersion;

use super::receipt::{by_hash, by_version};
use super::{Conflict, Enqueued, Holder, NewUpdate};
use crate::connection::{Tx, first, on_both};
use crate::error::StoreError;
use crate::keys::{KeyedHash, Sealed, StoreKeys};
use crate::number::{loaded_version, stored};
use crate::store::{Store, Stored, stored_version};
use crate::tables::updates;
use crate::tree::Selection;

pub(super) const TABLE: &str = "updates";

impl Store {
    /// Accepts an update and makes it and its receipt durable, or says what stands in the way.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing was accepted.
    pub fn enqueue(&self, update: &NewUpdate<'_>) -> Result<Enqueued, StoreError> {
        self.database.write("enqueue_update", |tx| {
            let keys = &self.keys;
            let label_hash = keys.label_hash(update.label.as_bytes());
            if let Some(obstacle) = obstacle(tx, keys, &label_hash, update)? {
                return Ok(obstacle);
            }
            update.receipt.insert(tx, keys, &label_hash, update.version)?;
            insert(tx, keys, &label_hash, update)?;
            update.conditions.record(tx, keys, &label_hash, update)?;
            Ok(Enqueued::New)
        })
    }
}

fn obstacle(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label_hash: &KeyedHash,
    update: &NewUpdate<'_>,
) -> Result<Option<Enqueued>, StoreError> {
    if let Some(pending) = pending_of(tx, keys, label_hash)? {
        return if pending.record == update.record {
            let receipt = by_hash(tx, keys, &pending.receipt_hash)?;
            let missing = StoreError::Corrupt {
                table: TABLE,
                why: "an update without its receipt",
            };
            receipt
                .map(|status| Some(Enqueued::Same(status.row)))
                .ok_or(missing)
        } else {
            Ok(Some(Enqueued::Conflict(Conflict::Label(pending.version))))
        };
    }
    if let Some(stale) = stale(tx, keys, label_hash, update)? {
        return Ok(Some(stale));
    }
    for holder in update.holder.iter().chain(&update.previous_holder) {
        if let Some(obstacle) = holder_obstacle(tx, keys, holder)? {
            return Ok(Some(obstacle));
        }
    }
    if update.changes_identity && named_by_alias(tx, label_hash)? {
        return Ok(Some(Enqueued::Conflict(Conflict::AliasPending)));
    }
    update.conditions.obstacle(tx, keys, label_hash, update.label)
}

/// Compares with the newest stored version.
fn stale(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label_hash: &KeyedHash,
    update: &NewUpdate<'_>,
) -> Result<Option<Enqueued>, StoreError> {
    let newest = newest(tx, keys, update.label.as_bytes())?;
    if let Some(same) = newest.as_ref().filter(|stored| stored.value == update.record) {
        // An imported record was never acknowledged: then it is merely stale.
        if let Some(status) = by_version(tx, keys, label_hash, same.version)? {
            return Ok(Some(Enqueued::Same(status.row)));
        }
    }
    let newest = newest.map(|stored| stored.version);
    let next = newest.map_or(Some(KeyVersion::FIRST), KeyVersion::next);
    Ok((next != Some(update.version)).then_some(Enqueued::Stale { newest }))
}

/// The caller judged the alias by a version of its holder: that must still be the newest, and about to stay valid.
fn holder_obstacle(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    holder: &Holder<'_>,
) -> Result<Option<Enqueued>, StoreError> {
    let label = Label::from(holder.account.clone());
    let newest = newest(tx, keys, label.as_bytes())?.map(|stored| stored.version);
    if newest != Some(holder.newest) {
        return Ok(Some(Enqueued::HolderMoved { newest }));
    }
    let hash = keys.label_hash(label.as_bytes());
    let query = || {
        let of_holder = updates::table.filter(updates::label_hash.eq(hash.as_slice()));
        diesel::select(diesel::dsl::exists(
            of_holder.filter(updates::changes_identity.eq(true)),
        ))
    };
    let changes: bool = on_both!(tx, conn => query().get_result(conn)?);
    Ok(changes.then_some(Enqueued::Conflict(Conflict::HolderChanges)))
}

fn named_by_alias(tx: &mut Tx<'_>, account_hash: &KeyedHash) -> Result<bool, StoreError> {
    let query = || {
        let names = updates::holder_hash
            .eq(account_hash.as_slice())
            .or(updates::previous_holder_hash.eq(account_hash.as_slice()));
        updates::table.filter(names).select(updates::seq)
    };
    let seq: Option<i64> = first!(tx, query()).optional()?;
    Ok(seq.is_some())
}

fn newest(tx: &mut Tx<'_>, keys: &StoreKeys, label: &[u8]) -> Result<Option<Stored>, StoreError> {
    stored_version(tx, keys, label, Selection::newest_until(u64::MAX))
}

struct PendingRow {
    version: KeyVersion,
    receipt_hash: Vec<u8>,
    record: Vec<u8>,
}

fn pending_of(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label_hash: &KeyedHash,
) -> Result<Option<PendingRow>, StoreError> {
    let query = || {
        updates::table
            .filter(updates::label_hash.eq(label_hash.as_slice()))
            .select((updates::version, updates::receipt_hash, updates::sealed))
    };
    let row: Option<(i64, Vec<u8>, Vec<u8>)> = first!(tx, query()).optional()?;
    row.map(|(version, receipt_hash, sealed)| {
        let (_, record) = open(keys, label_hash, version, &sealed)?;
        Ok(PendingRow {
            version: loaded_version(version, TABLE)?,
            receipt_hash,
            record,
        })
    })
    .transpose()
}

fn insert(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label_hash: &KeyedHash,
    update: &NewUpdate<'_>,
) -> Result<(), StoreError> {
    let version = stored(update.version.get(), "version")?;
    let accepted = stored(update.receipt.accepted.get(), "time")?;
    let sealed = seal(keys, label_hash, version, update)?;
    let holder_hash = |holder: Option<Holder<'_>>| {
        holder.map(|holder| keys.label_hash(holder.account.label().as_bytes()).to_vec())
    };
    on_both!(tx, conn => diesel::insert_into(updates::table)
        .values((
            updates::label_hash.eq(label_hash.as_slice()),
            updates::version.eq(version),
            updates::holder_hash.eq(holder_hash(update.holder)),
            updates::previous_holder_hash.eq(holder_hash(update.previous_holder)),
            updates::changes_identity.eq(update.changes_identity),
            updates::receipt_hash.eq(update.receipt.hash(keys).as_slice()),
            updates::accepted_ms.eq(accepted),
            updates::sealed.eq(&sealed),
        ))
        .execute(conn)?);
    Ok(())
}

/// Row key: label hash | i64 version. Sealed text: bytes16 label | record.
fn row_key(label_hash: &[u8], version: i64) -> Vec<u8> {
    [label_hash, &version.to_be_bytes()].concat()
}

fn seal(
    keys: &StoreKeys,
    label_hash: &KeyedHash,
    version: i64,
    update: &NewUpdate<'_>,
) -> Result<Vec<u8>, StoreError> {
    let mut text = Vec::with_capacity(160 + update.record.len());
    put_bytes16(&mut text, update.label.as_bytes(), usize::from(u16::MAX))
        .map_err(|_| StoreError::OutOfRange("label"))?;
    text.extend_from_slice(update.record);
    keys.seal(Sealed::Updates, &row_key(label_hash, version), &text)
}

/// Label and record of a row.
pub(super) fn open(
    keys: &StoreKeys,
    label_hash: &[u8],
    version: i64,
    sealed: &[u8],
) -> Result<(Label, Vec<u8>), StoreError> {
    let text = keys.open(Sealed::Updates, &row_key(label_hash, version), sealed)?;
    let corrupt = || StoreError::Corrupt {
        table: TABLE,
        why: "sealed text",
    };
    let (label, record) = split(&text).map_err(|_| corrupt())?;
    let label = core::str::from_utf8(label).map_err(|_| corrupt())?;
    let label = Label::parse(label).map_err(|_| corrupt())?;
    Ok((label, record.to_vec()))
}

fn split(text: &[u8]) -> Result<(&[u8], &[u8]), FormatError> {
    let mut reader = Reader::new(text);
    let label = reader.bytes16(usize::from(u16::MAX))?;
    let record = reader.take(reader.remaining())?;
    Ok((label, record))
}
