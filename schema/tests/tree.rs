//! Publishing through akd: same roots as in memory, all or nothing, one writer.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use akd::Azks;
use akd::append_only_zks::DEFAULT_AZKS_KEY;
use akd::errors::StorageError;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::storage::types::DbRecord;
use akd::storage::{Database, DbSetState};
use common::{akd, publish, runtime, version};
use keyglass_protocol::quantity::Epoch;
use keyglass_schema::test_database::{Backend, TestDatabase, on_both};

fn rows(database: &TestDatabase) -> [usize; 3] {
    ["leaves", "label_states", "tree_head"].map(|table| database.count(table))
}

#[test]
fn roots_and_proofs_are_those_of_akd_in_memory() {
    on_both(|database| {
        runtime().block_on(async {
            let stored = akd(database.open().tree()).await;
            let memory = akd(AsyncInMemoryDatabase::new()).await;
            // More rows than are inserted one by one, few rows, and many again.
            for (round, count) in [(1, 120), (2, 2), (3, 200)] {
                assert_eq!(
                    publish(&stored, count, round).await,
                    publish(&memory, count, round).await
                );
            }
            for account in ["account:0", "account:150"] {
                let ours = stored.lookup(account.into()).await.unwrap();
                assert_eq!(ours, memory.lookup(account.into()).await.unwrap());
            }
            assert!(stored.lookup("account:absent".into()).await.is_err());
            let proof = stored.audit(0, 3).await.unwrap();
            assert_eq!(proof, memory.audit(0, 3).await.unwrap());
        });
    });
}

#[test]
fn a_store_that_is_opened_again_goes_on() {
    on_both(|database| {
        runtime().block_on(async {
            let memory = akd(AsyncInMemoryDatabase::new()).await;
            for round in 1..=3 {
                let stored = akd(database.open().tree()).await;
                assert_eq!(
                    publish(&stored, 20, round).await,
                    publish(&memory, 20, round).await
                );
            }
            let store = database.open();
            assert_eq!(store.tree_epoch().unwrap(), Some(Epoch::new(3)));
            let label = common::label("account:7");
            let newest = store.newest(&label, Epoch::new(2)).unwrap().unwrap();
            assert_eq!((newest.version, newest.epoch), (version(2), Epoch::new(2)));
            assert_eq!(newest.value, b"value 7 of round 2");
            let first = store.version(&label, version(1)).unwrap().unwrap();
            assert_eq!(
                (first.epoch, first.value.as_slice()),
                (Epoch::new(1), &b"value 7 of round 1"[..])
            );
            assert_eq!(store.version(&label, version(4)).unwrap(), None);
            assert_eq!(store.newest(&label, Epoch::ZERO).unwrap(), None);
        });
    });
}

#[test]
fn an_armed_publish_at_another_epoch_writes_nothing() {
    on_both(|database| {
        runtime().block_on(async {
            let tree = database.open().tree();
            let directory = akd(tree.clone()).await;
            publish(&directory, 5, 1).await;
            let before = rows(database);
            for wrong in [0, 2, 7] {
                tree.arm(Epoch::new(wrong));
                let refused = directory.publish(common::updates(5, 2)).await.unwrap_err();
                assert!(refused.to_string().contains("expected"), "{refused}");
                assert_eq!(rows(database), before);
            }
            // An expectation counts once, and the right one publishes.
            tree.arm(Epoch::new(1));
            assert_eq!(publish(&directory, 5, 2).await.epoch(), 2);
            assert_eq!(publish(&directory, 5, 3).await.epoch(), 3);
        });
    });
}

#[test]
fn labels_that_are_said_to_be_new_are_not_looked_for_and_must_be_new() {
    on_both(|database| {
        runtime().block_on(async {
            let tree = database.open().tree();
            let stored = akd(tree.clone()).await;
            let memory = akd(AsyncInMemoryDatabase::new()).await;
            let new = |from: usize, to: usize| {
                let all = common::updates(to, 1).into_iter().skip(from);
                all.map(|(label, _)| label.0).collect()
            };
            tree.arm_for_new(Epoch::ZERO, new(0, 5));
            assert_eq!(publish(&stored, 5, 1).await, publish(&memory, 5, 1).await);
            // Some are new, the others get their second version.
            tree.arm_for_new(Epoch::new(1), new(5, 9));
            assert_eq!(publish(&stored, 9, 2).await, publish(&memory, 9, 2).await);
            // That of the first five is not true any more.
            let before = rows(database);
            tree.arm_for_new(Epoch::new(2), new(0, 5));
            let refused = stored.publish(common::updates(9, 3)).await.unwrap_err();
            assert!(refused.to_string().contains("twice"), "{refused}");
            assert_eq!(rows(database), before);
            // It counted once.
            assert_eq!(publish(&stored, 9, 3).await, publish(&memory, 9, 3).await);
        });
    });
}

