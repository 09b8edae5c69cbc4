//! The same nodes as akd's structures, for akd as the writer.

use akd::tree_node::{TreeNode, TreeNodeType, TreeNodeWithPreviousValue};
use akd::{AzksValue, NodeLabel};

use super::{Node, Tree};
use crate::tree::bits::{bit, is_canonical};
use crate::tree::node_key::MAX_BITS;

impl Tree {
    /// The node with this label, as akd knows it at this epoch. It has no earlier state: there is a tree for each epoch.
    pub(crate) fn akd_node(&self, label: &NodeLabel) -> Option<TreeNodeWithPreviousValue> {
        if !is_canonical(label) {
            return None;
        }
        let node = if label.label_len == 0 {
            self.akd_root()
        } else {
            self.find(label)?
        };
        Some(TreeNodeWithPreviousValue {
            label: *label,
            latest_node: node,
            previous_node: None,
        })
    }

    fn akd_root(&self) -> TreeNode {
        TreeNode {
            label: NodeLabel::root(),
            last_epoch: self.newest.into(),
            min_descendant_epoch: self.oldest.into(),
            parent: NodeLabel::root(),
            node_type: TreeNodeType::Root,
            left_child: self.left.as_ref().map(|c| c.label()),
            right_child: self.right.as_ref().map(|c| c.label()),
            hash: AzksValue(self.hash),
        }
    }

    fn find(&self, label: &NodeLabel) -> Option<TreeNode> {
        let (mut parent, mut bits) = (NodeLabel::root(), 0);
        let mut children = (self.left.as_deref(), self.right.as_deref());
        loop {
            if bits >= MAX_BITS {
                return None;
            }
            let next = if bit(&label.label_val, bits) {
                children.1
            } else {
                children.0
            }?;
            if next.bits() == label.label_len && next.label() == *label {
                return Some(next.akd(parent));
            }
            let Node::Inner(inner) = next else { return None };
            if inner.bits() >= label.label_len || next.shared_bits(&label.label_val) < inner.bits() {
                return None;
            }
            (parent, bits) = (next.label(), inner.bits());
            children = (Some(&inner.left), Some(&inner.right));
        }
    }
}

impl Node {
    fn akd(&self, parent: NodeLabel) -> TreeNode {
        let (node_type, hash, left_child, right_child) = match self {
            Self::Leaf(leaf) => (TreeNodeType::Leaf, leaf.commitment, None, None),
            Self::Inner(inner) => (
                TreeNodeType::Interior,
                inner.hash,
                Some(inner.left.label()),
                Some(inner.right.label()),
            ),
        };
        TreeNode {
            label: self.label(),
            last_epoch: self.newest().into(),
            min_descendant_epoch: self.oldest().into(),
            parent,
            node_type,
            left_child,
            right_child,
            hash: AzksValue(hash),
        }
    }
}
