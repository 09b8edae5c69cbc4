//! The three real programs together: what two people on a command line can do, and what they are warned of.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

#[path = "end_to_end/place.rs"]
mod place;

use std::time::{Duration, Instant};

use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{TimeBounds, Trust};
use keyglass_protocol::message::{Answer, B64, PutRequest, from_json};
use keyglass_protocol::quantity::Millis;
use keyglass_testkit::client::{Client, Verified};
use keyglass_testkit::process::poll;
use keyglass_testkit::world::Person;
use place::{PATIENCE, Place};
use serde_json::{Value, json};

/// Exit codes of CONTRACT.
const INVALID: i32 = 1;
const NO_KEY: i32 = 3;
const POLICY: i32 = 4;
const MALFORMED: i32 = 65;

#[test]
fn two_people_and_an_auditor() {
    let mut place = Place::new();
    place.start_directory("directory", true);
    place.start_auditor();
    place.ready();
    for person in ["alice", "bob"] {
        place.trust(person);
        for step in [
            &["identity", "new", "--account", person] as &[&str],
            &["identity", "publish"],
            &["device", "add"],
            &["handle", "claim", person],
        ] {
            place.good(person, step);
        }
    }
    lookups(&place);
    safety_numbers(&place);
    saved_lookups(&place);
    latency(&place);
    auditor_gone(&mut place);
}

#[test]
fn a_directory_that_nobody_audits() {
    let mut place = Place::new();
    place.start_directory("directory", false);
    place.ready();
    place.trust("alice");
    place.good("alice", &["identity", "new", "--account", "alice"]);
    // Writing reports the policy and succeeds; whoever then asks for the key is refused.
    place.good("alice", &["identity", "publish"]);
    let (code, answer) = place.keyglass("alice", &["lookup", "account:alice"]);
    assert_eq!(code, POLICY, "{answer}");
    assert_eq!(
        (&answer["verdict"], &answer["audited"]),
        (&json!("policy"), &json!(false))
    );
    place.trust_without_policy("bob");
    let (code, answer) = place.keyglass("bob", &["lookup", "account:alice"]);
    assert_eq!((code, &answer["audited"]), (POLICY, &json!(false)), "{answer}");
    let (code, answer) = place.keyglass("bob", &["lookup", "account:alice", "--allow-unaudited"]);
    assert_eq!((code, &answer["audited"]), (0, &json!(false)), "{answer}");
}

#[test]
fn another_directory_at_the_same_address() {
    let mut place = Place::new();
    place.start_directory("directory", false);
    place.ready();
    place.trust_without_policy("alice");
    for step in [
        &["identity", "new", "--account", "alice"] as &[&str],
        &["identity", "publish"],
    ] {
        place.good("alice", step);
    }
    let lookup = ["lookup", "account:alice", "--allow-unaudited"];
    place.good("alice", &lookup);
    // Other keys under the same name: not one signature is good.
    place.start_directory("impostor", false);
    place.ready();
    let (code, answer) = place.keyglass("alice", &lookup);
    assert_eq!(
        (code, &answer["verdict"]),
        (INVALID, &json!("invalid")),
        "{answer}"
    );
    // The same keys with an empty database and no guard: everything is signed, but the past is gone.
    place.copy_keys("directory", "amnesiac");
    place.start_directory("amnesiac", false);
    place.ready();
    let (code, answer) = place.keyglass("alice", &lookup);
    println!("amnesiac: exit {code}, {}", answer["reason"]);
    assert!(matches!(code, INVALID | POLICY | 5), "{answer}");
}