#[test]
fn of_two_publishers_at_one_epoch_one_wins() {
    on_both(|database| {
        runtime().block_on(async {
            let trees = [database.open().tree(), database.open().tree()];
            let first = akd(trees[0].clone()).await;
            let second = akd(trees[1].clone()).await;
            for tree in &trees {
                tree.arm(Epoch::ZERO);
            }
            let (a, b) = tokio::join!(
                first.publish(common::updates(50, 1)),
                second.publish(common::updates(60, 2))
            );
            assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
            // What the winner wrote is a whole directory.
            let again = akd(database.open().tree()).await;
            let root = again.get_epoch_hash().await.unwrap();
            assert_eq!(root, a.or(b).unwrap());
            assert_eq!(publish(&again, 60, 3).await.epoch(), 2);
        });
    });
}

#[test]
fn a_commit_that_fails_at_its_last_row_leaves_nothing() {
    on_both(|database| {
        let memory = runtime().block_on(async {
            let memory = akd(AsyncInMemoryDatabase::new()).await;
            publish(&memory, 80, 1).await;
            publish(&memory, 80, 2).await
        });
        runtime().block_on(async {
            let directory = akd(database.open().tree()).await;
            publish(&directory, 80, 1).await;
            let before = rows(database);
            // The head is the last row of a commit.
            database.execute(match database.backend() {
                Backend::Sqlite => {
                    "CREATE TRIGGER break BEFORE UPDATE ON tree_head BEGIN SELECT RAISE(ABORT, 'broken'); END"
                }
                Backend::Postgres => {
                    "CREATE FUNCTION break() RETURNS trigger LANGUAGE plpgsql \
                     AS 'BEGIN RAISE EXCEPTION ''broken''; END'; \
                     CREATE TRIGGER break BEFORE UPDATE ON tree_head FOR EACH ROW EXECUTE FUNCTION break()"
                }
            });
            let failed = directory.publish(common::updates(80, 2)).await.unwrap_err();
            assert!(failed.to_string().contains("broken"), "{failed}");
            assert_eq!(rows(database), before);
            database.execute(match database.backend() {
                Backend::Sqlite => "DROP TRIGGER break",
                Backend::Postgres => "DROP TRIGGER break ON tree_head",
            });
            assert_eq!(publish(&directory, 80, 2).await, memory);
        });
    });
}

/// On Postgres, as while a transaction that touches the same rows waits for its standby.
#[test]
fn a_commit_outlasts_collisions_for_which_a_client_would_be_sent_away() {
    let database = TestDatabase::new(Backend::Postgres);
    let memory = runtime().block_on(async {
        let memory = akd(AsyncInMemoryDatabase::new()).await;
        publish(&memory, 3, 1).await;
        publish(&memory, 3, 2).await
    });
    runtime().block_on(async {
        let directory = akd(database.open().tree()).await;
        publish(&directory, 3, 1).await;
        // What a sequence has counted is not rolled back.
        database.execute(
            "CREATE SEQUENCE attempts; \
             CREATE FUNCTION collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('attempts') <= 14 THEN RAISE EXCEPTION 'collision' USING ERRCODE = '40001'; END IF; \
             RETURN NEW; END $$; \
             CREATE TRIGGER collide BEFORE UPDATE ON tree_head FOR EACH ROW EXECUTE FUNCTION collide()",
        );
        assert_eq!(publish(&directory, 3, 2).await, memory);
    });
    assert_eq!(
        database.lines("SELECT last_value::text AS line FROM attempts"),
        ["15"]
    );
}

#[test]
fn a_commit_must_end_with_the_next_epoch() {
    on_both(|database| {
        runtime().block_on(async {
            let tree = database.open().tree();
            let head = |epoch| DbRecord::Azks(DbRecord::build_azks(epoch, 1));
            let state = || {
                let state = DbRecord::build_user_state(b"u".to_vec(), b"v".to_vec(), 1, 256, [1; 32], 1);
                DbRecord::ValueState(state)
            };
            tree.set(head(4)).await.unwrap();
            for records in [
                vec![],
                vec![state()],
                vec![head(5), state()],
                vec![state(), head(6)],
                vec![head(4)],
            ] {
                tree.arm(Epoch::new(4));
                let refused = tree
                    .batch_set(records, DbSetState::TransactionCommit)
                    .await
                    .unwrap_err();
                assert!(matches!(refused, StorageError::Transaction(_)), "{refused}");
                assert_eq!(rows(database), [0, 0, 1]);
            }
            tree.arm(Epoch::new(4));
            tree.batch_set(vec![state(), head(5)], DbSetState::TransactionCommit)
                .await
                .unwrap();
            assert_eq!(rows(database), [0, 1, 1]);
            match tree.get::<Azks>(&DEFAULT_AZKS_KEY).await.unwrap() {
                DbRecord::Azks(azks) => assert_eq!(azks.latest_epoch, 5),
                other => panic!("{other:?}"),
            }
        });
    });
}

