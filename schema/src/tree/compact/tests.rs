//! Against akd itself: same nodes, same proofs, same bytes, at every epoch, whatever came after.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use akd::append_only_zks::InsertMode;
use akd::proto::specs::types as pb;
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::storage::types::DbRecord;
use akd::tree_node::{NodeKey, TreeNodeWithPreviousValue};
use akd::{
    Azks, AzksElement, AzksParallelismConfig, AzksValue, NodeLabel, WhatsAppV1Configuration as Config,
};
use keyglass_protocol::quantity::LeafLabel;
use proptest::prelude::*;
use protobuf::Message as _;

use super::*;
use crate::error::StoreError;

/// A leaf label whose first bits are rare, so that paths part early and late: after 3 bits, 50, 130, 255.
fn spread(seed: [u8; 4]) -> [u8; 32] {
    let mut label = [0; 32];
    label[0] = seed[0] & 0xe0;
    label[6] = seed[1] & 0x30;
    label[16] = seed[2] & 0x18;
    label[31] = seed[3] & 0x83;
    label
}

type Epochs = Vec<Vec<([u8; 4], [u8; 32])>>;

fn epochs() -> impl Strategy<Value = Epochs> {
    let leaf = (any::<[u8; 4]>(), any::<[u8; 32]>());
    prop::collection::vec(prop::collection::vec(leaf, 0..40), 1..5)
}

/// What akd proves at one epoch.
struct Expected {
    tree: Tree,
    nodes: Vec<TreeNodeWithPreviousValue>,
    member: BTreeMap<[u8; 32], Vec<u8>>,
    absent: BTreeMap<[u8; 32], Vec<u8>>,
}

async fn expected(
    azks: &Azks,
    storage: &StorageManager<AsyncInMemoryDatabase>,
    tree: Tree,
    asked: &[[u8; 32]],
) -> Expected {
    let mut expected = Expected {
        tree,
        nodes: Vec::new(),
        member: BTreeMap::new(),
        absent: BTreeMap::new(),
    };
    for label in asked {
        let node = NodeLabel::new(*label, 256);
        if expected.tree.contains(&LeafLabel::new(*label)) {
            let proof = azks
                .get_membership_proof::<Config, _>(storage, node)
                .await
                .unwrap();
            assert_eq!(proof.label, node);
            let bytes = pb::MembershipProof::from(&proof).write_to_bytes().unwrap();
            expected.member.insert(*label, bytes);
        } else {
            let proof = azks
                .get_non_membership_proof::<Config, _>(storage, node)
                .await
                .unwrap();
            let bytes = pb::NonMembershipProof::from(&proof).write_to_bytes().unwrap();
            expected.absent.insert(*label, bytes);
        }
    }
    let mut todo = vec![NodeLabel::root()];
    while let Some(label) = todo.pop() {
        let record = storage
            .get::<TreeNodeWithPreviousValue>(&NodeKey(label))
            .await
            .unwrap();
        let DbRecord::TreeNode(mut node) = record else {
            panic!("not a node")
        };
        node.previous_node = None;
        todo.extend(
            node.latest_node
                .left_child
                .iter()
                .chain(&node.latest_node.right_child),
        );
        expected.nodes.push(node);
    }
    expected
}

impl Expected {
    fn check(&self) {
        for (label, bytes) in &self.member {
            let (leaf, mut ours) = (LeafLabel::new(*label), Vec::new());
            assert!(self.tree.put_membership(&leaf, &mut ours));
            assert_eq!(&ours, bytes);
            assert!(!self.tree.put_absence(&leaf, &mut ours));
            assert_eq!(&ours, bytes, "a refusal wrote something");
        }
        for (label, bytes) in &self.absent {
            let (leaf, mut ours) = (LeafLabel::new(*label), Vec::new());
            assert!(!self.tree.put_membership(&leaf, &mut ours));
            assert!(self.tree.put_absence(&leaf, &mut ours));
            assert_eq!(&ours, bytes);
        }
        assert_eq!(u64::try_from(self.nodes.len()).unwrap(), self.tree.nodes());
        for node in &self.nodes {
            assert_eq!(self.tree.akd_node(&node.label).as_ref(), Some(node));
        }
    }
}

