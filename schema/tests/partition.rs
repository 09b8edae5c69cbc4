//! Splitting the large tables. That everything works on split ones, every other test of the store shows.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use keyglass_schema::Store;
use keyglass_schema::test_database::{Backend, TestDatabase};

fn plain(database: &TestDatabase) -> Store {
    Store::open(database.url(), TestDatabase::keys()).unwrap()
}

/// Columns, checks, keys and indexes of the two tables, without those of their parts.
fn described(database: &TestDatabase) -> Vec<String> {
    let of_them = |line: &String| {
        ["leaves", "label_states"]
            .iter()
            .any(|table| line.contains(&format!(" {table}.")) || line.contains(&format!(" {table} ")))
    };
    // An index of a split table is said to be on it alone.
    let same = |line: String| line.replace(" ONLY ", " ");
    database.schema().into_iter().map(same).filter(of_them).collect()
}

#[test]
fn split_tables_are_described_as_before_and_what_was_in_them_is_there() {
    let database = TestDatabase::new(Backend::Postgres);
    let store = plain(&database);
    let before = described(&database);
    assert!(before.len() > 12, "{before:?}");
    for number in 0..200 {
        database.execute(&format!(
            "INSERT INTO leaves VALUES ({}, 0, decode(repeat('0a', 64), 'hex')); \
             INSERT INTO label_states VALUES (substr(sha256('{number}'), 1, 16), 1, 1, '\\x01')",
            number + 1
        ));
    }
    assert!(!store.is_partitioned().unwrap());
    store.partition(4).unwrap();
    assert!(store.is_partitioned().unwrap());
    assert_eq!(described(&database), before);
    for table in ["leaves", "label_states"] {
        assert_eq!(database.count(table), 200);
        let parts: Vec<usize> = (0..4)
            .map(|part| database.count(&format!("{table}_{part}")))
            .collect();
        assert!(parts.iter().all(|rows| *rows > 20), "{table}: {parts:?}");
    }
    // Hashes are not compressed in the parts either.
    let stored = "SELECT attstorage::text AS line FROM pg_attribute WHERE attrelid = 'leaves_0'::regclass AND attname = 'bytes'";
    assert_eq!(database.lines(stored), ["e"]);
}

#[test]
fn a_lookup_reads_one_part() {
    let database = TestDatabase::partitioned();
    drop(database.open());
    database.execute(
        "CREATE FUNCTION plan() RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE \
         'EXPLAIN SELECT * FROM label_states WHERE label_hash = ''\\x00112233445566778899aabbccddeeff'' AND epoch <= 7 \
         ORDER BY epoch DESC LIMIT 1'; END $$",
    );
    let plan = database.lines("SELECT line FROM plan() AS line").join("\n");
    let parts = (0..4)
        .filter(|part| plan.contains(&format!("label_states_{part}")))
        .count();
    assert_eq!(parts, 1, "{plan}");
}

#[test]
fn it_is_done_once_on_postgres_and_within_bounds() {
    let reason = |store: &Store, parts| store.partition(parts).unwrap_err().reason();
    let sqlite = TestDatabase::new(Backend::Sqlite);
    assert_eq!(reason(&sqlite.open(), 4), "partitions-need-postgres");
    let database = TestDatabase::new(Backend::Postgres);
    let store = plain(&database);
    for parts in [0, 1, 1025] {
        assert_eq!(reason(&store, parts), "bad-parts");
    }
    store.partition(2).unwrap();
    assert_eq!(reason(&store, 2), "already-partitioned");
    // The same program opens it again, and the migrations can still be undone.
    drop(store);
    assert!(plain(&database).is_partitioned().unwrap());
    database.revert_migrations().unwrap();
    assert_eq!(database.schema(), Vec::<String>::new());
}
