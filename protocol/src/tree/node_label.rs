//! Labels of nodes: bit strings of 0 to 256 bits.

use core::cmp::Ordering;

use crate::quantity::LeafLabel;

/// Bits of a leaf's label.
pub(super) const LEAF_BITS: u32 = 256;

/// A bit string of at most 256 bits; every bit past the length is zero.
///
/// Kept as four big-endian words, so that comparing them in order is comparing the bits in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeLabel {
    words: [u64; 4],
    bits: u32,
}

impl NodeLabel {
    /// The root: no bits.
    pub(super) const ROOT: Self = Self {
        words: [0; 4],
        bits: 0,
    };

    /// `None` if more than 256 bits are named or a bit past the length is set.
    pub(super) fn new(bytes: &[u8; 32], bits: u32) -> Option<Self> {
        if bits > LEAF_BITS {
            return None;
        }
        let label = Self {
            words: to_words(bytes),
            bits,
        };
        (label.head(bits) == label.words).then_some(label)
    }

    /// The label of a leaf, 256 bits.
    pub(super) fn leaf(label: &LeafLabel) -> Self {
        Self {
            words: to_words(label.as_bytes()),
            bits: LEAF_BITS,
        }
    }

    /// Length in bits.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// The order of the bits; a prefix stands before what it is a prefix of.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let ([a, b, c, d], [e, f, g, h]) = (self.words, other.words);
        (a, b, c, d, self.bits).cmp(&(e, f, g, h, other.bits))
    }

    /// The 32 bytes, padded with zero bits.
    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.words) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// The bit at `index`, counted from the left; false past the end.
    pub(super) fn bit(&self, index: u32) -> bool {
        let [a, b, c, d] = self.words;
        let word = match index / 64 {
            0 => a,
            1 => b,
            2 => c,
            3 => d,
            _ => return false,
        };
        (word >> (63 - index % 64)) & 1 == 1
    }

    /// Whether `self` is a prefix of `other`, or equal to it.
    pub(super) fn is_prefix_of(&self, other: &Self) -> bool {
        self.bits <= other.bits && other.head(self.bits) == self.words
    }

    /// Whether `self` is a prefix of `other` and shorter.
    pub(super) fn is_proper_prefix_of(&self, other: &Self) -> bool {
        self.bits < other.bits && other.head(self.bits) == self.words
    }

    /// Length of the longest common prefix in bits.
    pub(super) fn common_bits(&self, other: &Self) -> u32 {
        let mut common = 0;
        for (a, b) in self.words.iter().zip(&other.words) {
            let same = (a ^ b).leading_zeros();
            common += same;
            if same < 64 {
                break;
            }
        }
        common.min(self.bits).min(other.bits)
    }

    /// The first `bits` bits; all of them if there are fewer.
    pub(super) fn prefix(&self, bits: u32) -> Self {
        let bits = bits.min(self.bits);
        Self {
            words: self.head(bits),
            bits,
        }
    }

    fn head(&self, bits: u32) -> [u64; 4] {
        let [a, b, c, d] = self.words;
        let keep = |word: u64, from: u32| word & mask(bits.saturating_sub(from));
        [keep(a, 0), keep(b, 64), keep(c, 128), keep(d, 192)]
    }
}

/// The `bits` leading bits of a word set.
fn mask(bits: u32) -> u64 {
    match bits {
        0 => 0,
        1..=63 => u64::MAX << (64 - bits),
        _ => u64::MAX,
    }
}

fn to_words(bytes: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*chunk);
    }
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use akd_core::configuration::WhatsAppV1Configuration;
    use proptest::prelude::*;

    fn theirs(label: &NodeLabel) -> akd_core::NodeLabel {
        akd_core::NodeLabel::new(label.to_bytes(), label.bits())
    }

    fn any_label() -> impl Strategy<Value = NodeLabel> {
        // Few distinct bytes, so that long common prefixes happen.
        (
            prop::array::uniform32(prop::sample::select(vec![0_u8, 1, 0x80, 0xff])),
            0..=256_u32,
        )
            .prop_map(|(bytes, bits)| {
                NodeLabel {
                    words: to_words(&bytes),
                    bits: 256,
                }
                .prefix(bits)
            })
    }

    proptest! {
        #[test]
        fn prefixes_agree_with_akd(a in any_label(), b in any_label(), cut in 0..=256_u32) {
            let b = if cut % 3 == 0 { a.prefix(cut) } else { b };
            let common = theirs(&a).get_longest_common_prefix::<WhatsAppV1Configuration>(theirs(&b));
            prop_assert_eq!(a.common_bits(&b), common.label_len);
            prop_assert_eq!(theirs(&a.prefix(a.common_bits(&b))), common);
            prop_assert_eq!(a.is_prefix_of(&b), theirs(&a).is_prefix_of(&theirs(&b)));
            prop_assert_eq!(b.is_prefix_of(&a), theirs(&b).is_prefix_of(&theirs(&a)));
            let proper = theirs(&a).get_prefix_ordering(theirs(&b));
            prop_assert_eq!(a.is_proper_prefix_of(&b), proper != akd_core::PrefixOrdering::Invalid);
            if a.is_proper_prefix_of(&b) {
                prop_assert_eq!(b.bit(a.bits()), proper == akd_core::PrefixOrdering::WithOne);
            }
        }
    }

    #[test]
    fn only_clean_labels_are_made() {
        let mut bytes = [0; 32];
        bytes[0] = 0b1010_0000;
        assert!(NodeLabel::new(&bytes, 3).is_some());
        assert_eq!(NodeLabel::new(&bytes, 2), None);
        assert_eq!(NodeLabel::new(&bytes, 257), None);
        assert_eq!(NodeLabel::new(&[0; 32], 0), Some(NodeLabel::ROOT));
        assert!(!NodeLabel::new(&bytes, 3).unwrap().bit(300));
    }
}
