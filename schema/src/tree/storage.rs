//! akd's storage trait for the publisher.

use std::collections::HashMap;

use akd::errors::StorageError;
use akd::storage::types::{DbRecord, KeyData, ValueState, ValueStateRetrievalFlag};
use akd::storage::{Database, DbSetState, Storable};
use akd::{AkdLabel, AkdValue, NodeLabel};
use async_trait::async_trait;

use super::commit::Rows;
use super::label_states::{Selection, all_states, select_state, select_states};
use super::nodes::{node, nodes, tree_head};
use super::record_id::RecordId;
use super::{TreeStore, blocking};
use crate::connection::Tx;
use crate::error::StoreError;
use crate::keys::StoreKeys;

#[async_trait]
impl Database for TreeStore {
    async fn set(&self, record: DbRecord) -> Result<(), StorageError> {
        self.batch_set(vec![record], DbSetState::General).await
    }

    async fn batch_set(&self, records: Vec<DbRecord>, state: DbSetState) -> Result<(), StorageError> {
        let store = self.clone();
        blocking(move || match state {
            DbSetState::TransactionCommit => {
                let expected = store.disarm();
                let rows = Rows::encode(&store.keys, &records)?;
                store
                    .database
                    .write("commit_tree", |tx| rows.commit(tx, expected))
            }
            DbSetState::General => {
                let rows = Rows::encode(&store.keys, &records)?;
                store.database.write("set_tree_records", |tx| rows.write(tx))
            }
        })
        .await
    }

    async fn get<St: Storable>(&self, id: &St::StorageKey) -> Result<DbRecord, StorageError> {
        let id = RecordId::of::<St>(id)?;
        let store = self.clone();
        let found = blocking(move || {
            store
                .database
                .read_one("get_tree_record", |tx| record(tx, &store.keys, &id))
        });
        found.await?.ok_or_else(not_found)
    }

    async fn batch_get<St: Storable>(&self, ids: &[St::StorageKey]) -> Result<Vec<DbRecord>, StorageError> {
        let ids = RecordId::all::<St>(ids)?;
        let store = self.clone();
        blocking(move || {
            store
                .database
                .read("get_tree_records", |tx| records(tx, &store.keys, &ids))
        })
        .await
    }

    async fn get_user_data(&self, username: &AkdLabel) -> Result<KeyData, StorageError> {
        let (store, label) = (self.clone(), username.clone());
        blocking(move || {
            store.database.read_one("get_label_states", |tx| {
                user_data(tx, &store.keys, &label, u64::MAX)
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
        let (store, labels) = (self.clone(), usernames.to_vec());
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

fn record(tx: &mut Tx<'_>, keys: &StoreKeys, id: &RecordId) -> Result<Option<DbRecord>, StoreError> {
    match id {
        RecordId::Azks => {
            let head = tree_head(tx)?;
            Ok(head.map(|head| DbRecord::Azks(DbRecord::build_azks(head.epoch, head.nodes))))
        }
        RecordId::Node(label) => Ok(node(tx, *label)?.map(DbRecord::TreeNode)),
        RecordId::State { label, epoch } => {
            Ok(user_state(tx, keys, label, Selection::epoch(*epoch))?.map(DbRecord::ValueState))
        }
    }
}

fn records(tx: &mut Tx<'_>, keys: &StoreKeys, ids: &[RecordId]) -> Result<Vec<DbRecord>, StoreError> {
    let labels: Vec<NodeLabel> = ids
        .iter()
        .filter_map(|id| match id {
            RecordId::Node(label) => Some(*label),
            _ => None,
        })
        .collect();
    let mut found: Vec<DbRecord> = nodes(tx, &labels)?.into_iter().map(DbRecord::TreeNode).collect();
    for id in ids.iter().filter(|id| !matches!(id, RecordId::Node(_))) {
        found.extend(record(tx, keys, id)?);
    }
    Ok(found)
}

/// All versions of a label until an epoch.
pub(super) fn user_data(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label: &[u8],
    until: u64,
) -> Result<Vec<ValueState>, StoreError> {
    let rows = all_states(tx, &keys.label_hash(label), until)?;
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
