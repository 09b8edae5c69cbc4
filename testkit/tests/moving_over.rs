//! A log ends and hands over to another one, with the real programs: what an operator types, and what people then see.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::path::PathBuf;
use std::time::Duration;

use keyglass_testkit::http::Http;
use keyglass_testkit::process::{Process, built, command, free_ports, poll};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// Two directories, one after the other, and people.
struct Stand {
    dir: TempDir,
    ports: [[u16; 2]; 2],
}

impl Stand {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            ports: [free_ports(), free_ports()],
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn url(&self, which: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[which][0])
    }

    /// Starts the old (0) or the new (1) directory and waits until it is ready.
    fn start(&self, which: usize, more: &[&str]) -> Process {
        let [listen, admin] = self.ports[which].map(|port| format!("127.0.0.1:{port}"));
        let folder = self.text(["old", "new"][which]);
        let flags = [
            "--data-dir",
            &folder,
            "--listen",
            &listen,
            "--admin-listen",
            &admin,
        ];
        let origin = ["--origin", ["old.example", "new.example"][which]];
        let arguments: Vec<String> = [&flags[..], &origin, more]
            .concat()
            .iter()
            .map(|a| (*a).to_owned())
            .collect();
        let mut server = Process::start(&built("keyglass-server"), &arguments, &self.path("server.log"));
        let probe = Http::local(self.ports[which][1]);
        poll("the directory", PATIENCE, || {
            assert!(server.ended().is_none(), "ended by itself{}", server.last_words());
            matches!(probe.get("/readyz"), Ok((200, _))).then_some(())
        });
        server
    }

    /// What a one-shot command of the server prints.
    fn operator(&self, arguments: &[&str]) -> (i32, String) {
        let output = command(&built("keyglass-server"))
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), format!("{said}{errors}"))
    }

    fn done(&self, arguments: &[&str]) -> String {
        let (code, said) = self.operator(arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }

    fn keyglass(&self, person: &str, arguments: &[&str]) -> (i32, Value) {
        let output = command(&built("keyglass"))
            .env("KEYGLASS_HOME", self.path(person))
            .args(arguments)
            .args(["--allow-unaudited", "--json"])
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), answer)
    }

    fn good(&self, person: &str, arguments: &[&str]) -> Value {
        let (code, answer) = self.keyglass(person, arguments);
        assert_eq!(code, 0, "{person} {arguments:?}: {answer}");
        answer
    }
}

#[test]
fn everybody_moves_over() {
    let stand = Stand::new();
    let old = stand.start(0, &[]);
    let [old_url, new_url] = [stand.url(0), stand.url(1)];
    for person in ["alice", "bob", "carol"] {
        stand.good(person, &["trust", "add", &old_url]);
        stand.good(person, &["identity", "new", "--account", person]);
        stand.good(person, &["identity", "publish"]);
        stand.good(person, &["handle", "claim", person]);
    }
    stand.good("bob", &["contact", "add", "@alice", "--name", "Alice"]);
    let digits = stand.good("alice", &["safety-number", "@bob"])["digits"].clone();
    stand.good(
        "bob",
        &["contact", "verify", "Alice", "--digits", digits.as_str().unwrap()],
    );
    stand.good("alice", &["device", "add"]);
    stand.good("carol", &["identity", "close", "--yes"]);

    // The operator: a new log's keys, the end of the old one, its final state, everything over.
    let folders = [stand.text("old"), stand.text("new")];
    let made = stand.done(&["keygen", "--data-dir", &folders[1], "--origin", "new.example"]);
    let next = made
        .lines()
        .find_map(|l| l.strip_prefix("log-vkey "))
        .unwrap()
        .to_owned();
    let key = stand.text("new/keys/import.key");
    let lines = stand.text("lines");
    let export = [
        "export-final",
        &lines,
        "--import-key",
        &key,
        "--data-dir",
        &folders[0],
    ];
    old.kill();
    let (code, said) = stand.operator(&export);
    assert!(code != 0 && said.contains("log-not-ended"), "{code} {said}");
    let ended = [
        "--successor",
        next.as_str(),
        "--accept-config-change",
        "successor",
    ];
    let _old = stand.start(0, &ended);
    let state = poll("the end of the old log", PATIENCE, || {
        let (code, said) = stand.operator(&["final-state", "--data-dir", &folders[0]]);
        (code == 0).then_some(said)
    });
    let statement = stand.text("predecessor.json");
    std::fs::write(&statement, state).unwrap();
    let said = stand.done(&export);
    assert!(said.contains("accounts 2\naliases 2\nended 2\n"), "{said}");
    let (code, again) = stand.operator(&export);
    assert!(code != 0 && again.contains("export-io"), "{code} {again}");
    let [listen, admin] = stand.ports[1].map(|port| format!("127.0.0.1:{port}"));
    let said = stand.done(&[
        "import",
        &lines,
        "--data-dir",
        &folders[1],
        "--origin",
        "new.example",
        "--predecessor",
        &statement,
        "--listen",
        &listen,
        "--admin-listen",
        &admin,
    ]);
    assert!(said.contains("imported 4"), "{said}");
    let _new = stand.start(1, &[]);

    // The people: they look at the change of keys, and move.
    for person in ["alice", "bob", "carol"] {
        let (code, answer) = stand.keyglass(person, &["lookup", "@alice"]);
        assert_eq!(
            (code, answer["reason"].as_str().unwrap()),
            (5, "configuration-keys-changed"),
            "{answer}"
        );
        stand.good(person, &["trust", "update"]);
        let linked = stand.good(person, &["trust", "add", &new_url]);
        assert_eq!(linked["reason"], "linked-migration", "{linked}");
    }
    let here = ["--directory", new_url.as_str()];
    let ask = |person: &str, what: &[&str]| stand.good(person, &[what, &here].concat());
    let found = ask("bob", &["lookup", "@alice"]);
    assert_eq!(found["moved"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(found["moved"][1]["version"], 2, "{found}");
    assert_eq!(found["contact_verified"], true, "{found}");
    let told = ask("alice", &["monitor"]);
    let findings = told["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|f| f["reason"] == "own-account-imported"),
        "{told}"
    );
    ask("alice", &["device", "add"]);
    ask("alice", &["monitor"]);
    ask("bob", &["monitor"]);
    let (code, gone) = stand.keyglass("bob", &[&["lookup", "account:carol"][..], &here].concat());
    assert_eq!(
        (code, gone["reason"].as_str().unwrap()),
        (3, "proven-absent"),
        "{gone}"
    );
    // The old log is readable for ever.
    let (code, answer) = stand.keyglass("bob", &["lookup", "@alice", "--directory", &old_url]);
    assert_eq!(code, 0, "{answer}");
    let batch = stand.text("batch");
    std::fs::write(&batch, "@alice\n@bob\naccount:nobody\n").unwrap();
    let (code, answer) = stand.keyglass("bob", &[&["lookup", "--batch", &batch][..], &here].concat());
    assert_eq!(
        (code, answer["message"].as_str().unwrap()),
        (3, "2 of 3 verified"),
        "{answer}"
    );
}
