//! Rules that look beyond the label and its holders: decided in the transaction that accepts the update.

use diesel::prelude::*;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{Epoch, Millis};

use super::{Enqueued, NewUpdate, closings};
use crate::connection::{Tx, first, on_both};
use crate::error::StoreError;
use crate::keys::{KeyedHash, StoreKeys};
use crate::number::loaded;
use crate::store::{Store, stored_version};
use crate::tables::{handle_skeletons, relied_on, updates};
use crate::tree::{Selection, tree_head};

/// What else must hold when an update is accepted, and what follows from its acceptance.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conditions<'a> {
    /// Last epoch that may contain it.
    pub publish_by: Option<Epoch>,
    /// Most updates of one epoch: how fast the queue empties.
    pub max_batch: usize,
    /// Handles: what this one looks like.
    pub skeleton: Option<&'a str>,
    /// Whether another handle that looks like it is an obstacle.
    pub skeleton_is_unique: bool,
    /// Aliases: accounts whose histories prove it, so that they must not be erased, now or later.
    pub relies_on: &'a [AccountId],
    /// Accounts: it closes the account, which may be erased later.
    pub closes: bool,
    /// Accounts: it stands on a closing, which must not have been erased.
    pub follows_closed: bool,
}

/// What follows from a record that goes into the tree without having waited in the queue.
#[derive(Debug, Clone)]
pub struct Noted {
    /// Its label.
    pub label: Label,
    /// A handle's first version: what it looks like.
    pub skeleton: Option<String>,
    /// Aliases: accounts whose histories prove it.
    pub relies_on: Vec<AccountId>,
    /// A closing: from when its time until erasure counts.
    pub closed: Option<Millis>,
}

impl Store {
    /// Takes note of records that are about to be published and never were in the queue. A second time changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then nothing was noted.
    pub fn note(&self, records: &[Noted]) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        self.database.write("note_records", |tx| {
            for noted in records {
                let hash = self.keys.label_hash(noted.label.as_bytes());
                put_skeleton(tx, &self.keys, noted.skeleton.as_deref(), &hash)?;
                put_relied_on(tx, &self.keys, &noted.relies_on)?;
                if let Some(since) = noted.closed {
                    closings::schedule(tx, &self.keys, &hash, &noted.label, since)?;
                }
            }
            Ok(())
        })
    }
}

impl Store {
    /// Whether another handle that looks like this one was there first. `skeleton` is what it looks like.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn is_confusable(&self, label: &Label, skeleton: &str) -> Result<bool, StoreError> {
        let own = self.keys.label_hash(label.as_bytes());
        let first = self.database.read("handle_of_a_look", |tx| {
            owner(tx, &self.keys.skeleton_hash(skeleton))
        })?;
        Ok(first.is_some_and(|first| first != own))
    }
}

impl Conditions<'_> {
    /// What stands in the way, if anything does.
    pub(super) fn obstacle(
        &self,
        tx: &mut Tx<'_>,
        keys: &StoreKeys,
        label_hash: &KeyedHash,
        label: &Label,
    ) -> Result<Option<Enqueued>, StoreError> {
        if self.is_too_late(tx)? {
            return Ok(Some(Enqueued::TooLate));
        }
        if self.follows_closed && is_erased(tx, keys, label.as_bytes())? {
            return Ok(Some(Enqueued::Erased));
        }
        for account in self.relies_on {
            if is_erased(tx, keys, account.label().as_bytes())? {
                return Ok(Some(Enqueued::Retired));
            }
        }
        let Some(skeleton) = self.skeleton.filter(|_| self.skeleton_is_unique) else {
            return Ok(None);
        };
        let owner = owner(tx, &keys.skeleton_hash(skeleton))?;
        Ok(owner
            .is_some_and(|owner| owner != label_hash)
            .then_some(Enqueued::Confusable))
    }

    /// Writes what follows from the acceptance.
    pub(super) fn record(
        &self,
        tx: &mut Tx<'_>,
        keys: &StoreKeys,
        label_hash: &KeyedHash,
        update: &NewUpdate<'_>,
    ) -> Result<(), StoreError> {
        put_skeleton(tx, keys, self.skeleton, label_hash)?;
        put_relied_on(tx, keys, self.relies_on)?;
        if self.closes {
            closings::schedule(tx, keys, label_hash, update.label, update.receipt.accepted)?;
        }
        Ok(())
    }

    /// Whether everything that waits, and then this, might not be published in time.
    ///
    /// The next epoch's batch may be frozen already, so this update enters the one after it at the earliest.
    fn is_too_late(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let Some(last) = self.publish_by else {
            return Ok(false);
        };
        let waiting = waiting_at_most(tx)?;
        let batch = u64::try_from(self.max_batch).unwrap_or(u64::MAX).max(1);
        let tree = tree_head(tx)?.map_or(0, |head| head.epoch);
        let entered = waiting.div_euclid(batch).saturating_add(2).saturating_add(tree);
        Ok(entered > last.get())
    }
}

/// The first handle of a look keeps it.
fn put_skeleton(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    skeleton: Option<&str>,
    label_hash: &KeyedHash,
) -> Result<(), StoreError> {
    let Some(skeleton) = skeleton.map(|s| keys.skeleton_hash(s)) else {
        return Ok(());
    };
    on_both!(tx, conn => diesel::insert_into(handle_skeletons::table)
        .values((
            handle_skeletons::skeleton_hash.eq(skeleton.as_slice()),
            handle_skeletons::label_hash.eq(label_hash.as_slice()),
        ))
        .on_conflict_do_nothing()
        .execute(conn)?);
    Ok(())
}

fn put_relied_on(tx: &mut Tx<'_>, keys: &StoreKeys, accounts: &[AccountId]) -> Result<(), StoreError> {
    for account in accounts {
        let hash = keys.label_hash(account.label().as_bytes());
        on_both!(tx, conn => diesel::insert_into(relied_on::table)
            .values(relied_on::label_hash.eq(hash.as_slice()))
            .on_conflict_do_nothing()
            .execute(conn)?);
    }
    Ok(())
}

/// An upper bound of the queue's length, without counting it: the numbers that it spans.
fn waiting_at_most(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    use diesel::dsl::{max, min};
    let query = || updates::table.select((min(updates::seq), max(updates::seq)));
    let (first, last): (Option<i64>, Option<i64>) = first!(tx, query())?;
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(0);
    };
    loaded(last.saturating_sub(first).saturating_add(1), "updates")
}

/// Whether an account's records were erased: then its first one is blank.
pub(super) fn is_erased(tx: &mut Tx<'_>, keys: &StoreKeys, label: &[u8]) -> Result<bool, StoreError> {
    let first = stored_version(tx, keys, label, Selection::version(1))?;
    Ok(first.is_some_and(|first| first.value.is_empty()))
}

/// The handle that has a skeleton.
fn owner(tx: &mut Tx<'_>, skeleton: &KeyedHash) -> Result<Option<Vec<u8>>, StoreError> {
    let query = || {
        handle_skeletons::table
            .find(skeleton.as_slice())
            .select(handle_skeletons::label_hash)
    };
    Ok(first!(tx, query()).optional()?)
}