#[test]
fn a_damaged_row_is_an_error_and_never_absence() {
    on_both(|database| {
        runtime().block_on(async {
            let store = database.open();
            let directory = akd(store.tree()).await;
            publish(&directory, 10, 1).await;
            let one = match database.backend() {
                Backend::Sqlite => "x'01'",
                Backend::Postgres => "'\\x01'::bytea",
            };
            database.execute(&format!("UPDATE label_states SET sealed = {one}"));
            let error = store
                .newest(&common::label("account:1"), Epoch::new(1))
                .unwrap_err();
            assert_eq!(error.reason(), "broken-seal");
            let error = store.tree().get_user_data(&"account:1".into()).await.unwrap_err();
            assert!(matches!(error, StorageError::Other(_)), "{error}");
            assert!(directory.publish(common::updates(11, 2)).await.is_err());
            assert_eq!(store.tree_epoch().unwrap(), Some(Epoch::new(1)));
        });
    });
}

#[test]
fn a_tree_with_a_lost_or_altered_leaf_has_another_root_or_none() {
    on_both(|database| {
        runtime().block_on(async {
            let store = database.open();
            let directory = akd(store.tree()).await;
            publish(&directory, 10, 1).await;
            publish(&directory, 5, 2).await;
            let signed = store.tree_at(Epoch::new(2)).unwrap();
            assert_eq!(store.tree_at(Epoch::new(1)).unwrap().epoch(), Epoch::new(1));
            assert_eq!(
                database.open().tree_at(Epoch::new(2)).unwrap().root(),
                signed.root()
            );
            assert_eq!(store.tree_at(Epoch::new(3)).unwrap_err().reason(), "epoch-moved");
            let (blob, cut) = match database.backend() {
                Backend::Sqlite => ("zeroblob(64)", "substr(bytes, 2)"),
                Backend::Postgres => ("decode(repeat('00', 64), 'hex')", "substr(bytes, 2)"),
            };
            database.execute(&format!("UPDATE leaves SET bytes = {blob} WHERE epoch = 1"));
            let other = database.open().tree_at(Epoch::new(2)).unwrap();
            assert_ne!(other.root(), signed.root());
            database.execute(&format!("UPDATE leaves SET bytes = {cut} WHERE epoch = 2"));
            let error = database.open().tree_at(Epoch::new(2)).unwrap_err();
            assert_eq!(error.reason(), "corrupt-row");
            database.execute("DELETE FROM leaves");
            assert_ne!(
                database.open().tree_at(Epoch::new(2)).unwrap().root(),
                signed.root()
            );
        });
    });
}

#[test]
fn a_process_that_did_not_publish_follows() {
    on_both(|database| {
        runtime().block_on(async {
            let (writer, follower) = (database.open(), database.open());
            let directory = akd(writer.tree()).await;
            publish(&directory, 700, 1).await;
            let first = follower.tree_at(Epoch::new(1)).unwrap();
            for round in 2..=6 {
                publish(&directory, 3 * round, round).await;
            }
            for epoch in [6, 5, 2, 1, 0] {
                let epoch = Epoch::new(epoch);
                let (ours, theirs) = (follower.tree_at(epoch).unwrap(), writer.tree_at(epoch).unwrap());
                assert_eq!(
                    (ours.root(), ours.nodes()),
                    (theirs.root(), theirs.nodes()),
                    "{epoch}"
                );
            }
            assert_eq!(follower.tree_at(Epoch::new(1)).unwrap().root(), first.root());
        });
    });
}

/// The table of versions, if its rows lie in the index itself.
const TABLE: &str =
    "SELECT sql AS line FROM sqlite_schema WHERE name = 'label_states' AND sql LIKE '%WITHOUT ROWID%'";

/// What a program stored that kept versions in another table of SQLite.
#[test]
fn versions_of_an_older_sqlite_schema_move_into_the_new_table() {
    let database = TestDatabase::new(Backend::Sqlite);
    runtime().block_on(async {
        let memory = akd(AsyncInMemoryDatabase::new()).await;
        for round in 1..=2 {
            let stored = akd(database.open().tree()).await;
            publish(&stored, 20, round).await;
            publish(&memory, 20, round).await;
        }
        let before = database
            .lines("SELECT hex(label_hash) || epoch || hex(sealed) AS line FROM label_states ORDER BY 1");
        database.execute(include_str!(
            "../migrations/sqlite/2026-01-05-000000_states/down.sql"
        ));
        database.execute("DELETE FROM __diesel_schema_migrations WHERE version = '20260105000000'");
        assert_eq!(database.lines(TABLE).len(), 1, "the old table");
        let stored = akd(database.open().tree()).await;
        let after = database
            .lines("SELECT hex(label_hash) || epoch || hex(sealed) AS line FROM label_states ORDER BY 1");
        assert_eq!((before.len(), &before), (40, &after));
        assert_eq!(database.lines(TABLE), Vec::<String>::new());
        assert_eq!(publish(&stored, 20, 3).await, publish(&memory, 20, 3).await);
        let newest = database
            .open()
            .newest(&common::label("account:7"), Epoch::new(3))
            .unwrap();
        assert_eq!(newest.unwrap().value, b"value 7 of round 3");
    });
}
