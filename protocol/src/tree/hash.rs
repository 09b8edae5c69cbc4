//! Hashes of akd's `WhatsAppV1Configuration`: BLAKE3 throughout.
//!
//! * commitment = H(u64 length | value | u64 length | nonce)
//! * leaf value = H(commitment | u64 epoch)
//! * sealed node = H(value | H(u32 bits | 32 label))
//! * parent value = H(sealed left | sealed right)
//! * root hash = the sealed root

use crate::quantity::{Commitment, Epoch, Nonce, RootHash};

use super::many::Block;
use super::node_label::NodeLabel;

/// A hash inside the tree: a node's value, or its value sealed with its label. 32 bytes.
pub(super) type Digest = [u8; 32];

/// Label value that akd writes for a missing child, with 0 bits.
pub(super) const MISSING_LABEL: Digest = [1; 32];
/// Value of a missing child.
pub(super) const MISSING_VALUE: Digest = [
    0x8d, 0x04, 0x47, 0xac, 0x34, 0xe4, 0x60, 0x7d, 0xb4, 0xd2, 0x0d, 0x40, 0x38, 0x24, 0xe7, 0xdd, 0x4d,
    0x38, 0x4d, 0xab, 0x5e, 0xe5, 0xc1, 0x1b, 0xbd, 0xeb, 0xf0, 0xdf, 0x9b, 0xe5, 0x7e, 0x6d,
];
/// A missing child, sealed.
pub(super) const MISSING_SEALED: Digest = [
    0x85, 0xf8, 0x3b, 0x11, 0xe7, 0x6f, 0xbd, 0xe5, 0x76, 0x38, 0x84, 0xd1, 0x69, 0xf3, 0x01, 0x52, 0xa0,
    0xda, 0xab, 0x89, 0xf6, 0x25, 0x54, 0x21, 0xe5, 0x2c, 0xef, 0x6f, 0x0d, 0x12, 0xea, 0xa2,
];
/// Commitment of every retired version, H(one zero byte); also the value of the empty root.
pub(super) const STALE_COMMITMENT: Commitment = Commitment::new([
    0x2d, 0x3a, 0xde, 0xdf, 0xf1, 0x1b, 0x61, 0xf1, 0x4c, 0x88, 0x6e, 0x35, 0xaf, 0xa0, 0x36, 0x73, 0x6d,
    0xcd, 0x87, 0xa7, 0x4d, 0x27, 0xb5, 0xc1, 0x51, 0x02, 0x25, 0xd0, 0xf5, 0x92, 0xe2, 0x13,
]);
/// Root of the empty tree.
pub(super) const EMPTY_ROOT: RootHash = RootHash::new([
    0xf4, 0x8d, 0xed, 0x41, 0x92, 0x14, 0x73, 0x2a, 0x2c, 0x61, 0x0c, 0x1e, 0x28, 0x05, 0x43, 0x74, 0x4b,
    0xab, 0x3c, 0x17, 0xae, 0xc3, 0x3e, 0x44, 0x49, 0x97, 0xfa, 0x2d, 0x8f, 0x79, 0x79, 0x2a,
]);

/// Bytes that are hashed for a label.
pub(super) const LABEL_INPUT: usize = 36;
/// Bytes that are hashed for the value of a leaf.
pub(super) const LEAF_INPUT: usize = 40;
/// Bytes that are hashed for a parent, and to seal a value.
pub(super) const PAIR_INPUT: usize = 64;

/// u32 bits | 32 label.
pub(super) fn label_block(label: &NodeLabel) -> Block {
    let mut block = [0; 64];
    let (bits, rest) = block.split_at_mut(4);
    bits.copy_from_slice(&label.bits().to_be_bytes());
    for (to, from) in rest.iter_mut().zip(label.to_bytes()) {
        *to = from;
    }
    block
}

