//! Steps 1 and 2: the batch and the tree.

use std::collections::HashSet;
use std::time::Instant;

use akd::directory::Directory;
use akd::storage::StorageManager;
use akd::{AkdLabel, AkdValue, AzksParallelismConfig, WhatsAppV1Configuration};
use keyglass_monitoring::PublishStep;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion, RootHash};
use keyglass_schema::{Frozen, GivenReceipt, TreeStore};

use super::{PublishError, Publisher, Step};
use crate::directory::describe;
use crate::journal::Batch;
use crate::keys::Vrf;
use crate::submission::{SubmitError, noted};

/// Labels without any version in the tree, which need not be looked for.
pub(super) type NewLabels = HashSet<Vec<u8>>;

type Tree = Directory<WhatsAppV1Configuration, TreeStore, Vrf>;

impl Publisher {
    /// Creates the empty tree. akd writes its root and then its head: after a crash in between it writes both again.
    pub(super) async fn create_tree(&self) -> Result<(), PublishError> {
        if self.service.store.tree_epoch()?.is_some() {
            return Ok(());
        }
        self.tree(self.service.store.tree()).await?;
        self.reached(Step::TreeCreated);
        Ok(())
    }

    /// Publishes what waits as the epoch after `current`; answers whether there was anything.
    pub(super) async fn publish_batch(&self, current: Epoch) -> Result<bool, PublishError> {
        let next = current
            .next()
            .ok_or_else(|| PublishError::Commit("no epoch is left".to_owned()))?;
        let started = Instant::now();
        let in_force = self.service.config.in_force();
        if in_force.ended().is_some() {
            return Ok(false);
        }
        // What was imported in time is published in time: the last epoch of imports takes everything that waits.
        let last_of_imports = in_force.newest().import_closed_after_epoch == Some(next);
        let max = if last_of_imports {
            usize::MAX
        } else {
            self.service.settings.max_batch
        };
        let batch = self.service.store.freeze_batch(next, max)?;
        if batch.is_empty() && in_force.is_announced() {
            return Ok(false);
        }
        self.check_due(next, &batch)?;
        // A crash here leaves a batch that is fixed: the next run freezes the very same one.
        self.reached(Step::BatchFrozen);
        self.service
            .metrics
            .publish_step(PublishStep::Freeze, started.elapsed());
        let padding = self.padding(next, &batch);
        let new = first_versions(batch.iter().map(|update| (&update.label, update.version)));
        let mut batch = journalled(batch);
        batch.values.extend(padding);
        self.commit(current, next, batch, new).await?;
        Ok(true)
    }

    /// Enters a batch into the journal and then into the tree, which has no version yet of the labels in `new`.
    pub(super) async fn commit(
        &self,
        current: Epoch,
        next: Epoch,
        batch: Batch,
        new: NewLabels,
    ) -> Result<(), PublishError> {
        let started = Instant::now();
        let values = batch.values.clone();
        self.service.journal.batch(next, batch)?;
        // A crash here leaves an entry of the journal that the next run makes again: the last one counts.
        self.commit_tree(current, values, new).await?;
        // A crash here leaves the tree one ahead of the log: the next run makes the leaf for it.
        self.reached(Step::TreeCommitted);
        self.service
            .metrics
            .publish_step(PublishStep::Tree, started.elapsed());
        Ok(())
    }

    /// Publishes values as the epoch after `current`; answers the tree's new root.
    pub(super) async fn commit_tree(
        &self,
        current: Epoch,
        values: Vec<(Vec<u8>, Vec<u8>)>,
        new: NewLabels,
    ) -> Result<RootHash, PublishError> {
        let store = self.service.store.tree();
        let tree = self.tree(store.clone()).await?;
        let updates: Vec<_> = values
            .into_iter()
            .map(|(label, value)| (AkdLabel(label), AkdValue(value)))
            .collect();
        store.arm_for_new(current, new);
        self.reached(Step::TreeCommitting);
        // In a task of its own: a publish that is dropped half-way blocks every later one.
        let published = tokio::spawn(async move { tree.publish(updates).await }).await;
        match published {
            Ok(Ok(hash)) if Some(Epoch::new(hash.0)) == current.next() => Ok(RootHash::new(hash.1)),
            Ok(Ok(hash)) => Err(PublishError::Commit(format!("akd published epoch {}", hash.0))),
            Ok(Err(error)) => Err(PublishError::Commit(describe(&error))),
            Err(died) => Err(PublishError::Commit(died.to_string())),
        }
    }

    /// akd as a writer: without a cache, which it would fill before the commit.
    async fn tree(&self, store: TreeStore) -> Result<Tree, PublishError> {
        let storage = StorageManager::new_no_cache(store);
        let vrf = self.service.keys.vrf.clone();
        Ok(Directory::new(storage, vrf, AzksParallelismConfig::default()).await?)
    }
}

impl Publisher {
    /// Takes note of what follows from records that never were in the queue. Before they are in the tree: a second time
    /// changes nothing.
    pub(super) fn note(&self, values: &[(Vec<u8>, Vec<u8>)]) -> Result<(), PublishError> {
        let (store, now) = (&self.service.store, self.service.clock.now());
        let mut all = Vec::new();
        for (label, record) in values {
            // Padding is no label.
            let label = core::str::from_utf8(label)
                .ok()
                .and_then(|text| Label::parse(text).ok());
            let Some(label) = label else { continue };
            match noted(store, &label, record, now) {
                Ok(noted) => all.extend(noted),
                Err(SubmitError::Store(error)) => return Err(error.into()),
                Err(error) => tracing::error!(%error, "a record that is published cannot be taken note of"),
            }
        }
        Ok(store.note(&all)?)
    }
}

/// The labels of which a first version is published: whoever accepted it has found that there was none.
pub(super) fn first_versions<'a>(updates: impl Iterator<Item = (&'a Label, KeyVersion)>) -> NewLabels {
    let first = updates.filter(|(_, version)| *version == KeyVersion::FIRST);
    first.map(|(label, _)| label.as_bytes().to_vec()).collect()
}

/// A batch of the queue as the journal keeps it.
fn journalled(frozen: Vec<Frozen>) -> Batch {
    let mut batch = Batch::default();
    for update in frozen {
        batch
            .values
            .push((update.label.as_bytes().to_vec(), update.record));
        batch.receipts.push(GivenReceipt {
            label: update.label,
            version: update.version,
            receipt: update.receipt,
        });
    }
    batch
}
