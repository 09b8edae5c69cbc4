//! Readers that stand at epoch n while the tree is at n, n + 1 and beyond.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod common;

use common::{akd, label, publish, runtime, version};
use keyglass_protocol::quantity::Epoch;
use keyglass_schema::test_database::on_both;

#[test]
fn a_reader_at_n_may_serve_over_a_tree_at_n_and_n_plus_1_and_not_at_n_plus_2() {
    on_both(|database| {
        runtime().block_on(async {
            let store = database.open();
            let writer = akd(store.tree()).await;
            publish(&writer, 40, 1).await;
            let reader = store.tree_at(Epoch::new(1)).unwrap();
            let root = reader.root();
            for (round, may) in [(2, true), (3, false)] {
                publish(&writer, 120, round).await;
                assert_eq!(store.covers(reader.epoch()), may);
                // What it holds stays what it was, and so does what another process builds for that epoch.
                assert_eq!(reader.root(), root);
                assert_eq!(database.open().tree_at(Epoch::new(1)).unwrap().root(), root);
            }
            assert!(store.covers(Epoch::new(2)));
        });
    });
}

#[test]
fn versions_later_than_the_reader_do_not_exist() {
    on_both(|database| {
        runtime().block_on(async {
            let store = database.open();
            let writer = akd(store.tree()).await;
            for round in 1..=3 {
                publish(&writer, 4, round).await;
            }
            let account = label("account:1");
            for (at, expected) in [(0, None), (1, Some(1)), (2, Some(2)), (3, Some(3)), (9, Some(3))] {
                let at = Epoch::new(at);
                let newest = store.newest(&account, at).unwrap();
                assert_eq!(newest.as_ref().map(|s| s.version), expected.map(version), "{at}");
                let all = store.versions_from(&account, version(1), at).unwrap();
                assert_eq!(all.last(), newest.as_ref());
                let versions: Vec<u64> = all.iter().map(|s| s.version.get()).collect();
                assert_eq!(versions, (1..=expected.unwrap_or(0)).collect::<Vec<_>>());
                assert!(all.iter().all(|s| s.epoch.get() == s.version.get()));
                let later = store.versions_from(&account, version(2), at).unwrap();
                assert_eq!(later.as_slice(), all.get(1..).unwrap_or_default());
            }
        });
    });
}
