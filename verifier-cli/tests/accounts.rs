//! The life of an account: recovered, closed, exported, on two devices, its handle handed over; and calls.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod town;

use keyglass_protocol::quantity::Millis;
use town::{Town, findings};

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap()
}

fn recovery_key(town: &Town) -> String {
    let seed = town.front.with(|s| s.world.keys.recovery.to_bytes());
    std::fs::write(town.path("recovery.key"), hex::encode(seed)).unwrap();
    town.text("recovery.key")
}

#[test]
fn a_lost_account_comes_back_at_once_without_a_delay() {
    let town = Town::new();
    town.settle("alice");
    town.good("alice", &["handle", "claim", "alice"]);
    let key = recovery_key(&town);
    town.trust("phone");
    town.trust("desk");
    town.settle("bob");
    town.good("bob", &["contact", "add", "@alice", "--name", "Alice"]);
    let request = town.text("request");
    let recover = ["identity", "recover", "--account", "alice"];
    let asked = town.good("phone", &[&recover as &[&str], &["--request", &request]].concat());
    town.good(
        "desk",
        &["identity", "recover", "--grant", &request, "--recovery-key", &key],
    );
    let done = town.good("phone", &recover);
    assert_eq!(
        (text(&done["reason"]), &done["identity_key"]),
        ("recovered", &asked["identity_key"])
    );
    town.good("phone", &["device", "add"]);
    assert_eq!(findings(&town.good("phone", &["monitor"])), []);
    // The old device and the contact are told.
    let (code, answer) = town.keyglass("alice", &["monitor"]);
    assert_eq!((code, text(&answer["reason"])), (5, "own-key-changed"));
    let (code, answer) = town.keyglass("bob", &["monitor"]);
    assert_eq!((code, text(&answer["reason"])), (5, "contact-identity-changed"));
    let listed = town.good("bob", &["contact", "list"]);
    assert_eq!(text(&listed["contacts"][0]["concern_why"]), "recovery");
    // A desk's late signature is on another version.
    assert_eq!(
        town.verdict(
            "desk",
            &["identity", "recover", "--grant", &request, "--recovery-key", &key]
        ),
        (1, "recovery-request-outdated".into())
    );
}

#[test]
fn with_a_delay_the_recovery_is_announced_first() {
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
    let key = recovery_key(&town);
    town.trust("phone");
    town.trust("desk");
    let [first, second] = ["first", "second"].map(|name| town.text(name));
    let recover = ["identity", "recover", "--account", "alice"];
    let ask = |file: &str| town.good("phone", &[&recover as &[&str], &["--request", file]].concat());
    assert_eq!(ask(&first)["announced"], false);
    let grant = |file: &str| {
        town.good(
            "desk",
            &["identity", "recover", "--grant", file, "--recovery-key", &key],
        )
    };
    grant(&first);
    assert_eq!(ask(&second)["announced"], true);
    // An hour passes in the log.
    town.front.with(|s| {
        let newest = s.world.leaf(s.world.epoch()).time;
        s.leaf_times_from = Some(Millis::new(newest.get() + 3_600_000));
    });
    grant(&second);
    // The log is an hour ahead of this clock now.
    let late = ["--max-clock-skew", "4000"];
    let done = town.good("phone", &[&recover as &[&str], &late].concat());
    assert_eq!(text(&done["reason"]), "recovered");
}

#[test]
fn a_closed_account_has_no_key() {
    let town = Town::new();
    town.settle("alice");
    assert_eq!(
        town.verdict("alice", &["identity", "close"]),
        (2, "close-needs-yes".into())
    );
    town.good("alice", &["identity", "close", "--yes"]);
    town.trust("bob");
    assert_eq!(
        town.verdict("bob", &["lookup", "account:alice"]),
        (3, "closed".into())
    );
    assert_eq!(findings(&town.good("alice", &["monitor"])), []);
}

#[test]
fn an_account_travels_in_a_sealed_file() {
    let town = Town::new();
    town.settle("alice");
    let (file, words) = (town.text("alice.keyglass"), town.text("words"));
    std::fs::write(&words, "correct horse\n").unwrap();
    let sealed = ["--passphrase-file", words.as_str()];
    town.good(
        "alice",
        &[&["identity", "export", &file], &sealed as &[&str]].concat(),
    );
    let secret = hex::encode(town.stolen_key("alice").to_bytes());
    assert!(!std::fs::read_to_string(&file).unwrap().contains(&secret));
    town.trust("laptop");
    assert_eq!(
        town.verdict("laptop", &["identity", "import", &file]),
        (3, "passphrase-needed".into())
    );
    town.good(
        "laptop",
        &[&["identity", "import", &file], &sealed as &[&str]].concat(),
    );
    // Its keys are sealed there too.
    assert_eq!(
        town.verdict("laptop", &["device", "add"]),
        (3, "passphrase-needed".into())
    );
    town.good("laptop", &[&["device", "add"], &sealed as &[&str]].concat());
    assert_eq!(
        town.verdict(
            "laptop",
            &["identity", "import", &file, "--passphrase-file", &words]
        ),
        (2, "identity-exists".into())
    );
    let plain = town.text("plain.keyglass");
    let report = town.good("alice", &["identity", "export", &plain]);
    assert_eq!(report["sealed"], false);
    town.trust("tablet");
    town.good("tablet", &["identity", "import", &plain]);
    town.good("tablet", &["device", "add"]);
    let (code, _) = town.keyglass("tablet", &["identity", "import", &town.text("auditors.policy")]);
    assert_eq!(code, 65);
}

