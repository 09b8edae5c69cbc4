//! `keyglass monitor`: what its owner is told about an account, its names and contacts.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod town;

use ed25519_dalek::SigningKey;
use keyglass_protocol::evidence::{Evidence, Finding};
use keyglass_protocol::record::{AccountBody, AccountKind, IdentityKey, Role};
use serde_json::Value;
use town::{Town, findings};

fn told(answer: &Value) -> Vec<(String, String)> {
    findings(answer)
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect()
}

#[test]
fn what_the_owner_did_is_in_order() {
    let town = Town::new();
    town.settle("alice");
    for step in [
        &["device", "add"] as &[&str],
        &["handle", "claim", "alice"],
        &["identity", "rotate"],
        &["device", "remove", "2"],
    ] {
        town.good("alice", step);
    }
    let answer = town.good("alice", &["monitor"]);
    assert_eq!(
        (&answer["reason"], &answer["audited"]),
        (&"unchanged".into(), &true.into()),
        "{answer}"
    );
    assert_eq!(told(&answer), []);
    // For cron: nothing is printed when there is nothing to say.
    let output = town.words("alice", &["monitor", "--quiet"]);
    assert_eq!(
        (output.status.code(), output.stdout, output.stderr),
        (Some(0), vec![], vec![])
    );
}

#[test]
fn a_key_that_was_swapped_and_swapped_back_is_an_alarm() {
    let town = Town::new();
    town.settle("alice");
    town.good("alice", &["monitor"]);
    let (hers, thief) = (town.stolen_key("alice"), SigningKey::from_bytes(&[66; 32]));
    let swap = |from: &SigningKey, to: &SigningKey| {
        let body = AccountBody {
            identity: IdentityKey::from(to),
            ..town.next("alice", AccountKind::Owner)
        };
        let keys = [(Role::Identity, to), (Role::PreviousIdentity, from)];
        town.publish(&body.sign(&keys).unwrap());
    };
    swap(&hers, &thief);
    swap(&thief, &hers);
    // A lookup in between pins the newest version and must not hide what was before it.
    town.good("alice", &["lookup", "account:alice"]);
    for _ in 0..2 {
        let (code, answer) = town.keyglass("alice", &["monitor"]);
        assert_eq!(
            (code, answer["reason"].as_str()),
            (5, Some("own-key-changed")),
            "{answer}"
        );
        assert_eq!(
            told(&answer),
            pairs(&[("own-key-changed", "alarm"), ("own-key-changed", "alarm")])
        );
        let saved = answer["findings"][1]["saved"].as_str().unwrap();
        assert!(
            std::fs::read(saved)
                .unwrap()
                .starts_with(b"c2sp.org/tlog-proof@v1")
        );
    }
    let answer = town.good("alice", &["monitor", "--accept"]);
    assert_eq!(told(&answer).len(), 2);
    assert_eq!(told(&town.good("alice", &["monitor"])), []);
}

#[test]
fn a_record_that_nobody_signed_is_an_alarm_with_proof() {
    let town = Town::new();
    town.settle("alice");
    let thief = SigningKey::from_bytes(&[66; 32]);
    let body = AccountBody {
        identity: IdentityKey::from(&thief),
        ..town.next("alice", AccountKind::Owner)
    };
    town.publish(&body.sign(&[(Role::Identity, &thief)]).unwrap());
    let (code, answer) = town.keyglass("alice", &["monitor"]);
    assert_eq!(code, 5, "{answer}");
    let saved = answer["findings"][1]["saved"].as_str().unwrap();
    let evidence = Evidence::parse(&std::fs::read(saved).unwrap()).unwrap();
    let key = town.front.with(|s| s.world.keys.log_vkey());
    assert!(matches!(evidence.verify(&key), Ok(Finding::Proven { .. })));
    assert_eq!(
        town.verdict("alice", &["evidence", "verify", saved]),
        (0, "proven".into())
    );
    // Everybody else refuses it too, with the same proof.
    town.trust("bob");
    let (code, answer) = town.keyglass("bob", &["lookup", "account:alice"]);
    assert_eq!(code, 1, "{answer}");
    let saved = answer["saved"].as_str().unwrap();
    assert_eq!(
        town.verdict("bob", &["evidence", "verify", saved]),
        (0, "proven".into())
    );
}

#[test]
fn a_ghost_device_is_an_alarm() {
    let town = Town::new();
    town.settle("alice");
    let hers = town.stolen_key("alice");
    let mut body = town.next("alice", AccountKind::Owner);
    body.devices.push(keyglass_testkit::world::device(9, 66));
    town.publish(&body.sign(&[(Role::Identity, &hers)]).unwrap());
    let (code, answer) = town.keyglass("alice", &["monitor"]);
    assert_eq!(code, 5);
    assert_eq!(told(&answer), pairs(&[("own-devices-changed", "alarm")]));
}

#[test]
fn a_recovery_that_is_announced_can_be_stopped() {
    let town = Town::new();
    town.trust("alice");
    town.good(
        "alice",
        &[
            "identity",
            "new",
            "--account",
            "alice",
            "--recovery-delay",
            "3600",
        ],
    );
    town.good("alice", &["identity", "publish"]);
    let desk = town.front.with(|s| s.world.keys.recovery.clone());
    let thief = IdentityKey::from(&SigningKey::from_bytes(&[66; 32]));
    let body = AccountBody {
        announced: thief.announcement(),
        ..town.next("alice", AccountKind::Notice)
    };
    town.publish(&body.sign(&[(Role::Recovery, &desk)]).unwrap());
    let (code, answer) = town.keyglass("alice", &["monitor"]);
    assert_eq!(
        (code, told(&answer)),
        (5, pairs(&[("recovery-announced", "alarm")]))
    );
    let saved = answer["findings"][1]["saved"].as_str().unwrap();
    assert_eq!(
        town.verdict("alice", &["evidence", "verify", saved]),
        (0, "disputed".into())
    );
    assert_eq!(
        town.verdict("alice", &["identity", "publish"]),
        (5, "recovery-announced".into())
    );
    town.good("alice", &["identity", "publish", "--cancel-recovery"]);
    assert_eq!(told(&town.good("alice", &["monitor"])), []);
}

