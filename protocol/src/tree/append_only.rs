//! Append-only: a step of the tree from one epoch to the next only inserted leaves.
//!
//! akd's `SingleAppendOnlyProof` names the leaves that were inserted and the roots of all
//! subtrees that did not change. Both trees are computed in one pass over their sorted labels
//! ([`super::fold`]). Labels that are unique and prefix-free have exactly one compressed trie, so
//! nothing can be hidden or replaced.
//!
//! What an untrusted proof may cost is fixed before anything is allocated: its bytes and nodes are
//! counted first, then there is one list of nodes (56 bytes each), the sort's, and about 1 MiB for
//! each part. For 10,000 new leaves among 1,000,000 a whole process held 3.3 times the proof at most, the proof included;
//! `tests/audit_proof_memory.rs` measures at the allocator what other proofs can cost.

use core::cmp::Ordering;
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
/// More parts than this are not made.
const MAX_PARTS: usize = 64;
/// Every so many nodes are looked at to find ranges of labels.
const SAMPLE: usize = 64;

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
    /// Parts that may be done at the same time; 64 at most are made.
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

/// The same with the work split into parts. `run` is called twice, first with parts to be read, then with parts to be
/// folded, and may do those of one call in any order and at the same time ([`StepPart::work`]). What it leaves is done
/// here, so it cannot change the verdict.
///
/// # Errors
/// One variant of [`TreeError`] per broken rule; of several the one that [`verify_append_only`] names.
pub fn verify_append_only_in_parts(
    proof: &[u8],
    epoch: Epoch,
    previous: &RootHash,
    root: &RootHash,
    work: Work,
    mut run: impl FnMut(&mut [StepPart<'_>]),
) -> Result<Appended, TreeError> {
    if epoch == Epoch::ZERO {
        return Err(TreeError::EpochZero);
    }
    let parts = work.parts.get().min(MAX_PARTS);
    let mut reads = split_bytes(proof, parts)?;
    run(&mut reads);
    let lists = reads
        .into_iter()
        .map(StepPart::read)
        .collect::<Result<Vec<_>, _>>()?;
    let inserted = lists.iter().flatten().map(|node| u64::from(node.inserted)).sum();
    if inserted == 0 {
        return Err(TreeError::NothingInserted);
    }
    let many = Many::new(work.hashing);
    let mut folds = split_labels(&lists, parts, many, epoch);
    run(&mut folds);
    let mut all = Fold::new(many, epoch);
    for part in folds {
        part.folded()?.into_iter().for_each(|subtree| all.push(subtree));
    }
    // A fold that did not come to an end would not be a tree.
    let (before, after) = roots(&all.finish_all()).ok_or(TreeError::RootMismatch)?;
    if before != *previous {
        return Err(TreeError::PreviousRootMismatch);
    }
    if after != *root {
        return Err(TreeError::RootMismatch);
    }
    Ok(Appended { inserted })
}

/// A part of the work on one step, to be done on any thread.
#[derive(Debug)]
pub struct StepPart<'a>(Task<'a>);

#[derive(Debug)]
enum Task<'a> {
    /// Consecutive nodes as they stand in the proof, to be read and sorted.
    Read {
        bytes: &'a [u8],
        /// Most nodes that can be in them.
        room: usize,
        done: Option<Result<Vec<Node<'a>>, TreeError>>,
    },
    /// Sorted nodes of a range of labels, to be folded.
    Fold {
        range: Range<'a>,
        many: Many,
        epoch: Epoch,
        done: Option<Result<Vec<Subtree>, TreeError>>,
    },
}

impl<'a> StepPart<'a> {
    /// Does it: reads nodes, or checks that labels are unique and prefix-free and computes the hashes of all
    /// subtrees that lie within them. A second call does nothing.
    pub fn work(&mut self) {
        match &mut self.0 {
            Task::Read { bytes, room, done } => {
                done.get_or_insert_with(|| sorted_nodes(bytes, *room));
            }
            Task::Fold {
                range,
                many,
                epoch,
                done,
            } => {
                done.get_or_insert_with(|| range.fold(Fold::new(*many, *epoch)));
            }
        }
    }

    fn read(mut self) -> Result<Vec<Node<'a>>, TreeError> {
        self.work();
        match self.0 {
            Task::Read {
                done: Some(nodes), ..
            } => nodes,
            _ => Ok(Vec::new()),
        }
    }

    fn folded(mut self) -> Result<Vec<Subtree>, TreeError> {
        self.work();
        match self.0 {
            Task::Fold { done: Some(open), .. } => open,
            _ => Ok(Vec::new()),
        }
    }
}

