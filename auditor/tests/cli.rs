//! The one-shot commands of the real program: the exit code is the answer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::path::{Path, PathBuf};

use keyglass_protocol::log::{TileKind, TilePath, bundle_entries};
use keyglass_protocol::tree::MAX_AUDIT_PROOF_BYTES;
use keyglass_testkit::audited::lies::{Scene, Verdict, all};
use keyglass_testkit::audited::{Staged, World, site};
use keyglass_testkit::process::command;
use serde_json::Value;

/// Exit codes of CONTRACT.
const GOOD: i32 = 0;
const INVALID: i32 = 1;
const USAGE: i32 = 2;
const UNVERIFIABLE: i32 = 3;
const ALARM: i32 = 5;
const MALFORMED: i32 = 65;
const NETWORK: i32 = 69;

/// Exit code, stdout, stderr.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_keyglass-auditor"));
    let output = command(program).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The same with `--json`: exactly one object, which states the exit code.
fn json(arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = run(&[arguments, &["--json"]].concat());
    let object: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!(object["exit_code"], code, "{object}");
    assert_eq!(object["audited"], code == GOOD, "{object}");
    (code, object)
}

fn reason(arguments: &[&str]) -> (i32, String) {
    let (code, object) = json(arguments);
    (code, object["reason"].as_str().unwrap().to_owned())
}

async fn published(epochs: u64) -> (World, Vec<Staged>) {
    let mut world = World::new().await;
    let mut steps = Vec::new();
    for _ in 0..epochs {
        let staged = world.stage(2).await;
        world.put(&staged);
        steps.push(staged);
    }
    world.sign();
    (world, steps)
}

/// Writes proofs in the layout of deployments that name the epoch which a step starts from, or leads into.
fn layout(dir: &Path, steps: &[Staged], start: bool) -> Vec<PathBuf> {
    steps
        .iter()
        .map(|staged| {
            let epoch = staged.leaf.epoch.get() - u64::from(start);
            let name = format!("{epoch}/{}/{}", staged.leaf.previous_root, staged.leaf.root);
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &staged.proof).unwrap();
            path
        })
        .collect()
}

#[tokio::test]
async fn one_proof_is_verified_by_flags_or_by_name() {
    let (_, steps) = published(2).await;
    let dir = tempfile::tempdir().unwrap();
    let files = layout(dir.path(), &steps, false);
    let leaf = &steps[1].leaf;
    let (file, epoch) = (files[1].to_str().unwrap(), leaf.epoch.to_string());
    let (previous, root) = (leaf.previous_root.to_string(), leaf.root.to_string());
    let flags = ["--epoch", &epoch, "--previous-root", &previous, "--root", &root];
    assert_eq!(
        reason(&[&["audit-file", file], &flags as &[&str]].concat()),
        (GOOD, "append-only".to_owned())
    );
    assert_eq!(reason(&["audit-file", file]).0, GOOD);
    let name = format!("{epoch}/{previous}/{root}");
    let plain = dir.path().join("proof");
    std::fs::write(&plain, &steps[1].proof).unwrap();
    let plain = plain.to_str().unwrap();
    assert_eq!(reason(&["audit-file", plain, "--name", &name]).0, GOOD);
    // The other reading of the name is another epoch; the program says which one is right.
    let (code, object) = json(&["audit-file", file, "--name-epoch", "start"]);
    assert_eq!((code, &object["reason"]), (INVALID, &"root-mismatch".into()));
    assert_eq!(object["hint"], "it is good with --name-epoch end");
    // Without a name, with half of one, or with one that is none.
    assert_eq!(reason(&["audit-file", plain]), (USAGE, "proof-name".to_owned()));
    assert_eq!(run(&["audit-file", file, "--epoch", "2"]).0, USAGE);
    let bad_root = ["--epoch", "2", "--previous-root", "xx", "--root", &root];
    assert_eq!(
        reason(&[&["audit-file", file], &bad_root as &[&str]].concat()),
        (USAGE, "bad-root".to_owned())
    );
    assert_eq!(reason(&["audit-file", "/nowhere", "--name", &name]).0, MALFORMED);
    // No file, or one that nobody would read.
    let folder = dir.path().to_str().unwrap();
    let unreadable = (MALFORMED, "unreadable-file".to_owned());
    assert_eq!(reason(&["audit-file", folder, "--name", &name]), unreadable);
    let long = dir.path().join("long");
    let size = MAX_AUDIT_PROOF_BYTES as u64 + 1;
    std::fs::File::create(&long).unwrap().set_len(size).unwrap();
    let too_long = (MALFORMED, "too-long".to_owned());
    assert_eq!(
        reason(&["audit-file", long.to_str().unwrap(), "--name", &name]),
        too_long
    );
    // Another proof under this name.
    std::fs::write(&files[1], &steps[0].proof).unwrap();
    let (code, object) = json(&["audit-file", file]);
    assert!(code == INVALID && object["hint"].is_null(), "{object}");
    let (code, out, err) = run(&["audit-file", file]);
    assert!(
        code == INVALID && out.is_empty() && err.contains("[previous-root-mismatch]"),
        "{err}"
    );
}

