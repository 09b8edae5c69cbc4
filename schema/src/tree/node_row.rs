//! One tree node in one compact, versioned blob: the current state and the one before it.
//!
//! ```text
//! row      = u8 format | body
//! format 1 = state [state]             current, previous; used whenever the labels lie as in a tree
//! state    = u8 flags | varint last epoch | [varint least descendant epoch] | [u8 parent's length]
//!            | [child] [child] | 32 bytes hash
//! flags    = bits 0-1 node type | 4 left child | 8 right child | 16 least descendant epoch = last epoch
//!            | in the previous state: 32, 64, 128 = same left child, right child, parent as in the current one
//! child    = u8 length mod 256 | its bytes from the one on in which this node's prefix ends
//! format 2 = state [state]             every label in full: 32 bytes | u32 length
//! state    = u8 flags (as above, without 16-128) | u64 last epoch | u64 least descendant epoch | parent
//!            | [child] [child] | 32 bytes hash
//! ```
//! A parent is a prefix of its node and a child's prefix is the node, so neither is written out: a leaf takes about
//! 37 bytes, an inner node about 105 with its previous state.

use akd::tree_node::{TreeNode, TreeNodeType, TreeNodeWithPreviousValue};
use akd::{AzksValue, NodeLabel};

use super::bits::{byte_length, is_below, is_canonical, prefix};
use super::node_key::{MAX_BITS, length_byte};
use crate::error::StoreError;

const COMPACT: u8 = 1;
const VERBATIM: u8 = 2;

const TYPE_MASK: u8 = 3;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;
const LEAST_IS_LAST: u8 = 16;
const SAME_LEFT: u8 = 32;
const SAME_RIGHT: u8 = 64;
const SAME_PARENT: u8 = 128;

/// The row's blob.
pub(crate) fn encode(node: &TreeNodeWithPreviousValue) -> Vec<u8> {
    let states = || core::iter::once(&node.latest_node).chain(&node.previous_node);
    let compact = is_canonical(&node.label) && states().all(|state| fits_compact(&node.label, state));
    let mut out = Vec::with_capacity(128);
    out.push(if compact { COMPACT } else { VERBATIM });
    let mut current = None;
    for state in states() {
        if compact {
            put_compact(&mut out, &node.label, state, current);
        } else {
            put_verbatim(&mut out, state);
        }
        current = Some(state);
    }
    out
}

