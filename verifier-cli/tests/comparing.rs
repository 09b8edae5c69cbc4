//! Safety numbers between two people, and what stays when they do not agree.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod town;

use town::Town;

fn two() -> Town {
    let town = Town::new();
    for who in ["alice", "bob"] {
        town.settle(who);
    }
    town.good("alice", &["contact", "add", "account:bob", "--name", "Bob"]);
    town
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn by_picture_file_digits_and_sentence() {
    let town = two();
    let his = town.good("bob", &["safety-number", "account:alice"]);
    for ending in ["png", "svg"] {
        let file = town.text(&format!("bob.{ending}"));
        town.good("bob", &["safety-number", "account:alice", "--qr-file", &file]);
    }
    std::fs::write(town.path("bob.json"), his.to_string()).unwrap();
    std::fs::write(town.path("bob.txt"), text(&his["digits"])).unwrap();
    std::fs::write(town.path("bob.qr"), hex::decode(text(&his["qr_v2"])).unwrap()).unwrap();
    let (png, json, txt, code) = (
        town.text("bob.png"),
        town.text("bob.json"),
        town.text("bob.txt"),
        town.text("bob.qr"),
    );
    for (option, value, how) in [
        ("--scan", png.as_str(), "qr-image"),
        ("--file", &json, "file"),
        ("--file", &txt, "file"),
        ("--file", &code, "file"),
        ("--digits", text(&his["digits"]), "digits"),
        ("--sentence", text(&his["sentence"]), "sentence"),
    ] {
        town.good("alice", &["contact", "unverify", "Bob"]);
        town.good("alice", &["contact", "verify", "Bob", option, value]);
        let listed = town.good("alice", &["contact", "list"]);
        assert_eq!(
            (
                &listed["contacts"][0]["verified"],
                text(&listed["contacts"][0]["verified_how"])
            ),
            (&true.into(), how)
        );
    }
    town.good("alice", &["safety-number", "Bob", "--scan", &png]);
    town.good(
        "alice",
        &["safety-number", "Bob", "--compare", text(&his["digits"])],
    );
    // The same from memory, without network.
    town.good("alice", &["safety-number", "Bob", "--offline", "--scan", &png]);
    assert_eq!(
        town.good("alice", &["lookup", "account:bob"])["contact_verified"],
        true
    );
}

#[test]
fn a_mismatch_stays_until_it_is_resolved() {
    let town = two();
    let his = town.good("bob", &["safety-number", "account:alice"]);
    let digits = text(&his["digits"]);
    town.good("alice", &["contact", "verify", "Bob", "--digits", digits]);
    let wrong = digits.replacen(&digits[..1], if digits.starts_with('1') { "2" } else { "1" }, 1);
    let verify = |digits: &str| town.verdict("alice", &["contact", "verify", "Bob", "--digits", digits]);
    assert_eq!(verify(&wrong), (1, "safety-number-mismatch".into()));
    for _ in 0..2 {
        assert_eq!(
            town.verdict("alice", &["lookup", "account:bob"]),
            (1, "contact-mismatch".into())
        );
        assert_eq!(
            town.verdict("alice", &["monitor"]),
            (1, "contact-mismatch".into())
        );
    }
    // Adding the contact again does not wipe it away.
    town.good("alice", &["contact", "add", "account:bob", "--name", "Bob"]);
    assert_eq!(
        town.verdict("alice", &["lookup", "account:bob"]),
        (1, "contact-mismatch".into())
    );
    assert_eq!(verify(digits), (0, "safety-number-match".into()));
    town.good("alice", &["lookup", "account:bob"]);
    town.good("alice", &["contact", "remove", "Bob"]);
    assert_eq!(
        town.verdict("alice", &["contact", "verify", "Bob", "--digits", digits])
            .0,
        65,
        "Bob is no label and no contact"
    );
}

#[test]
fn what_cannot_be_compared_is_no_mismatch() {
    let town = two();
    let own = town.text("own.png");
    town.good("alice", &["safety-number", "Bob", "--qr-file", &own]);
    std::fs::write(town.path("none.png"), b"no picture").unwrap();
    let none = town.text("none.png");
    let verdict =
        |option: &str, value: &str| town.verdict("alice", &["contact", "verify", "Bob", option, value]);
    assert_eq!(verdict("--scan", &own), (65, "own-code".into()));
    assert_eq!(verdict("--scan", &none), (65, "bad-picture".into()));
    assert_eq!(verdict("--digits", "123"), (65, "safety-number-digits".into()));
    assert_eq!(
        verdict("--sentence", "the quiet baker"),
        (65, "safety-number-sentence".into())
    );
    // Without a terminal nobody is asked.
    assert_eq!(
        town.verdict("alice", &["contact", "verify", "Bob"]),
        (2, "nothing-to-compare".into())
    );
    assert_eq!(
        town.good("alice", &["contact", "list"])["contacts"][0]["concern"],
        serde_json::Value::Null
    );
}

#[test]
fn the_code_of_another_pair_does_not_match() {
    let town = two();
    town.settle("carol");
    let file = town.text("carol.png");
    town.good("carol", &["safety-number", "account:alice", "--qr-file", &file]);
    assert_eq!(
        town.verdict("alice", &["safety-number", "Bob", "--scan", &file]),
        (1, "safety-number-mismatch".into())
    );
}
