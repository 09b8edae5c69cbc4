//! Append-only: a step of the tree from one epoch to the next only inserted leaves.
//!
//! akd's `SingleAppendOnlyProof` names the leaves that were inserted and the roots of all
//! subtrees that did not change. Both trees are computed in one pass over their sorted labels
//! ([`super::fold`]). Labels that are unique and prefix-free have exactly one compressed trie, so
//! nothing can be hidden or replaced.
//!
//! What an untrusted proof may cost is fixed before anything is allocated: its bytes and nodes are
//! counted first, then there is one list of nodes (56 bytes each), the sort's, and about 1 MiB for
//! each part. That is below three times the proof for those that akd makes.

use core::num::NonZeroUsize;

use crate::quantity::{Commitment, Epoch, LeafLabel, RootHash};

use super::fold::{Fold, Node, Subtree};
use super::hash::{self, Digest, EMPTY_ROOT, MISSING_SEALED};
use super::many::{Hashing, Many};
use super::node_label::{LEAF_BITS, NodeLabel};
use super::proof::Element;
use super::wire::{Fields, WireError};
use super::{MAX_AUDIT_NODES, MAX_AUDIT_PROOF_BYTES, TreeError, cap};

/// Bytes of the shortest node: 34 of its value, 6 of its label, 2 around them.
const MIN_NODE_BYTES: usize = 42;

/// A step that was verified to only insert leaves. Only [`verify_append_only`] makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    inserted: u64,
}

impl Appended {
    /// Number of leaves that the step inserted, at least 1.
    pub fn inserted(&self) -> u64 {
        self.inserted
    }
}

/// How the work on one step is split and done. The verdict is always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Parts that may be folded at the same time.
    pub parts: NonZeroUsize,
    /// How hashes are computed.
    pub hashing: Hashing,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            parts: NonZeroUsize::MIN,
            hashing: Hashing::default(),
        }
    }
}

/// Verifies an akd `SingleAppendOnlyProof` (protobuf) of the step into `epoch`, from the root of
/// the epoch before to the root of this one.
///
/// # Errors
/// One variant of [`TreeError`] per broken rule.
pub fn verify_append_only(
    proof: &[u8],
    epoch: Epoch,
    previous: &RootHash,
    root: &RootHash,
) -> Result<Appended, TreeError> {
    verify_append_only_in_parts(proof, epoch, previous, root, Work::default(), |_| ())
}

/// The same with the work split into parts, which `run` may fold in any order and at the same time
/// ([`StepPart::fold`]). What it does not fold is folded here, so it cannot change the verdict.
///
/// # Errors
/// One variant of [`TreeError`] per broken rule; of several the one that [`verify_append_only`] names.
pub fn verify_append_only_in_parts(
    proof: &[u8],
    epoch: Epoch,
    previous: &RootHash,
    root: &RootHash,
    work: Work,
    run: impl FnOnce(&mut [StepPart<'_>]),
) -> Result<Appended, TreeError> {
    if epoch == Epoch::ZERO {
        return Err(TreeError::EpochZero);
    }
    let (nodes, inserted) = sorted_nodes(proof)?;
    let many = Many::new(work.hashing);
    let mut parts = split(&nodes, work.parts, many, epoch);
    run(&mut parts);
    let mut all = Fold::new(many, epoch);
    for mut part in parts {
        part.fold();
        for subtree in part.open.unwrap_or_else(|| Ok(Vec::new()))? {
            all.push(subtree);
        }
    }
    let (before, after) = roots(&all.finish_all());
    if before != *previous {
        return Err(TreeError::PreviousRootMismatch);
    }
    if after != *root {
        return Err(TreeError::RootMismatch);
    }
    Ok(Appended { inserted })
}

/// All nodes in the order of their labels, and how many of them were inserted.
fn sorted_nodes(proof: &[u8]) -> Result<(Vec<Node<'_>>, u64), TreeError> {
    // More than this cannot be well-formed: a count alone earns no room.
    let room = count_nodes(proof)?.min(proof.len() / MIN_NODE_BYTES);
    let mut nodes = Vec::with_capacity(room);
    let mut inserted = 0_u64;
    each_node(proof, |node| {
        inserted += u64::from(node.inserted);
        nodes.push(node);
    })?;
    if inserted == 0 {
        return Err(TreeError::NothingInserted);
    }
    // Stable, because it is fast where the input consists of few sorted runs, as akd's does.
    nodes.sort_by(|a: &Node<'_>, b: &Node<'_>| a.label.order(&b.label));
    Ok((nodes, inserted))
}

/// Consecutive nodes of one step, to be folded on any thread.
#[derive(Debug)]
pub struct StepPart<'a> {
    nodes: &'a [Node<'a>],
    /// The label before the first.
    before: Option<NodeLabel>,
    many: Many,
    epoch: Epoch,
    open: Option<Result<Vec<Subtree>, TreeError>>,
}

