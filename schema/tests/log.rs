//! The epoch log: leaves in order, checkpoints that stay, a head that never goes back.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::leaves;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log::{
    Frontier, consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion,
};
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogHash, LogSize, Millis, RootHash, Seconds};
use keyglass_schema::test_database::on_both;
use keyglass_schema::{Store, StoreError};

fn stage(store: &Store, leaves: &[Leaf]) {
    for leaf in leaves {
        store.stage_leaf(leaf).unwrap();
    }
}

fn size(leaves: u64) -> LogSize {
    LogSize::new(leaves)
}

fn memory_root(leaves: &[Leaf]) -> LogHash {
    let mut frontier = Frontier::new();
    for leaf in leaves {
        frontier.push(leaf.hash()).unwrap();
    }
    frontier.root()
}

#[test]
fn roots_and_proofs_from_stored_hashes_verify() {
    on_both(|database| {
        let store = database.open();
        let leaves = leaves(515);
        stage(&store, &leaves);
        assert_eq!(store.log_size().unwrap(), size(515));
        let newest = root(&store, size(515)).unwrap();
        for count in [1, 2, 7, 255, 256, 257, 511, 512, 513, 515] {
            let at = root(&store, size(count)).unwrap();
            assert_eq!(
                at,
                memory_root(&leaves[..usize::try_from(count).unwrap()]),
                "size {count}"
            );
            let proof = consistency_proof(&store, size(count), size(515)).unwrap();
            verify_consistency(size(count), &at, size(515), &newest, &proof).unwrap();
        }
        for index in [0, 1, 255, 256, 511, 514] {
            let proof = inclusion_proof(&store, index, size(515)).unwrap();
            let leaf = store.leaf(Epoch::new(index)).unwrap().unwrap();
            verify_inclusion(&leaf.hash(), index, size(515), &proof, &newest).unwrap();
        }
        assert_eq!(store.leaves(Epoch::new(510), 100).unwrap(), leaves[510..]);
        assert_eq!(store.leaves(Epoch::new(3), 2).unwrap(), leaves[3..5]);
        assert_eq!(store.leaf(Epoch::new(515)).unwrap(), None);
        let tile = store.tile_hashes(0, 2, 3).unwrap();
        assert_eq!(tile, leaves[512..].iter().map(Leaf::hash).collect::<Vec<_>>());
        assert_eq!(store.tile_hashes(1, 0, 2).unwrap().len(), 2);
        for (level, index, width) in [(0, 2, 4), (1, 0, 3), (2, 0, 1), (0, u64::MAX, 1)] {
            assert!(store.tile_hashes(level, index, width).is_err());
        }
    });
}

#[test]
fn leaves_are_appended_in_order_and_follow_each_other() {
    on_both(|database| {
        let store = database.open();
        let leaves = leaves(4);
        let refused = |leaf: &Leaf| store.stage_leaf(leaf).unwrap_err().reason();
        assert_eq!(refused(&leaves[1]), "leaf-out-of-order");
        stage(&store, &leaves[..2]);
        for wrong in [0, 1, 3] {
            assert_eq!(refused(&leaves[wrong]), "leaf-out-of-order");
        }
        let foreign = Leaf {
            previous_root: RootHash::new([0xee; 32]),
            ..leaves[2]
        };
        assert_eq!(refused(&foreign), "leaf-not-successor");
        let early = Leaf {
            time: leaves[1].time,
            ..leaves[2]
        };
        assert_eq!(refused(&early), "leaf-not-successor");
        assert_eq!(store.log_size().unwrap(), size(2));
        stage(&store, &leaves[2..3]);
        assert_eq!(store.log_size().unwrap(), size(3));
    });
}

