//! Leaves of the epoch log, one for each epoch, without gaps. A leaf changes only while no checkpoint covers it.

use diesel::prelude::*;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::quantity::{Epoch, LogSize};

use super::checkpoints::{is_covered, size_of};
use super::configs::put as put_config;
use super::subtrees::put_leaf_hash;
use crate::connection::{Tx, first, on_both};
use crate::error::StoreError;
use crate::number::{stored_count, stored_epoch};
use crate::store::Store;
use crate::tables::epochs;

const TABLE: &str = "epochs";

impl Store {
    /// Appends the leaf of the next epoch, with the subtree hashes that it completes.
    ///
    /// # Errors
    /// [`StoreError::LeafOutOfOrder`] unless its index is the number of leaves;
    /// [`StoreError::LeafNotSuccessor`] if it does not follow the last one.
    pub fn stage_leaf(&self, leaf: &Leaf) -> Result<(), StoreError> {
        self.database.write("stage_leaf", |tx| append(tx, leaf))
    }

    /// As [`Self::stage_leaf`], and stores the configuration document that the leaf names, if it is the first to name it.
    ///
    /// # Errors
    /// As [`Self::stage_leaf`]; [`StoreError::ConfigDiffers`] if other bytes are stored under its hash.
    pub fn stage_leaf_of(&self, leaf: &Leaf, document: &[u8]) -> Result<(), StoreError> {
        self.database.write("stage_leaf", |tx| {
            put_config(tx, &leaf.config, document, leaf.epoch)?;
            append(tx, leaf)
        })
    }

    /// Replaces the last leaf (by one with a new time), as long as no checkpoint covers it.
    ///
    /// # Errors
    /// [`StoreError::LeafCovered`], [`StoreError::LeafOutOfOrder`] unless it is the last one's index, or
    /// [`StoreError::LeafNotSuccessor`].
    pub fn restage_leaf(&self, leaf: &Leaf) -> Result<(), StoreError> {
        let epoch = stored_epoch(leaf.epoch)?;
        self.database.write("restage_leaf", |tx| {
            let last = log_size(tx)?.last_epoch();
            let last = last.ok_or(StoreError::LeafOutOfOrder {
                expected: 0,
                found: leaf.epoch.get(),
            })?;
            if let Some(size) = is_covered(tx, leaf.epoch)? {
                return Err(StoreError::LeafCovered { size: size.get() });
            }
            require_index(leaf, last.get())?;
            check_successor(tx, leaf)?;
            let row = || epochs::table.find(epoch);
            on_both!(tx, conn => diesel::update(row()).set(epochs::leaf.eq(leaf.encode())).execute(conn)?);
            put_leaf_hash(tx, leaf)
        })
    }

    /// The leaf of an epoch.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or the row is damaged.
    pub fn leaf(&self, epoch: Epoch) -> Result<Option<Leaf>, StoreError> {
        self.database.read_one("leaf", |tx| load(tx, epoch))
    }

    /// Up to `count` leaves from an epoch on, ascending.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row is damaged.
    pub fn leaves(&self, from: Epoch, count: usize) -> Result<Vec<Leaf>, StoreError> {
        let from = stored_epoch(from)?;
        self.database.read_one("leaves", |tx| {
            let query = || {
                let ascending = epochs::table
                    .filter(epochs::epoch.ge(from))
                    .order(epochs::epoch.asc());
                ascending.limit(stored_count(count)).select(epochs::leaf)
            };
            let rows: Vec<Vec<u8>> = on_both!(tx, conn => query().load(conn)?);
            rows.iter().map(|row| decode(row)).collect()
        })
    }

    /// Number of leaves.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn log_size(&self) -> Result<LogSize, StoreError> {
        self.database.read_one("log_size", log_size)
    }
}

fn append(tx: &mut Tx<'_>, leaf: &Leaf) -> Result<(), StoreError> {
    let epoch = stored_epoch(leaf.epoch)?;
    require_index(leaf, log_size(tx)?.get())?;
    check_successor(tx, leaf)?;
    on_both!(tx, conn => diesel::insert_into(epochs::table)
        .values((
            epochs::epoch.eq(epoch),
            epochs::previous.eq(epoch.checked_sub(1).filter(|previous| *previous >= 0)),
            epochs::leaf.eq(leaf.encode()),
        ))
        .execute(conn)?);
    put_leaf_hash(tx, leaf)
}

fn require_index(leaf: &Leaf, expected: u64) -> Result<(), StoreError> {
    let found = leaf.epoch.get();
    if found == expected {
        Ok(())
    } else {
        Err(StoreError::LeafOutOfOrder { expected, found })
    }
}

fn check_successor(tx: &mut Tx<'_>, leaf: &Leaf) -> Result<(), StoreError> {
    let Some(previous) = leaf.epoch.previous() else {
        return Ok(());
    };
    let previous = load(tx, previous)?.ok_or(StoreError::Corrupt {
        table: TABLE,
        why: "a gap",
    })?;
    Leaf::check_successor(&previous, leaf).map_err(|e| StoreError::LeafNotSuccessor { why: e.reason() })
}

fn log_size(tx: &mut Tx<'_>) -> Result<LogSize, StoreError> {
    let query = || epochs::table.select(diesel::dsl::max(epochs::epoch));
    let last: Option<i64> = first!(tx, query())?;
    last.map_or(Ok(LogSize::ZERO), |last| size_of(last, TABLE))
}

fn load(tx: &mut Tx<'_>, epoch: Epoch) -> Result<Option<Leaf>, StoreError> {
    let epoch = stored_epoch(epoch)?;
    let query = || epochs::table.find(epoch).select(epochs::leaf);
    let row: Option<Vec<u8>> = first!(tx, query()).optional()?;
    row.map(|row| decode(&row)).transpose()
}

fn decode(row: &[u8]) -> Result<Leaf, StoreError> {
    Leaf::decode(row).map_err(|_| StoreError::Corrupt {
        table: TABLE,
        why: "leaf",
    })
}
