//! Guards in a Postgres of their own: compare-and-swap, one row for each log.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use keyglass_schema::test_database::{Backend, TestDatabase};
use keyglass_schema::{GuardRow, GuardStore};

fn row(size: u64) -> GuardRow {
    GuardRow {
        size,
        root: [7; 32],
        fence: 3,
        database: "73 1 synchronous a,b".to_owned(),
    }
}

#[test]
fn it_is_replaced_only_by_who_saw_it() {
    let database = TestDatabase::new(Backend::Postgres);
    let guards = GuardStore::open(database.url()).unwrap();
    assert_eq!(guards.read("log.example").unwrap(), None);
    assert!(guards.replace("log.example", None, &row(1)).unwrap());
    assert!(!guards.replace("log.example", None, &row(2)).unwrap());
    assert!(!guards.replace("log.example", Some(&row(9)), &row(2)).unwrap());
    assert!(guards.replace("log.example", Some(&row(1)), &row(2)).unwrap());
    assert!(guards.replace("other.example", None, &row(5)).unwrap());
    let again = GuardStore::open(database.url()).unwrap();
    assert_eq!(again.read("log.example").unwrap(), Some(row(2)));
    assert_eq!(database.count("keyglass_guard"), 2);
}

#[test]
fn of_many_at_once_each_state_is_made_by_one() {
    let database = TestDatabase::new(Backend::Postgres);
    let guards = GuardStore::open(database.url()).unwrap();
    let won: u64 = std::thread::scope(|scope| {
        let swap = || {
            let mut won = 0;
            for _ in 0..20 {
                let seen = guards.read("log.example").unwrap();
                let next = row(seen.as_ref().map_or(1, |seen| seen.size + 1));
                won += u64::from(guards.replace("log.example", seen.as_ref(), &next).unwrap());
            }
            won
        };
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(swap)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    let size = guards.read("log.example").unwrap().unwrap().size;
    assert_eq!(size, won, "every success moved it by one");
    assert!(won >= 20, "{won}");
}

#[test]
fn it_does_not_live_in_a_directory() {
    let database = TestDatabase::new(Backend::Postgres);
    drop(database.open());
    let refused = GuardStore::open(database.url()).map(drop).unwrap_err();
    assert_eq!(refused.reason(), "guard-in-directory");
    let sqlite = TestDatabase::new(Backend::Sqlite);
    let refused = GuardStore::open(sqlite.url()).map(drop).unwrap_err();
    assert_eq!(refused.reason(), "bad-database-url");
}
