//! The lease: one holder, and no write of the one before, however late it comes.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::{Duration, Instant};

use common::{label, receipt, update};
use keyglass_protocol::quantity::Epoch;
use keyglass_schema::test_database::{Backend, TestDatabase};
use keyglass_schema::{Acquired, Enqueued, Fence, Store};

const TTL: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

fn database() -> TestDatabase {
    let database = TestDatabase::new(Backend::Postgres);
    database.migrate().unwrap();
    database
}

fn take(store: &Store, holder: &str, ttl: Duration) -> Fence {
    match store.acquire_lease(holder, None, ttl, 0).unwrap() {
        Acquired::Ours { fence, .. } => fence,
        Acquired::Held(row) => panic!("held: {row:?}"),
    }
}

/// Asks until it is free, as a stand-by does.
fn wait(store: &Store, holder: &str) -> Fence {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match store.acquire_lease(holder, None, TTL, 0) {
            Ok(Acquired::Ours { fence, .. }) => return fence,
            other => assert!(Instant::now() < until, "{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn enqueue(store: &Store, who: &str) -> Result<Enqueued, keyglass_schema::StoreError> {
    let byte = who.as_bytes().last().copied().unwrap_or_default();
    store.enqueue(&update(&label(who), b"one", 1, &receipt(byte)))
}

fn setting(database: &TestDatabase, sql: &str) -> Vec<String> {
    database.lines(sql)
}

#[test]
fn there_is_one_holder_and_its_number_only_grows() {
    let database = database();
    let (a, b) = (database.open(), database.open());
    let first = take(&a, "a", TTL);
    assert_eq!((first.number, first.timeline), (1, 1));
    let Acquired::Held(row) = b.acquire_lease("b", None, TTL, 0).unwrap() else {
        panic!("two holders")
    };
    assert_eq!((row.fence, row.holder.as_str()), (1, "a"));
    assert!(row.left > TTL / 2 && row.left <= TTL, "{row:?}");
    // A clean stop lets the next one in at once.
    a.release_lease(&first).unwrap();
    let second = take(&b, "b", TTL);
    assert_eq!(second.number, 2);
    assert_eq!(a.renew_lease(&first, TTL, None).unwrap_err().reason(), "fenced");
    assert_eq!(b.lease().unwrap().holder, "b");
    // Releasing late takes nothing from the next one.
    a.release_lease(&first).unwrap();
    assert_eq!(b.lease().unwrap().holder, "b");
}

#[test]
fn the_same_place_takes_it_again_at_once_and_a_number_can_be_demanded() {
    let database = database();
    let store = database.open();
    let _dead = take(&store, "a", TTL);
    let again = store.acquire_lease("b", Some("a"), TTL, 0).unwrap();
    assert!(
        matches!(again, Acquired::Ours { ref fence, .. } if fence.number == 2),
        "{again:?}"
    );
    let raised = store.acquire_lease("c", Some("b"), TTL, 40).unwrap();
    assert!(
        matches!(raised, Acquired::Ours { ref fence, .. } if fence.number == 41),
        "{raised:?}"
    );
}

/// Two sequencers may go on from each other within the time that a replica goes on answering: the third one needs the names.
#[test]
fn which_replicas_serve_stays_noted_until_somebody_says_otherwise() {
    let database = database();
    let store = database.open();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let first = take(&store, "a", TTL);
    assert_eq!(store.lease().unwrap().readers, names(&[]));
    let both = names(&["replica-1", "replica.2"]);
    store.renew_lease(&first, TTL, Some(&both)).unwrap();
    let taken = store.acquire_lease("b", Some("a"), TTL, 0).unwrap();
    let Acquired::Ours { fence, before } = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(before.readers, both);
    store.renew_lease(&fence, TTL, None).unwrap();
    store.release_lease(&fence).unwrap();
    let taken = store.acquire_lease("c", None, TTL, 0).unwrap();
    let Acquired::Ours { fence, before } = taken else {
        panic!("{taken:?}")
    };
    assert_eq!(before.readers, both);
    store
        .renew_lease(&fence, TTL, Some(&names(&["replica-1"])))
        .unwrap();
    assert_eq!(store.lease().unwrap().readers, names(&["replica-1"]));
}

#[test]
fn an_expired_lease_is_taken_and_its_holder_writes_nothing_any_more() {
    let database = database();
    let (a, b) = (database.open(), database.open());
    let old = take(&a, "a", SHORT);
    a.write_under(old.clone());
    assert_eq!(enqueue(&a, "account:a1").unwrap(), Enqueued::New);
    let new = wait(&b, "b");
    b.write_under(new);
    // Every road to the database is the same one.
    assert_eq!(enqueue(&a, "account:a2").unwrap_err().reason(), "fenced");
    assert_eq!(a.freeze_batch(Epoch::new(1), 9).unwrap_err().reason(), "fenced");
    assert_eq!(a.finish_batch(Epoch::new(1)).unwrap_err().reason(), "fenced");
    assert_eq!(a.still_leased().unwrap_err().reason(), "fenced");
    assert_eq!(a.queue_depth().unwrap(), 1);
    assert_eq!(enqueue(&b, "account:b9").unwrap(), Enqueued::New);
    // Also when the number stands in the database again: it is lost for good.
    database.execute("UPDATE lease SET fence = 1");
    assert_eq!(enqueue(&a, "account:a3").unwrap_err().reason(), "fenced");
}

#[test]
fn a_lease_that_expired_and_that_nobody_took_is_renewed() {
    let database = database();
    let store = database.open();
    let fence = take(&store, "a", SHORT);
    store.write_under(fence.clone());
    database.execute("UPDATE lease SET expires_ms = 0");
    assert_eq!(enqueue(&store, "account:a1").unwrap(), Enqueued::New);
    store.renew_lease(&fence, TTL, None).unwrap();
    assert!(store.lease().unwrap().left > SHORT);
}

#[test]
fn an_expiry_of_another_clock_is_not_believed() {
    let database = database();
    let store = database.open();
    let _other = take(&store, "a", SHORT);
    database.execute("UPDATE lease SET expires_ms = expires_ms + 3600000");
    assert_eq!(store.lease().unwrap().left, Duration::ZERO);
    assert_eq!(take(&store, "b", TTL).number, 2);
}

/// Its process may be paused there: the takeover does not wait for it, and what it wrote is gone.
#[test]
fn a_write_that_stands_still_is_ended_by_the_takeover() {
    let database = database();
    let (a, b) = (database.open(), database.open());
    let old = take(&a, "a", SHORT);
    a.write_under(old);
    // A trigger stands still in the middle of the write, as the process would.
    database.execute(
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$; \
         CREATE TRIGGER dawdle BEFORE INSERT ON updates FOR EACH ROW EXECUTE FUNCTION dawdle();",
    );
    let paused = std::thread::spawn(move || (enqueue(&a, "account:a1").map(drop).unwrap_err(), a));
    let until = Instant::now() + Duration::from_secs(10);
    let busy = "SELECT pid::text AS line FROM pg_stat_activity WHERE application_name = 'keyglass/a' \
                AND wait_event = 'PgSleep'";
    while setting(&database, busy).is_empty() {
        assert!(Instant::now() < until, "the write does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    let started = Instant::now();
    assert_eq!(wait(&b, "b").number, 2);
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    let (broken, a) = paused.join().unwrap();
    assert!(broken.is_outage(), "{broken}");
    database.execute("DROP TRIGGER dawdle ON updates");
    assert_eq!(enqueue(&a, "account:a2").unwrap_err().reason(), "fenced");
    assert_eq!(database.count("updates"), 0);
}

#[test]
fn on_another_timeline_nothing_is_written() {
    let database = database();
    let store = database.open();
    let fence = take(&store, "a", TTL);
    let elsewhere = Fence {
        timeline: 7,
        ..fence.clone()
    };
    assert_eq!(
        store.renew_lease(&elsewhere, TTL, None).unwrap_err().reason(),
        "database-promoted"
    );
    let other = database.open();
    other.write_under(elsewhere);
    assert_eq!(
        enqueue(&other, "account:a1").unwrap_err().reason(),
        "database-promoted"
    );
    assert_eq!(database.count("updates"), 0);
    let instance = store.instance().unwrap();
    assert_eq!((instance.timeline, instance.name.as_str()), (1, ""));
    assert!(!instance.durability.synchronous && !instance.durability.fsync);
    assert!(instance.system.len() > 10);
}

/// Whatever the default of the role is: what was acknowledged must not be lost with the server.
#[test]
fn writes_are_durable_whatever_the_role_says() {
    let database = database();
    database.execute(
        "CREATE TABLE seen (line text); \
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$; \
         CREATE TRIGGER note BEFORE INSERT ON updates FOR EACH ROW EXECUTE FUNCTION note();",
    );
    let unfenced = database.open();
    for (default, expected, who) in [
        ("off", "on", "account:a1"),
        ("local", "on", "account:a2"),
        ("remote_write", "on", "account:a3"),
        ("remote_apply", "remote_apply", "account:a4"),
    ] {
        let name = setting(&database, "SELECT current_database()::text AS line").remove(0);
        database.execute(&format!(
            "ALTER DATABASE {name} SET synchronous_commit = {default}"
        ));
        let fresh = database.open();
        let row = fresh.lease().unwrap();
        let taken = fresh.acquire_lease(default, Some(&row.holder), TTL, 0).unwrap();
        let Acquired::Ours { fence, .. } = taken else {
            panic!("{taken:?}")
        };
        fresh.write_under(fence);
        assert_eq!(enqueue(&fresh, who).unwrap(), Enqueued::New);
        let seen = setting(&database, "SELECT line FROM seen");
        assert_eq!(seen.last().map(String::as_str), Some(expected), "{default}");
    }
    assert_eq!(enqueue(&unfenced, "account:a5").unwrap(), Enqueued::New);
    assert_eq!(setting(&database, "SELECT line FROM seen").last().unwrap(), "on");
}

#[test]
fn a_sqlite_database_has_no_lease() {
    let database = TestDatabase::new(Backend::Sqlite);
    let store = database.open();
    assert_eq!(
        store.acquire_lease("a", None, TTL, 0).unwrap_err().reason(),
        "bad-database-url"
    );
    assert_eq!(store.instance().unwrap_err().reason(), "bad-database-url");
}
