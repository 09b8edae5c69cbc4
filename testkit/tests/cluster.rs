//! The machines that tests of replicas and failover run on do what they promise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use keyglass_testkit::cluster::{Commits, Databases, PATIENCE};
use keyglass_testkit::process::poll;

fn sees(databases: &Databases, node: usize, row: &str) -> bool {
    let sql = format!("SELECT note AS line FROM notes WHERE note = '{row}'");
    databases.ask(node, &sql).as_deref() == Some(row)
}

fn write(databases: &Databases, row: &str) {
    let sql = format!("INSERT INTO notes VALUES ('{row}')");
    databases.execute(databases.primary(), &sql).unwrap();
}

fn wait_for(databases: &Databases, node: usize, row: &str) {
    let what = format!("{row} at node {node}");
    poll(&what, PATIENCE, || sees(databases, node, row).then_some(()));
}

#[test]
fn a_row_survives_the_primary_and_the_other_standby_follows() {
    let mut databases = Databases::start(Commits::Synchronous);
    databases
        .execute(0, "CREATE TABLE notes (note TEXT PRIMARY KEY)")
        .unwrap();
    write(&databases, "first");
    for node in databases.standbys() {
        wait_for(&databases, node, "first");
        assert!(
            databases.execute(node, "DELETE FROM notes").is_err(),
            "a standby took a write"
        );
    }

    // One standby is slow, which the other does not mind.
    databases.pause_replay(2);
    write(&databases, "second");
    wait_for(&databases, 1, "second");
    assert!(!sees(&databases, 2, "second"));
    databases.resume_replay(2);
    wait_for(&databases, 2, "second");

    write(&databases, "third");
    databases.kill_primary();
    assert!(databases.ask(0, "SELECT '' AS line").is_none());
    databases.promote(databases.most_advanced());
    assert!(
        sees(&databases, databases.primary(), "third"),
        "an acknowledged row is gone"
    );
    write(&databases, "fourth");
    let other = databases.standbys()[1];
    wait_for(&databases, other, "fourth");

    // The old primary comes back as a copy of the new one.
    databases.copy_primary(0);
    write(&databases, "fifth");
    wait_for(&databases, 0, "fifth");
}

#[test]
fn a_synchronous_commit_waits_for_a_standby_that_is_cut_off() {
    let databases = Databases::start(Commits::Synchronous);
    databases
        .execute(0, "CREATE TABLE notes (note TEXT PRIMARY KEY)")
        .unwrap();
    for node in databases.standbys() {
        databases.upstream(node).cut();
    }
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&databases, "together"));
        let waiting = "SELECT pid::text AS line FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        poll("the wait for a standby", PATIENCE, || databases.ask(0, waiting));
        assert!(!writer.is_finished(), "acknowledged by the primary alone");
        for node in databases.standbys() {
            databases.upstream(node).heal();
        }
        writer.join().unwrap();
    });
    wait_for(&databases, 1, "together");
}
