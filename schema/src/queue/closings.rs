//! Closed accounts whose earlier records may be erased one day, and the erasure itself.
//!
//! Sealed text: the label. Row key: the label's hash.

use diesel::prelude::*;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion, Millis};

use super::conditions::is_erased;
use super::receipt::erase_openings;
use crate::connection::{Tx, on_both};
use crate::error::StoreError;
use crate::keys::{KeyedHash, Sealed, StoreKeys};
use crate::number::{loaded_millis, stored, stored_count};
use crate::store::{Store, stored_version};
use crate::tables::{closings, relied_on, updates};
use crate::tree::{Selection, blank_states};

const TABLE: &str = "closings";

/// An account that was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The account's label.
    pub label: Label,
    /// When its closing was accepted, or looked at last.
    pub since: Millis,
}

/// What became of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Erasure {
    /// So many records are blank now.
    Done(usize),
    /// The account was reopened, or its newest version is another than expected: nothing was erased.
    Moved,
    /// An update of the account waits: nothing was erased.
    Pending,
    /// Its history proves an alias that somebody else holds: it is kept, for good.
    Kept,
}

impl Store {
    /// Closed accounts that have waited since before `until`, longest first; without those whose closing, or anything
    /// else, is not published yet.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row is damaged.
    pub fn closings(&self, until: Millis, max: usize) -> Result<Vec<Closing>, StoreError> {
        let until = stored(until.get(), "time")?;
        self.database.read_one("closings", |tx| {
            let query = || {
                let waiting = updates::table.select(updates::label_hash);
                let due = closings::table
                    .filter(closings::due_from_ms.le(until))
                    .filter(closings::label_hash.ne_all(waiting));
                let due = due.order((closings::due_from_ms.asc(), closings::label_hash.asc()));
                due.limit(stored_count(max)).select((
                    closings::label_hash,
                    closings::due_from_ms,
                    closings::sealed,
                ))
            };
            let rows: Vec<(Vec<u8>, i64, Vec<u8>)> = on_both!(tx, conn => query().load(conn)?);
            rows.into_iter().map(|row| open(&self.keys, row)).collect()
        })
    }

    /// Blanks every record of a closed account below its closing, and what opens the commitments to them. The leaves in
    /// the tree stay, so its history stays provable. Not while it was not published up to `published`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing was erased.
    pub fn erase(&self, label: &Label, closed: KeyVersion, published: Epoch) -> Result<Erasure, StoreError> {
        self.database.write("erase_closed", |tx| {
            let hash = self.keys.label_hash(label.as_bytes());
            let newest = stored_version(
                tx,
                &self.keys,
                label.as_bytes(),
                Selection::newest_until(u64::MAX),
            )?;
            if newest.is_none_or(|newest| newest.version != closed || newest.epoch > published) {
                return Ok(Erasure::Moved);
            }
            if is_pending(tx, &hash)? {
                return Ok(Erasure::Pending);
            }
            if is_relied_on(tx, &hash)? {
                remove(tx, &hash)?;
                return Ok(Erasure::Kept);
            }
            let erased = blank_states(tx, &self.keys, label.as_bytes(), closed)?;
            erase_openings(tx, &self.keys, &hash, closed)?;
            remove(tx, &hash)?;
            Ok(Erasure::Done(erased))
        })
    }

    /// The account is not closed any more.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn forget_closing(&self, label: &Label) -> Result<(), StoreError> {
        let hash = self.keys.label_hash(label.as_bytes());
        self.database.write("forget_closing", |tx| remove(tx, &hash))
    }

    /// Looks at the account again later: its time counts from `since`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn postpone_closing(&self, label: &Label, since: Millis) -> Result<(), StoreError> {
        let hash = self.keys.label_hash(label.as_bytes());
        let since = stored(since.get(), "time")?;
        self.database.write("postpone_closing", |tx| {
            let row = || closings::table.find(hash.as_slice());
            on_both!(tx, conn => diesel::update(row()).set(closings::due_from_ms.eq(since)).execute(conn)?);
            Ok(())
        })
    }

    /// Whether an account's records were erased.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row is damaged.
    pub fn is_erased(&self, account: &Label) -> Result<bool, StoreError> {
        self.database
            .read_one("is_erased", |tx| is_erased(tx, &self.keys, account.as_bytes()))
    }
}

/// Takes note of a closing; a later one of the same account counts from its own time.
pub(super) fn schedule(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    hash: &KeyedHash,
    label: &Label,
    accepted: Millis,
) -> Result<(), StoreError> {
    let sealed = keys.seal(Sealed::Closings, hash, label.as_bytes())?;
    let accepted = stored(accepted.get(), "time")?;
    on_both!(tx, conn => diesel::insert_into(closings::table)
        .values((
            closings::label_hash.eq(hash.as_slice()),
            closings::due_from_ms.eq(accepted),
            closings::sealed.eq(&sealed),
        ))
        .on_conflict(closings::label_hash)
        .do_update()
        .set(closings::due_from_ms.eq(accepted))
        .execute(conn)?);
    Ok(())
}

fn open(keys: &StoreKeys, (hash, since, sealed): (Vec<u8>, i64, Vec<u8>)) -> Result<Closing, StoreError> {
    let text = keys.open(Sealed::Closings, &hash, &sealed)?;
    let label = core::str::from_utf8(&text)
        .ok()
        .and_then(|t| Label::parse(t).ok());
    Ok(Closing {
        label: label.ok_or(StoreError::Corrupt {
            table: TABLE,
            why: "sealed text",
        })?,
        since: loaded_millis(since, TABLE)?,
    })
}

fn remove(tx: &mut Tx<'_>, hash: &KeyedHash) -> Result<(), StoreError> {
    let row = || closings::table.find(hash.as_slice());
    on_both!(tx, conn => diesel::delete(row()).execute(conn)?);
    Ok(())
}

fn is_pending(tx: &mut Tx<'_>, hash: &KeyedHash) -> Result<bool, StoreError> {
    let query = || {
        let of_label = updates::table.filter(updates::label_hash.eq(hash.as_slice()));
        diesel::select(diesel::dsl::exists(of_label))
    };
    Ok(on_both!(tx, conn => query().get_result(conn)?))
}

fn is_relied_on(tx: &mut Tx<'_>, hash: &KeyedHash) -> Result<bool, StoreError> {
    let query = || diesel::select(diesel::dsl::exists(relied_on::table.find(hash.as_slice())));
    Ok(on_both!(tx, conn => query().get_result(conn)?))
}
