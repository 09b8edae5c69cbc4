//! A reader that stands still at one epoch while the publisher may already be one further.

use std::collections::HashMap;
use std::sync::Arc;

use akd::errors::StorageError;
use akd::storage::types::{DbRecord, KeyData, ValueState, ValueStateRetrievalFlag};
use akd::storage::{Database as Storage, DbSetState, Storable};
use akd::{AkdLabel, AkdValue};
use async_trait::async_trait;
use keyglass_protocol::quantity::Epoch;

use super::blocking;
use super::held::HeldTrees;
use super::label_states::Selection;
use super::nodes::tree_head;
use super::record_id::RecordId;
use super::storage::{not_found, some_states, user_data, user_state, versions};
use crate::database::Database;
use crate::error::StoreError;
use crate::keys::StoreKeys;

/// akd's storage as it was at one epoch; refuses every write. Clones share connections.
///
/// The tree of its epoch never changes. Still it serves only while the stored tree is at n or n+1, as every reader
/// does: whoever is further behind has missed something and shall not go on as if nothing were.
#[derive(Clone)]
pub struct PinnedTree {
    database: Database,
    keys: StoreKeys,
    trees: Arc<HeldTrees>,
    epoch: Epoch,
}

impl PinnedTree {
    pub(crate) fn new(database: Database, keys: StoreKeys, trees: Arc<HeldTrees>, epoch: Epoch) -> Self {
        Self {
            database,
            keys,
            trees,
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

    fn record(&self, id: &RecordId) -> Result<Option<DbRecord>, StoreError> {
        match id {
            RecordId::Azks => match self.database.read_one("get_pinned_record", tree_head)? {
                None => Ok(None),
                Some(head) if self.covers(head.epoch) => Ok(Some(DbRecord::Azks(DbRecord::build_azks(
                    self.epoch.get(),
                    head.nodes,
                )))),
                Some(_) => Err(self.overrun()),
            },
            RecordId::Node(label) => {
                if !self.trees.covers(self.epoch.get()) {
                    return Err(self.overrun());
                }
                let tree = self.trees.at(&self.database, self.epoch.get())?;
                Ok(tree.akd_node(label).map(DbRecord::TreeNode))
            }
            RecordId::State { label, epoch } => {
                let selection = Selection::epoch(*epoch).pinned(self.epoch.get());
                self.database.read_one("get_pinned_record", |tx| {
                    Ok(user_state(tx, &self.keys, label, selection)?.map(DbRecord::ValueState))
                })
            }
        }
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
        let found = blocking(move || reader.record(&id));
        found.await?.ok_or_else(not_found)
    }

    async fn batch_get<St: Storable>(&self, ids: &[St::StorageKey]) -> Result<Vec<DbRecord>, StorageError> {
        let ids = RecordId::all::<St>(ids)?;
        let reader = self.clone();
        blocking(move || {
            let found = ids.iter().map(|id| reader.record(id));
            found.filter_map(Result::transpose).collect()
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
