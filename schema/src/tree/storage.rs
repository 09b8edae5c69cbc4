//! akd's storage trait for the publisher.

use std::collections::HashMap;
use std::sync::Arc;

use akd::errors::StorageError;
use akd::storage::types::{DbRecord, KeyData, ValueState, ValueStateRetrievalFlag};
use akd::storage::{Database, DbSetState, Storable};
use akd::{AkdLabel, AkdValue};
use async_trait::async_trait;

use super::commit::{Published, Rows};
use super::label_states::{Selection, all_states, select_state, select_states};
use super::nodes::{node, tree_head};
use super::record_id::RecordId;
use super::{TreeStore, blocking};
use crate::connection::Tx;
use crate::error::StoreError;
use crate::keys::StoreKeys;

impl TreeStore {
    /// One publish: the tree in memory moves only after the database has.
    fn commit(&self, records: Vec<DbRecord>) -> Result<(), StoreError> {
        let armed = self.disarm();
        let published = Published::sort(records)?;
        if !armed.new.is_empty() {
            published.demand_all_leaves()?;
        }
        let before = self.stored_tree()?;
        let (tree, rows) = std::thread::scope(|scope| {
            // Neither needs anything of the other, and both take about as long.
            let rows = scope.spawn(|| Rows::publish(&self.keys, &published));
            let tree = published.grow(&before);
            let rows = rows.join().map_err(|_| StoreError::ThreadDied)?;
            Ok::<_, StoreError>((Arc::new(tree?), rows?))
        })?;
        self.database
            .write_patiently("commit_tree", |tx| rows.commit(tx, armed.expected))?;
        self.trees.keep(tree);
        Ok(())
    }

    /// Records outside of a publish: the empty tree when it is created.
    fn set_single(&self, records: &[DbRecord]) -> Result<(), StoreError> {
        let rows = Rows::single(&self.keys, records)?;
        self.database.write("set_tree_records", |tx| rows.write(tx))?;
        if rows.moves_head() {
            self.trees.forget();
        }
        Ok(())
    }

    /// A node of the newest tree that this process holds, without touching the database.
    fn held_node(&self, id: &RecordId) -> Option<DbRecord> {
        let RecordId::Node(label) = id else { return None };
        self.trees.newest()?.akd_node(label).map(DbRecord::TreeNode)
    }

    fn stored_record(&self, id: &RecordId) -> Result<Option<DbRecord>, StoreError> {
        match id {
            // akd asks for this first: whatever it reads next comes from the tree of this epoch.
            RecordId::Azks => {
                let head = self.database.read_one("get_tree_record", tree_head)?;
                head.map(|head| {
                    self.trees.at(&self.database, head.epoch)?;
                    Ok(DbRecord::Azks(DbRecord::build_azks(head.epoch, head.nodes)))
                })
                .transpose()
            }
            RecordId::Node(label) => match self.stored_tree()?.akd_node(label) {
                Some(node) => Ok(Some(DbRecord::TreeNode(node))),
                None => self.database.read_one("get_tree_record", |tx| {
                    Ok(node(tx, *label)?.map(DbRecord::TreeNode))
                }),
            },
            RecordId::State { label, epoch } => self.database.read_one("get_tree_record", |tx| {
                let state = user_state(tx, &self.keys, label, Selection::epoch(*epoch))?;
                Ok(state.map(DbRecord::ValueState))
            }),
        }
    }
}

#[async_trait]
impl Database for TreeStore {
    async fn set(&self, record: DbRecord) -> Result<(), StorageError> {
        self.batch_set(vec![record], DbSetState::General).await
    }

    async fn batch_set(&self, records: Vec<DbRecord>, state: DbSetState) -> Result<(), StorageError> {
        let store = self.clone();
        blocking(move || match state {
            DbSetState::TransactionCommit => store.commit(records),
            DbSetState::General => store.set_single(&records),
        })
        .await
    }

    async fn get<St: Storable>(&self, id: &St::StorageKey) -> Result<DbRecord, StorageError> {
        let id = RecordId::of::<St>(id)?;
        if let Some(found) = self.held_node(&id) {
            return Ok(found);
        }
        let store = self.clone();
        let found = blocking(move || store.stored_record(&id));
        found.await?.ok_or_else(not_found)
    }

    async fn batch_get<St: Storable>(&self, ids: &[St::StorageKey]) -> Result<Vec<DbRecord>, StorageError> {
        let ids = RecordId::all::<St>(ids)?;
        let store = self.clone();
        blocking(move || {
            let found = ids.iter().map(|id| match store.held_node(id) {
                Some(node) => Ok(Some(node)),
                None => store.stored_record(id),
            });
            found.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn get_user_data(&self, username: &AkdLabel) -> Result<KeyData, StorageError> {
        let (store, label) = (self.clone(), username.clone());
        blocking(move || {
            store.database.read_one("get_label_states", |tx| {
                user_data(tx, &store.keys, &label, (0, u64::MAX))
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
        let (store, label) = (self.clone(), username.clone());
        blocking(move || {
            store.database.read_one("get_label_state", |tx| {
                user_state(tx, &store.keys, &label, flag.into())
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
        let (store, labels) = (self.clone(), self.not_new(usernames));
        if labels.is_empty() {
            return Ok(HashMap::new());
        }
        blocking(move || {
            let selection = flag.into();
            store.database.read("get_label_versions", |tx| {
                versions(tx, &store.keys, &labels, selection)
            })
        })
        .await
    }
}

/// akd wants this exact variant where a record does not exist. The text names nobody.
pub(super) fn not_found() -> StorageError {
    StorageError::NotFound("no such record".to_owned())
}

/// akd wants `NotFound` for a label without versions.
pub(super) fn some_states(states: Vec<ValueState>) -> Result<KeyData, StorageError> {
    if states.is_empty() {
        Err(not_found())
    } else {
        Ok(KeyData { states })
    }
}

/// All versions of a label from one on, until an epoch.
pub(crate) fn user_data(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label: &[u8],
    range: (u64, u64),
) -> Result<Vec<ValueState>, StoreError> {
    let rows = all_states(tx, &keys.label_hash(label), range)?;
    rows.iter().map(|row| row.open(keys, label)).collect()
}

/// The selected version of a label.
pub(super) fn user_state(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label: &[u8],
    selection: Selection,
) -> Result<Option<ValueState>, StoreError> {
    let row = select_state(tx, &keys.label_hash(label), selection)?;
    row.map(|row| row.open(keys, label)).transpose()
}

/// Version and value of each label that has a selected one.
pub(super) fn versions(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    labels: &[AkdLabel],
    selection: Selection,
) -> Result<HashMap<AkdLabel, (u64, AkdValue)>, StoreError> {
    let hashes: Vec<_> = labels.iter().map(|label| keys.label_hash(label)).collect();
    let rows = select_states(tx, &hashes, selection)?;
    let mut found = HashMap::with_capacity(rows.len());
    for (label, hash) in labels.iter().zip(&hashes) {
        if let Some(row) = rows.get(hash) {
            let state = row.open(keys, label)?;
            found.insert(state.username, (state.version, state.value));
        }
    }
    Ok(found)
}
