//! Both roots of a step in one pass over the sorted labels, with many hashes at a time.
//!
//! A stack holds the subtrees to the left of the current label. A new label closes those that
//! have more bits in common than it has with its neighbour. Closing only plans; from time to time
//! all planned hashes are computed, those of one height together. What is older than the step
//! and has nothing new in it has one hash, which serves both roots.
//!
//! A fold may begin anywhere: what would belong together with labels further left stays open. So
//! parts of the labels can be folded apart, and what they leave open is folded in the end.

use crate::quantity::Epoch;

use super::hash::{self, Digest};
use super::many::{Block, Many};
use super::node_label::NodeLabel;

/// Subtrees, planned ones included, after which hashes are computed: they stay in the fast caches, and
/// are many enough to fill the lanes.
const BATCH: usize = 2048;

/// A node of the proof.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) label: NodeLabel,
    /// A commitment if inserted, else the value of the subtree's root.
    pub(super) value: &'a Digest,
    pub(super) inserted: bool,
}

/// What of a subtree is older than the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Past {
    /// Nothing: it did not exist.
    None,
    /// All of it: both hashes are the same.
    Whole,
    /// Some of it: the hashes differ.
    Part,
}

/// A subtree, with its sealed hashes before and after the step as soon as they are computed.
#[derive(Debug, Clone)]
pub(super) struct Subtree {
    label: NodeLabel,
    /// Bits that it has in common with the subtree to its left.
    joint: u32,
    /// Joins on the longest way down to something that has its hashes.
    height: usize,
    past: Past,
    label_hash: Digest,
    /// Without meaning if there is no past.
    before: Digest,
    after: Digest,
}

impl Subtree {
    fn planned(label: NodeLabel, joint: u32, height: usize, past: Past) -> Self {
        Self {
            label,
            joint,
            height,
            past,
            label_hash: [0; 32],
            before: [0; 32],
            after: [0; 32],
        }
    }

    /// Whether it stands to the right below the root.
    pub(super) fn is_right(&self) -> bool {
        self.label.bit(0)
    }

    /// Its sealed hash before the step; `None` if all of it was inserted.
    pub(super) fn before(&self) -> Option<Digest> {
        (self.past != Past::None).then_some(self.before)
    }

    /// Its sealed hash after the step.
    pub(super) fn after(&self) -> Digest {
        self.after
    }
}

/// A planned subtree above two neighbours; all are indexes.
#[derive(Debug, Clone, Copy)]
struct Join {
    left: usize,
    right: usize,
    above: usize,
}

impl Join {
    fn below<'a>(&self, subtrees: &'a [Subtree]) -> Option<(&'a Subtree, &'a Subtree)> {
        subtrees.get(self.left).zip(subtrees.get(self.right))
    }
}

/// Where the hash before the step of a planned subtree comes from.
enum Before {
    /// From both subtrees below.
    Hashed([Digest; 2]),
    /// From the only one that existed: there was nothing to join.
    Passed(Digest),
    /// It is the hash after the step.
    Same,
    Missing,
}

/// Subtrees in the order of their labels, joined as far as can be.
#[derive(Debug)]
pub(super) struct Fold<'a> {
    many: Many,
    epoch: Epoch,
    /// Everything since hashes were last computed.
    subtrees: Vec<Subtree>,
    /// Indexes of what has nothing above it yet, from the left.
    open: Vec<usize>,
    /// Nodes whose hashes are planned, with the indexes of their subtrees.
    nodes: Vec<(usize, Node<'a>)>,
    /// Planned joins by height, from 1.
    joins: Vec<Vec<Join>>,
    blocks: Vec<Block>,
    hashes: Vec<Digest>,
}

impl<'a> Fold<'a> {
    pub(super) fn new(many: Many, epoch: Epoch) -> Self {
        Self {
            many,
            epoch,
            subtrees: Vec::with_capacity(BATCH + 2),
            open: Vec::new(),
            nodes: Vec::new(),
            joins: Vec::new(),
            blocks: Vec::new(),
            hashes: Vec::new(),
        }
    }

    /// Adds a node that has `joint` bits in common with the one before it.
    pub(super) fn push_node(&mut self, node: Node<'a>, joint: u32) {
        let past = if node.inserted { Past::None } else { Past::Whole };
        self.push(Subtree::planned(node.label, joint, 0, past));
        self.nodes.push((self.subtrees.len() - 1, node));
        if self.subtrees.len() >= BATCH {
            self.compute();
        }
    }

    /// Adds a subtree that was left open elsewhere, in the order of the labels.
    pub(super) fn push(&mut self, subtree: Subtree) {
        self.close(subtree.joint);
        self.open.push(self.subtrees.len());
        self.subtrees.push(subtree);
    }

    /// Joins the last subtrees, as long as they have more than `joint` bits in common. One that belongs to
    /// something further left first, which is not here, stays as it is.
    fn close(&mut self, joint: u32) {
        while let [.., left, right] = *self.open {
            let (Some(l), Some(r)) = (self.subtrees.get(left), self.subtrees.get(right)) else {
                return;
            };
            if r.joint <= joint || l.joint >= r.joint {
                return;
            }
            let past = match (l.past, r.past) {
                (Past::None, Past::None) => Past::None,
                (Past::Whole, Past::Whole) => Past::Whole,
                _ => Past::Part,
            };
            let below = l.height.max(r.height);
            let above = Subtree::planned(r.label.prefix(r.joint), l.joint, below + 1, past);
            let join = Join {
                left,
                right,
                above: self.subtrees.len(),
            };
            if self.joins.len() <= below {
                self.joins.resize_with(below + 1, Vec::new);
            }
            if let Some(joins) = self.joins.get_mut(below) {
                joins.push(join);
            }
            self.open.truncate(self.open.len() - 2);
            self.open.push(join.above);
            self.subtrees.push(above);
        }
    }

