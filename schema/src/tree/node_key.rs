//! Keys of node rows: the prefix's bytes, then its length, so that rows lie in tree order.
//!
//! ```text
//! canonical label (all bits past the length zero):  ceil(length / 8) prefix bytes | u8 length mod 256
//! any other label:                                  32 bytes | u8 0 | u32 length
//! ```
//! A node's descendants follow it closely: a publish writes rows in key order and parents share their leaves' pages.

use akd::NodeLabel;

use super::bits::{is_canonical, prefix_bytes};

/// Longest label of the tree in bits.
pub(crate) const MAX_BITS: u32 = 256;

/// The row key of a node label. 1 to 33 bytes for canonical labels, 37 for others.
pub(crate) fn node_key(label: &NodeLabel) -> Vec<u8> {
    if is_canonical(label) {
        let mut key = prefix_bytes(label).to_vec();
        key.push(length_byte(label.label_len));
        return key;
    }
    let mut key = label.label_val.to_vec();
    key.push(0);
    key.extend_from_slice(&label.label_len.to_be_bytes());
    key
}

/// Length of a canonical label in one byte: 256 becomes 0. The number of prefix bytes tells it from the root's 0.
pub(crate) fn length_byte(bits: u32) -> u8 {
    u8::try_from(bits % MAX_BITS).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_keys() {
        assert_eq!(node_key(&NodeLabel::root()), [0]);
        let mut val = [0; 32];
        val[0] = 0b1010_0000;
        assert_eq!(node_key(&NodeLabel::new(val, 3)), [0b1010_0000, 3]);
        assert_eq!(node_key(&NodeLabel::new(val, 256)).len(), 33);
        // Bits past the length: kept, under a key of its own.
        assert_eq!(node_key(&NodeLabel::new(val, 1)).len(), 37);
        // akd's "empty label".
        assert_eq!(node_key(&NodeLabel::new([1; 32], 0)).len(), 37);
    }

    proptest! {
        #[test]
        fn different_labels_have_different_keys(
            a in (any::<[u8; 32]>(), 0_u32..=256), b in (any::<[u8; 32]>(), 0_u32..=256), share in 0_usize..32,
        ) {
            let mut b_val = b.0;
            b_val[..share].copy_from_slice(&a.0[..share]);
            for canonical in [true, false] {
                let mut labels = [NodeLabel::new(a.0, a.1), NodeLabel::new(b_val, b.1)];
                if canonical {
                    labels = labels.map(|l| NodeLabel::new(l.label_val, 256).get_prefix(l.label_len));
                }
                let same = labels[0] == labels[1];
                prop_assert_eq!(node_key(&labels[0]) == node_key(&labels[1]), same);
            }
        }
    }
}
