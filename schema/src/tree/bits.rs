//! Bit prefixes of node labels.

use akd::NodeLabel;

use super::node_key::MAX_BITS;

/// Whether the length is at most 256 and all bits past it are zero.
pub(super) fn is_canonical(label: &NodeLabel) -> bool {
    label.label_len <= MAX_BITS && prefix(&label.label_val, label.label_len) == *label
}

/// The label of the first `bits` (at most 256) bits of `val`.
pub(super) fn prefix(val: &[u8; 32], bits: u32) -> NodeLabel {
    // akd's `get_prefix` answers the whole label for 256 and more.
    NodeLabel::new(*val, MAX_BITS).get_prefix(bits)
}

/// One bit of a whole label; `false` past its end.
pub(super) fn bit(label: &[u8; 32], index: u32) -> bool {
    let byte = usize::try_from(index / 8).ok().and_then(|at| label.get(at));
    byte.is_some_and(|byte| byte.rotate_left(index % 8 + 1) & 1 == 1)
}

/// How many bits two whole labels have in common at their start. 0 to 256.
pub(super) fn common_bits(a: &[u8; 32], b: &[u8; 32]) -> u32 {
    let mut bits = 0;
    for (x, y) in a.as_chunks().0.iter().zip(b.as_chunks().0) {
        let differ = u64::from_be_bytes(*x) ^ u64::from_be_bytes(*y);
        if differ != 0 {
            return bits + differ.leading_zeros();
        }
        bits += u64::BITS;
    }
    bits
}
