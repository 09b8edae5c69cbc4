//! `latch show` and `latch clear` of the real program.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::as_conversions, reason = "tests")]

use std::fs::File;
use std::path::Path;
use std::process::{Output, Stdio};

use keyglass_auditor::lock::DataDir;
use keyglass_auditor::run::DATABASE_FILE;
use keyglass_protocol::quantity::Millis;
use keyglass_schema::auditor::{AuditorStore, DirectoryId, NewLatch};
use keyglass_testkit::process::command;
use tempfile::TempDir;

/// Two logs of one auditor, each caught once.
fn two_logs() -> (TempDir, AuditorStore, [DirectoryId; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let store = AuditorStore::open(&dir.path().join(DATABASE_FILE)).unwrap();
    let logs = ["a.example/1", "b.example/1"].map(|origin| {
        let log = store.register(origin, &format!("key of {origin}")).unwrap();
        let latch = NewLatch {
            kind: "fork",
            reason: "two-roots-at-one-size",
            file: Some("fork-0.json"),
            at: Millis::new(7),
        };
        store.latch(log, &latch).unwrap();
        log
    });
    (dir, store, logs)
}

fn latch(dir: &Path, arguments: &[&str], out: Stdio) -> Output {
    let mut command = command(Path::new(env!("CARGO_BIN_EXE_keyglass-auditor")));
    command.arg("latch").args(arguments).arg("--data-dir").arg(dir);
    command.stdout(out).output().unwrap()
}

fn text(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).unwrap()
}

#[test]
fn what_stands_is_shown_and_cleared_for_a_reason() {
    let (dir, store, [a, b]) = two_logs();
    let show = || latch(dir.path(), &["show"], Stdio::piped());
    assert_eq!(
        text(&show()),
        "a.example/1\tfork\ttwo-roots-at-one-size\tfork-0.json\t7\tstanding\n\
         b.example/1\tfork\ttwo-roots-at-one-size\tfork-0.json\t7\tstanding\n"
    );
    let clear = ["clear", "--origin", "b.example/1", "--reason", "we talked"];
    let cleared = latch(dir.path(), &clear, Stdio::piped());
    assert_eq!(text(&cleared), "b.example/1: 1 cleared\n");
    let standing = |log| store.latched(log).unwrap().is_some();
    assert_eq!((standing(a), standing(b)), (true, false));
    assert!(text(&show()).ends_with(": we talked\n"));
    let again = latch(dir.path(), &["clear", "--reason", "all of it"], Stdio::piped());
    assert_eq!(text(&again), "a.example/1: 1 cleared\nb.example/1: 0 cleared\n");
    assert!(!standing(a));
}

#[test]
fn nothing_is_cleared_under_a_running_auditor_or_without_a_reason() {
    let (dir, store, [a, _]) = two_logs();
    let held = DataDir::open(dir.path()).unwrap();
    let clear = ["clear", "--reason", "no"];
    assert!(!latch(dir.path(), &clear, Stdio::piped()).status.success());
    drop(held);
    assert!(!latch(dir.path(), &["clear"], Stdio::piped()).status.success());
    assert!(store.latched(a).unwrap().is_some());
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let (dir, _, _) = two_logs();
    for arguments in [&["show"] as &[&str], &["clear", "--reason", "seen"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = latch(dir.path(), arguments, full.into());
        assert!(!output.status.success(), "{arguments:?}");
    }
}