#[tokio::test]
async fn a_directory_of_proofs_is_verified_with_its_links() {
    let (_, steps) = published(6).await;
    for (start, named) in [(true, "start"), (false, "end")] {
        let dir = tempfile::tempdir().unwrap();
        let files = layout(dir.path(), &steps, start);
        let path = dir.path().to_str().unwrap();
        let audit = ["audit", "--proofs", path, "--name-epoch", named];
        let (code, object) = json(&audit);
        assert_eq!(
            (code, &object["proofs"], &object["inserted"]),
            (GOOD, &6.into(), &12.into())
        );
        let (code, out, _) = run(&audit);
        assert!(code == GOOD && out.starts_with("verified: 6 proofs"), "{out}");
        // A bit of one proof.
        let honest = std::fs::read(&files[3]).unwrap();
        let mut altered = honest.clone();
        altered[20] ^= 1;
        std::fs::write(&files[3], altered).unwrap();
        let (code, object) = json(&audit);
        assert_eq!(code, INVALID);
        let name = files[3].strip_prefix(dir.path()).unwrap().to_str().unwrap();
        assert!(object["message"].as_str().unwrap().contains(name), "{object}");
        std::fs::write(&files[3], honest).unwrap();
        // A stray file, then a missing epoch, then another past.
        std::fs::write(dir.path().join("README"), b"x").unwrap();
        assert_eq!(reason(&audit), (MALFORMED, "proof-name".to_owned()));
        std::fs::remove_file(dir.path().join("README")).unwrap();
        let epoch = files[2].ancestors().nth(2).unwrap().to_owned();
        std::fs::rename(&epoch, dir.path().join("900")).unwrap();
        assert_eq!(reason(&audit), (UNVERIFIABLE, "epoch-missing".to_owned()));
        std::fs::rename(dir.path().join("900"), &epoch).unwrap();
        let other = files[4].parent().unwrap();
        std::fs::rename(other, other.with_file_name("ab".repeat(32))).unwrap();
        assert_eq!(reason(&audit), (INVALID, "root-chain-broken".to_owned()));
    }
    let empty = tempfile::tempdir().unwrap();
    let audit = ["audit", "--proofs", empty.path().to_str().unwrap()];
    assert_eq!(reason(&audit), (MALFORMED, "no-proofs".to_owned()));
    assert_eq!(run(&["audit"]).0, USAGE);
    assert_eq!(run(&["audit", "--proofs", "x", "--directory", "y"]).0, USAGE);
}

#[tokio::test]
async fn a_range_of_a_directory_is_verified() {
    let (world, steps) = published(12).await;
    let base = site::serve(world.source.clone());
    let vkey = world.log_key().to_string();
    let audit = |from: &str, to: &str| {
        json(&[
            "audit",
            "--directory",
            &base,
            "--log-vkey",
            &vkey,
            "--from",
            from,
            "--to",
            to,
        ])
    };
    let (code, object) = audit("1", "12");
    assert_eq!((code, &object["epochs"]), (GOOD, &12.into()));
    assert_eq!(audit("0", "12").0, GOOD);
    assert_eq!(audit("5", "5").0, GOOD);
    assert_eq!(audit("5", "13").0, UNVERIFIABLE);
    assert_eq!(audit("5", "4").0, USAGE);
    let nobody = [
        "audit",
        "--directory",
        "http://127.0.0.1:9",
        "--log-vkey",
        &vkey,
        "--from",
        "1",
        "--to",
        "2",
    ];
    assert_eq!(reason(&nobody).0, NETWORK);
    let other = keyglass_testkit::audited::vkey("log.example/1", 66).to_string();
    let stranger = [
        "audit",
        "--directory",
        &base,
        "--log-vkey",
        &other,
        "--from",
        "1",
        "--to",
        "2",
    ];
    assert_eq!(reason(&stranger), (INVALID, "signature-missing".to_owned()));
    // What lies before the range is not asked for, and nothing that does not hash to the signed root is looked at.
    world.source.remove(&steps[3].path());
    assert_eq!(audit("5", "5").0, GOOD);
    assert_eq!(audit("4", "5").0, NETWORK);
    let mut entries: Vec<&[u8]> = world.entries.iter().map(Vec::as_slice).collect();
    entries.swap(8, 9);
    let path = format!("/log/{}", TilePath::new(TileKind::Entries, 0, 13).unwrap());
    world.source.put(path, bundle_entries(&entries).unwrap());
    let (code, object) = audit("5", "12");
    assert_eq!((code, &object["reason"]), (NETWORK, &"log-root".into()));
}

