//! From the root towards a label: membership and its absence, as akd proves them.

use akd::NodeLabel;
use keyglass_protocol::quantity::LeafLabel;

use super::hash;
use super::wire::{self, ELEMENT, MEMBERSHIP};
use super::{Node, Tree};
use crate::tree::bits::{bit, prefix};
use crate::tree::node_key::MAX_BITS;

/// One turn on the way down.
struct Step<'a> {
    /// Length of the node's label: it is a prefix of what is looked for.
    bits: u32,
    /// The child that was not taken; only the root may lack one.
    sibling: Option<&'a Node>,
    /// Whether the right child was taken.
    right: bool,
}

/// The deepest node whose label is what is looked for, or begins it.
#[derive(Clone, Copy)]
enum End<'a> {
    Root,
    Node(&'a Node),
}

impl Tree {
    /// Whether there is this leaf.
    pub fn contains(&self, leaf: &LeafLabel) -> bool {
        self.walk(leaf.as_bytes(), |_| {}).1
    }

    /// akd's `MembershipProof` of a leaf, appended to `out`; `false` and nothing if there is no such leaf.
    pub fn put_membership(&self, leaf: &LeafLabel, out: &mut Vec<u8>) -> bool {
        let label = leaf.as_bytes();
        let mut steps = Vec::with_capacity(48);
        let (end, found) = self.walk(label, |step| steps.push(step));
        if found {
            self.put_path(label, end, &steps, out);
        }
        found
    }

    /// akd's `NonMembershipProof` of a leaf, appended to `out`; `false` and nothing if there is such a leaf.
    pub fn put_absence(&self, leaf: &LeafLabel, out: &mut Vec<u8>) -> bool {
        let label = leaf.as_bytes();
        let mut steps = Vec::with_capacity(48);
        let (end, found) = self.walk(label, |step| steps.push(step));
        if found {
            return false;
        }
        let children = match end {
            End::Root => [self.left.as_deref(), self.right.as_deref()],
            End::Node(Node::Inner(inner)) => [Some(&*inner.left), Some(&*inner.right)],
            End::Node(Node::Leaf(_)) => [None, None],
        };
        wire::label(out, 1, &NodeLabel::new(*label, MAX_BITS));
        wire::label(out, 2, &end.label(label));
        for child in children {
            wire::message(out, 3, |out| put_element(out, child));
        }
        wire::message(out, 4, |out| self.put_path(label, end, &steps, out));
        true
    }

    /// Goes down as long as the labels on the way begin `label`; answers with the last of them and whether it is `label`.
    fn walk<'a>(&'a self, label: &[u8; 32], mut take: impl FnMut(Step<'a>)) -> (End<'a>, bool) {
        let (mut end, mut bits) = (End::Root, 0);
        let mut children = (self.left.as_deref(), self.right.as_deref());
        loop {
            let right = bit(label, bits);
            let (next, sibling) = if right { (children.1, children.0) } else { children };
            let Some(next) = next.filter(|next| next.shared_bits(label) == next.bits()) else {
                return (end, false);
            };
            take(Step { bits, sibling, right });
            end = End::Node(next);
            match next {
                Node::Leaf(_) => return (end, true),
                Node::Inner(inner) => {
                    bits = inner.bits();
                    children = (Some(&inner.left), Some(&inner.right));
                }
            }
        }
    }

    fn put_path(&self, label: &[u8; 32], end: End<'_>, steps: &[Step<'_>], out: &mut Vec<u8>) {
        out.reserve(MEMBERSHIP.saturating_add(steps.len().saturating_mul(ELEMENT)));
        wire::label(out, 1, &end.label(label));
        let value = match end {
            End::Root => self.hash,
            End::Node(node) => node.value(),
        };
        wire::bytes(out, 2, &value);
        for step in steps {
            wire::message(out, 3, |out| {
                wire::label(out, 1, &prefix(label, step.bits));
                wire::message(out, 2, |out| put_element(out, step.sibling));
                wire::number(out, 3, u64::from(step.right));
            });
        }
    }
}

impl End<'_> {
    /// Its label, which begins `label`.
    fn label(self, label: &[u8; 32]) -> NodeLabel {
        match self {
            Self::Root => NodeLabel::root(),
            Self::Node(node) => prefix(label, node.bits()),
        }
    }
}

/// akd's `AzksElement` of a child, or of one that is missing.
fn put_element(out: &mut Vec<u8>, child: Option<&Node>) {
    match child {
        Some(node) => wire::element(out, &node.label(), &node.value()),
        None => wire::element(out, &hash::missing_label(), &hash::MISSING),
    }
}
