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

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use akd::AkdLabel;
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
    armed: Arc<Mutex<Armed>>,
}

/// What the next publish may rely on.
#[derive(Default)]
struct Armed {
    expected: Option<Epoch>,
    /// Labels without any version in the tree of `expected`.
    new: HashSet<Vec<u8>>,
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
        self.arm_for_new(expected, HashSet::new());
    }

    /// The same for a publish in which these labels are new: no older versions of them are looked for. If one has a version
    /// all the same, its first leaf is there already, and the publish fails with nothing written.
    pub fn arm_for_new(&self, expected: Epoch, new: HashSet<Vec<u8>>) {
        *self.armed() = Armed {
            expected: Some(expected),
            new,
        };
    }

    /// The newest stored tree; the empty one before akd created it. Blocking.
    ///
    /// # Errors
    /// The database failed.
    pub fn stored_tree(&self) -> Result<Arc<Tree>, StoreError> {
        let head = self.database.read_one("tree_epoch", tree_head)?;
        match head {
            Some(head) => self.trees.at(&self.database, head.epoch),
            None => Ok(Arc::new(Tree::empty())),
        }
    }

    fn disarm(&self) -> Armed {
        std::mem::take(&mut *self.armed())
    }

    /// Those of these labels that may have versions.
    fn not_new(&self, labels: &[AkdLabel]) -> Vec<AkdLabel> {
        let armed = self.armed();
        let old = labels.iter().filter(|label| !armed.new.contains(&label.0));
        old.cloned().collect()
    }

    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
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
