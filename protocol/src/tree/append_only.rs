//! Append-only: a step of the tree from one epoch to the next only inserted leaves.
//!
//! akd's `SingleAppendOnlyProof` names the leaves that were inserted and the roots of all
//! subtrees that did not change. Both trees are computed in one pass over their sorted labels: a
//! stack holds the subtrees to the left of the current label, each with its hash after the step
//! and, if anything in it is older, its hash before. Labels that are unique and prefix-free have
//! exactly one compressed trie, so nothing can be hidden or replaced.

use crate::quantity::{Commitment, Epoch, LeafLabel, RootHash};

use super::hash::{self, Digest, EMPTY_ROOT, MISSING_SEALED};
use super::node_label::{LEAF_BITS, NodeLabel};
use super::proof::Element;
use super::wire::{Fields, WireError};
use super::{MAX_AUDIT_NODES, MAX_AUDIT_PROOF_BYTES, TreeError, cap};

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
    if epoch == Epoch::ZERO {
        return Err(TreeError::EpochZero);
    }
    // An element has at least 40 bytes, most have about 75.
    let mut nodes = Vec::with_capacity((proof.len() / 64).min(MAX_AUDIT_NODES));
    let mut inserted = 0_u64;
    each_node(proof, |node| {
        inserted += u64::from(node.inserted);
        nodes.push(node);
    })?;
    if inserted == 0 {
        return Err(TreeError::NothingInserted);
    }
    // Stable, because it is fast where the input consists of few sorted runs, as akd's does.
    nodes.sort_by_key(|node| (*node.label.words(), node.label.bits()));
    let (before, after) = fold(&nodes, epoch)?;
    if before != *previous {
        return Err(TreeError::PreviousRootMismatch);
    }
    if after != *root {
        return Err(TreeError::RootMismatch);
    }
    Ok(Appended { inserted })
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

struct Node<'a> {
    label: NodeLabel,
    /// A commitment if inserted, else the value of the subtree's root.
    value: &'a Digest,
    inserted: bool,
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

/// A finished subtree.
struct Subtree {
    label: NodeLabel,
    /// Bits that it has in common with the subtree to its left.
    joint: u32,
    /// Its sealed hash before the step; `None` if all of it was inserted.
    before: Option<Digest>,
    /// Its sealed hash after the step.
    after: Digest,
}

impl Subtree {
    fn of(node: &Node<'_>, joint: u32, epoch: Epoch) -> Self {
        let label_hash = hash::label_hash(&node.label);
        let (before, after) = if node.inserted {
            let value = hash::leaf_value(&Commitment::new(*node.value), epoch);
            (None, hash::seal_with(&value, &label_hash))
        } else {
            let sealed = hash::seal_with(node.value, &label_hash);
            (Some(sealed), sealed)
        };
        Self {
            label: node.label,
            joint,
            before,
            after,
        }
    }

    /// The subtree above two neighbours.
    fn join(left: Self, right: &Self) -> Self {
        let label = right.label.prefix(right.joint);
        let label_hash = hash::label_hash(&label);
        let seal = |l: &Digest, r: &Digest| hash::seal_with(&hash::parent(l, r), &label_hash);
        let before = match (left.before, right.before) {
            (Some(l), Some(r)) => Some(seal(&l, &r)),
            (one, other) => one.or(other),
        };
        Self {
            label,
            joint: left.joint,
            before,
            after: seal(&left.after, &right.after),
        }
    }
}

/// The roots before and after the step, from nodes in the order of their labels.
fn fold(nodes: &[Node<'_>], epoch: Epoch) -> Result<(RootHash, RootHash), TreeError> {
    let mut stack: Vec<Subtree> = Vec::with_capacity(64);
    let mut last: Option<&NodeLabel> = None;
    for node in nodes {
        let joint = match last {
            None => 0,
            Some(last) if last == &node.label => return Err(TreeError::DuplicateLabel),
            // In sorted order a prefix stands right before some label that it is a prefix of.
            Some(last) if last.is_prefix_of(&node.label) => return Err(TreeError::LabelIsPrefix),
            Some(last) => last.common_bits(&node.label),
        };
        join_deeper(&mut stack, joint);
        stack.push(Subtree::of(node, joint, epoch));
        last = Some(&node.label);
    }
    join_deeper(&mut stack, 0);
    let (left, right): (Vec<_>, Vec<_>) = stack.into_iter().partition(|subtree| !subtree.label.bit(0));
    let (left, right) = (left.first(), right.first());
    let before = |side: Option<&Subtree>| side.and_then(|subtree| subtree.before);
    let after = |side: Option<&Subtree>| side.map(|subtree| subtree.after);
    Ok((root(before(left), before(right)), root(after(left), after(right))))
}

/// Joins the subtrees on top of the stack whose common prefix is longer than `joint`.
fn join_deeper(stack: &mut Vec<Subtree>, joint: u32) {
    while stack.last().is_some_and(|top| top.joint > joint) {
        let (Some(right), Some(left)) = (stack.pop(), stack.pop()) else {
            return;
        };
        stack.push(Subtree::join(left, &right));
    }
}

fn root(left: Option<Digest>, right: Option<Digest>) -> RootHash {
    if left.is_none() && right.is_none() {
        return EMPTY_ROOT;
    }
    let side = |child: Option<Digest>| child.unwrap_or(MISSING_SEALED);
    hash::root(&hash::parent(&side(left), &side(right)))
}
