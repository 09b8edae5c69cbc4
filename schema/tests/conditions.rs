//! What decides about an update beyond its label: time, look-alikes, histories that others rely on, erasure.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use akd::storage::types::DbRecord;
use akd::storage::{Database, DbSetState};
use common::{account, label, leaves, receipt, runtime, update, version};
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{ConfigHash, Epoch, Millis, Nonce};
use keyglass_schema::test_database::on_both;
use keyglass_schema::{Conditions, Enqueued, Erasure, NewUpdate, Store};

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

/// Accepts and publishes one version as `epoch`.
fn put(store: &Store, update: &NewUpdate<'_>, epoch: u64) {
    assert_eq!(store.enqueue(update).unwrap(), Enqueued::New);
    store.freeze_batch(Epoch::new(epoch), 10).unwrap();
    publish(
        store,
        epoch,
        &[(update.label, update.version.get(), update.record)],
    );
    store.finish_batch(Epoch::new(epoch)).unwrap();
}

fn with<'a>(update: NewUpdate<'a>, conditions: Conditions<'a>) -> NewUpdate<'a> {
    NewUpdate { conditions, ..update }
}

#[test]
fn what_cannot_be_published_in_time_is_not_accepted() {
    on_both(|database| {
        let store = database.open();
        publish(&store, 1, &[(&label("account:first"), 1, b"x")]);
        let in_time = |last: u64| Conditions {
            publish_by: Some(Epoch::new(last)),
            max_batch: 2,
            ..Conditions::default()
        };
        let labels: Vec<Label> = (0..6).map(|n| label(&format!("account:{n}"))).collect();
        let receipts: Vec<_> = (0..6).map(receipt).collect();
        let try_at = |n: usize, last| {
            let update = with(update(&labels[n], b"x", 1, &receipts[n]), in_time(last));
            store.enqueue(&update).unwrap()
        };
        // The batch of epoch 2 may be frozen already: nothing that comes now is certain to be in it.
        assert_eq!(try_at(0, 2), Enqueued::TooLate);
        assert_eq!(try_at(0, 3), Enqueued::New);
        assert_eq!(try_at(1, 3), Enqueued::New);
        // Two wait, two fit into an epoch: the third comes one later.
        assert_eq!(try_at(2, 3), Enqueued::TooLate);
        assert_eq!(try_at(2, 4), Enqueued::New);
        // Without a last epoch the queue may be as long as it likes.
        let patient = update(&labels[3], b"x", 1, &receipts[3]);
        assert_eq!(store.enqueue(&patient).unwrap(), Enqueued::New);
        assert_eq!(database.count("updates"), 4);
    });
}

#[test]
fn the_first_of_two_look_alikes_keeps_the_look() {
    on_both(|database| {
        let store = database.open();
        let receipts: Vec<_> = (0..5).map(receipt).collect();
        let looks = |skeleton, skeleton_is_unique| Conditions {
            skeleton: Some(skeleton),
            skeleton_is_unique,
            ..Conditions::default()
        };
        let (paul, pau1, paula) = (label("handle:paul"), label("handle:pau1"), label("handle:paula"));
        let first = with(update(&paul, b"x", 1, &receipts[0]), looks("paul", true));
        assert_eq!(store.enqueue(&first).unwrap(), Enqueued::New);
        let alike = with(update(&pau1, b"x", 1, &receipts[1]), looks("paul", true));
        assert_eq!(store.enqueue(&alike).unwrap(), Enqueued::Confusable);
        let other = with(update(&paula, b"x", 1, &receipts[2]), looks("paula", true));
        assert_eq!(store.enqueue(&other).unwrap(), Enqueued::New);
        // One that is imported is let in, and changes nothing for those who come later.
        let imported = with(update(&pau1, b"x", 1, &receipts[3]), looks("paul", false));
        assert_eq!(store.enqueue(&imported).unwrap(), Enqueued::New);
        assert_eq!(database.count("handle_skeletons"), 2);
        let refused = label("handle:paui");
        let third = with(update(&refused, b"x", 1, &receipts[4]), looks("paul", true));
        assert_eq!(store.enqueue(&third).unwrap(), Enqueued::Confusable);
        assert_eq!(
            database.count("receipts"),
            3,
            "nothing was written for those that were refused"
        );
    });
}

/// An account of three versions whose last closes it.
fn closed(store: &Store, id: &str, first_epoch: u64, first_receipt: u8) -> Label {
    let label = label(&format!("account:{id}"));
    for (number, record) in [(1, &b"one"[..]), (2, b"two"), (3, b"closed")] {
        let receipt = receipt(first_receipt + u8::try_from(number).unwrap());
        let conditions = Conditions {
            closes: number == 3,
            ..Conditions::default()
        };
        let update = with(update(&label, record, number, &receipt), conditions);
        put(store, &update, first_epoch + number - 1);
    }
    label
}

fn values(store: &Store, label: &Label) -> Vec<Vec<u8>> {
    (1..=3)
        .map(|n| store.version(label, version(n)).unwrap().unwrap().value)
        .collect()
}

