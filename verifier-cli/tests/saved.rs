//! `keyglass verify` on saved lookups: what an honest directory answers is verified, every lie is refused with its
//! reason and exit code.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyglass_protocol::label::Label;
use keyglass_protocol::message::Answer;
use keyglass_protocol::note::{SignedCheckpoint, TlogProof};
use keyglass_protocol::quantity::{Epoch, LogHash, LogSize};
use keyglass_testkit::lies::{self, Class, Scene};
use keyglass_testkit::world::{ORIGIN, World};
use serde_json::{Value, json};

/// A state directory with pins.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    /// Pins of a world, and the head of size `seen`, if there is one.
    fn of(world: &World, seen: Option<u64>, policy: bool) -> Self {
        let head = seen.map(|size| {
            let size = LogSize::new(size);
            let note = String::from_utf8(world.checkpoint(size).to_bytes()).unwrap();
            let opened = SignedCheckpoint::open(note.as_bytes(), &world.keys.log_vkey()).unwrap();
            let proof = world.epoch_proof(Epoch::new(size.get() - 1), size);
            json!({
                "size": size.get(), "root": opened.checkpoint().root.to_string(), "checkpoint": note,
                "epoch": proof, "seen": world.now.get(),
            })
        });
        Self::with_head(world, head, policy)
    }

    fn with_head(world: &World, head: Option<Value>, policy: bool) -> Self {
        let document = keyglass_protocol::codec::base64_encode(world.config.bytes());
        let state = json!({"version": 1, "directories": [{
            "origin": ORIGIN, "url": "http://127.0.0.1:1", "log_vkey": world.keys.log_vkey().to_string(),
            "configs": [{"epoch": 0, "document": document}],
            "policy": policy.then(|| world.policy().to_string()), "first_use": false, "added": 0,
            "head": head, "pins": {}, "contacts": {}, "accounts": {}, "pending": {}, "receipts": [],
        }]});
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let path = home.path();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("state.json"), state.to_string()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
            fs::set_permissions(path.join("state.json"), fs::Permissions::from_mode(0o600)).unwrap();
        }
        home
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// Saves answers and runs `keyglass verify`.
    fn verify(&self, label: &str, answers: &[Answer], args: &[&str]) -> (i32, Value) {
        let file = self.dir.path().join("saved.tlog");
        fs::write(&file, saved(label, answers)).unwrap();
        self.run(&[&["verify", file.to_str().unwrap(), "--json", "--offline"], args].concat())
    }

    fn run(&self, args: &[&str]) -> (i32, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_keyglass"))
            .env("KEYGLASS_HOME", self.path())
            .args(args)
            .output()
            .unwrap();
        let object = serde_json::from_slice(&output.stdout).expect("exactly one JSON object");
        (output.status.code().unwrap(), object)
    }
}

fn saved(label: &str, answers: &[Answer]) -> Vec<u8> {
    let first = &answers[0];
    let hashes = &first.epoch.inclusion_proof;
    TlogProof {
        extra: Some(
            // In the order in which keyglass writes them.
            format!(
                r#"{{"schema":1,"label":{},"answers":{}}}"#,
                json!(label),
                serde_json::to_string(answers).unwrap()
            )
            .into_bytes(),
        ),
        index: first.epoch.index,
        hashes: hashes
            .iter()
            .map(|h| LogHash::try_from(h.0.as_slice()).unwrap())
            .collect(),
        checkpoint: first.checkpoint.clone().into_bytes(),
    }
    .to_bytes()
}

/// Everything that an honest directory answers about a label.
fn honest(world: &World, label: &str, from: Option<u64>) -> Vec<Answer> {
    let parsed = Label::parse(label).unwrap();
    let mut answers = vec![world.lookup(&parsed, Some(1), from)];
    let exists = answers[0].absences.is_empty();
    if exists && !matches!(parsed, Label::Account(_)) {
        answers.push(world.history(&parsed, 1));
        if answers[0].history.is_none() {
            answers.push(world.history(&Label::parse("account:bob").unwrap(), 1));
        }
    }
    answers
}

