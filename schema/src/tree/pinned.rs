//! A reader that stands still at one epoch while the publisher may already be one further.

use std::collections::HashMap;

use akd::errors::StorageError;
use akd::storage::types::{DbRecord, KeyData, ValueState, ValueStateRetrievalFlag};
use akd::storage::{Database as Storage, DbSetState, Storable};
use akd::tree_node::TreeNodeWithPreviousValue;
use akd::{AkdLabel, AkdValue, NodeLabel};
use async_trait::async_trait;
use keyglass_protocol::quantity::Epoch;

use super::blocking;
use super::label_states::Selection;
use super::nodes::{node, nodes, tree_head};
use super::record_id::RecordId;
use super::storage::{not_found, some_states, user_data, user_state, versions};
use crate::connection::Tx;
use crate::database::Database;
use crate::error::StoreError;
use crate::keys::StoreKeys;

/// akd's storage as it was at one epoch; refuses every write. Clones share connections.
///
/// akd keeps one earlier state of each node, so a reader at n is served from a tree at n or n+1. Beyond that,
/// akd would answer with a foreign root: this reader fails instead, and the caller asks
/// [`PinnedTree::still_valid`] after each proof and compares the root with the signed one.
#[derive(Clone)]
pub struct PinnedTree {
    database: Database,
    keys: StoreKeys,
    epoch: Epoch,
}

impl PinnedTree {
    pub(crate) fn new(database: Database, keys: StoreKeys, epoch: Epoch) -> Self {
        Self {
            database,
            keys,
            epoch,
        }
    }

    /// The epoch that it stands on.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether the stored tree is at this epoch or the next. Blocking.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot say.
    pub fn still_valid(&self) -> Result<bool, StoreError> {
        let head = self.database.read_one("check_pin", tree_head)?;
        Ok(head.is_some_and(|head| self.covers(head.epoch)))
    }

    fn covers(&self, stored: u64) -> bool {
        stored >= self.epoch.get() && stored <= self.epoch.get().saturating_add(1)
    }

    fn overrun(&self) -> StoreError {
        StoreError::PinOverrun {
            pinned: self.epoch.get(),
        }
    }

    /// Refuses a node whose state at this epoch is gone. A node without an earlier state is simply younger.
    fn usable(&self, node: TreeNodeWithPreviousValue) -> Result<TreeNodeWithPreviousValue, StoreError> {
        let newer = |epoch: u64| epoch > self.epoch.get();
        let gone = newer(node.latest_node.last_epoch)
            && node
                .previous_node
                .as_ref()
                .is_some_and(|previous| newer(previous.last_epoch));
        if gone { Err(self.overrun()) } else { Ok(node) }
    }

    fn record(&self, tx: &mut Tx<'_>, id: &RecordId) -> Result<Option<DbRecord>, StoreError> {
        match id {
            RecordId::Azks => match tree_head(tx)? {
                None => Ok(None),
                Some(head) if self.covers(head.epoch) => Ok(Some(DbRecord::Azks(DbRecord::build_azks(
                    self.epoch.get(),
                    head.nodes,
                )))),
                Some(_) => Err(self.overrun()),
            },
            RecordId::Node(label) => {
                let found = node(tx, *label)?.map(|node| self.usable(node)).transpose()?;
                Ok(found.map(DbRecord::TreeNode))
            }
            RecordId::State { label, epoch } => {
                let selection = Selection::epoch(*epoch).pinned(self.epoch.get());
                Ok(user_state(tx, &self.keys, label, selection)?.map(DbRecord::ValueState))
            }
        }
    }

    fn records(&self, tx: &mut Tx<'_>, ids: &[RecordId]) -> Result<Vec<DbRecord>, StoreError> {
        let mut labels: Vec<NodeLabel> = Vec::with_capacity(ids.len());
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            match id {
                RecordId::Node(label) => labels.push(*label),
                other => found.extend(self.record(tx, other)?),
            }
        }
        for node in nodes(tx, &labels)? {
            found.push(DbRecord::TreeNode(self.usable(node)?));
        }
        Ok(found)
    }
}

#[async_trait]
impl Storage for PinnedTree {
    async fn set(&self, _record: DbRecord) -> Result<(), StorageError> {
        Err(StoreError::ReadOnly.into())
    }

    async fn batch_set(&self, _records: Vec<DbRecord>, _state: DbSetState) -> Result<(), StorageError> {
        Err(StoreError::ReadOnly.into())
    }

    async fn get<St: Storable>(&self, id: &St::StorageKey) -> Result<DbRecord, StorageError> {
        let id = RecordId::of::<St>(id)?;
        let reader = self.clone();
        let found = blocking(move || {
            reader
                .database
                .read_one("get_pinned_record", |tx| reader.record(tx, &id))
        });
        found.await?.ok_or_else(not_found)
    }

    async fn batch_get<St: Storable>(&self, ids: &[St::StorageKey]) -> Result<Vec<DbRecord>, StorageError> {
        let ids = RecordId::all::<St>(ids)?;
        let reader = self.clone();
        blocking(move || {
            reader
                .database
                .read("get_pinned_records", |tx| reader.records(tx, &ids))
        })
        .await
    }

    async fn get_user_data(&self, username: &AkdLabel) -> Result<KeyData, StorageError> {
        let (reader, label) = (self.clone(), username.clone());
        blocking(move || {
            let until = reader.epoch.get();
            reader.database.read_one("get_pinned_states", |tx| {
                user_data(tx, &reader.keys, &label, until)
            })
        })
        .await
        .and_then(some_states)
    }

    async fn get_user_state(
        &self,
        username: &AkdLabel,
        flag: ValueStateRetrievalFlag,
    ) -> Result<ValueState, StorageError> {
        let (reader, label) = (self.clone(), username.clone());
        blocking(move || {
            let selection = Selection::from(flag).pinned(reader.epoch.get());
            reader.database.read_one("get_pinned_state", |tx| {
                user_state(tx, &reader.keys, &label, selection)
            })
        })
        .await?
        .ok_or_else(not_found)
    }

    async fn get_user_state_versions(
        &self,
        usernames: &[AkdLabel],
        flag: ValueStateRetrievalFlag,
    ) -> Result<HashMap<AkdLabel, (u64, AkdValue)>, StorageError> {
        let (reader, labels) = (self.clone(), usernames.to_vec());
        blocking(move || {
            let selection = Selection::from(flag).pinned(reader.epoch.get());
            reader.database.read("get_pinned_versions", |tx| {
                versions(tx, &reader.keys, &labels, selection)
            })
        })
        .await
    }
}