    /// Computes all hashes that are planned, and forgets what is below others.
    fn compute(&mut self) {
        self.hash_labels();
        self.hash_nodes();
        for height in 0..self.joins.len() {
            let mut joins = self
                .joins
                .get_mut(height)
                .map(core::mem::take)
                .unwrap_or_default();
            self.hash_joins(&joins);
            joins.clear();
            if let Some(emptied) = self.joins.get_mut(height) {
                *emptied = joins;
            }
        }
        let mut kept = Vec::with_capacity(BATCH + 2);
        kept.extend(
            self.open
                .iter()
                .filter_map(|index| self.subtrees.get(*index))
                .cloned(),
        );
        for subtree in &mut kept {
            subtree.height = 0;
        }
        self.open = (0..kept.len()).collect();
        self.subtrees = kept;
    }

    /// The labels of everything that is planned.
    fn hash_labels(&mut self) {
        let planned = self.nodes.iter().map(|(index, _)| *index);
        let planned = planned.chain(self.joins.iter().flatten().map(|join| join.above));
        self.blocks.clear();
        self.blocks.extend(
            planned
                .clone()
                .filter_map(|index| self.subtrees.get(index))
                .map(|subtree| hash::label_block(&subtree.label)),
        );
        self.many
            .hash::<{ hash::LABEL_INPUT }>(&self.blocks, &mut self.hashes);
        for (index, hash) in planned.zip(&self.hashes) {
            if let Some(subtree) = self.subtrees.get_mut(index) {
                subtree.label_hash = *hash;
            }
        }
    }

    /// The values of inserted leaves, and then what all nodes are sealed to.
    fn hash_nodes(&mut self) {
        let inserted = self.nodes.iter().filter(|(_, node)| node.inserted);
        self.blocks.clear();
        self.blocks
            .extend(inserted.map(|(_, node)| hash::leaf_block(node.value, self.epoch)));
        self.many
            .hash::<{ hash::LEAF_INPUT }>(&self.blocks, &mut self.hashes);
        let mut leaves = self.hashes.iter();
        self.blocks.clear();
        for (index, node) in &self.nodes {
            let leaf = if node.inserted { leaves.next() } else { None };
            if let Some(subtree) = self.subtrees.get(*index) {
                self.blocks
                    .push(hash::pair_block(leaf.unwrap_or(node.value), &subtree.label_hash));
            }
        }
        self.many
            .hash::<{ hash::PAIR_INPUT }>(&self.blocks, &mut self.hashes);
        for ((index, _), sealed) in self.nodes.drain(..).zip(&self.hashes) {
            if let Some(subtree) = self.subtrees.get_mut(index) {
                (subtree.before, subtree.after) = (*sealed, *sealed);
            }
        }
    }

    /// Subtrees of one height: their values from those below, and then what they are sealed to.
    fn hash_joins(&mut self, joins: &[Join]) {
        self.blocks.clear();
        for join in joins {
            if let Some((left, right)) = join.below(&self.subtrees) {
                self.blocks.push(hash::pair_block(&left.after, &right.after));
                if let Before::Hashed([left, right]) = Before::of(left, right) {
                    self.blocks.push(hash::pair_block(&left, &right));
                }
            }
        }
        self.many
            .hash::<{ hash::PAIR_INPUT }>(&self.blocks, &mut self.hashes);
        let mut values = self.hashes.iter();
        self.blocks.clear();
        for join in joins {
            let Some((left, right)) = join.below(&self.subtrees) else {
                continue;
            };
            let Some(above) = self.subtrees.get(join.above) else {
                continue;
            };
            let hashed = matches!(Before::of(left, right), Before::Hashed(_));
            for value in values.by_ref().take(if hashed { 2 } else { 1 }) {
                self.blocks.push(hash::pair_block(value, &above.label_hash));
            }
        }
        self.many
            .hash::<{ hash::PAIR_INPUT }>(&self.blocks, &mut self.hashes);
        let mut sealed = self.hashes.iter().copied();
        for join in joins {
            let Some((left, right)) = join.below(&self.subtrees) else {
                continue;
            };
            let before = Before::of(left, right);
            let Some(after) = sealed.next() else { return };
            let before = match before {
                Before::Hashed(_) => sealed.next(),
                Before::Passed(digest) => Some(digest),
                Before::Same => Some(after),
                Before::Missing => None,
            };
            if let Some(above) = self.subtrees.get_mut(join.above) {
                above.after = after;
                above.before = before.unwrap_or_default();
            }
        }
    }

    /// What is still open, from the left, all hashes computed.
    pub(super) fn finish(mut self) -> Vec<Subtree> {
        self.compute();
        self.subtrees
    }

    /// The subtrees below the root, one or two; only for a fold that began at the first label.
    pub(super) fn finish_all(mut self) -> Vec<Subtree> {
        self.close(0);
        self.finish()
    }
}

impl Before {
    fn of(left: &Subtree, right: &Subtree) -> Self {
        match (left.past, right.past) {
            (Past::None, Past::None) => Self::Missing,
            (Past::None, _) => Self::Passed(right.before),
            (_, Past::None) => Self::Passed(left.before),
            (Past::Whole, Past::Whole) => Self::Same,
            _ => Self::Hashed([left.before, right.before]),
        }
    }
}