fn at(world: &World) -> Vec<String> {
    vec!["--at".to_owned(), world.now.seconds().to_string()]
}

fn strs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn the_truth_is_verified() {
    let scene = Scene::new();
    let world = &scene.world;
    for seen in [None, Some(3)] {
        let home = Home::of(world, seen, true);
        for (label, code, reason) in [
            ("account:alice", 0, "authorised"),
            ("account:bob", 0, "authorised"),
            ("handle:alice", 0, "authorised"),
            ("handle:old", 3, "released"),
            ("account:nobody", 3, "proven-absent"),
            ("handle:nobody", 3, "proven-absent"),
        ] {
            let (exit, object) = home.verify(label, &honest(world, label, seen), &strs(&at(world)));
            assert_eq!(
                (exit, object["reason"].as_str().unwrap()),
                (code, reason),
                "{label}: {object}"
            );
            assert_eq!(object["exit_code"], code);
            assert_eq!(object["audited"], true, "{label}");
            assert_eq!(object["label"], label);
        }
    }
    let home = Home::of(world, None, true);
    let (_, object) = home.verify(
        "handle:alice",
        &honest(world, "handle:alice", None),
        &["--as-of-then"],
    );
    assert_eq!(object["account"], "account:alice");
    assert_eq!(object["version"], 2);
    assert_eq!(object["identity_key"], scene.alice.newest.identity.to_string());
    assert_eq!(object["devices"].as_array().unwrap().len(), 2);
}

#[test]
fn policy_is_not_met() {
    let scene = Scene::new();
    let world = &scene.world;
    let answers = honest(world, "account:alice", None);
    let audited = Home::of(world, None, true);
    let (exit, object) = audited.verify("account:alice", &answers, &[]);
    assert_eq!((exit, object["reason"].as_str().unwrap()), (4, "quorum-stale"));
    let early = (world.now.seconds().get() - 100).to_string();
    let (exit, object) = audited.verify("account:alice", &answers, &["--at", &early]);
    assert_eq!((exit, object["reason"].as_str().unwrap()), (4, "clock-skew"));
    let later = (world.now.seconds().get() + 301).to_string();
    let (exit, object) = audited.verify("account:alice", &answers, &["--at", &later]);
    assert_eq!((exit, object["reason"].as_str().unwrap()), (4, "heartbeat-stale"));
    let (exit, _) = audited.verify(
        "account:alice",
        &answers,
        &["--at", &later, "--max-heartbeat-age", "400"],
    );
    assert_eq!(exit, 0);

    let alone = Home::of(world, None, false);
    let (exit, object) = alone.verify("account:alice", &answers, &["--as-of-then"]);
    assert_eq!(
        (exit, object["reason"].as_str().unwrap(), &object["audited"]),
        (4, "not-audited", &json!(false))
    );
    let (exit, object) = alone.verify("account:alice", &answers, &["--as-of-then", "--allow-unaudited"]);
    assert_eq!(
        (exit, object["reason"].as_str().unwrap(), &object["audited"]),
        (0, "authorised", &json!(false))
    );
}

/// Lies that only a live directory can tell: a saved answer may be older than what was seen since.
const LIVE_ONLY: &[&str] = &["stale-head"];

