//! Opening a store: migrate, then prove that the key is this database's.

use std::sync::Arc;

use diesel::prelude::*;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion};

use crate::connection::{Tx, first, on_both};
use crate::database::Database;
use crate::error::StoreError;
use crate::keys::{Sealed, StoreKeys};
use crate::migrate::{demand_schema, migrate};
use crate::number::loaded_version;
use crate::sqlite::PageCache;
use crate::tables::meta;
use crate::tree::{HeldTrees, Selection, Tree, TreeStore, select_state, tree_head, user_data};
use crate::url::DatabaseUrl;

/// What the sealed check value says.
const KEY_CHECK: &[u8] = b"keyglass store v1";

/// Everything a directory stores. Calls block; clones share connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) database: Database,
    pub(crate) keys: StoreKeys,
    trees: Arc<HeldTrees>,
}

/// One stored version of a label's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The record's version.
    pub version: KeyVersion,
    /// The epoch that published it.
    pub epoch: Epoch,
    /// The record's bytes.
    pub value: Vec<u8>,
}

impl Store {
    /// Opens or creates the database and brings it to this program's schema.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::NewerSchema`], [`StoreError::WrongKey`], [`StoreError::Migration`].
    pub fn open(url: &DatabaseUrl, keys: StoreKeys) -> Result<Self, StoreError> {
        Self::open_with(url, PageCache::default(), keys)
    }

    /// As [`Self::open`], with so much memory for SQLite's pages; Postgres has its own.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(url: &DatabaseUrl, pages: PageCache, keys: StoreKeys) -> Result<Self, StoreError> {
        let database = Database::open(url, pages)?;
        migrate(database.pools())?;
        let trees = Arc::default();
        let store = Self {
            database,
            keys,
            trees,
        };
        store
            .database
            .write("check_key", |tx| check_key(tx, &store.keys))?;
        Ok(store)
    }

    /// Opens a database that others write, for reading only: a hot standby will do. Nothing is migrated.
    ///
    /// # Errors
    /// As [`Self::open`]; [`StoreError::OlderSchema`], [`StoreError::NoDirectory`].
    pub fn open_to_read(url: &DatabaseUrl, keys: StoreKeys) -> Result<Self, StoreError> {
        let database = Database::open_to_read(url)?;
        demand_schema(database.pools())?;
        let stored = database.read_one("check_key", key_check)?;
        opens(&keys, &stored.ok_or(StoreError::NoDirectory)?)?;
        Ok(Self {
            database,
            keys,
            trees: Arc::default(),
        })
    }

    /// akd's storage for the one publisher.
    pub fn tree(&self) -> TreeStore {
        TreeStore::new(self.database.clone(), self.keys.clone(), Arc::clone(&self.trees))
    }

    /// The tree as it stood at `epoch`, in memory. The first call reads all of it, later ones what was added since; an
    /// epoch before the last three is built anew. Blocking.
    ///
    /// # Errors
    /// [`StoreError::EpochMoved`] if the stored tree has not reached this epoch; or the database fails or is damaged.
    pub fn tree_at(&self, epoch: Epoch) -> Result<Arc<Tree>, StoreError> {
        self.trees.at(&self.database, epoch.get())
    }

    /// The tree as it stood at `epoch`, if it is in memory.
    pub fn held_tree(&self, epoch: Epoch) -> Option<Arc<Tree>> {
        self.trees.find(epoch.get())
    }

    /// Whether readers that stand on `epoch` are at most one epoch behind what this process knows of the tree. Does not
    /// ask the database.
    pub fn covers(&self, epoch: Epoch) -> bool {
        self.trees.covers(epoch.get())
    }

    /// A label that fills up `epoch`: `padding:` and 64 hex digits that only this store can foretell.
    pub fn padding_label(&self, epoch: Epoch, index: u64) -> String {
        keyglass_protocol::label::padding(&self.keys.padding(epoch.get(), index))
    }

    /// Whether `epoch` published the first label that fills it up.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn is_padded(&self, epoch: Epoch) -> Result<bool, StoreError> {
        let hash = self.keys.label_hash(self.padding_label(epoch, 0).as_bytes());
        self.database.read_one("is_padded", |tx| {
            Ok(select_state(tx, &hash, Selection::epoch(epoch.get()))?.is_some())
        })
    }

    /// Newest epoch of the tree; `None` before akd created it.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn tree_epoch(&self) -> Result<Option<Epoch>, StoreError> {
        let head = self.database.read_one("tree_epoch", tree_head)?;
        Ok(head.map(|head| Epoch::new(head.epoch)))
    }

    /// Whether one row is read in about the time that it takes to hand the question to another thread: the database is embedded,
    /// and has a connection that nobody uses.
    pub fn reads_at_once(&self) -> bool {
        self.database.pools().reads_at_once()
    }

    /// A label's newest version published no later than `at`.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or the row is damaged.
    pub fn newest(&self, label: &Label, at: Epoch) -> Result<Option<Stored>, StoreError> {
        self.select(label, Selection::newest_until(at.get()))
    }

    /// One version of a label's record.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or the row is damaged.
    pub fn version(&self, label: &Label, version: KeyVersion) -> Result<Option<Stored>, StoreError> {
        self.select(label, Selection::version(version.get()))
    }

    /// The versions of a label's record from `since` on that were published no later than `at`, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row is damaged.
    pub fn versions_from(
        &self,
        label: &Label,
        since: KeyVersion,
        at: Epoch,
    ) -> Result<Vec<Stored>, StoreError> {
        let states = self.database.read_one("label_versions", |tx| {
            user_data(tx, &self.keys, label.as_bytes(), (since.get(), at.get()))
        })?;
        let stored = states.into_iter().map(|state| {
            let version = KeyVersion::new(state.version).map_err(|_| StoreError::Corrupt {
                table: "label_states",
                why: "version zero",
            })?;
            Ok(Stored {
                version,
                epoch: Epoch::new(state.epoch),
                value: state.value.0,
            })
        });
        stored.collect()
    }

    fn select(&self, label: &Label, selection: Selection) -> Result<Option<Stored>, StoreError> {
        self.database.read_one("label_version", |tx| {
            stored_version(tx, &self.keys, label.as_bytes(), selection)
        })
    }
}