#[test]
fn an_erasure_blanks_what_lies_below_the_closing() {
    on_both(|database| {
        let store = database.open();
        let alice = closed(&store, "alice", 1, 10);
        let all = store.closings(Millis::new(u64::MAX >> 1), 10).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!((&all[0].label, all[0].since), (&alice, Millis::new(1_013)));
        assert_eq!(store.closings(Millis::new(1_012), 10).unwrap(), []);
        assert_eq!(
            store.erase(&alice, version(2), Epoch::new(3)).unwrap(),
            Erasure::Moved,
            "not the newest"
        );
        assert_eq!(
            store.erase(&alice, version(3), Epoch::new(2)).unwrap(),
            Erasure::Moved,
            "readers do not see it yet"
        );
        assert!(!store.is_erased(&alice).unwrap());
        assert_eq!(
            store.erase(&alice, version(3), Epoch::new(3)).unwrap(),
            Erasure::Done(2)
        );
        assert!(store.is_erased(&alice).unwrap());
        assert_eq!(values(&store, &alice), [&b""[..], b"", b"closed"]);
        let kept = |n: u8| store.receipt(&[n; 32]).unwrap().unwrap();
        assert_eq!(
            (kept(11).epoch, kept(12).epoch),
            (Some(Epoch::new(1)), Some(Epoch::new(2)))
        );
        assert_eq!(
            (kept(11).row.nonce, kept(11).row.vrf_proof),
            (Nonce::new([0; 32]), Vec::new())
        );
        assert_eq!(kept(13).row, receipt(13));
        assert_eq!(store.closings(Millis::new(u64::MAX >> 1), 10).unwrap(), []);
        assert_eq!(
            store.erase(&alice, version(3), Epoch::new(3)).unwrap(),
            Erasure::Done(0)
        );

        let late = receipt(99);
        let follows = Conditions {
            follows_closed: true,
            ..Conditions::default()
        };
        let notice = with(update(&alice, b"notice", 4, &late), follows);
        assert_eq!(store.enqueue(&notice).unwrap(), Enqueued::Erased);
    });
}

#[test]
fn what_waits_or_is_needed_is_not_erased() {
    on_both(|database| {
        let store = database.open();
        let alice = closed(&store, "alice", 1, 10);
        let late = receipt(99);
        let notice = update(&alice, b"notice", 4, &late);
        assert_eq!(store.enqueue(&notice).unwrap(), Enqueued::New);
        assert_eq!(
            store.erase(&alice, version(3), Epoch::new(3)).unwrap(),
            Erasure::Pending
        );
        assert_eq!(
            store.closings(Millis::new(u64::MAX >> 1), 10).unwrap(),
            [],
            "while it waits"
        );
        store.freeze_batch(Epoch::new(4), 10).unwrap();
        publish(&store, 4, &[(&alice, 4, b"notice")]);
        store.finish_batch(Epoch::new(4)).unwrap();
        assert_eq!(store.closings(Millis::new(u64::MAX >> 1), 10).unwrap().len(), 1);
        store.postpone_closing(&alice, Millis::new(5_000)).unwrap();
        assert_eq!(store.closings(Millis::new(4_999), 10).unwrap(), []);
        assert_eq!(store.closings(Millis::new(5_000), 10).unwrap().len(), 1);
        store.forget_closing(&alice).unwrap();
        assert_eq!(store.closings(Millis::new(5_000), 10).unwrap(), []);

        // Bob's handle was Carol's: her history proves that she gave it up.
        let (carol, handle, given) = (closed(&store, "carol", 5, 20), label("handle:x"), receipt(98));
        let carol_id: [AccountId; 1] = [account("carol")];
        let relies = Conditions {
            relies_on: &carol_id,
            ..Conditions::default()
        };
        put(&store, &with(update(&handle, b"claim", 1, &given), relies), 8);
        assert_eq!(
            store.erase(&carol, version(3), Epoch::new(8)).unwrap(),
            Erasure::Kept
        );
        assert_eq!(values(&store, &carol), [&b"one"[..], b"two", b"closed"]);

        // The other way round: nobody can take a handle over from an account that is erased.
        let dave = closed(&store, "dave", 9, 30);
        assert_eq!(
            store.erase(&dave, version(3), Epoch::new(11)).unwrap(),
            Erasure::Done(2)
        );
        let (other, given, dave_id) = (label("handle:y"), receipt(97), [account("dave")]);
        let relies = Conditions {
            relies_on: &dave_id,
            ..Conditions::default()
        };
        let refused = with(update(&other, b"claim", 1, &given), relies);
        assert_eq!(store.enqueue(&refused).unwrap(), Enqueued::Retired);
        assert_eq!(database.count("relied_on"), 1);
    });
}

#[test]
fn a_document_is_dated_by_the_first_leaf_that_names_it() {
    on_both(|database| {
        let store = database.open();
        let leaves = leaves(4);
        let other = ConfigHash::new([7; 32]);
        for (leaf, document) in leaves.iter().zip([&b"one"[..], b"one", b"two", b"two"]) {
            let mut leaf = *leaf;
            if document == b"two" {
                leaf.config = other;
            }
            store.stage_leaf_of(&leaf, document).unwrap();
        }
        let dated = |hash: &ConfigHash| store.dated_config(hash).unwrap();
        assert_eq!(dated(&leaves[0].config), Some((Epoch::ZERO, b"one".to_vec())));
        assert_eq!(dated(&other), Some((Epoch::new(2), b"two".to_vec())));
        assert_eq!(dated(&ConfigHash::new([8; 32])), None);
        // A leaf that is refused leaves no document behind.
        let mut wrong = leaves[3];
        wrong.config = ConfigHash::new([5; 32]);
        assert!(store.stage_leaf_of(&wrong, b"three").is_err());
        assert_eq!(dated(&wrong.config), None);
    });
}

#[test]
fn padding_is_foretold_by_the_secret_alone() {
    on_both(|database| {
        let store = database.open();
        let one = store.padding_label(Epoch::new(1), 0);
        assert_eq!(store.padding_label(Epoch::new(1), 0), one);
        assert_ne!(store.padding_label(Epoch::new(2), 0), one);
        assert_ne!(store.padding_label(Epoch::new(1), 1), one);
        let hex = one.strip_prefix("padding:").unwrap();
        assert!(
            hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()),
            "{one}"
        );
        assert!(
            Label::parse(&one).is_err(),
            "nobody can ask for it or write to it"
        );
    });
}
