//! A tree node that akd sets outside of a publish, as one blob. In a directory this is the root of the empty tree.
//!
//! ```text
//! row   = u8 2 (format) | state [state]      the current state, the previous one
//! state = u8 flags | u64 last epoch | u64 least descendant epoch | parent | [child] [child] | 32 bytes hash
//! flags = bits 0-1 node type | 4 left child | 8 right child
//! label = 32 bytes | u32 length              parent and children
//! ```

use akd::tree_node::{TreeNode, TreeNodeType, TreeNodeWithPreviousValue};
use akd::{AzksValue, NodeLabel};

use crate::error::StoreError;

const FORMAT: u8 = 2;
const TYPE_MASK: u8 = 3;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// The row's blob.
pub(crate) fn encode(node: &TreeNodeWithPreviousValue) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.push(FORMAT);
    for state in core::iter::once(&node.latest_node).chain(&node.previous_node) {
        put(&mut out, state);
    }
    out
}

/// The node of a row, given the label that it was asked for by.
pub(crate) fn decode(label: NodeLabel, row: &[u8]) -> Result<TreeNodeWithPreviousValue, StoreError> {
    let mut input = Input { rest: row };
    if input.byte()? != FORMAT {
        return Err(corrupt("unknown format"));
    }
    let latest_node = take(&mut input, label)?;
    let previous_node = match input.rest {
        [] => None,
        _ => Some(take(&mut input, label)?),
    };
    if !input.rest.is_empty() {
        return Err(corrupt("trailing bytes"));
    }
    Ok(TreeNodeWithPreviousValue {
        label,
        latest_node,
        previous_node,
    })
}

fn put(out: &mut Vec<u8>, state: &TreeNode) {
    let node_type = match state.node_type {
        TreeNodeType::Leaf => 1,
        TreeNodeType::Root => 2,
        TreeNodeType::Interior => 3,
    };
    let left = if state.left_child.is_some() { LEFT } else { 0 };
    let right = if state.right_child.is_some() { RIGHT } else { 0 };
    out.push(node_type | left | right);
    out.extend_from_slice(&state.last_epoch.to_be_bytes());
    out.extend_from_slice(&state.min_descendant_epoch.to_be_bytes());
    let children = state.left_child.iter().chain(&state.right_child);
    for label in core::iter::once(&state.parent).chain(children) {
        out.extend_from_slice(&label.label_val);
        out.extend_from_slice(&label.label_len.to_be_bytes());
    }
    out.extend_from_slice(&state.hash.0);
}

fn take(input: &mut Input<'_>, label: NodeLabel) -> Result<TreeNode, StoreError> {
    let flags = input.byte()?;
    if flags & !(TYPE_MASK | LEFT | RIGHT) != 0 {
        return Err(corrupt("unknown flags"));
    }
    let node_type = match flags & TYPE_MASK {
        1 => TreeNodeType::Leaf,
        2 => TreeNodeType::Root,
        3 => TreeNodeType::Interior,
        _ => return Err(corrupt("unknown node type")),
    };
    let last_epoch = u64::from_be_bytes(input.array()?);
    let min_descendant_epoch = u64::from_be_bytes(input.array()?);
    let parent = input.label()?;
    let left_child = input.child(flags & LEFT)?;
    let right_child = input.child(flags & RIGHT)?;
    let hash = AzksValue(input.array()?);
    Ok(TreeNode {
        label,
        last_epoch,
        min_descendant_epoch,
        parent,
        node_type,
        left_child,
        right_child,
        hash,
    })
}

struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(corrupt("truncated"))?;
        self.rest = tail;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, StoreError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn label(&mut self) -> Result<NodeLabel, StoreError> {
        let val = self.array()?;
        Ok(NodeLabel::new(val, u32::from_be_bytes(self.array()?)))
    }

    fn child(&mut self, present: u8) -> Result<Option<NodeLabel>, StoreError> {
        if present == 0 {
            return Ok(None);
        }
        self.label().map(Some)
    }
}

fn corrupt(why: &'static str) -> StoreError {
    StoreError::Corrupt { table: "nodes", why }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn label() -> impl Strategy<Value = NodeLabel> {
        (any::<[u8; 32]>(), 0_u32..=256).prop_map(|(val, bits)| NodeLabel::new(val, bits))
    }

    fn state(label_of_node: NodeLabel) -> impl Strategy<Value = TreeNode> {
        let kind = prop::sample::select(vec![
            TreeNodeType::Leaf,
            TreeNodeType::Root,
            TreeNodeType::Interior,
        ]);
        let children = (prop::option::of(label()), prop::option::of(label()));
        let rest = (any::<(u64, u64)>(), label(), any::<[u8; 32]>());
        (kind, children, rest).prop_map(
            move |(node_type, (left_child, right_child), (epochs, parent, hash))| TreeNode {
                label: label_of_node,
                last_epoch: epochs.0,
                min_descendant_epoch: epochs.1,
                parent,
                node_type,
                left_child,
                right_child,
                hash: AzksValue(hash),
            },
        )
    }

    fn node() -> impl Strategy<Value = TreeNodeWithPreviousValue> {
        let both = |label| (state(label), prop::option::of(state(label)));
        label()
            .prop_flat_map(both)
            .prop_map(|(latest_node, previous_node)| TreeNodeWithPreviousValue {
                label: latest_node.label,
                latest_node,
                previous_node,
            })
    }

    proptest! {
        #[test]
        fn any_node_comes_back(node in node()) {
            prop_assert_eq!(decode(node.label, &encode(&node)).unwrap(), node);
        }

        #[test]
        fn a_cut_or_longer_row_is_corrupt(node in node(), cut in any::<prop::sample::Index>()) {
            let row = encode(&node);
            let one_state = encode(&TreeNodeWithPreviousValue { previous_node: None, ..node.clone() }).len();
            let cut = cut.index(row.len());
            prop_assert!(cut == one_state || decode(node.label, &row[..cut]).is_err());
            let longer = [row.as_slice(), &[0]].concat();
            prop_assert!(decode(node.label, &longer).is_err());
        }

        #[test]
        fn garbage_never_panics(row in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = decode(NodeLabel::root(), &row);
        }
    }
}
