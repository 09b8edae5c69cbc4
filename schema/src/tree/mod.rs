//! akd's tree: in memory for readers, and behind akd's storage trait for the one writer.

mod bits;
mod commit;
mod compact;
mod held;
mod label_states;
mod leaf_rows;
mod node_key;
mod node_row;
mod nodes;
mod record_id;
mod storage;

use std::sync::{Arc, Mutex, PoisonError};

use akd::errors::StorageError;
use keyglass_protocol::quantity::Epoch;

use crate::database::Database;
use crate::error::StoreError;
use crate::keys::StoreKeys;

pub use compact::{AppendProof, Tree, wire};
pub(crate) use held::HeldTrees;
pub(crate) use label_states::{Selection, StateRow, blank_states, select_state};
pub(crate) use nodes::tree_head;
pub(crate) use storage::user_data;

/// akd's storage for the one publisher: reads and writes at the newest stored epoch.
///
/// Give it to akd by `StorageManager::new_no_cache`: a cache would be filled before the commit and lie after a
/// failed one. Clones share connections and the armed expectation.
#[derive(Clone)]
pub struct TreeStore {
    database: Database,
    keys: StoreKeys,
    trees: Arc<HeldTrees>,
    armed: Arc<Mutex<Option<Epoch>>>,
}

impl TreeStore {
    pub(crate) fn new(database: Database, keys: StoreKeys, trees: Arc<HeldTrees>) -> Self {
        Self {
            database,
            keys,
            trees,
            armed: Arc::default(),
        }
    }

    /// The next publish must find the tree at `expected` and move it to the epoch after: compared inside the
    /// one transaction that writes it. Otherwise it fails with nothing written. Counts for one publish,
    /// successful or not.
    pub fn arm(&self, expected: Epoch) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some(expected);
    }

    /// The newest stored tree; the empty one before akd created it. Blocking.
    fn stored_tree(&self) -> Result<Arc<Tree>, StoreError> {
        let head = self.database.read_one("tree_epoch", tree_head)?;
        match head {
            Some(head) => self.trees.at(&self.database, head.epoch),
            None => Ok(Arc::new(Tree::empty())),
        }
    }

    fn disarm(&self) -> Option<Epoch> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Runs a synchronous database call on tokio's threads for blocking work.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(StorageError::from),
        Err(_) => Err(StoreError::ThreadDied.into()),
    }
}