/// commitment | u64 epoch.
pub(super) fn leaf_block(commitment: &Digest, epoch: Epoch) -> Block {
    let mut epoch_bytes = [0; 32];
    for (to, from) in epoch_bytes.iter_mut().zip(epoch.get().to_be_bytes()) {
        *to = from;
    }
    pair_block(commitment, &epoch_bytes)
}

/// Two sealed children, or a value and the hash of its label.
pub(super) fn pair_block(left: &Digest, right: &Digest) -> Block {
    let mut block = [0; 64];
    let (a, b) = block.split_at_mut(32);
    a.copy_from_slice(left);
    b.copy_from_slice(right);
    block
}

/// H of the first `LEN` bytes.
fn hash<const LEN: usize>(block: &Block) -> Digest {
    blake3::hash(block.first_chunk::<LEN>().map_or(&block[..], |used| &used[..])).into()
}

/// H(u32 bits | 32 label).
pub(super) fn label_hash(label: &NodeLabel) -> Digest {
    hash::<LABEL_INPUT>(&label_block(label))
}

/// A node's value bound to its label.
pub(super) fn seal(value: &Digest, label: &NodeLabel) -> Digest {
    hash::<PAIR_INPUT>(&pair_block(value, &label_hash(label)))
}

/// Value of the node above two sealed children.
pub(super) fn parent(left: &Digest, right: &Digest) -> Digest {
    hash::<PAIR_INPUT>(&pair_block(left, right))
}

/// The published root hash of a root with this value.
pub(super) fn root(value: &Digest) -> RootHash {
    RootHash::new(seal(value, &NodeLabel::ROOT))
}

/// Value of a leaf that was inserted in `epoch`.
pub(super) fn leaf_value(commitment: &Commitment, epoch: Epoch) -> Digest {
    hash::<LEAF_INPUT>(&leaf_block(commitment.as_bytes(), epoch))
}

/// u64 length, then the bytes.
pub(super) fn update_prefixed(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hasher.update(bytes);
}

/// akd's commitment to a value: H(u64 length | value | u64 32 | nonce).
pub fn commitment(value: &[u8], nonce: &Nonce) -> Commitment {
    let mut hasher = blake3::Hasher::new();
    update_prefixed(&mut hasher, value);
    update_prefixed(&mut hasher, nonce.as_bytes());
    Commitment::new(hasher.finalize().into())
}

/// Root hash of the empty tree, which is the root of epoch 0.
pub fn empty_root() -> RootHash {
    EMPTY_ROOT
}

#[cfg(test)]
mod tests {
    use super::*;
    use akd_core::configuration::{Configuration as _, WhatsAppV1Configuration as Akd};

    #[test]
    fn constants_are_those_of_akd() {
        let missing = Akd::empty_label();
        assert_eq!((missing.label_val, missing.label_len), (MISSING_LABEL, 0));
        assert_eq!(Akd::empty_node_hash().0, MISSING_VALUE);
        let label_value: Digest = Akd::hash(&[&[0; 4][..], &MISSING_LABEL].concat());
        assert_eq!(parent(&MISSING_VALUE, &label_value), MISSING_SEALED);
        assert_eq!(Akd::stale_azks_value().0, *STALE_COMMITMENT.as_bytes());
        assert_eq!(Akd::empty_root_value().0, *STALE_COMMITMENT.as_bytes());
        assert_eq!(
            Akd::compute_root_hash_from_val(&Akd::empty_root_value()),
            *EMPTY_ROOT.as_bytes()
        );
        assert_eq!(root(STALE_COMMITMENT.as_bytes()), EMPTY_ROOT);
    }

    #[test]
    fn commitments_are_those_of_akd() {
        let (value, nonce) = (b"a value".as_slice(), Nonce::new([7; 32]));
        let theirs = Akd::hash_leaf_with_value(&akd_core::AkdValue(value.to_vec()), 9, nonce.as_bytes());
        assert_eq!(leaf_value(&commitment(value, &nonce), Epoch::new(9)), theirs.0);
    }
}
