//! Keys of node rows: 32 bytes of the label | u32 its length in bits, big-endian.

use akd::NodeLabel;

/// Longest label of the tree in bits.
pub(crate) const MAX_BITS: u32 = 256;

/// The row key of a node label. 36 bytes.
pub(crate) fn node_key(label: &NodeLabel) -> Vec<u8> {
    [label.label_val.as_slice(), &label.label_len.to_be_bytes()].concat()
}
