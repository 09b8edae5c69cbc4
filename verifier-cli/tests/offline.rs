//! `--offline` never opens a socket: the kernel kills whoever tries.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod town;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use town::Town;

/// System call numbers of `socket` and `connect`.
const SOCKET_CALLS: [i64; 2] = if cfg!(target_arch = "x86_64") {
    [41, 42]
} else {
    [198, 203]
};
const SIGSYS: i32 = 31;

/// Runs the program where every socket call is the end of the process.
fn without_sockets(town: &Town, arguments: &[&str]) -> Output {
    let mut command = town.program("alice");
    command.args(arguments);
    // A filter belongs to a thread and to what it starts.
    let run = move || {
        let rules = SOCKET_CALLS.iter().map(|n| (*n, Vec::new())).collect();
        let arch = std::env::consts::ARCH.try_into().unwrap();
        let filter =
            SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::KillProcess, arch).unwrap();
        let program: BpfProgram = filter.try_into().unwrap();
        seccompiler::apply_filter(&program).unwrap();
        command.output().unwrap()
    };
    std::thread::spawn(run).join().unwrap()
}

/// Every command, as `--help` lists them.
fn commands(town: &Town, prefix: &[String]) -> Vec<String> {
    let mut arguments: Vec<&str> = prefix.iter().map(String::as_str).collect();
    arguments.push("--help");
    let help = String::from_utf8(town.words("alice", &arguments).stdout).unwrap();
    let listed = help
        .lines()
        .skip_while(|l| *l != "Commands:")
        .skip(1)
        .take_while(|l| !l.is_empty());
    let names: Vec<String> = listed
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|n| *n != "help")
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return vec![prefix.join(" ")];
    }
    names
        .iter()
        .flat_map(|name| commands(town, &[prefix, std::slice::from_ref(name)].concat()))
        .collect()
}

#[test]
fn no_command_opens_a_socket() {
    let town = Town::new();
    for who in ["alice", "bob"] {
        town.settle(who);
    }
    town.good("alice", &["contact", "add", "account:bob", "--name", "Bob"]);
    let [saved, head, export, request, offer] =
        ["saved", "head", "export", "request", "offer"].map(|name| town.text(name));
    town.good("alice", &["lookup", "account:bob", "--save", &saved]);
    town.good("alice", &["checkpoint", "export", &head]);
    town.good("bob", &["handle", "claim", "bob"]);
    town.good(
        "bob",
        &[
            "handle",
            "transfer",
            "bob",
            "--to",
            "account:alice",
            "--offer",
            &offer,
        ],
    );
    town.trust("phone");
    town.good(
        "phone",
        &["identity", "recover", "--account", "bob", "--request", &request],
    );
    std::fs::write(town.path("list"), "account:bob\n@bob\n").unwrap();
    let (list, key) = (town.text("list"), "3b".repeat(32));
    let url = town.front.url();
    let call = [
        "--call-id",
        "00112233445566778899aabbccddeeff",
        "--direction",
        "offer",
    ];
    let sign = [&["call", "sign", "Bob"] as &[&str], &call, &["--dtls", &key]].concat();
    let verify = [&["call", "verify", "Bob", saved.as_str()] as &[&str], &call].concat();
    let digits = "0".repeat(60);
    let all: Vec<(Vec<&str>, i32)> = vec![
        (vec!["trust", "add", &url], 3),
        (vec!["trust", "show"], 0),
        (vec!["trust", "update"], 3),
        (vec!["trust", "update", "--policy", "auditors.policy"], 0),
        (vec!["identity", "new", "--account", "other"], 0),
        (vec!["identity", "show", "--account", "alice"], 0),
        (vec!["identity", "publish", "--account", "alice"], 3),
        (vec!["identity", "rotate", "--account", "alice"], 3),
        (vec!["identity", "recover", "--account", "bob"], 3),
        (
            vec![
                "identity",
                "recover",
                "--grant",
                &request,
                "--recovery-key",
                &list,
            ],
            65,
        ),
        (vec!["identity", "close", "--yes", "--account", "alice"], 3),
        (vec!["identity", "export", &export, "--account", "alice"], 0),
        (vec!["identity", "import", &export], 2),
        (vec!["device", "add", "--account", "alice"], 3),
        (vec!["device", "remove", "1", "--account", "alice"], 3),
        (vec!["device", "enrol", "--account", "bob"], 3),
        (vec!["handle", "claim", "x", "--account", "alice"], 3),
        (vec!["handle", "release", "x", "--account", "alice"], 3),
        (
            vec![
                "handle",
                "transfer",
                "x",
                "--to",
                "account:bob",
                "--account",
                "alice",
            ],
            3,
        ),
        (
            vec!["handle", "transfer", "--accept", &offer, "--account", "alice"],
            3,
        ),
        (vec!["lookup", "account:bob"], 3),
        (vec!["lookup", "--batch", &list], 3),
        (vec!["verify", &saved], 0),
        (vec!["history", "account:bob"], 3),
        (vec!["monitor"], 3),
        (vec!["contact", "add", "account:bob", "--name", "B"], 3),
        (vec!["contact", "list"], 0),
        (
            vec![
                "contact",
                "verify",
                "Bob",
                "--account",
                "alice",
                "--digits",
                &digits,
            ],
            1,
        ),
        (vec!["contact", "unverify", "Bob"], 0),
        (vec!["safety-number", "Bob", "--account", "alice", "--qr"], 0),
        (vec!["checkpoint", "show"], 3),
        (vec!["checkpoint", "export"], 0),
        (vec!["checkpoint", "compare", &head], 0),
        (vec!["receipt", "check"], 3),
        (vec!["evidence", "show", &saved], 65),
        (vec!["evidence", "verify", &saved], 65),
        (sign, 3),
        (verify, 65),
        (vec!["contact", "remove", "Bob"], 0),
        (vec!["completions", "bash"], 0),
        (vec!["man"], 0),
    ];
    let mut run = BTreeSet::new();
    for (arguments, expected) in &all {
        let output = without_sockets(&town, &[arguments.as_slice(), &["--offline"]].concat());
        assert_eq!(
            (output.status.signal(), output.status.code()),
            (None, Some(*expected)),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        run.insert(arguments.join(" "));
    }
    for command in commands(&town, &[]) {
        assert!(
            run.iter().any(|r| r.starts_with(&command)),
            "{command} was not tried"
        );
    }
    // The test can fail: without the flag the same lookup is killed.
    assert_eq!(
        without_sockets(&town, &["lookup", "account:bob"]).status.signal(),
        Some(SIGSYS)
    );
}
