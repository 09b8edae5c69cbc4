//! The durable queue: what it accepts, what it answers, what a batch is.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use akd::storage::types::DbRecord;
use akd::storage::{Database, DbSetState};
use common::{account, label, receipt, runtime, update, version};
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, Millis};
use keyglass_schema::test_database::on_both;
use keyglass_schema::{Conflict, Enqueued, Holder, NewUpdate, Store};

/// Publishes records as akd would: one state each, then the epoch.
fn publish(store: &Store, epoch: u64, records: &[(&Label, u64, &[u8])]) {
    let mut rows: Vec<DbRecord> = records
        .iter()
        .map(|(label, version, record)| {
            let (label, record) = (label.as_bytes().to_vec(), record.to_vec());
            DbRecord::ValueState(DbRecord::build_user_state(
                label, record, *version, 256, [1; 32], epoch,
            ))
        })
        .collect();
    rows.push(DbRecord::Azks(DbRecord::build_azks(epoch, 1)));
    runtime()
        .block_on(store.tree().batch_set(rows, DbSetState::TransactionCommit))
        .unwrap();
}

fn accept(store: &Store, update: &NewUpdate<'_>) {
    assert_eq!(store.enqueue(update).unwrap(), Enqueued::New);
}

#[test]
fn a_repeat_gets_the_same_receipt_and_anything_else_conflicts_until_its_epoch_is_finished() {
    on_both(|database| {
        let store = database.open();
        let alice = label("account:alice");
        let (first, other) = (receipt(1), receipt(2));
        accept(&store, &update(&alice, b"one", 1, &first));
        let repeat = update(&alice, b"one", 1, &other);
        assert_eq!(store.enqueue(&repeat).unwrap(), Enqueued::Same(first.clone()));
        let conflict = Enqueued::Conflict(Conflict::Label(version(1)));
        assert_eq!(
            store.enqueue(&update(&alice, b"uno", 1, &other)).unwrap(),
            conflict
        );
        assert_eq!(
            store.enqueue(&update(&alice, b"two", 2, &other)).unwrap(),
            conflict
        );

        assert_eq!(store.freeze_batch(Epoch::new(1), 10).unwrap().len(), 1);
        assert_eq!(store.enqueue(&repeat).unwrap(), Enqueued::Same(first.clone()));
        assert_eq!(
            store.enqueue(&update(&alice, b"two", 2, &other)).unwrap(),
            conflict
        );
        publish(&store, 1, &[(&alice, 1, b"one")]);
        assert_eq!(
            store.enqueue(&update(&alice, b"two", 2, &other)).unwrap(),
            conflict
        );
        assert_eq!(store.receipt(&first.id).unwrap().unwrap().epoch, None);

        assert_eq!(store.finish_batch(Epoch::new(1)).unwrap(), 1);
        let status = store.receipt(&first.id).unwrap().unwrap();
        assert_eq!((&status.row, status.epoch), (&first, Some(Epoch::new(1))));
        assert_eq!(store.enqueue(&repeat).unwrap(), Enqueued::Same(first.clone()));
        accept(&store, &update(&alice, b"two", 2, &other));
        assert_eq!(store.receipt(&[77; 32]).unwrap(), None);
    });
}

#[test]
fn only_the_version_after_the_newest_is_accepted() {
    on_both(|database| {
        let store = database.open();
        let (alice, given) = (label("account:alice"), receipt(1));
        let stale = |newest: Option<u64>| Enqueued::Stale {
            newest: newest.map(version),
        };
        assert_eq!(
            store.enqueue(&update(&alice, b"x", 2, &given)).unwrap(),
            stale(None)
        );
        publish(&store, 1, &[(&alice, 1, b"imported")]);
        publish(&store, 2, &[(&alice, 2, b"second")]);
        for wrong in [1, 2, 4] {
            assert_eq!(
                store.enqueue(&update(&alice, b"x", wrong, &given)).unwrap(),
                stale(Some(2))
            );
        }
        // The newest record again, but nobody was given a receipt for it.
        assert_eq!(
            store.enqueue(&update(&alice, b"second", 2, &given)).unwrap(),
            stale(Some(2))
        );
        assert_eq!((store.queue_depth().unwrap(), database.count("receipts")), (0, 0));
        accept(&store, &update(&alice, b"third", 3, &given));
        assert_eq!((store.queue_depth().unwrap(), database.count("receipts")), (1, 1));
    });
}

