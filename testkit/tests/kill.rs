//! A crash is harmless at every line: the server is killed at least 100 times, at least five times inside each step.

use std::path::Path;
use std::process::{Command, Stdio};

use keyglass_server::publisher::Step;
use keyglass_testkit::kill::{Plan, run};

#[test]
fn nothing_acknowledged_is_lost_and_nothing_forks() {
    let plan = Plan {
        each_step: 5,
        random: 25,
        seed: 20_260_101,
    };
    let report = run(&plan, Path::new(env!("CARGO_BIN_EXE_faulty-server")));
    println!("{report}");
    assert!(report.kills() >= 100, "{} kills", report.kills());
    assert!(Step::ALL.iter().all(|step| report.steps.get(step) >= Some(&5)));
    assert!(
        report.seen.epochs > 50 && report.seen.acknowledged > 100,
        "{report}"
    );
}

#[test]
#[expect(clippy::unwrap_used, reason = "tests")]
fn the_server_under_test_does_not_outlive_its_test() {
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_faulty-server"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(dir.path())
        .stdin(Stdio::null())
        .status();
    assert!(!status.unwrap().success());
}