async fn compare(epochs: Epochs) {
    let storage = StorageManager::new_no_cache(AsyncInMemoryDatabase::new());
    let mut azks = Azks::new::<Config, _>(&storage).await.unwrap();
    let asked: Vec<_> = (0..=255_u8)
        .map(|i| spread([i, i.wrapping_mul(7), i.wrapping_mul(29), i.rotate_left(3)]))
        .chain(epochs.iter().flatten().map(|(seed, _)| spread(*seed)))
        .collect();
    let mut trees = vec![expected(&azks, &storage, Tree::empty(), &[]).await];
    let mut taken = std::collections::BTreeSet::new();
    for (epoch, inserted) in (1_u32..).zip(epochs) {
        let mut new: BTreeMap<_, _> = inserted
            .into_iter()
            .map(|(seed, value)| (spread(seed), value))
            .collect();
        new.retain(|label, _| taken.insert(*label));
        let elements = new.iter().map(|(label, value)| AzksElement {
            label: NodeLabel::new(*label, 256),
            value: AzksValue(*value),
        });
        let mode = InsertMode::Directory;
        let alone = AzksParallelismConfig::disabled();
        azks.batch_insert_nodes::<Config, _>(&storage, elements.collect(), mode, alone)
            .await
            .unwrap();
        let new: Vec<_> = new
            .into_iter()
            .map(|(label, commitment)| NewLeaf {
                label,
                commitment,
                epoch,
            })
            .collect();
        let tree = trees.last().unwrap().tree.insert(epoch.into(), &new).unwrap();
        assert_eq!(
            tree.root().as_bytes(),
            &azks.get_root_hash::<Config, _>(&storage).await.unwrap()
        );
        assert_eq!(tree.nodes(), azks.num_nodes);
        let proof = azks
            .get_append_only_proof::<Config, _>(&storage, (epoch - 1).into(), epoch.into(), alone)
            .await
            .unwrap();
        let ours = tree.append_proof();
        assert_eq!(
            ours.bytes,
            pb::SingleAppendOnlyProof::from(&proof.proofs[0])
                .write_to_bytes()
                .unwrap()
        );
        assert_eq!(ours.inserted, u64::try_from(new.len()).unwrap());
        trees.push(expected(&azks, &storage, tree, &asked).await);
    }
    // Only now: no tree was changed by those that came after it.
    trees.iter().for_each(Expected::check);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_proof_at_every_epoch_is_akds(epochs in epochs()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(compare(epochs));
    }
}

#[test]
fn a_leaf_is_inserted_once() {
    let leaf = |byte: u8| NewLeaf {
        label: [byte; 32],
        commitment: [1; 32],
        epoch: 1,
    };
    let tree = Tree::empty().insert(1, &[leaf(1), leaf(2)]).unwrap();
    for refused in [vec![leaf(2)], vec![leaf(3), leaf(3)], vec![leaf(4), leaf(3)]] {
        assert!(matches!(tree.insert(2, &refused), Err(StoreError::LeafTwice)));
    }
    assert_eq!(tree.insert(2, &[leaf(3)]).unwrap().nodes(), 6);
}

#[test]
fn two_threads_make_the_tree_that_one_makes() {
    let leaf = |i: u32| {
        let label = *blake3::hash(&i.to_be_bytes()).as_bytes();
        NewLeaf {
            label,
            commitment: label,
            epoch: 1,
        }
    };
    let mut leaves: Vec<_> = (0..70_000).map(leaf).collect();
    leaves.sort_unstable();
    let at_once = Tree::empty().insert(1, &leaves).unwrap();
    let mut in_turn = Tree::empty();
    for few in leaves.chunks(10_000) {
        in_turn = in_turn.insert(1, few).unwrap();
    }
    assert_eq!(
        (at_once.root(), at_once.nodes()),
        (in_turn.root(), in_turn.nodes())
    );
    for known in [leaves.first(), leaves.last()] {
        let mut more: Vec<_> = (70_000..140_000).map(leaf).chain(known.copied()).collect();
        more.sort_unstable();
        assert!(matches!(at_once.insert(2, &more), Err(StoreError::LeafTwice)));
    }
}

#[test]
fn a_node_is_as_small_as_is_said() {
    // 16 bytes of counters and 8 of the allocator make it 96.
    assert_eq!(core::mem::size_of::<Node>(), 72);
}

#[test]
fn nodes_that_are_no_part_of_a_tree_are_not_found() {
    let tree = Tree::empty();
    for label in [
        NodeLabel::new([1; 32], 0),
        NodeLabel::new([0; 32], 257),
        NodeLabel::new([0; 32], 7),
    ] {
        assert_eq!(tree.akd_node(&label), None);
    }
}
