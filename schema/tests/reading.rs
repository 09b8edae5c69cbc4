//! A store that is opened for reading only: what a replica has.
#![allow(clippy::unwrap_used, reason = "tests")]

use keyglass_protocol::quantity::Epoch;
use keyglass_schema::test_database::{Backend, TestDatabase, on_both};
use keyglass_schema::{Store, StoreError, StoreKeys};

fn open(database: &TestDatabase) -> Result<Store, StoreError> {
    Store::open_to_read(database.url(), TestDatabase::keys())
}

#[test]
fn it_reads_what_others_wrote_and_migrates_nothing() {
    on_both(|database| {
        assert!(matches!(open(database), Err(StoreError::OlderSchema { .. })));
        assert_eq!(database.schema(), Vec::<String>::new(), "it made tables");
        database.migrate().unwrap();
        assert!(matches!(open(database), Err(StoreError::NoDirectory)));
        let writer = database.open();
        let reader = open(database).unwrap();
        assert_eq!(reader.tree_epoch().unwrap(), writer.tree_epoch().unwrap());
        assert_eq!(reader.leaf(Epoch::ZERO).unwrap(), None);
    });
}

#[test]
fn another_key_and_another_schema_are_refused() {
    on_both(|database| {
        drop(database.open());
        let other = Store::open_to_read(database.url(), StoreKeys::from_secret(&[9; 32]));
        assert!(matches!(other, Err(StoreError::WrongKey)));
        database.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')");
        assert!(matches!(open(database), Err(StoreError::NewerSchema { .. })));
    });
}

#[test]
fn postgres_refuses_whatever_it_might_write() {
    let database = TestDatabase::new(Backend::Postgres);
    drop(database.open());
    let reader = open(&database).unwrap();
    let refused = reader.put_config(
        &keyglass_protocol::quantity::ConfigHash::new([1; 32]),
        b"{}",
        Epoch::ZERO,
    );
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("read-only transaction"), "{why}");
}
