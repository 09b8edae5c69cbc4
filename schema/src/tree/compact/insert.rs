//! From one epoch's tree to the next: new nodes along the paths of what is inserted, everything else shared.

use std::sync::Arc;

use super::hash::{self, Digest};
use super::{Inner, LENGTH_MASK, Leaf, Node, OWN_BITS, Tree, first_bits};
use crate::error::StoreError;
use crate::tree::bits::{bit, common_bits};
use crate::tree::node_key::MAX_BITS;

/// A leaf to insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NewLeaf {
    /// Its place: a VRF output.
    pub(crate) label: [u8; 32],
    /// akd's value: a commitment, or the constant of a stale version.
    pub(crate) commitment: Digest,
    /// The epoch that inserts it.
    pub(crate) epoch: u32,
}

/// So many leaves are inserted by two threads, each below one child of the root. More than a publish has by default: that has other work
/// for the second processor, and imports were slower with it.
const WORTH_A_THREAD: usize = 1 << 16;

impl Tree {
    /// The tree without leaves, at epoch 0.
    pub(crate) fn empty() -> Self {
        Self {
            epoch: 0,
            left: None,
            right: None,
            hash: *hash::EMPTY_ROOT,
            newest: 0,
            oldest: 0,
            nodes: 1,
        }
    }

    /// This tree with `leaves`, strictly ascending by label, at `epoch`. This one stays as it is.
    ///
    /// # Errors
    /// [`StoreError::LeafTwice`] if a label is in the tree already or stands twice.
    pub(crate) fn insert(&self, epoch: u64, leaves: &[NewLeaf]) -> Result<Self, StoreError> {
        if !leaves.is_sorted_by(|a, b| a.label < b.label) {
            return Err(StoreError::LeafTwice);
        }
        let (zeros, ones) = halves(leaves, 0);
        let grow = |old: Option<&Arc<Node>>, new| {
            let mut added = 0;
            grow(old, new, &mut added).map(|node| (node, added))
        };
        let ((left, added_left), (right, added_right)) = if leaves.len() < WORTH_A_THREAD {
            (grow(self.left.as_ref(), zeros)?, grow(self.right.as_ref(), ones)?)
        } else {
            std::thread::scope(|scope| {
                let left = scope.spawn(|| grow(self.left.as_ref(), zeros));
                let right = grow(self.right.as_ref(), ones)?;
                Ok::<_, StoreError>((left.join().map_err(|_| StoreError::ThreadDied)??, right))
            })?
        };
        let children = || left.iter().chain(&right);
        let hash = match (&left, &right) {
            (None, None) => *hash::EMPTY_ROOT,
            _ => {
                let [left, right] = [&left, &right].map(|child| match child {
                    Some(node) => (node.value(), node.label()),
                    None => (*hash::MISSING, hash::missing_label()),
                });
                hash::parent((&left.0, &left.1), (&right.0, &right.1))
            }
        };
        Ok(Self {
            epoch,
            hash,
            newest: children().map(|c| c.newest()).max().unwrap_or_default(),
            oldest: children().map(|c| c.oldest()).min().unwrap_or_default(),
            nodes: self.nodes.saturating_add(added_left).saturating_add(added_right),
            left,
            right,
        })
    }
}

/// `old` with `new` below it. Counts the nodes that akd would call new.
fn grow(old: Option<&Arc<Node>>, new: &[NewLeaf], added: &mut u64) -> Result<Option<Arc<Node>>, StoreError> {
    let (Some(first), Some(last)) = (new.first(), new.last()) else {
        return Ok(old.cloned());
    };
    let among_new = common_bits(&first.label, &last.label);
    let bits = old.map_or(among_new, |old| old.shared_bits(&first.label).min(among_new));
    let (below_left, below_right) = match old.map(|old| (old, &**old)) {
        // The old node is a prefix of everything that is new.
        Some((_, Node::Inner(inner))) if inner.bits() == bits => (Some(&inner.left), Some(&inner.right)),
        Some((_, Node::Leaf(_))) if bits == MAX_BITS => return Err(StoreError::LeafTwice),
        // It moves one down, below a new node.
        Some((old, node)) => {
            *added = added.saturating_add(1);
            if node.bit(bits) {
                (None, Some(old))
            } else {
                (Some(old), None)
            }
        }
        None => {
            *added = added.saturating_add(1);
            if bits == MAX_BITS {
                return Ok(Some(leaf(first)));
            }
            (None, None)
        }
    };
    let (zeros, ones) = halves(new, bits);
    let left = grow(below_left, zeros, added)?;
    let right = grow(below_right, ones, added)?;
    match (left, right) {
        (Some(left), Some(right)) => Ok(Some(inner(&first.label, bits, left, right))),
        // `bits` is where the labels part, so both sides have one.
        _ => Err(StoreError::LeafTwice),
    }
}

/// Sorted leaves with equal bits before `index`, parted by that bit.
fn halves(leaves: &[NewLeaf], index: u32) -> (&[NewLeaf], &[NewLeaf]) {
    let point = leaves.partition_point(|leaf| !bit(&leaf.label, index));
    leaves.split_at_checked(point).unwrap_or((leaves, &[]))
}

fn leaf(new: &NewLeaf) -> Arc<Node> {
    Arc::new(Node::Leaf(Leaf {
        label: new.label,
        commitment: new.commitment,
        epoch: new.epoch,
    }))
}

fn inner(sample: &[u8; 32], bits: u32, left: Arc<Node>, right: Arc<Node>) -> Arc<Node> {
    let hash = hash::parent((&left.value(), &left.label()), (&right.value(), &right.label()));
    let own = first_bits(sample) & !(u64::MAX.checked_shr(bits.min(OWN_BITS)).unwrap_or(0));
    Arc::new(Node::Inner(Inner {
        hash,
        place: own | (u64::from(bits) & LENGTH_MASK),
        newest: left.newest().max(right.newest()),
        oldest: left.oldest().min(right.oldest()),
        left,
        right,
    }))
}
