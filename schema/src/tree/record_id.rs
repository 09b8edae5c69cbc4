//! akd's generic record keys, told apart.

use core::any::Any;

use akd::NodeLabel;
use akd::storage::Storable;
use akd::storage::types::{StorageType, ValueStateKey};
use akd::tree_node::NodeKey;

use crate::error::StoreError;

/// Which record akd asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordId {
    Azks,
    Node(NodeLabel),
    State { label: Vec<u8>, epoch: u64 },
}

impl RecordId {
    /// The key behind akd's associated type.
    pub(super) fn of<St: Storable>(id: &St::StorageKey) -> Result<Self, StoreError> {
        let key: &dyn Any = id;
        if let Some(NodeKey(label)) = key.downcast_ref() {
            return Ok(Self::Node(*label));
        }
        if let Some(ValueStateKey(label, epoch)) = key.downcast_ref() {
            let (label, epoch) = (label.clone(), *epoch);
            return Ok(Self::State { label, epoch });
        }
        match St::data_type() {
            StorageType::Azks => Ok(Self::Azks),
            _ => Err(StoreError::OutOfRange("record key")),
        }
    }

    /// All keys of a batch.
    pub(super) fn all<St: Storable>(ids: &[St::StorageKey]) -> Result<Vec<Self>, StoreError> {
        ids.iter().map(Self::of::<St>).collect()
    }
}
