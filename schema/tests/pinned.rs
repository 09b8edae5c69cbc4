//! Readers that stand at epoch n while the tree is at n, n + 1 and beyond.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use akd::append_only_zks::DEFAULT_AZKS_KEY;
use akd::ecvrf::{HardCodedAkdVRF, VRFKeyStorage};
use akd::errors::StorageError;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::storage::types::{DbRecord, ValueStateRetrievalFlag};
use akd::storage::{Database, DbSetState, StorageManager};
use akd::verify::{key_history_verify, lookup_verify};
use akd::{AkdLabel, Azks, EpochHash, HistoryParams, HistoryVerificationParams, VersionFreshness};
use common::{Akd, Config, akd, publish, runtime};
use keyglass_protocol::quantity::Epoch;
use keyglass_schema::test_database::on_both;
use keyglass_schema::{PinnedTree, Store};

const OLD: usize = 40;

/// Whatever a reader is asked for, byte for byte what a directory in memory at the same epoch answers.
async fn compare(
    reader: &Akd<PinnedTree>,
    reference: &Akd<AsyncInMemoryDatabase>,
    pin: u64,
    accounts: usize,
) {
    let key = reader.get_public_key().await.unwrap();
    let EpochHash(epoch, root) = reference.get_epoch_hash().await.unwrap();
    assert_eq!(epoch, pin);
    for i in 0..accounts {
        let label = AkdLabel(format!("account:{i}").into_bytes());
        let (proof, at) = reader.lookup(label.clone()).await.unwrap();
        let expected = reference.lookup(label.clone()).await.unwrap();
        assert_eq!((&proof, &at), (&expected.0, &expected.1));
        lookup_verify::<Config>(key.as_bytes(), root, epoch, label.clone(), proof).unwrap();
        let (proof, at) = reader.key_history(&label, HistoryParams::Complete).await.unwrap();
        assert_eq!(at, EpochHash(epoch, root));
        let params = HistoryVerificationParams::Default {
            history_params: HistoryParams::Complete,
        };
        let results =
            key_history_verify::<Config>(key.as_bytes(), root, epoch, label, proof, params).unwrap();
        assert!(results.iter().all(|r| r.epoch <= pin));
    }
}