#[test]
fn a_second_device_is_enrolled_by_the_first() {
    let town = Town::new();
    town.settle("alice");
    town.settle("bob");
    town.trust("laptop");
    let enrol = ["device", "enrol", "--account", "alice"];
    let (code, asked) = town.keyglass("laptop", &enrol);
    assert_eq!((code, text(&asked["reason"])), (3, "not-enrolled-yet"));
    let (_, again) = town.keyglass("laptop", &enrol);
    assert_eq!(again["request"], asked["request"]);
    assert_eq!(
        town.verdict("bob", &["device", "add", "--request", text(&asked["request"])]),
        (2, "device-request-other".into())
    );
    town.good("alice", &["device", "add", "--request", text(&asked["request"])]);
    let done = town.good("laptop", &enrol);
    assert_eq!((text(&done["reason"]), &done["device"]), ("enrolled", &2.into()));
    // It can watch and call, but not change the account.
    assert_eq!(findings(&town.good("laptop", &["monitor"])), []);
    assert_eq!(
        town.verdict("laptop", &["device", "add"]),
        (3, "key-elsewhere".into())
    );
    call(&town, "laptop", "bob", &["--device", "1"]);
    // Another device of its owner is a notice, its own removal an alarm.
    town.good("alice", &["device", "add"]);
    let answer = town.good("laptop", &["monitor"]);
    assert_eq!(
        findings(&answer),
        [("own-devices-changed".to_owned(), "notice".to_owned())]
    );
    town.good("alice", &["device", "remove", "2"]);
    assert_eq!(
        town.verdict("laptop", &["monitor"]),
        (5, "own-device-removed".into())
    );
}

const CALL: &str = "00112233445566778899aabbccddeeff";

/// `from` signs a call to `to`, who verifies it.
fn call(town: &Town, from: &str, to: &str, device: &[&str]) -> String {
    let key = "3b".repeat(32);
    let terms = ["--call-id", CALL, "--direction", "offer"];
    let peer = format!("account:{to}");
    let sign = [
        &["call", "sign", &peer] as &[&str],
        &terms,
        &["--dtls", &key],
        device,
    ]
    .concat();
    let signed = town.good(from, &sign);
    let file = town.text("binding");
    std::fs::write(&file, text(&signed["binding"])).unwrap();
    let verify = [&["call", "verify", "account:alice", &file] as &[&str], &terms].concat();
    let verified = town.good(to, &verify);
    assert_eq!(
        (text(&verified["call"]), text(&verified["key"])),
        ("verified", key.as_str())
    );
    town.good(to, &[&verify as &[&str], &["--dtls", &key]].concat());
    assert_eq!(
        town.verdict(to, &[&verify as &[&str], &["--dtls", &"3c".repeat(32)]].concat()),
        (1, "call-key-mismatch".into())
    );
    file
}

#[test]
fn calls_are_bound_to_verified_devices() {
    let town = Town::new();
    for who in ["alice", "bob", "carol"] {
        town.settle(who);
    }
    let file = call(&town, "alice", "bob", &[]);
    let verify = |who: &str, of: &str, id: &str, direction: &str| {
        town.verdict(
            who,
            &[
                "call",
                "verify",
                of,
                &file,
                "--call-id",
                id,
                "--direction",
                direction,
            ],
        )
    };
    assert_eq!(
        verify("bob", "account:alice", &"00".repeat(16), "offer").1,
        "call-other-call"
    );
    assert_eq!(
        verify("bob", "account:alice", CALL, "answer").1,
        "call-other-direction"
    );
    assert_eq!(
        verify("bob", "account:carol", CALL, "offer").1,
        "call-other-account"
    );
    assert_eq!(
        verify("carol", "account:alice", CALL, "offer").1,
        "call-other-account"
    );
    // The device that signed is taken away.
    town.good("alice", &["device", "add"]);
    town.good("alice", &["device", "remove", "1"]);
    assert_eq!(
        verify("bob", "account:alice", CALL, "offer"),
        (3, "call-no-device".into())
    );
    std::fs::write(town.path("binding"), "hello").unwrap();
    assert_eq!(verify("bob", "account:alice", CALL, "offer").0, 65);
}

#[test]
fn an_offer_that_is_not_yours_is_refused() {
    let town = Town::new();
    for who in ["alice", "bob", "carol"] {
        town.settle(who);
    }
    town.good("alice", &["handle", "claim", "band"]);
    let offer = town.text("offer");
    let transfer = |to: &str, file: &str| {
        let to = format!("account:{to}");
        town.verdict(
            "alice",
            &["handle", "transfer", "@band", "--to", &to, "--offer", file],
        )
    };
    assert_eq!(transfer("bob", &offer).0, 0);
    assert_eq!(transfer("alice", &offer), (2, "transfer-to-self".into()));
    assert_eq!(transfer("nobody", &offer).0, 3);
    let accept = |who: &str| town.verdict(who, &["handle", "transfer", "--accept", &offer]);
    assert_eq!(accept("carol"), (1, "transfer-not-yours".into()));
    town.good("alice", &["handle", "release", "band"]);
    assert_eq!(accept("bob"), (1, "transfer-outdated".into()));
}
