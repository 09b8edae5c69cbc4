//! Append-only proofs of many shapes and sizes, folded in all ways, against a tree built by recursion.

use std::collections::BTreeMap;

use akd_core::{AzksElement, AzksValue, NodeLabel};
use proptest::prelude::*;

use super::case::Case;
use super::flaws_append::case;
use super::forge::{flip, prefix};

/// Unchanged and inserted nodes with unique, prefix-free labels, from any labels.
fn nodes(labels: &[(NodeLabel, u8)]) -> (Vec<AzksElement>, Vec<AzksElement>) {
    let mut kept: BTreeMap<(Vec<bool>, u32), (NodeLabel, u8)> = BTreeMap::new();
    for (label, kind) in labels {
        let bits = (0..label.label_len)
            .map(|i| super::forge::bit(label, i))
            .collect();
        kept.insert((bits, label.label_len), (*label, *kind));
    }
    let mut prefix_free: Vec<(NodeLabel, u8)> = Vec::new();
    for (label, kind) in kept.into_values() {
        let below_last = prefix_free.last().is_some_and(|(last, _)| {
            last.label_len <= label.label_len && prefix(&label, last.label_len) == *last
        });
        if !below_last {
            prefix_free.push((label, kind));
        }
    }
    let (mut unchanged, mut inserted) = (Vec::new(), Vec::new());
    for (i, (label, kind)) in prefix_free.into_iter().enumerate() {
        let value = AzksValue([i as u8 ^ kind; 32]);
        let list = if label.label_len == 256 && kind % 2 == 1 {
            &mut inserted
        } else {
            &mut unchanged
        };
        list.push(AzksElement { label, value });
    }
    (unchanged, inserted)
}

/// Accepted; and with any one value, label or root changed, refused.
fn check(labels: &[(NodeLabel, u8)]) {
    let (unchanged, inserted) = nodes(labels);
    if inserted.is_empty() {
        return;
    }
    let honest = case(&unchanged, &inserted);
    assert_eq!(honest.verify(), Ok(()));
    let refused = |case: &Case| assert!(case.verify().is_err(), "{case:?}");
    let mut root = honest.clone();
    root.head.root[7] ^= 1;
    refused(&root);
    for list in [&unchanged, &inserted] {
        if let Some(middle) = list.get(list.len() / 2) {
            let mut changed = honest.clone();
            let place = changed
                .proof
                .windows(32)
                .position(|bytes| bytes == middle.value.0)
                .unwrap();
            changed.proof[place] ^= 0x80;
            refused(&changed);
        }
    }
}

fn hashed(i: u32) -> NodeLabel {
    use akd_core::configuration::{Configuration as _, WhatsAppV1Configuration as Akd};
    NodeLabel::new(Akd::hash(&i.to_be_bytes()), 256)
}

/// As VRF outputs are: many times what is hashed at once, cut into shorter unchanged labels here and there.
#[test]
fn scattered_labels() {
    for count in [1, 2, 3, 40, 2_049, 4_500] {
        let label = |i: u32| match i % 3 {
            0 => (hashed(i), 1),
            1 => (prefix(&hashed(i), 30 + i % 200), 0),
            _ => (hashed(i), 2),
        };
        check(&(0..count).map(label).collect::<Vec<_>>());
    }
}

/// All labels on one path: every subtree has another height, and parts cut the path anywhere.
#[test]
fn labels_along_one_path() {
    for base in [
        hashed(1),
        NodeLabel::new([0; 32], 256),
        NodeLabel::new([0xff; 32], 256),
    ] {
        let leaf = |bit: u32| (flip(&base, bit), u8::from(bit.is_multiple_of(2)));
        let path: Vec<_> = (0..256).map(leaf).collect();
        check(&path);
        check(&[&path[..], &[(base, 1)]].concat());
        let short: Vec<_> = (0..255)
            .map(|bit| (prefix(&flip(&base, bit), bit + 1), 0))
            .collect();
        check(&[&short[..], &[(base, 1)]].concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Few distinct bytes, so that long common prefixes happen.
    #[test]
    fn crowded_labels(raw in prop::collection::vec(
        (prop::array::uniform32(prop::sample::select(vec![0_u8, 1, 0x80, 0xff])), 1..=256_u32, any::<u8>(), any::<bool>()),
        1..80,
    )) {
        let label = |(bytes, bits, kind, leaf): &([u8; 32], u32, u8, bool)| {
            (prefix(&NodeLabel::new(*bytes, 256), if *leaf { 256 } else { *bits }), *kind)
        };
        check(&raw.iter().map(label).collect::<Vec<_>>());
    }
}