fn lookups(place: &Place) {
    let alice = place.good("bob", &["lookup", "@alice"]);
    assert_eq!(
        (&alice["verdict"], &alice["reason"], &alice["audited"]),
        (&json!("verified"), &json!("authorised"), &json!(true)),
        "{alice}"
    );
    assert_eq!(
        place.good("bob", &["lookup", "account:alice"])["audited"],
        json!(true)
    );
    let (code, nobody) = place.keyglass("bob", &["lookup", "@nobody"]);
    assert_eq!(
        (code, &nobody["reason"]),
        (NO_KEY, &json!("proven-absent")),
        "{nobody}"
    );
    let history = place.good("bob", &["history", "account:alice"]);
    let kinds: Vec<&Value> = history["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| &v["kind"])
        .collect();
    assert_eq!(kinds, [&json!("created"), &json!("owner")], "{history}");
    assert_eq!(
        place.good("bob", &["history", "@alice"])["versions"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let receipts = place.good("alice", &["receipt", "check"]);
    assert_eq!(receipts["receipts"].as_array().unwrap().len(), 3, "{receipts}");
}

fn safety_numbers(place: &Place) {
    let [hers, his] = [("alice", "@bob"), ("bob", "@alice")]
        .map(|(me, you)| place.good(me, &["safety-number", you])["digits"].clone());
    assert_eq!(hers, his);
    assert_eq!(hers.as_str().unwrap().len(), 60);
}

/// A saved lookup is verified without network; after a change to any of its bytes it is not.
fn saved_lookups(place: &Place) {
    let file = place.path("bob.tlog");
    let file = file.to_str().unwrap();
    place.good("alice", &["lookup", "@bob", "--save", file]);
    let verify = ["verify", file, "--offline"];
    assert_eq!(place.good("alice", &verify)["audited"], json!(true));
    let honest = std::fs::read(file).unwrap();
    let count = 24;
    for part in 0..count {
        let at = honest.len() * part / count + honest.len() / (2 * count);
        let mut flipped = honest.clone();
        flipped[at] ^= 1;
        std::fs::write(file, &flipped).unwrap();
        let (code, answer) = place.keyglass("alice", &verify);
        // A damaged cosignature line may also be nobody's whom the policy names.
        let refused = matches!(code, INVALID | MALFORMED | POLICY);
        let near = String::from_utf8_lossy(&honest[at.saturating_sub(60)..(at + 60).min(honest.len())]);
        assert!(refused, "byte {at} in {near:?}: exit {code}, {answer}");
    }
    std::fs::write(file, &honest).unwrap();
    place.good("alice", &verify);
}

/// Without its auditor nothing new is shown, and what was shown gets old.
fn auditor_gone(place: &mut Place) {
    place.stop_auditor();
    poll("exit 4", PATIENCE, || {
        let (code, answer) = place.keyglass("bob", &["lookup", "@alice", "--max-cosignature-age", "0"]);
        assert!(matches!(code, 0 | POLICY), "{answer}");
        (code == POLICY).then_some(())
    });
}

/// Time from an acknowledgement to a lookup of exactly that version that passes the policy.
fn latency(place: &Place) {
    let http = place.http();
    let document = ConfigDocument::parse(&http.body("/v1/config")).unwrap();
    let log_key = document.values().log_vkey.clone();
    let chain = ConfigChain::start(document).unwrap();
    let policy = place.policy().parse().unwrap();
    let trust = Trust::new(log_key, chain, Some(policy), TimeBounds::default()).unwrap();
    let mut carol = Person::new("carol", 3);
    let mut times = Vec::new();
    for turn in 0..25_u32 {
        if turn > 0 {
            carol.add_device(turn + 1, turn as u8);
        }
        let request = PutRequest {
            record: B64(carol.newest.bytes().to_vec()),
        };
        let (status, body) = http
            .put("/v1/accounts/carol", serde_json::to_vec(&request).unwrap())
            .unwrap();
        let acknowledged = Instant::now();
        assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
        poll("the update in a lookup", PATIENCE, || {
            let (status, body) = http.get("/v1/accounts/carol?since=1").unwrap();
            if status != 200 {
                return None;
            }
            let answer: Answer = from_json(&body).unwrap();
            let client = Client {
                trust: trust.clone(),
                seen: None,
                now: now(),
            };
            match client.verify(&carol.label(), &answer).unwrap() {
                Verified::Account(record) => (record.bytes() == carol.newest.bytes()).then_some(()),
                other => panic!("{other:?}"),
            }
        });
        times.push(acknowledged.elapsed());
    }
    times.sort();
    let [first, median, last] = [0, times.len() / 2, times.len() - 1].map(|at| times[at].as_millis());
    println!(
        "acknowledgement to a lookup that passes the policy, {} updates: median {median} ms ({first} to {last} ms)",
        times.len()
    );
    assert!(times.iter().all(|time| *time < Duration::from_secs(60)));
}

fn now() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Millis::new(since.unwrap().as_millis() as u64)
}
