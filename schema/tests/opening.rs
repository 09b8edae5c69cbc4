//! Opening: migrations, schema versions, the key, dead databases.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use akd::storage::Database;
use common::{label, receipt, runtime, update};
use keyglass_protocol::quantity::Epoch;
use keyglass_schema::test_database::{Backend, TestDatabase, on_both};
use keyglass_schema::{DatabaseUrl, Store, StoreKeys};

fn reason(opened: Result<Store, keyglass_schema::StoreError>) -> &'static str {
    opened.map(drop).unwrap_err().reason()
}

#[test]
fn migrations_can_be_reverted_and_applied_again() {
    on_both(|database| {
        database.migrate().unwrap();
        let first = database.schema();
        assert!(first.len() > 10, "{first:?}");
        database.revert_migrations().unwrap();
        assert_eq!(database.schema(), Vec::<String>::new());
        database.migrate().unwrap();
        assert_eq!(database.schema(), first);
    });
}

#[test]
fn both_databases_have_the_same_columns_and_each_says_what_it_is_for() {
    let databases = [Backend::Sqlite, Backend::Postgres].map(TestDatabase::new);
    for database in &databases {
        database.migrate().unwrap();
    }
    let columns = databases[0].columns();
    assert_eq!(columns, databases[1].columns());
    assert!(columns.len() > 40);
    for line in databases[1].schema() {
        assert!(!line.contains("NO COMMENT"), "{line}");
    }
    let sqlite = databases[0].schema().join("\n");
    for column in columns {
        let (_, name) = column.split_once('.').unwrap();
        let described = sqlite
            .lines()
            .any(|line| line.trim().starts_with(name) && line.contains("-- "));
        assert!(described, "{column}");
    }
}

#[test]
fn another_key_is_refused_and_the_right_one_still_opens() {
    on_both(|database| {
        drop(database.open());
        let wrong = StoreKeys::from_secret(&[0x55; 32]);
        assert_eq!(reason(Store::open(database.url(), wrong)), "wrong-storage-key");
        drop(database.open());
        assert_eq!(database.count("meta"), 1);
    });
}

#[test]
fn a_newer_schema_is_refused() {
    on_both(|database| {
        drop(database.open());
        database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')");
        assert_eq!(
            reason(Store::open(database.url(), TestDatabase::keys())),
            "newer-schema"
        );
    });
}

#[test]
fn a_database_that_dies_gives_errors() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = TestDatabase::on_own_server(backend);
        let store = database.open();
        let (alice, given) = (label("account:alice"), receipt(1));
        database.kill();
        assert!(store.tree_epoch().is_err());
        assert!(store.enqueue(&update(&alice, b"one", 1, &given)).is_err());
        assert!(store.tree_at(Epoch::ZERO).is_err());
        // Above all never "not found": akd would take it for an empty tree.
        let error = runtime()
            .block_on(store.tree().get_user_data(&"x".into()))
            .unwrap_err();
        assert!(
            !matches!(error, akd::errors::StorageError::NotFound(_)),
            "{error}"
        );
    }
}

#[test]
fn an_unreachable_database_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("missing");
    let postgres = format!("postgres:///x?host={}", nowhere.display());
    for url in [
        DatabaseUrl::sqlite(&nowhere.join("db")),
        postgres.parse().unwrap(),
    ] {
        assert_eq!(
            reason(Store::open(&url, TestDatabase::keys())),
            "database-unreachable"
        );
    }
}