/// Parts of about the same length. The nodes are counted here, from their lengths only, before anything is allocated
/// for them.
fn split_bytes(proof: &[u8], parts: usize) -> Result<Vec<StepPart<'_>>, TreeError> {
    cap(proof, MAX_AUDIT_PROOF_BYTES)?;
    let length = proof.len().div_ceil(parts).max(1);
    let (mut split, mut begun, mut count, mut before) = (Vec::new(), 0, 0, 0);
    let mut part = |from: usize, to: usize, nodes: usize| {
        let bytes = proof.get(from..to).unwrap_or_default();
        // More than this cannot be well-formed: a count alone earns no room.
        let room = nodes.min(bytes.len() / MIN_NODE_BYTES);
        let done = None;
        split.push(StepPart(Task::Read { bytes, room, done }));
    };
    let mut fields = Fields::new(proof);
    while let Some(field) = fields.next() {
        let field = field?;
        if count >= MAX_AUDIT_NODES {
            return Err(WireError::TooMany(field.number).into());
        }
        count += 1;
        let end = proof.len() - fields.remaining();
        if end - begun >= length {
            part(begun, end, count - before);
            (begun, before) = (end, count);
        }
    }
    if begun < proof.len() {
        part(begun, proof.len(), count - before);
    }
    Ok(split)
}

/// The nodes that stand in these bytes, in the order of their labels.
fn sorted_nodes(bytes: &[u8], room: usize) -> Result<Vec<Node<'_>>, TreeError> {
    let mut nodes = Vec::with_capacity(room);
    each_node(bytes, |node| nodes.push(node))?;
    // Stable, because it is fast where the input consists of few sorted runs, as akd's does.
    nodes.sort_by(|a: &Node<'_>, b: &Node<'_>| a.label.order(&b.label));
    Ok(nodes)
}

/// Nodes of a range of labels, from several sorted lists.
#[derive(Debug)]
struct Range<'a> {
    lists: Vec<&'a [Node<'a>]>,
    /// The greatest label before the range.
    before: Option<NodeLabel>,
}

/// Ranges of about as many nodes; equal labels are in one range.
fn split_labels<'a>(lists: &'a [Vec<Node<'a>>], parts: usize, many: Many, epoch: Epoch) -> Vec<StepPart<'a>> {
    let sampled = lists.iter().flat_map(|list| list.iter().step_by(SAMPLE));
    let mut samples: Vec<NodeLabel> = sampled.map(|node| node.label).collect();
    samples.sort_by(NodeLabel::order);
    let mut rest: Vec<&[Node<'a>]> = lists.iter().map(Vec::as_slice).collect();
    let (mut split, mut before) = (Vec::new(), None);
    let mut part = |lists: Vec<&'a [Node<'a>]>| {
        let lasts = lists.iter().filter_map(|list| list.last()).map(|node| node.label);
        let last = lasts.max_by(NodeLabel::order);
        let range = Range { before, lists };
        before = last.or(before);
        split.push(StepPart(Task::Fold {
            range,
            many,
            epoch,
            done: None,
        }));
    };
    for i in 1..parts {
        let Some(pivot) = samples.get(samples.len() * i / parts) else {
            continue;
        };
        let cut = |list: &mut &'a [Node<'a>]| {
            let (below, above) = list.split_at(list.partition_point(|node| node.label.order(pivot).is_lt()));
            *list = above;
            below
        };
        part(rest.iter_mut().map(cut).collect());
    }
    part(rest);
    split
}

impl<'a> Range<'a> {
    fn fold(&mut self, mut fold: Fold<'a>) -> Result<Vec<Subtree>, TreeError> {
        let mut last = self.before;
        while let Some(node) = self.next() {
            let joint = match &last {
                None => 0,
                Some(last) if *last == node.label => return Err(TreeError::DuplicateLabel),
                // In sorted order a prefix stands right before some label that it is a prefix of.
                Some(last) if last.is_prefix_of(&node.label) => return Err(TreeError::LabelIsPrefix),
                Some(last) => last.common_bits(&node.label),
            };
            fold.push_node(*node, joint);
            last = Some(node.label);
        }
        Ok(fold.finish())
    }

    /// The node with the least label of all lists.
    fn next(&mut self) -> Option<&'a Node<'a>> {
        let firsts = self.lists.iter_mut().filter(|list| !list.is_empty());
        let least = firsts.min_by(|a, b| match (a.first(), b.first()) {
            (Some(a), Some(b)) => a.label.order(&b.label),
            _ => Ordering::Equal,
        })?;
        least.split_off_first()
    }
}

/// The roots before and after the step, from the one or two subtrees below them.
fn roots(below: &[Subtree]) -> Option<(RootHash, RootHash)> {
    let (left, right) = match below {
        [one] if one.is_right() => (None, Some(one)),
        [one] => (Some(one), None),
        [left, right] if !left.is_right() && right.is_right() => (Some(left), Some(right)),
        _ => return None,
    };
    let before = |side: Option<&Subtree>| side.and_then(Subtree::before);
    let after = |side: Option<&Subtree>| side.map(Subtree::after);
    Some((root(before(left), before(right)), root(after(left), after(right))))
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
