//! The whole tree of one epoch in memory, as compact as it can be and never changed.
//!
//! akd's tree is a function of its leaves alone: a leaf is a label, a commitment and the epoch that inserted it, and
//! every other node follows from those below it. So storage keeps the leaves, and each process keeps this. A step to the
//! next epoch makes new nodes along the paths of what was inserted and shares all others with the tree before, so that
//! both stay whole: whoever stands on an epoch holds its tree, needs no lock, and is never overtaken by a publish.
//!
//! A node takes 96 bytes with its counters and the allocator's share, an account with one version two nodes. What is
//! proven from here is, byte for byte, what akd proves.

mod akd_node;
mod append;
mod hash;
mod insert;
mod path;
pub mod wire;

use std::sync::Arc;

use akd::NodeLabel;
use keyglass_protocol::quantity::{Epoch, RootHash};

pub use append::AppendProof;
pub(crate) use hash::Digest;
pub(crate) use insert::NewLeaf;

use super::bits::{bit, common_bits, prefix};
use super::node_key::MAX_BITS;

/// Label bits that an inner node holds itself; longer ones are those of any leaf below.
const OWN_BITS: u32 = 48;
/// The low bits of [`Inner::place`]: the label's length.
const LENGTH_MASK: u64 = 0xffff;

/// The tree as it stood at one epoch.
pub struct Tree {
    epoch: u64,
    left: Option<Arc<Node>>,
    right: Option<Arc<Node>>,
    hash: Digest,
    newest: u32,
    oldest: u32,
    nodes: u64,
}

enum Node {
    Leaf(Leaf),
    Inner(Inner),
}

struct Leaf {
    label: [u8; 32],
    commitment: Digest,
    epoch: u32,
}

struct Inner {
    hash: Digest,
    left: Arc<Node>,
    right: Arc<Node>,
    /// The first 48 bits of the label, then its length in 16.
    place: u64,
    /// Latest epoch of a leaf below.
    newest: u32,
    /// Earliest epoch of a leaf below.
    oldest: u32,
}

impl core::fmt::Debug for Tree {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tree(epoch {}, {} nodes)", self.epoch, self.nodes)
    }
}

impl Tree {
    /// The epoch that it stands at.
    pub fn epoch(&self) -> Epoch {
        Epoch::new(self.epoch)
    }

    /// akd's root hash: what a leaf of the epoch log names.
    pub fn root(&self) -> RootHash {
        RootHash::new(hash::root(&self.hash))
    }

    /// Nodes, the root included: akd's count.
    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    /// akd's value of the root node.
    pub(crate) fn root_value(&self) -> Digest {
        self.hash
    }
}

impl Node {
    /// Length of the label in bits.
    fn bits(&self) -> u32 {
        match self {
            Self::Leaf(_) => MAX_BITS,
            Self::Inner(inner) => inner.bits(),
        }
    }

    /// The label of some leaf at or below.
    fn some_label(&self) -> &[u8; 32] {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(leaf) => return &leaf.label,
                Self::Inner(inner) => node = &inner.left,
            }
        }
    }

    fn label(&self) -> NodeLabel {
        match self {
            Self::Leaf(leaf) => NodeLabel::new(leaf.label, MAX_BITS),
            Self::Inner(inner) if inner.bits() <= OWN_BITS => {
                let mut val = [0; 32];
                let own = (inner.place & !LENGTH_MASK).to_be_bytes();
                for (to, from) in val.iter_mut().zip(own) {
                    *to = from;
                }
                NodeLabel::new(val, inner.bits())
            }
            Self::Inner(inner) => prefix(self.some_label(), inner.bits()),
        }
    }

    /// Bits that the label has in common with the start of `other`.
    fn shared_bits(&self, other: &[u8; 32]) -> u32 {
        match self {
            Self::Leaf(leaf) => common_bits(&leaf.label, other),
            Self::Inner(inner) if inner.bits() <= OWN_BITS => ((inner.place ^ first_bits(other))
                | LENGTH_MASK)
                .leading_zeros()
                .min(inner.bits()),
            Self::Inner(inner) => common_bits(self.some_label(), other).min(inner.bits()),
        }
    }

    /// One bit of the label, at an index below its length.
    fn bit(&self, index: u32) -> bool {
        match self {
            Self::Inner(inner) if index < OWN_BITS => inner.place.rotate_left(index + 1) & 1 == 1,
            other => bit(other.some_label(), index),
        }
    }

    /// What the parent hashes and a proof shows: a leaf's commitment bound to its epoch, or the node's hash.
    fn value(&self) -> Digest {
        match self {
            Self::Leaf(leaf) => hash::leaf(&leaf.commitment, leaf.epoch.into()),
            Self::Inner(inner) => inner.hash,
        }
    }

    fn newest(&self) -> u32 {
        match self {
            Self::Leaf(leaf) => leaf.epoch,
            Self::Inner(inner) => inner.newest,
        }
    }

    fn oldest(&self) -> u32 {
        match self {
            Self::Leaf(leaf) => leaf.epoch,
            Self::Inner(inner) => inner.oldest,
        }
    }
}

impl Inner {
    fn bits(&self) -> u32 {
        u32::try_from(self.place & LENGTH_MASK).unwrap_or(MAX_BITS)
    }
}

/// The first eight bytes of a label.
fn first_bits(label: &[u8; 32]) -> u64 {
    u64::from_be_bytes(label.first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests;