#[test]
fn a_name_that_moved_is_an_alarm() {
    let town = Town::new();
    town.settle("alice");
    town.settle("bob");
    town.good("alice", &["handle", "claim", "alice"]);
    town.good("alice", &["monitor"]);
    let offer = town.text("offer");
    town.good(
        "alice",
        &[
            "handle",
            "transfer",
            "alice",
            "--to",
            "account:bob",
            "--offer",
            &offer,
        ],
    );
    town.good("bob", &["handle", "transfer", "--accept", &offer]);
    // She signed that herself.
    assert_eq!(told(&town.good("alice", &["monitor"])), []);
    assert_eq!(told(&town.good("bob", &["monitor"])), []);
    // A thief with bob's key gives it up in his name.
    let stolen = town.path("thief");
    copy(&town.path("bob"), &stolen);
    town.good("thief", &["handle", "release", "alice"]);
    let (code, answer) = town.keyglass("bob", &["monitor"]);
    assert_eq!(
        (code, told(&answer)),
        (5, pairs(&[("own-alias-changed", "alarm")]))
    );
    town.good("bob", &["monitor", "--accept"]);
    assert_eq!(told(&town.good("bob", &["monitor"])), []);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let done = std::process::Command::new("cp")
        .arg("-rp")
        .arg(from)
        .arg(to)
        .status();
    assert!(done.unwrap().success());
}

#[test]
fn contacts_are_watched() {
    let town = Town::new();
    for who in ["alice", "bob"] {
        town.settle(who);
    }
    town.good("bob", &["handle", "claim", "bob"]);
    town.good("alice", &["contact", "add", "@bob", "--name", "Bob"]);
    assert_eq!(told(&town.good("alice", &["monitor"])), []);
    // Another device is worth telling, once.
    town.good("bob", &["device", "add"]);
    let answer = town.good("alice", &["monitor"]);
    assert_eq!(told(&answer), pairs(&[("contact-devices-changed", "notice")]));
    assert_eq!(told(&town.good("alice", &["monitor"])), []);
    // Another identity is an alarm until somebody looked at it, whoever noticed it first.
    let digits = town.good("bob", &["safety-number", "account:alice"])["digits"].clone();
    town.good(
        "alice",
        &["contact", "verify", "Bob", "--digits", digits.as_str().unwrap()],
    );
    town.good("bob", &["identity", "rotate"]);
    let lookup = ["lookup", "@bob"];
    assert_eq!(
        town.verdict("alice", &lookup),
        (5, "contact-identity-changed".into())
    );
    for _ in 0..2 {
        let (code, answer) = town.keyglass("alice", &["monitor"]);
        assert_eq!(
            (code, told(&answer)),
            (5, pairs(&[("contact-identity-changed", "alarm")])),
            "{answer}"
        );
    }
    let listed = town.good("alice", &["contact", "list"]);
    assert_eq!(
        (
            &listed["contacts"][0]["verified"],
            &listed["contacts"][0]["concern_why"]
        ),
        (&false.into(), &"owner".into())
    );
    town.good("alice", &["contact", "unverify", "Bob"]);
    town.good("alice", &lookup);
    assert_eq!(told(&town.good("alice", &["monitor"])), []);
}

#[test]
fn a_handle_that_leads_to_somebody_else_is_an_alarm() {
    let town = Town::new();
    for who in ["alice", "bob", "carol"] {
        town.settle(who);
    }
    town.good("bob", &["handle", "claim", "bob"]);
    town.good("alice", &["contact", "add", "@bob", "--name", "Bob"]);
    town.good("bob", &["handle", "release", "bob"]);
    town.good("carol", &["handle", "claim", "bob"]);
    let (code, answer) = town.keyglass("alice", &["monitor"]);
    assert_eq!(
        (code, told(&answer)),
        (5, pairs(&[("contact-account-changed", "alarm")])),
        "{answer}"
    );
}

#[test]
fn a_promise_that_was_broken_is_an_alarm() {
    let town = Town::new();
    town.settle("alice");
    town.front.with(|s| s.withholds = true);
    town.good("alice", &["device", "add", "--no-wait"]);
    // The log goes on without her update.
    let carol = keyglass_testkit::world::Person::new("carol", 5);
    town.front.with(|s| s.publish(&[carol.entry()]));
    let (code, answer) = town.keyglass("alice", &["monitor"]);
    assert_eq!(
        (code, told(&answer)),
        (5, pairs(&[("broken-receipt", "alarm")])),
        "{answer}"
    );
    let saved = answer["findings"].as_array().unwrap().last().unwrap()["saved"].clone();
    assert_eq!(
        town.verdict("alice", &["evidence", "verify", saved.as_str().unwrap()]),
        (0, "proven".into())
    );
    assert_eq!(
        town.verdict("alice", &["receipt", "check"]),
        (5, "broken-receipt".into())
    );
}

#[test]
fn the_watch_goes_on_until_it_is_told_to_stop() {
    use std::io::{BufRead as _, BufReader};
    let town = Town::new();
    town.settle("alice");
    let mut command = town.program("alice");
    command.args(["monitor", "--watch", "--every", "1", "--json"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let object: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(object["exit_code"], 0, "{object}");
    }
    // Somebody else may use the memory between two rounds.
    town.good("alice", &["identity", "show"]);
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