/// As equal parts as can be.
fn split<'a>(nodes: &'a [Node<'a>], parts: NonZeroUsize, many: Many, epoch: Epoch) -> Vec<StepPart<'a>> {
    let mut before = None;
    let part = |nodes: &'a [Node<'a>]| {
        let last = core::mem::replace(&mut before, nodes.last().map(|node| node.label));
        StepPart {
            nodes,
            before: last,
            many,
            epoch,
            open: None,
        }
    };
    nodes
        .chunks(nodes.len().div_ceil(parts.get()).max(1))
        .map(part)
        .collect()
}

impl StepPart<'_> {
    /// Checks that the labels are unique and prefix-free, and computes the hashes of all subtrees that
    /// lie within this part. A second call does nothing.
    pub fn fold(&mut self) {
        if self.open.is_none() {
            self.open = Some(self.folded());
        }
    }

    fn folded(&self) -> Result<Vec<Subtree>, TreeError> {
        let mut fold = Fold::new(self.many, self.epoch);
        let mut last = self.before.as_ref();
        for node in self.nodes {
            let joint = match last {
                None => 0,
                Some(last) if *last == node.label => return Err(TreeError::DuplicateLabel),
                // In sorted order a prefix stands right before some label that it is a prefix of.
                Some(last) if last.is_prefix_of(&node.label) => return Err(TreeError::LabelIsPrefix),
                Some(last) => last.common_bits(&node.label),
            };
            fold.push_node(*node, joint);
            last = Some(&node.label);
        }
        Ok(fold.finish())
    }
}

/// The roots before and after the step, from the subtrees below them.
fn roots(below: &[Subtree]) -> (RootHash, RootHash) {
    let left = below.iter().find(|subtree| !subtree.is_right());
    let right = below.iter().find(|subtree| subtree.is_right());
    let before = |side: Option<&Subtree>| side.and_then(Subtree::before);
    let after = |side: Option<&Subtree>| side.map(Subtree::after);
    (root(before(left), before(right)), root(after(left), after(right)))
}

fn root(left: Option<Digest>, right: Option<Digest>) -> RootHash {
    if left.is_none() && right.is_none() {
        return EMPTY_ROOT;
    }
    let side = |child: Option<Digest>| child.unwrap_or(MISSING_SEALED);
    hash::root(&hash::parent(&side(left), &side(right)))
}

/// Whether an akd `SingleAppendOnlyProof` (protobuf) inserts this leaf with this commitment.
/// The proof itself is read strictly, but not verified.
///
/// # Errors
/// One variant of [`TreeError`] per broken rule of the encoding.
pub fn audit_contains(proof: &[u8], leaf: &LeafLabel, commitment: &Commitment) -> Result<bool, TreeError> {
    let leaf = NodeLabel::leaf(leaf);
    let mut found = false;
    each_node(proof, |node| {
        found |= node.inserted && node.label == leaf && node.value == commitment.as_bytes();
    })?;
    Ok(found)
}

/// How many nodes there are, known from their lengths only.
fn count_nodes(proof: &[u8]) -> Result<usize, TreeError> {
    cap(proof, MAX_AUDIT_PROOF_BYTES)?;
    let mut count = 0;
    for field in Fields::new(proof) {
        let field = field?;
        if count >= MAX_AUDIT_NODES {
            return Err(WireError::TooMany(field.number).into());
        }
        count += 1;
    }
    Ok(count)
}

/// Reads the proof and hands over each node; nothing is kept.
fn each_node<'a>(proof: &'a [u8], mut take: impl FnMut(Node<'a>)) -> Result<(), TreeError> {
    cap(proof, MAX_AUDIT_PROOF_BYTES)?;
    for (count, field) in Fields::new(proof).enumerate() {
        let field = field?;
        if count >= MAX_AUDIT_NODES {
            return Err(WireError::TooMany(field.number).into());
        }
        let inserted = match field.number {
            1 => true,
            2 => false,
            _ => return Err(field.unknown().into()),
        };
        let Element { label, value } = Element::parse(field.bytes()?)?;
        if inserted && label.bits() != LEAF_BITS {
            return Err(TreeError::LeafLabelLength(label.bits()));
        }
        if label == NodeLabel::ROOT {
            return Err(TreeError::UnchangedRoot);
        }
        take(Node {
            label,
            value,
            inserted,
        });
    }
    Ok(())
}