/// Absence of labels that the tree does not have at the pin, proven by akd from the pinned reader.
async fn compare_absence(store: &Store, memory: &AsyncInMemoryDatabase, pin: u64) {
    let pinned = StorageManager::new_no_cache(store.pinned(Epoch::new(pin)));
    let reference = StorageManager::new_no_cache(memory.clone());
    let azks = DbRecord::build_azks(pin, 0);
    for i in 1_000..1_040 {
        let label = AkdLabel(format!("account:{i}").into_bytes());
        let node = HardCodedAkdVRF {}
            .get_node_label::<Config>(&label, VersionFreshness::Fresh, 1)
            .await
            .unwrap();
        let ours = azks
            .get_non_membership_proof::<Config, _>(&pinned, node)
            .await
            .unwrap();
        let theirs = azks
            .get_non_membership_proof::<Config, _>(&reference, node)
            .await
            .unwrap();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_reader_at_n_serves_over_a_tree_at_n_and_n_plus_1_and_fails_at_n_plus_2() {
    on_both(|database| {
        runtime().block_on(async {
            let store = database.open();
            let writer = akd(store.tree()).await;
            let memory = AsyncInMemoryDatabase::new();
            let reference = akd(memory.clone()).await;
            for round in 1..=3 {
                publish(&writer, OLD, round).await;
                publish(&reference, OLD, round).await;
            }
            let pinned = store.pinned(Epoch::new(3));
            let reader = akd(pinned.clone()).await;
            compare(&reader, &reference, 3, OLD).await;
            compare_absence(&store, &memory, 3).await;

            // n + 1: every old account changes and new ones split old nodes.
            publish(&writer, 3 * OLD, 4).await;
            assert!(pinned.still_valid().unwrap());
            compare(&reader, &reference, 3, OLD).await;
            compare_absence(&store, &memory, 3).await;
            // Accounts of n + 1 do not exist at n.
            assert!(reader.lookup("account:100".into()).await.is_err());

            publish(&writer, 3 * OLD, 5).await;
            assert!(!pinned.still_valid().unwrap());
            for i in 0..OLD {
                let label = AkdLabel(format!("account:{i}").into_bytes());
                let error = reader.lookup(label.clone()).await.unwrap_err().to_string();
                assert!(error.contains("more than one epoch behind"), "{error}");
                assert!(reader.key_history(&label, HistoryParams::Complete).await.is_err());
            }
        });
    });
}

#[test]
fn a_reader_ahead_of_the_tree_fails() {
    on_both(|database| {
        runtime().block_on(async {
            let store = database.open();
            publish(&akd(store.tree()).await, 3, 1).await;
            let ahead = store.pinned(Epoch::new(2));
            assert!(!ahead.still_valid().unwrap());
            assert!(ahead.get::<Azks>(&DEFAULT_AZKS_KEY).await.is_err());
            assert!(store.pinned(Epoch::new(1)).still_valid().unwrap());
            assert!(store.pinned(Epoch::ZERO).still_valid().unwrap());
        });
    });
}

#[test]
fn a_node_without_its_state_at_the_pin_is_a_hard_error() {
    on_both(|database| {
        runtime().block_on(async {
            let store = database.open();
            let writer = akd(store.tree()).await;
            for round in 1..=3 {
                publish(&writer, 20, round).await;
            }
            // The root has the states 3 and 2: nothing is left of 1, and that is not "no such node".
            let root = akd::tree_node::NodeKey(akd::NodeLabel::root());
            type Node = akd::tree_node::TreeNodeWithPreviousValue;
            let pinned = store.pinned(Epoch::new(1));
            let error = pinned.get::<Node>(&root).await.unwrap_err();
            assert!(matches!(error, StorageError::Other(_)), "{error}");
            assert!(
                pinned
                    .batch_get::<Node>(std::slice::from_ref(&root))
                    .await
                    .is_err()
            );
            assert!(store.pinned(Epoch::new(2)).get::<Node>(&root).await.is_ok());
        });
    });
}

#[test]
fn states_later_than_the_pin_do_not_exist_and_writes_are_refused() {
    on_both(|database| {
        runtime().block_on(async {
            let store = database.open();
            let writer = akd(store.tree()).await;
            for round in 1..=3 {
                publish(&writer, 4, round).await;
            }
            let pinned = store.pinned(Epoch::new(2));
            let label: AkdLabel = "account:1".into();
            let epochs: Vec<u64> = pinned
                .get_user_data(&label)
                .await
                .unwrap()
                .states
                .iter()
                .map(|s| s.epoch)
                .collect();
            assert_eq!(epochs, [1, 2]);
            for (flag, expected) in [
                (ValueStateRetrievalFlag::MaxEpoch, Some(2)),
                (ValueStateRetrievalFlag::MinEpoch, Some(1)),
                (ValueStateRetrievalFlag::LeqEpoch(9), Some(2)),
                (ValueStateRetrievalFlag::SpecificEpoch(2), Some(2)),
                (ValueStateRetrievalFlag::SpecificEpoch(3), None),
                (ValueStateRetrievalFlag::SpecificVersion(3), None),
            ] {
                let state = pinned.get_user_state(&label, flag).await;
                let many = pinned
                    .get_user_state_versions(std::slice::from_ref(&label), flag)
                    .await
                    .unwrap();
                match expected {
                    Some(epoch) => {
                        let state = state.unwrap();
                        assert_eq!(state.epoch, epoch);
                        assert_eq!(many[&label], (state.version, state.value));
                    }
                    None => {
                        assert!(matches!(state, Err(StorageError::NotFound(_))));
                        assert!(many.is_empty());
                    }
                }
            }
            let record = || DbRecord::Azks(DbRecord::build_azks(9, 9));
            assert!(pinned.set(record()).await.is_err());
            for state in [DbSetState::General, DbSetState::TransactionCommit] {
                assert!(pinned.batch_set(vec![record()], state).await.is_err());
            }
            assert_eq!(store.tree_epoch().unwrap(), Some(Epoch::new(3)));
        });
    });
}
