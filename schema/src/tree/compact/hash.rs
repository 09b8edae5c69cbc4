//! The hashes of akd's WhatsApp configuration, without its allocations.

use std::sync::LazyLock;

use akd::{Configuration, NodeLabel, WhatsAppV1Configuration as Config};

/// 32 bytes of BLAKE3.
pub(crate) type Digest = [u8; 32];

/// Value of a child that the root does not have.
pub(super) static MISSING: LazyLock<Digest> = LazyLock::new(|| Config::empty_node_hash().0);
/// Value of the root of the empty tree.
pub(super) static EMPTY_ROOT: LazyLock<Digest> = LazyLock::new(|| Config::empty_root_value().0);

/// akd's label of a child that the root does not have.
pub(super) fn missing_label() -> NodeLabel {
    Config::empty_label()
}

/// A leaf's value: its commitment bound to the epoch that inserted it.
pub(super) fn leaf(commitment: &Digest, epoch: u64) -> Digest {
    joined::<_, _, 40>(commitment, &epoch.to_be_bytes())
}

/// A value bound to the node's label.
pub(super) fn sealed(value: &Digest, label: &NodeLabel) -> Digest {
    joined::<_, _, 64>(
        value,
        &joined::<_, _, 36>(&label.label_len.to_be_bytes(), &label.label_val),
    )
}

/// A parent's hash from both children, each with its label.
pub(super) fn parent(left: (&Digest, &NodeLabel), right: (&Digest, &NodeLabel)) -> Digest {
    joined::<_, _, 64>(&sealed(left.0, left.1), &sealed(right.0, right.1))
}

/// The published root hash from the root node's value.
pub(super) fn root(value: &Digest) -> Digest {
    sealed(value, &NodeLabel::root())
}

fn joined<const A: usize, const B: usize, const N: usize>(a: &[u8; A], b: &[u8; B]) -> Digest {
    const { assert!(A + B == N) };
    let mut both = [0; N];
    let (to_a, to_b) = both.split_at_mut(A);
    to_a.copy_from_slice(a);
    to_b.copy_from_slice(b);
    *blake3::hash(&both).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use akd::AzksValue;

    #[test]
    fn they_are_akds() {
        let (a, b) = ([7; 32], [9; 32]);
        let labels = [NodeLabel::new([0xa0; 32], 256), NodeLabel::new([0; 32], 3)];
        assert_eq!(
            leaf(&a, 77),
            Config::hash_leaf_with_commitment(AzksValue(a), 77).0
        );
        assert_eq!(root(&a), Config::compute_root_hash_from_val(&AzksValue(a)));
        let theirs = Config::compute_parent_hash_from_children(
            &AzksValue(a),
            &labels[0].value::<Config>(),
            &AzksValue(b),
            &labels[1].value::<Config>(),
        );
        assert_eq!(parent((&a, &labels[0]), (&b, &labels[1])), theirs.0);
    }
}