#[tokio::test]
async fn a_lie_in_a_range_becomes_a_file_and_exit_code_5() {
    let mut kinds = std::collections::BTreeSet::new();
    let lies = all().into_iter().filter(|(lie, first)| {
        let kind = match lie.verdict {
            Verdict::Proven(kind @ ("bad-append" | "bad-leaf")) => kind,
            _ => return false,
        };
        // Configurations are followed by `run` only.
        !first && !lie.reason.starts_with("config-") && kinds.insert((kind, lie.reason))
    });
    let mut told = 0;
    for (lie, _) in lies {
        let mut scene = Scene::new().await;
        (lie.tell)(&mut scene);
        let base = site::serve(scene.world.source.clone());
        let vkey = scene.world.log_key().to_string();
        let dir = tempfile::tempdir().unwrap();
        let evidence = dir.path().to_str().unwrap();
        let range = ["--from", "1", "--to", "2", "--evidence-dir", evidence];
        let audit = [
            &["audit", "--directory", &base, "--log-vkey", &vkey],
            &range as &[&str],
        ]
        .concat();
        let (code, object) = json(&audit);
        assert_eq!(
            (code, &object["reason"]),
            (ALARM, &lie.reason.into()),
            "{}: {object}",
            lie.name
        );
        let file = object["evidence"].as_str().unwrap();
        let (code, object) = json(&["evidence", "verify", file, "--log-vkey", &vkey]);
        assert_eq!(
            (code, &object["finding"]),
            (GOOD, &"proven".into()),
            "{}: {object}",
            lie.name
        );
        assert_eq!(object["reason"], lie.reason);
        told += 1;
    }
    assert!(told >= 15, "{told}");
}

#[test]
fn keys_and_settings_are_checked() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let keygen = ["keygen", "--name", "auditor.example", "--data-dir", data];
    let (code, vkeys, _) = run(&keygen);
    assert_eq!((code, vkeys.lines().count()), (GOOD, 2));
    for (line, length) in vkeys.lines().zip([32, 1312]) {
        let key: keyglass_protocol::note::VerifierKey = line.parse().unwrap();
        assert_eq!((key.name(), key.public_key().len()), ("auditor.example", length));
    }
    assert_eq!(run(&keygen).1, vkeys, "made once and kept");
    let log = keyglass_testkit::audited::vkey("log.example/1", 10).to_string();
    let good = [
        "check-config",
        "--data-dir",
        data,
        "--directory",
        "http://x.example",
        "--log-vkey",
        &log,
    ];
    let (code, out, err) = run(&good);
    assert!(
        code == GOOD && out == vkeys && err.contains("good: 1 to follow"),
        "{err}"
    );
    let peer = format!("{} http://peer.example", vkeys.lines().nth(1).unwrap());
    assert_eq!(run(&[&good as &[&str], &["--peer", &peer]].concat()).0, GOOD);
    for bad in [
        &["--peer", "peer.example"] as &[&str],
        &["--listen", "nowhere"],
        &["--name", "other.example"],
        &["--on-evidence-webhook", "ftp://x"],
        &["--from-checkpoint", "/nowhere"],
    ] {
        let (code, _, err) = run(&[&good as &[&str], bad].concat());
        assert!(
            code == USAGE && err.starts_with("keyglass-auditor: "),
            "{bad:?}: {code} {err}"
        );
    }
}
