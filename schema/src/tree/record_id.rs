//! akd's generic record keys, told apart.

use akd::NodeLabel;
use akd::storage::Storable;
use akd::storage::types::{StorageType, ValueState};
use akd::tree_node::TreeNodeWithPreviousValue;

use crate::error::StoreError;

/// Which record akd asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordId {
    Azks,
    Node(NodeLabel),
    State { label: Vec<u8>, epoch: u64 },
}

impl RecordId {
    /// The key behind akd's associated type, by way of akd's own binary form of it.
    pub(super) fn of<St: Storable>(id: &St::StorageKey) -> Result<Self, StoreError> {
        let unreadable = |_| StoreError::OutOfRange("record key");
        let binary = St::get_full_binary_key_id(id);
        match St::data_type() {
            StorageType::Azks => Ok(Self::Azks),
            StorageType::TreeNode => TreeNodeWithPreviousValue::key_from_full_binary(&binary)
                .map(|key| Self::Node(key.0))
                .map_err(unreadable),
            StorageType::ValueState => ValueState::key_from_full_binary(&binary)
                .map(|key| Self::State {
                    label: key.0,
                    epoch: key.1,
                })
                .map_err(unreadable),
        }
    }

    /// All keys of a batch.
    pub(super) fn all<St: Storable>(ids: &[St::StorageKey]) -> Result<Vec<Self>, StoreError> {
        ids.iter().map(Self::of::<St>).collect()
    }
}