#[test]
fn every_lie_is_refused_with_its_reason() {
    let mut told = 0;
    let mut live_only = Vec::new();
    for lie in lies::all() {
        // A file carries neither configurations nor other bytes than its own.
        if matches!(lie.class, Class::Configuration | Class::Encoding) {
            continue;
        }
        let mut scene = Scene::new();
        let note = String::from_utf8(scene.world.checkpoint(scene.seen.size).to_bytes()).unwrap();
        let proof = scene.world.epoch_proof(Epoch::new(2), LogSize::new(3));
        scene.told = Some((lie.tell)(&mut scene));
        let time = at(&scene.world);
        let head = json!({
            "size": scene.seen.size.get(), "root": scene.seen.root.to_string(), "checkpoint": note, "epoch": proof,
            "seen": 0,
        });
        let home = Home::with_head(&scene.world, Some(head), true);
        if LIVE_ONLY.contains(&lie.reason) {
            live_only.push(lie.reason);
            continue;
        }
        let (exit, object) = home.verify(lie.label, &scene.answers(lie.label), &strs(&time));
        let reason = object["reason"].as_str().unwrap();
        assert_eq!(
            (exit, reason),
            (lie.exit.into(), lie.reason),
            "{}: {object}",
            lie.name
        );
        assert_eq!(object["audited"], false, "{}", lie.name);
        for words in ["message", "checked", "meaning", "next"] {
            assert!(
                object[words].as_str().is_some_and(|w| !w.is_empty()),
                "{}: no {words}",
                lie.name
            );
        }
        told += 1;
    }
    assert!(told >= 100, "only {told} lies were told");
    assert_eq!(live_only, LIVE_ONLY, "an exception that is not needed");
}

#[test]
fn a_fork_is_evidence() {
    let scene = Scene::new();
    let world = &scene.world;
    let size = world.size();
    let forged = world.sign_checkpoint(size, LogHash::new([7; 32]));
    let head = json!({
        "size": size.get(), "root": LogHash::new([7; 32]).to_string(),
        "checkpoint": String::from_utf8(forged.to_bytes()).unwrap(),
        "epoch": world.epoch_proof(world.epoch(), size), "seen": 0,
    });
    let home = Home::with_head(world, Some(head), true);
    let (exit, object) = home.verify(
        "account:alice",
        &honest(world, "account:alice", None),
        &strs(&at(world)),
    );
    assert_eq!((exit, object["reason"].as_str().unwrap()), (5, "fork"));
    let path = Path::new(object["saved"].as_str().unwrap());
    let evidence = keyglass_protocol::evidence::Evidence::parse(&fs::read(path).unwrap()).unwrap();
    let finding = evidence.verify(&world.keys.log_vkey()).unwrap();
    assert!(
        matches!(finding, keyglass_protocol::evidence::Finding::Proven { reason } if reason == "two-roots-at-one-size")
    );
}

#[test]
fn other_pins_refuse_everything() {
    let scene = Scene::new();
    let other = World::new(9);
    let home = Home::of(&other, None, true);
    let (exit, object) = home.verify(
        "account:alice",
        &honest(&scene.world, "account:alice", None),
        &strs(&at(&scene.world)),
    );
    assert_eq!(exit, 1, "{object}");
    assert_eq!(object["verdict"], "invalid");
}

#[test]
fn a_history_that_is_cut_off_is_missing() {
    let scene = Scene::new();
    let home = Home::of(&scene.world, None, true);
    let answers = honest(&scene.world, "handle:alice", None);
    let (exit, object) = home.verify("handle:alice", &answers[..1], &strs(&at(&scene.world)));
    assert_eq!(
        (exit, object["reason"].as_str().unwrap()),
        (3, "saved-answer-missing")
    );
}

#[test]
fn a_file_that_is_none_is_malformed() {
    let scene = Scene::new();
    let home = Home::of(&scene.world, None, true);
    let file = home.dir.path().join("none.tlog");
    fs::write(&file, b"hello").unwrap();
    let (exit, object) = home.run(&["verify", file.to_str().unwrap(), "--json"]);
    assert_eq!((exit, object["verdict"].as_str().unwrap()), (65, "error"));
    let (exit, object) = home.run(&["verify", "/nonexistent", "--json"]);
    assert_eq!(
        (exit, object["reason"].as_str().unwrap()),
        (65, "unreadable-file")
    );
}
