#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use proptest::option;
use proptest::prelude::*;

fn any_label() -> impl Strategy<Value = NodeLabel> {
    (any::<[u8; 32]>(), 0_u32..=300).prop_map(|(val, len)| NodeLabel::new(val, len))
}

fn any_type() -> impl Strategy<Value = TreeNodeType> {
    prop_oneof![
        Just(TreeNodeType::Leaf),
        Just(TreeNodeType::Root),
        Just(TreeNodeType::Interior)
    ]
}

fn any_epoch() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..4, 0_u64..100_000, any::<u64>()]
}

/// A state as akd builds it: parent above, children below.
fn tree_state(label: NodeLabel) -> impl Strategy<Value = TreeNode> {
    let child = || option::of((any::<[u8; 32]>(), 1_u32..=256));
    (
        any_epoch(),
        any_epoch(),
        0_u32..=label.label_len.min(255),
        any_type(),
        child(),
        child(),
        any::<[u8; 32]>(),
    )
        .prop_map(move |(last_epoch, least, parent, node_type, left, right, hash)| {
            let below = |child: Option<([u8; 32], u32)>| {
                let (mut val, more) = child?;
                let length = (label.label_len + more).min(256);
                if length <= label.label_len {
                    return None;
                }
                for bit in 0..label.label_len {
                    let (byte, mask) = (usize::try_from(bit / 8).unwrap(), 0x80_u8 >> (bit % 8));
                    val[byte] = (val[byte] & !mask) | (label.label_val[byte] & mask);
                }
                Some(prefix(&val, length))
            };
            TreeNode {
                label,
                last_epoch,
                min_descendant_epoch: least,
                parent: prefix(&label.label_val, parent),
                node_type,
                left_child: below(left),
                right_child: below(right),
                hash: AzksValue(hash),
            }
        })
}

fn tree_node() -> impl Strategy<Value = TreeNodeWithPreviousValue> {
    (any::<[u8; 32]>(), 0_u32..=256).prop_flat_map(|(val, len)| {
        let label = prefix(&val, len);
        let states = (
            tree_state(label),
            option::of(tree_state(label)),
            any::<[bool; 3]>(),
        );
        states.prop_map(move |(latest_node, mut previous_node, same)| {
            if let Some(previous) = &mut previous_node {
                if same[0] {
                    previous.left_child = latest_node.left_child;
                }
                if same[1] {
                    previous.right_child = latest_node.right_child;
                }
                if same[2] {
                    previous.parent = latest_node.parent;
                }
            }
            TreeNodeWithPreviousValue {
                label,
                latest_node,
                previous_node,
            }
        })
    })
}

fn any_state(label: NodeLabel) -> impl Strategy<Value = TreeNode> {
    let child = || option::of(any_label());
    (
        any_epoch(),
        any_epoch(),
        any_label(),
        any_type(),
        child(),
        child(),
        any::<[u8; 32]>(),
    )
        .prop_map(
            move |(last_epoch, least, parent, node_type, left_child, right_child, hash)| TreeNode {
                label,
                last_epoch,
                min_descendant_epoch: least,
                parent,
                node_type,
                left_child,
                right_child,
                hash: AzksValue(hash),
            },
        )
}

fn any_node() -> impl Strategy<Value = TreeNodeWithPreviousValue> {
    any_label().prop_flat_map(|label| {
        (any_state(label), option::of(any_state(label))).prop_map(move |(latest_node, previous_node)| {
            TreeNodeWithPreviousValue {
                label,
                latest_node,
                previous_node,
            }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn tree_nodes_survive_compactly(node in tree_node()) {
        let row = encode(&node);
        prop_assert_eq!(row[0], COMPACT);
        prop_assert_eq!(decode(node.label, &row).unwrap(), node);
    }

    #[test]
    fn any_nodes_survive(node in any_node()) {
        prop_assert_eq!(decode(node.label, &encode(&node)).unwrap(), node);
    }

    #[test]
    fn truncated_rows_are_refused(node in tree_node(), at in any::<prop::sample::Index>()) {
        let row = encode(&node);
        let at = at.index(row.len());
        let decoded = decode(node.label, &row[..at]);
        // The one cut that leaves a whole row takes exactly the previous state away.
        if let Ok(short) = decoded {
            prop_assert!(node.previous_node.is_some());
            prop_assert_eq!(short.latest_node, node.latest_node);
            prop_assert!(short.previous_node.is_none());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(label in any_label(), row in prop::collection::vec(any::<u8>(), 0..200)) {
        let label = if label.label_len > 256 { NodeLabel::root() } else { prefix(&label.label_val, label.label_len) };
        if let Ok(node) = decode(label, &row) {
            prop_assert_eq!(decode(label, &encode(&node)).unwrap(), node);
        }
    }
}

#[test]
fn a_leaf_and_an_inner_node_are_small() {
    let leaf = NodeLabel::new([0xab; 32], 256);
    let state = |label, parent, node_type, left_child, right_child| TreeNode {
        label,
        last_epoch: 300,
        min_descendant_epoch: 300,
        parent,
        node_type,
        left_child,
        right_child,
        hash: AzksValue([7; 32]),
    };
    let inner = prefix(&[0xab; 32], 20);
    let leaf_node = state(leaf, inner, TreeNodeType::Leaf, None, None);
    let row = TreeNodeWithPreviousValue {
        label: leaf,
        latest_node: leaf_node,
        previous_node: None,
    };
    assert_eq!(encode(&row).len(), 37);
    let inner_node = state(
        inner,
        prefix(&[0xab; 32], 18),
        TreeNodeType::Interior,
        Some(leaf),
        Some(prefix(&[0xab; 32], 23)),
    );
    let row = TreeNodeWithPreviousValue {
        label: inner,
        latest_node: inner_node.clone(),
        previous_node: Some(inner_node),
    };
    assert_eq!(encode(&row).len(), 70 + 35);
}

#[test]
fn each_kind_of_damage_has_its_name() {
    let root = NodeLabel::root();
    for (row, why) in [
        (vec![], "truncated"),
        (vec![9, 0], "unknown format"),
        (vec![COMPACT, 1 | SAME_LEFT], "the current state refers to itself"),
        (vec![COMPACT, 1, 0x80, 0], "not a minimal varint"),
        (
            [&[COMPACT, LEAST_IS_LAST, 1, 0][..], &[0; 32]].concat(),
            "unknown node type",
        ),
        (
            [&[VERBATIM, 1 | SAME_LEFT][..], &[0; 84]].concat(),
            "unknown flags",
        ),
    ] {
        match decode(root, &row) {
            Err(StoreError::Corrupt { why: found, .. }) => assert_eq!(found, why),
            other => panic!("{why}: {other:?}"),
        }
    }
}