#[test]
fn of_two_leaves_for_one_epoch_one_is_stored() {
    on_both(|database| {
        let store = database.open();
        let leaves = leaves(2);
        stage(&store, &leaves[..1]);
        let stored: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u64)
                .map(|i| {
                    let (store, time) = (store.clone(), Millis::new(5_000 + i));
                    let leaf = Leaf { time, ..leaves[1] };
                    scope.spawn(move || match store.stage_leaf(&leaf) {
                        Ok(()) => 1,
                        Err(error) => {
                            assert!(matches!(error, StoreError::LeafOutOfOrder { .. }), "{error}");
                            0
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!((stored, store.log_size().unwrap()), (1, size(2)));
    });
}

#[test]
fn the_last_leaf_may_change_until_a_checkpoint_covers_it() {
    on_both(|database| {
        let store = database.open();
        // The last of these completes a tile, so a hash above it changes too.
        let mut leaves = leaves(256);
        stage(&store, &leaves);
        leaves[255].time = Millis::new(999_999);
        store.restage_leaf(&leaves[255]).unwrap();
        assert_eq!(store.leaf(Epoch::new(255)).unwrap().unwrap(), leaves[255]);
        assert_eq!(root(&store, size(256)).unwrap(), memory_root(&leaves));

        let refused = |leaf: &Leaf| store.restage_leaf(leaf).unwrap_err().reason();
        assert_eq!(refused(&leaves[254]), "leaf-out-of-order");
        let foreign = Leaf {
            previous_root: RootHash::new([0xee; 32]),
            ..leaves[255]
        };
        assert_eq!(refused(&foreign), "leaf-not-successor");
        store.put_checkpoint(size(255), b"smaller").unwrap();
        store.restage_leaf(&leaves[255]).unwrap();
        store.put_checkpoint(size(256), b"note").unwrap();
        assert_eq!(refused(&leaves[255]), "leaf-covered");
    });
}

#[test]
fn an_empty_log_has_no_leaf_to_replace_and_no_checkpoint() {
    on_both(|database| {
        let store = database.open();
        assert_eq!(
            store.restage_leaf(&leaves(1)[0]).unwrap_err().reason(),
            "leaf-out-of-order"
        );
        for empty in [size(0), size(1)] {
            assert_eq!(
                store.put_checkpoint(empty, b"note").unwrap_err().reason(),
                "size-unknown"
            );
            assert_eq!(store.checkpoint(empty).unwrap(), None);
            assert_eq!(store.cosignatures(empty).unwrap(), []);
        }
        assert_eq!(
            (store.newest_checkpoint().unwrap(), store.head().unwrap()),
            (None, None)
        );
        assert_eq!(store.log_size().unwrap(), LogSize::ZERO);
    });
}

#[test]
fn a_checkpoint_is_never_replaced() {
    on_both(|database| {
        let store = database.open();
        stage(&store, &leaves(3));
        store.put_checkpoint(size(2), b"two").unwrap();
        store.put_checkpoint(size(2), b"two").unwrap();
        assert_eq!(
            store.put_checkpoint(size(2), b"fork").unwrap_err().reason(),
            "checkpoint-differs"
        );
        assert_eq!(
            store.put_checkpoint(size(4), b"four").unwrap_err().reason(),
            "size-unknown"
        );
        store.put_checkpoint(size(3), b"three").unwrap();
        assert_eq!(store.checkpoint(size(2)).unwrap().unwrap(), b"two");
        assert_eq!(
            store.newest_checkpoint().unwrap(),
            Some((size(3), b"three".to_vec()))
        );
    });
}

#[test]
fn of_a_cosigner_the_newest_time_stays() {
    on_both(|database| {
        let store = database.open();
        stage(&store, &leaves(1));
        let put = |key: &str, line: &str, time| store.put_cosignature(size(1), key, line, Seconds::new(time));
        assert_eq!(put("w+1", "a", 10).unwrap_err().reason(), "size-unknown");
        store.put_checkpoint(size(1), b"note").unwrap();
        assert!(put("w+1", "a", 10).unwrap());
        assert!(!put("w+1", "b", 10).unwrap());
        assert!(!put("w+1", "b", 9).unwrap());
        assert!(put("w+1", "c", 11).unwrap());
        assert!(put("W+2", &"l".repeat(4_000), 5).unwrap());
        let stored = store.cosignatures(size(1)).unwrap();
        let short: Vec<_> = stored
            .iter()
            .map(|c| (c.vkey.as_str(), c.line.len(), c.time.get()))
            .collect();
        assert_eq!(short, [("W+2", 4_000, 5), ("w+1", 1, 11)]);
    });
}

#[test]
fn the_head_never_goes_back() {
    on_both(|database| {
        let store = database.open();
        stage(&store, &leaves(3));
        for checkpoint in [1, 2] {
            store.put_checkpoint(size(checkpoint), b"note").unwrap();
        }
        assert_eq!(
            store.flip_head(size(3), b"x").unwrap_err().reason(),
            "size-unknown"
        );
        store.flip_head(size(1), b"one").unwrap();
        store.flip_head(size(2), b"two").unwrap();
        store.flip_head(size(2), b"two, fresher").unwrap();
        assert_eq!(
            store.flip_head(size(1), b"one").unwrap_err().reason(),
            "head-backwards"
        );
        assert_eq!(store.head().unwrap(), Some((size(2), b"two, fresher".to_vec())));
    });
}

#[test]
fn the_database_itself_refuses_gaps_forks_and_a_head_that_goes_back() {
    on_both(|database| {
        let store = database.open();
        stage(&store, &leaves(2));
        for checkpoint in [1, 2] {
            store.put_checkpoint(size(checkpoint), b"note").unwrap();
        }
        store.flip_head(size(2), b"two").unwrap();
        for bad in [
            "UPDATE head SET epoch = 0",
            "INSERT INTO epochs SELECT 3, 2, leaf FROM epochs WHERE epoch = 1",
            "INSERT INTO epochs SELECT 2, 0, leaf FROM epochs WHERE epoch = 1",
            "INSERT INTO epochs SELECT 1, 0, leaf FROM epochs WHERE epoch = 1",
            "DELETE FROM epochs WHERE epoch = 1",
            "INSERT INTO tree_head VALUES (2, 0, 0)",
        ] {
            let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| database.execute(bad)));
            assert!(refused.is_err(), "{bad}");
        }
        assert_eq!(store.log_size().unwrap(), size(2));
    });
}

#[test]
fn a_configuration_stays_as_it_is() {
    on_both(|database| {
        let store = database.open();
        let hash = ConfigHash::new([3; 32]);
        assert_eq!(store.config(&hash).unwrap(), None);
        store.put_config(&hash, b"{}", Epoch::ZERO).unwrap();
        store.put_config(&hash, b"{}", Epoch::new(9)).unwrap();
        assert_eq!(
            store.put_config(&hash, b"{ }", Epoch::ZERO).unwrap_err().reason(),
            "config-differs"
        );
        assert_eq!(store.config(&hash).unwrap().unwrap(), b"{}");
    });
}
