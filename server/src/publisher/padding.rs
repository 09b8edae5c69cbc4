//! Entries that nobody asked for: they fill an epoch that announces something, and hide how many updates there were.

use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_schema::Frozen;

use super::Publisher;

/// The value of every padding entry: akd refuses an empty one.
const VALUE: [u8; 1] = [0];

impl Publisher {
    /// The padding of the batch of `epoch`, as labels and values: up to the configured number of new entries, and at least one where there
    /// is nothing else.
    ///
    /// Its labels follow from the store's secret and the epoch: after a crash, or from a journal, they are the same again.
    pub(super) fn padding(&self, epoch: Epoch, batch: &[Frozen]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let wanted = self.service.settings.padding.max(usize::from(batch.is_empty()));
        let missing = wanted.saturating_sub(entries(batch));
        let label = |index| self.service.store.padding_label(epoch, index).into_bytes();
        (0_u64..)
            .take(missing)
            .map(|index| (label(index), VALUE.to_vec()))
            .collect()
    }
}

/// New entries of the tree: one for a first version, two for a later one, which makes the one before stale.
fn entries(batch: &[Frozen]) -> usize {
    let of = |update: &Frozen| {
        if update.version == KeyVersion::FIRST { 1 } else { 2 }
    };
    batch.iter().map(of).sum()
}