#[test]
fn an_alias_and_an_identity_change_of_its_holder_exclude_each_other() {
    on_both(|database| {
        let store = database.open();
        let (alice, bob) = (label("account:alice"), label("account:bob"));
        let handle = label("handle:wonderland");
        publish(
            &store,
            1,
            &[(&alice, 1, b"a1"), (&bob, 1, b"b1"), (&handle, 1, b"h1")],
        );
        let (alice_id, bob_id) = (account("alice"), account("bob"));
        let receipts: Vec<_> = (0..6).map(receipt).collect();
        let alias = |holder, previous, receipt| NewUpdate {
            holder: Some(Holder {
                account: holder,
                newest: version(1),
            }),
            previous_holder: Some(Holder {
                account: previous,
                newest: version(1),
            }),
            ..update(&handle, b"h2", 2, receipt)
        };
        let rotate = |label, receipt| NewUpdate {
            changes_identity: true,
            ..update(label, b"new", 2, receipt)
        };

        accept(&store, &alias(&alice_id, &bob_id, &receipts[0]));
        for account in [&alice, &bob] {
            let refused = store.enqueue(&rotate(account, &receipts[1])).unwrap();
            assert_eq!(refused, Enqueued::Conflict(Conflict::AliasPending));
        }
        // A change of devices is no obstacle, in either order.
        accept(&store, &update(&alice, b"devices", 2, &receipts[2]));
        store.freeze_batch(Epoch::new(2), 10).unwrap();
        publish(&store, 2, &[(&handle, 2, b"h2"), (&alice, 2, b"devices")]);
        store.finish_batch(Epoch::new(2)).unwrap();

        accept(&store, &rotate(&bob, &receipts[3]));
        let third = |newest| NewUpdate {
            holder: Some(Holder {
                account: &alice_id,
                newest: version(newest),
            }),
            previous_holder: Some(Holder {
                account: &bob_id,
                newest: version(1),
            }),
            ..update(&handle, b"h3", 3, &receipts[4])
        };
        let refused = store.enqueue(&third(2)).unwrap();
        assert_eq!(refused, Enqueued::Conflict(Conflict::HolderChanges));
        // Alice is at version 2 by now: what the caller checked is no longer the newest.
        let moved = store.enqueue(&third(1)).unwrap();
        assert_eq!(
            moved,
            Enqueued::HolderMoved {
                newest: Some(version(2))
            }
        );
        let nobody = account("nobody");
        let absent = NewUpdate {
            holder: Some(Holder {
                account: &nobody,
                newest: version(1),
            }),
            previous_holder: None,
            ..third(2)
        };
        assert_eq!(
            store.enqueue(&absent).unwrap(),
            Enqueued::HolderMoved { newest: None }
        );
    });
}

#[test]
fn a_batch_is_frozen_once_oldest_first() {
    on_both(|database| {
        let store = database.open();
        let labels: Vec<Label> = (0..5).map(|i| label(&format!("account:u{i}"))).collect();
        let receipts: Vec<_> = (0..6).map(receipt).collect();
        assert_eq!(store.oldest_accepted().unwrap(), None);
        for (label, receipt) in labels.iter().zip(&receipts) {
            accept(&store, &update(label, label.as_bytes(), 1, receipt));
        }
        assert_eq!(store.oldest_accepted().unwrap(), Some(Millis::new(1_000)));
        let batch = store.freeze_batch(Epoch::new(1), 3).unwrap();
        let frozen: Vec<&Label> = batch.iter().map(|f| &f.label).collect();
        assert_eq!(frozen, labels[..3].iter().collect::<Vec<_>>());
        assert_eq!(
            (batch[0].record.as_slice(), batch[0].version),
            (labels[0].as_bytes(), version(1))
        );
        assert_eq!(batch[2].receipt.id, receipts[2].id);

        // Whatever else is asked for, and after a restart: the same batch.
        let later = label("account:later");
        accept(&store, &update(&later, b"x", 1, &receipts[5]));
        let again = database.open();
        assert_eq!(again.freeze_batch(Epoch::new(1), 100).unwrap(), batch);
        assert_eq!(again.frozen(Epoch::new(1)).unwrap(), batch);
        let second = again.freeze_batch(Epoch::new(2), 100).unwrap();
        assert_eq!(second.len(), 3);
        assert_eq!(again.freeze_batch(Epoch::new(3), 100).unwrap(), []);
        assert_eq!(again.queue_depth().unwrap(), 6);
    });
}

#[test]
fn finishing_waits_for_the_tree_and_counts_once() {
    on_both(|database| {
        let store = database.open();
        let (alice, given) = (label("account:alice"), receipt(1));
        accept(&store, &update(&alice, b"one", 1, &given));
        store.freeze_batch(Epoch::new(1), 10).unwrap();
        let early = store.finish_batch(Epoch::new(1)).unwrap_err();
        assert_eq!(early.reason(), "epoch-moved");
        publish(&store, 1, &[(&alice, 1, b"one")]);
        // In the tree but not finished: still the same batch.
        assert_eq!(store.freeze_batch(Epoch::new(1), 10).unwrap().len(), 1);
        assert_eq!(store.finish_batch(Epoch::new(1)).unwrap(), 1);
        assert_eq!(store.finish_batch(Epoch::new(1)).unwrap(), 0);
        assert_eq!((store.queue_depth().unwrap(), database.count("updates")), (0, 0));
        let late = store.freeze_batch(Epoch::new(1), 10).unwrap_err();
        assert_eq!(late.reason(), "already-published");
    });
}

#[test]
fn of_many_updates_at_once_one_per_label_is_accepted() {
    on_both(|database| {
        let store = database.open();
        let (alice, bob) = (label("account:alice"), label("account:bob"));
        let accepted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..12_u8)
                .map(|i| {
                    let (store, label) = (store.clone(), if i % 2 == 0 { &alice } else { &bob });
                    scope.spawn(move || {
                        let given = receipt(i);
                        let answer = store.enqueue(&update(label, &[i], 1, &given)).unwrap();
                        usize::from(answer == Enqueued::New)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(
            (accepted, store.queue_depth().unwrap(), database.count("receipts")),
            (2, 2, 2)
        );
    });
}

#[test]
fn updates_of_different_labels_do_not_hinder_each_other() {
    on_both(|database| {
        let store = database.open();
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let store = store.clone();
                scope.spawn(move || {
                    for i in 0..16 {
                        let (number, label) = (thread * 16 + i, label(&format!("account:{thread}-{i}")));
                        let given = receipt(number);
                        accept(&store, &update(&label, b"x", 1, &given));
                    }
                });
            }
        });
        assert_eq!(store.queue_depth().unwrap(), 128);
        assert_eq!(store.freeze_batch(Epoch::new(1), 1_000).unwrap().len(), 128);
    });
}