/// The selected version of a label, opened.
pub(crate) fn stored_version(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label: &[u8],
    selection: Selection,
) -> Result<Option<Stored>, StoreError> {
    let Some(row) = select_state(tx, &keys.label_hash(label), selection)? else {
        return Ok(None);
    };
    let state = row.open(keys, label)?;
    let version = loaded_version(row.version, "label_states")?;
    Ok(Some(Stored {
        version,
        epoch: Epoch::new(state.epoch),
        value: state.value.0,
    }))
}

/// The first opening seals the check value, every later one must open it.
fn check_key(tx: &mut Tx<'_>, keys: &StoreKeys) -> Result<(), StoreError> {
    let Some(stored) = key_check(tx)? else {
        let sealed = keys.seal(Sealed::Meta, b"key_check", KEY_CHECK)?;
        on_both!(tx, conn => diesel::insert_into(meta::table)
            .values((meta::id.eq(1_i16), meta::key_check.eq(&sealed)))
            .execute(conn)?);
        return Ok(());
    };
    opens(keys, &stored)
}

fn key_check(tx: &mut Tx<'_>) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(first!(tx, meta::table.select(meta::key_check)).optional()?)
}

fn opens(keys: &StoreKeys, stored: &[u8]) -> Result<(), StoreError> {
    match keys.open(Sealed::Meta, b"key_check", stored) {
        Ok(text) if text == KEY_CHECK => Ok(()),
        _ => Err(StoreError::WrongKey),
    }
}