/// The node of a row, given the label that it was asked for by.
pub(crate) fn decode(label: NodeLabel, row: &[u8]) -> Result<TreeNodeWithPreviousValue, StoreError> {
    let mut input = Input { rest: row };
    let format = input.byte()?;
    let latest_node = state(format, &mut input, label, None)?;
    let previous_node = match input.rest {
        [] => None,
        _ => Some(state(format, &mut input, label, Some(&latest_node))?),
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

fn state(
    format: u8,
    input: &mut Input<'_>,
    label: NodeLabel,
    current: Option<&TreeNode>,
) -> Result<TreeNode, StoreError> {
    match format {
        COMPACT => take_compact(input, label, current),
        VERBATIM => take_verbatim(input, label),
        _ => Err(corrupt("unknown format")),
    }
}

fn fits_compact(label: &NodeLabel, state: &TreeNode) -> bool {
    let parent_fits =
        state.parent.label_len < MAX_BITS && prefix(&label.label_val, state.parent.label_len) == state.parent;
    let child_fits = |child: &Option<NodeLabel>| {
        child
            .as_ref()
            .is_none_or(|c| is_canonical(c) && is_below(c, label))
    };
    state.label == *label && parent_fits && child_fits(&state.left_child) && child_fits(&state.right_child)
}

fn type_bits(node_type: TreeNodeType) -> u8 {
    match node_type {
        TreeNodeType::Leaf => 1,
        TreeNodeType::Root => 2,
        TreeNodeType::Interior => 3,
    }
}

fn node_type(flags: u8) -> Result<TreeNodeType, StoreError> {
    match flags & TYPE_MASK {
        1 => Ok(TreeNodeType::Leaf),
        2 => Ok(TreeNodeType::Root),
        3 => Ok(TreeNodeType::Interior),
        _ => Err(corrupt("unknown node type")),
    }
}

fn when(condition: bool, flag: u8) -> u8 {
    if condition { flag } else { 0 }
}

fn put_compact(out: &mut Vec<u8>, label: &NodeLabel, state: &TreeNode, current: Option<&TreeNode>) {
    let same = |get: fn(&TreeNode) -> Option<NodeLabel>| {
        get(state).is_some() && current.is_some_and(|c| get(c) == get(state))
    };
    let flags = type_bits(state.node_type)
        | when(state.left_child.is_some(), LEFT)
        | when(state.right_child.is_some(), RIGHT)
        | when(state.min_descendant_epoch == state.last_epoch, LEAST_IS_LAST)
        | when(same(|s| s.left_child), SAME_LEFT)
        | when(same(|s| s.right_child), SAME_RIGHT)
        | when(same(|s| Some(s.parent)), SAME_PARENT);
    out.push(flags);
    put_varint(out, state.last_epoch);
    if flags & LEAST_IS_LAST == 0 {
        put_varint(out, state.min_descendant_epoch);
    }
    if flags & SAME_PARENT == 0 {
        out.push(length_byte(state.parent.label_len));
    }
    for (child, same) in [(&state.left_child, SAME_LEFT), (&state.right_child, SAME_RIGHT)] {
        if let (Some(child), 0) = (child, flags & same) {
            out.push(length_byte(child.label_len));
            let suffix = child
                .label_val
                .get(shared_bytes(label)..byte_length(child.label_len));
            out.extend_from_slice(suffix.unwrap_or_default());
        }
    }
    out.extend_from_slice(&state.hash.0);
}

fn take_compact(
    input: &mut Input<'_>,
    label: NodeLabel,
    current: Option<&TreeNode>,
) -> Result<TreeNode, StoreError> {
    let flags = input.byte()?;
    if current.is_none() && flags & (SAME_LEFT | SAME_RIGHT | SAME_PARENT) != 0 {
        return Err(corrupt("the current state refers to itself"));
    }
    let last_epoch = input.varint()?;
    let min_descendant_epoch = match flags & LEAST_IS_LAST {
        0 => input.varint()?,
        _ => last_epoch,
    };
    let parent = match current {
        Some(current) if flags & SAME_PARENT != 0 => current.parent,
        _ => prefix(&label.label_val, u32::from(input.byte()?)),
    };
    let left_child = take_child(
        input,
        &label,
        flags,
        (LEFT, SAME_LEFT),
        current.map(|c| c.left_child),
    )?;
    let right_child = take_child(
        input,
        &label,
        flags,
        (RIGHT, SAME_RIGHT),
        current.map(|c| c.right_child),
    )?;
    let hash = AzksValue(input.array()?);
    let node_type = node_type(flags)?;
    let node = TreeNode {
        label,
        last_epoch,
        min_descendant_epoch,
        parent,
        node_type,
        left_child,
        right_child,
        hash,
    };
    Ok(node)
}

fn take_child(
    input: &mut Input<'_>,
    label: &NodeLabel,
    flags: u8,
    (present, same): (u8, u8),
    current: Option<Option<NodeLabel>>,
) -> Result<Option<NodeLabel>, StoreError> {
    match (flags & present != 0, flags & same != 0) {
        (false, false) => Ok(None),
        (false, true) => Err(corrupt("an absent child that is the same")),
        (true, true) => match current.flatten() {
            Some(child) => Ok(Some(child)),
            None => Err(corrupt("a child that is the same as none")),
        },
        (true, false) => {
            let bits = match input.byte()? {
                0 => MAX_BITS,
                bits => u32::from(bits),
            };
            let shared = shared_bytes(label);
            let length = byte_length(bits)
                .checked_sub(shared)
                .ok_or(corrupt("a child above its node"))?;
            let suffix = input.take(length)?;
            let mut val = label.label_val;
            for (to, from) in val.iter_mut().skip(shared).zip(suffix) {
                *to = *from;
            }
            let child = NodeLabel::new(val, bits);
            let fits = is_canonical(&child) && is_below(&child, label);
            if fits {
                Ok(Some(child))
            } else {
                Err(corrupt("a child elsewhere in the tree"))
            }
        }
    }
}

/// Whole bytes that a node shares with everything below it.
fn shared_bytes(label: &NodeLabel) -> usize {
    usize::try_from(label.label_len / 8).unwrap_or(usize::MAX)
}

fn put_verbatim(out: &mut Vec<u8>, state: &TreeNode) {
    let flags = type_bits(state.node_type)
        | when(state.left_child.is_some(), LEFT)
        | when(state.right_child.is_some(), RIGHT);
    out.push(flags);
    out.extend_from_slice(&state.last_epoch.to_be_bytes());
    out.extend_from_slice(&state.min_descendant_epoch.to_be_bytes());
    for label in core::iter::once(&state.parent)
        .chain(&state.left_child)
        .chain(&state.right_child)
    {
        out.extend_from_slice(&label.label_val);
        out.extend_from_slice(&label.label_len.to_be_bytes());
    }
    out.extend_from_slice(&state.hash.0);
}

fn take_verbatim(input: &mut Input<'_>, label: NodeLabel) -> Result<TreeNode, StoreError> {
    let flags = input.byte()?;
    if flags & !(TYPE_MASK | LEFT | RIGHT) != 0 {
        return Err(corrupt("unknown flags"));
    }
    let last_epoch = u64::from_be_bytes(input.array()?);
    let min_descendant_epoch = u64::from_be_bytes(input.array()?);
    let parent = input.label()?;
    let left_child = if flags & LEFT == 0 {
        None
    } else {
        Some(input.label()?)
    };
    let right_child = if flags & RIGHT == 0 {
        None
    } else {
        Some(input.label()?)
    };
    let hash = AzksValue(input.array()?);
    let node_type = node_type(flags)?;
    let node = TreeNode {
        label,
        last_epoch,
        min_descendant_epoch,
        parent,
        node_type,
        left_child,
        right_child,
        hash,
    };
    Ok(node)
}

/// LEB128, seven bits a byte, least significant first.
fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while let (low, rest @ 1..) = (number & 0x7f, number >> 7) {
        out.push(u8::try_from(low).unwrap_or_default() | 0x80);
        number = rest;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], StoreError> {
        let (head, tail) = self.rest.split_at_checked(length).ok_or(corrupt("truncated"))?;
        self.rest = tail;
        Ok(head)
    }

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

    fn varint(&mut self) -> Result<u64, StoreError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            let placed = low << shift;
            if placed >> shift != low || (byte == 0 && shift > 0) {
                return Err(corrupt("not a minimal varint"));
            }
            number |= placed;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(corrupt("not a minimal varint"))
    }
}

fn corrupt(why: &'static str) -> StoreError {
    StoreError::Corrupt { table: "nodes", why }
}

#[cfg(test)]
#[path = "node_row_tests.rs"]
mod tests;
