//! A platform in small, on both databases: imported, under mixed load, killed, and everything verified.

use std::path::Path;
use std::time::Duration;

use keyglass_schema::test_database::Backend;
use keyglass_testkit::mixed::{Plan, run};

fn small(backend: Backend, accounts: u64, seconds: u64) {
    let plan = Plan {
        accounts,
        duration: Duration::from_secs(seconds),
        kill_every: Duration::from_secs(3),
        clients: 3,
        backend,
        max_memory: 512,
        seed: 20_260_101,
    };
    let report = run(&plan, Path::new(env!("CARGO_BIN_EXE_faulty-server")));
    println!("{report}");
    assert_eq!(report.lines, accounts * 2);
    assert!(report.kills >= 1 && report.looked_up > 100, "{report}");
    assert!(
        report.figures.answered() > 20 && report.seen.acknowledged > 0,
        "{report}"
    );
}

#[test]
fn on_sqlite() {
    small(Backend::Sqlite, 1_500, 8);
}

#[test]
fn on_postgres() {
    small(Backend::Postgres, 500, 5);
}
