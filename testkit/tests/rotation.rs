//! An operator renews keys and limits while an auditor follows and people use the directory, with the real programs.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

#[path = "end_to_end/place.rs"]
mod place;

use keyglass_testkit::process::{built, command, poll};
use place::{PATIENCE, Place};
use serde_json::Value;

const ALARM: i32 = 5;
const ROLES: [&str; 4] = ["heartbeat", "receipt", "import", "recovery"];

/// The auditor follows, and accuses nobody.
fn audited(place: &Place) {
    let auditor = place.auditor_http();
    let (status, body) = auditor.get("/evidence").unwrap();
    let evidence: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, evidence["evidence"].as_array().unwrap().len()),
        (200, 0),
        "{evidence}"
    );
    poll("the auditor", PATIENCE, || {
        matches!(auditor.get("/readyz"), Ok((200, _))).then_some(())
    });
}

fn reason(answer: &Value) -> &str {
    answer["reason"].as_str().unwrap()
}

#[test]
fn keys_and_limits_are_renewed_under_an_auditor() {
    let mut place = Place::new();
    place.start_directory_with("directory", true, &["--limit-devices", "2"]);
    place.start_auditor();
    place.ready();
    for person in ["alice", "bob"] {
        place.trust(person);
        place.good(person, &["identity", "new", "--account", person]);
        place.good(person, &["identity", "publish"]);
    }
    place.good("alice", &["device", "add"]);
    let (code, answer) = place.keyglass("alice", &["device", "add"]);
    assert_ne!(code, 0, "a third device: {answer}");

    // More devices are allowed: that is told, and nothing else.
    place.start_directory_with("directory", true, &["--limit-devices", "3"]);
    place.ready();
    let found = poll("the new configuration", PATIENCE, || {
        let (code, answer) = place.keyglass("bob", &["lookup", "account:alice"]);
        assert_eq!(code, 0, "{answer}");
        let mut notes = answer["notes"].as_array().into_iter().flatten();
        let told = notes.any(|n| n.as_str().unwrap().contains("limits changed"));
        told.then_some(answer)
    });
    assert_eq!(found["audited"], true, "{found}");
    place.good("alice", &["device", "add"]);
    audited(&place);

    // New keys are not started with unless the operator says that he means it.
    place.renew_keys("directory", &ROLES);
    let flags = [
        "--data-dir",
        place.path("directory").to_str().unwrap(),
        "--limit-devices",
        "3",
    ]
    .map(str::to_owned);
    place.stop_directory();
    let refused = command(&built("keyglass-server")).args(&flags).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("configuration-changed"),
        "{said}"
    );
    let accept = ROLES.map(|role| format!("{role}-key")).join(",");
    place.start_directory_with(
        "directory",
        true,
        &["--limit-devices", "3", "--accept-config-change", &accept],
    );
    place.ready();
    for person in ["alice", "bob"] {
        let answer = poll("the new keys", PATIENCE, || {
            let (code, answer) = place.keyglass(person, &["lookup", "account:alice"]);
            assert!(matches!(code, 0 | ALARM), "{answer}");
            (code == ALARM).then_some(answer)
        });
        assert_eq!(reason(&answer), "configuration-keys-changed", "{answer}");
        let changes: Vec<_> = answer["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c.as_str().unwrap())
            .collect();
        assert_eq!(
            changes,
            ["heartbeat-key", "receipt-key", "import-key", "recovery-key"]
        );
        let accepted = place.good(person, &["trust", "update"]);
        assert_eq!(accepted["config_sha256"], answer["config_sha256"], "{accepted}");
    }
    // Everything goes on, signed with the new keys.
    let found = place.good("bob", &["lookup", "account:alice"]);
    assert_eq!(found["audited"], true, "{found}");
    place.good("bob", &["device", "add"]);
    let receipts = place.good("bob", &["receipt", "check"]);
    assert_eq!(receipts["receipts"].as_array().unwrap().len(), 2, "{receipts}");
    place.good("alice", &["monitor"]);
    audited(&place);
}
