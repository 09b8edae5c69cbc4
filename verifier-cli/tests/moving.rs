//! A log ends and another one continues it: keys move over the hash of their final record, or not at all.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod town;

use keyglass_protocol::config::Predecessor;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{
    AccountBody, AccountKind, AccountRecord, AliasBody, AliasKind, AliasRecord, IdentityKey, KeyAnnouncement,
    Role,
};
use keyglass_protocol::safety_number::{Fingerprint, SafetyNumber};
use keyglass_testkit::front::Front;
use keyglass_testkit::world::{FIRST_TIME, World, device, tree_value};
use serde_json::Value;
use town::{Town, findings};

const NEXT: &str = "next.example";

/// A directory that has ended, with alice, `@alice`, bob and eve, and what the next one has to state about it.
struct Ended {
    town: Town,
    state: Predecessor,
    alice: AccountRecord,
    bob: AccountRecord,
    handle: AliasRecord,
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

impl Ended {
    fn new() -> Self {
        let town = Town::new();
        town.settle("alice");
        town.good("alice", &["handle", "claim", "alice"]);
        town.settle("bob");
        town.settle("eve");
        let [alice, bob] = ["alice", "bob"].map(|id| town.newest(id));
        // Bob has compared; eve has only looked.
        town.good("bob", &["contact", "add", "@alice", "--name", "Alice"]);
        let digits = digits(&bob, &alice);
        town.good("bob", &["contact", "verify", "Alice", "--digits", &digits]);
        town.good("eve", &["lookup", "@alice"]);
        let handle = town.front.with(|s| {
            let shown = s.world.lookup(&Label::parse("handle:alice").unwrap(), None, None);
            AliasRecord::decode(&tree_value(&shown.lookups[0])).unwrap()
        });
        let next = World::continuing(2, FIRST_TIME, NEXT, None).keys.log_vkey();
        let state = town.front.with(|s| s.end(next));
        for person in ["alice", "bob", "eve"] {
            // That another log continues this one is a change of keys: somebody has to look at it.
            let refused = town.verdict(person, &["lookup", "account:alice"]);
            assert_eq!(refused, (5, "configuration-keys-changed".into()));
            town.good(person, &["trust", "update"]);
        }
        Self {
            town,
            state,
            alice,
            bob,
            handle,
        }
    }

    /// The next directory, with these records in its first epoch.
    fn next(&self, records: impl FnOnce(&World) -> Vec<(Label, Vec<u8>)>) -> Next<'_> {
        let world = World::continuing(2, FIRST_TIME, NEXT, Some(self.state.clone()));
        let policy = self.town.path("next.policy");
        std::fs::write(&policy, world.policy().to_string()).unwrap();
        let records = records(&world);
        let front = Front::start(world);
        front.with(|s| s.publish(&records));
        Next { ended: self, front }
    }

    fn account(&self, world: &World, change: impl FnOnce(&mut AccountBody)) -> (Label, Vec<u8>) {
        let record = moved(&self.alice, world, change);
        (record.label(), record.bytes().to_vec())
    }

    fn alias(&self, world: &World, change: impl FnOnce(&mut AliasBody)) -> (Label, Vec<u8>) {
        let mut body = AliasBody {
            kind: AliasKind::Imported,
            origin: world.config.origin.clone(),
            version: KeyVersion::FIRST,
            previous: self.handle.hash(),
            ..self.handle.body().clone()
        };
        body.holder.as_mut().unwrap().version = KeyVersion::FIRST;
        change(&mut body);
        let record = body.sign(&[(Role::Import, &world.keys.import)]).unwrap();
        (record.label(), record.bytes().to_vec())
    }
}

fn moved(last: &AccountRecord, world: &World, change: impl FnOnce(&mut AccountBody)) -> AccountRecord {
    let mut body = AccountBody {
        kind: AccountKind::Imported,
        origin: world.config.origin.clone(),
        version: KeyVersion::FIRST,
        previous: last.hash(),
        announced: KeyAnnouncement::NONE,
        ..last.body().clone()
    };
    change(&mut body);
    body.sign(&[(Role::Import, &world.keys.import)]).unwrap()
}

/// Sixty digits, computed by whoever holds the keys in his hands.
fn digits(a: &AccountRecord, b: &AccountRecord) -> String {
    let half = |r: &AccountRecord| Fingerprint::of_account(&r.account, &r.identity).unwrap();
    SafetyNumber::new(half(a), half(b)).unwrap().digits()
}

/// The directory that continues the other one.
struct Next<'e> {
    ended: &'e Ended,
    front: Front,
}

impl Next<'_> {
    fn trust(&self, who: &str) -> Value {
        let policy = self.ended.town.text("next.policy");
        let url = self.front.url();
        self.ended
            .town
            .good(who, &["trust", "add", &url, "--policy", &policy])
    }

    fn ask(&self, who: &str, arguments: &[&str]) -> (i32, Value) {
        let url = self.front.url();
        self.ended
            .town
            .keyglass(who, &[arguments, &["--directory", &url]].concat())
    }

    fn good(&self, who: &str, arguments: &[&str]) -> Value {
        let (code, answer) = self.ask(who, arguments);
        assert_eq!(code, 0, "{who} {arguments:?}: {answer}");
        answer
    }
}

#[test]
fn keys_move_over_the_hash_of_their_final_record() {
    let ended = Ended::new();
    let next = ended.next(|world| {
        let bob = moved(&ended.bob, world, |_| {});
        vec![
            ended.account(world, |_| {}),
            ended.alias(world, |_| {}),
            (bob.label(), bob.bytes().to_vec()),
        ]
    });
    for person in ["alice", "bob", "eve"] {
        let linked = next.trust(person);
        assert_eq!(text(&linked["reason"]), "linked-migration", "{linked}");
    }
    for person in ["bob", "eve"] {
        let found = next.good(person, &["lookup", "@alice"]);
        let moved = found["moved"].as_array().unwrap();
        let labels: Vec<_> = moved.iter().map(|m| text(&m["label"])).collect();
        assert_eq!(labels, ["handle:alice", "account:alice"], "{found}");
        assert!(
            moved.iter().all(|m| m["checked"] == true && m["version"] == 1),
            "{found}"
        );
        // It is pinned now; the log before is asked no more.
        let again = next.good(person, &["history", "account:alice"]);
        assert!(again.get("moved").is_none(), "{again}");
    }
    let listed = next.good("bob", &["contact", "list"]);
    assert_eq!(listed["contacts"][0]["verified"], true, "{listed}");
    assert_eq!(
        findings(&next.good("bob", &["monitor"])).len(),
        1,
        "only that he was imported"
    );
    // Her own program finds her account and her name as they were, and goes on with them.
    let told = findings(&next.good("alice", &["monitor"]));
    assert_eq!(told, [("own-account-imported".into(), "notice".into())]);
    next.good("alice", &["device", "add"]);
    assert_eq!(findings(&next.good("alice", &["monitor"])), []);
}

#[test]
fn what_does_not_continue_the_final_record_is_refused() {
    type Lie = (
        &'static str,
        &'static str,
        &'static str,
        fn(&Ended, &World) -> Vec<(Label, Vec<u8>)>,
    );
    let lies: &[Lie] = &[
        (
            "names nothing",
            "account:alice",
            "migration-previous-hash",
            |e, w| {
                vec![
                    e.account(w, |b| b.previous = RecordHash::ZERO),
                    e.alias(w, |_| {}),
                ]
            },
        ),
        (
            "names another record",
            "account:alice",
            "migration-previous-hash",
            |e, w| {
                vec![
                    e.account(w, |b| b.previous = RecordHash::new([7; 32])),
                    e.alias(w, |_| {}),
                ]
            },
        ),
        (
            "another identity key",
            "account:alice",
            "migration-changed",
            |e, w| {
                let other = IdentityKey::from(&ed25519_dalek::SigningKey::from_bytes(&[66; 32]));
                vec![
                    e.account(w, |b| b.identity = other),
                    e.alias(w, |a| a.holder.as_mut().unwrap().key = other),
                ]
            },
        ),
        ("another device", "account:alice", "migration-changed", |e, w| {
            vec![e.account(w, |b| b.devices.push(device(9, 9))), e.alias(w, |_| {})]
        }),
        ("another delay", "account:alice", "migration-changed", |e, w| {
            vec![e.account(w, |b| b.recovery_delay = 60), e.alias(w, |_| {})]
        }),
        (
            "a new beginning",
            "account:alice",
            "migration-not-imported",
            |e, w| {
                let thief = ed25519_dalek::SigningKey::from_bytes(&[66; 32]);
                let body = AccountBody {
                    kind: AccountKind::Created,
                    origin: w.config.origin.clone(),
                    identity: IdentityKey::from(&thief),
                    ..e.alice.body().clone()
                };
                let record = body.sign(&[(Role::Identity, &thief)]).unwrap();
                let other = IdentityKey::from(&thief);
                vec![
                    (record.label(), record.bytes().to_vec()),
                    e.alias(w, |a| a.holder.as_mut().unwrap().key = other),
                ]
            },
        ),
        (
            "a name that names nothing",
            "handle:alice",
            "migration-previous-hash",
            |e, w| {
                vec![
                    e.account(w, |_| {}),
                    e.alias(w, |a| a.previous = RecordHash::ZERO),
                ]
            },
        ),
        (
            "a name that somebody else holds",
            "handle:alice",
            "migration-changed",
            |e, w| {
                let bob = moved(&e.bob, w, |_| {});
                let holder = |a: &mut AliasBody| {
                    let holder = a.holder.as_mut().unwrap();
                    (holder.account, holder.key) = (bob.account.clone(), bob.identity);
                };
                vec![
                    (bob.label(), bob.bytes().to_vec()),
                    e.account(w, |_| {}),
                    e.alias(w, holder),
                ]
            },
        ),
    ];
    let ended = Ended::new();
    for (name, label, reason, records) in lies {
        let next = ended.next(|world| records(&ended, world));
        for (person, code) in [("bob", 5), ("eve", 1)] {
            let told = format!("{person}-{name}");
            copy(&ended.town.path(person), &ended.town.path(&told));
            next.trust(&told);
            let (found, answer) = next.ask(&told, &["lookup", "@alice"]);
            assert_eq!(
                (found, text(&answer["reason"])),
                (code, *reason),
                "{name}: {answer}"
            );
            assert_eq!(text(&answer["label"]), *label, "{name}: {answer}");
            assert!(answer["saved"].is_string(), "{name}: {answer}");
            // It stays refused, also where the account is watched.
            let (_, again) = next.ask(&told, &["lookup", "@alice"]);
            assert_eq!(again["reason"], answer["reason"], "{name}: {again}");
        }
        let bob = format!("bob-{name}");
        let listed = next.good(&bob, &["contact", "list"]);
        let alice = &listed["contacts"][0];
        assert_eq!(
            (&alice["verified"], text(&alice["concern"])),
            (&false.into(), "contact-not-moved"),
            "{name}"
        );
        let (code, answer) = next.ask(&bob, &["monitor"]);
        assert_eq!((code, text(&answer["reason"])), (5, *reason), "{name}: {answer}");
    }
}

#[test]
fn a_comparison_tells_more_than_the_log() {
    let ended = Ended::new();
    let next = ended.next(|world| {
        let bob = moved(&ended.bob, world, |_| {});
        let nothing = ended.account(world, |b| b.previous = RecordHash::ZERO);
        vec![
            nothing,
            ended.alias(world, |_| {}),
            (bob.label(), bob.bytes().to_vec()),
        ]
    });
    next.trust("bob");
    let (code, answer) = next.ask("bob", &["safety-number", "Alice"]);
    assert_eq!(
        (code, text(&answer["reason"])),
        (5, "migration-previous-hash"),
        "{answer}"
    );
    let digits = digits(&ended.bob, &ended.alice);
    next.good("bob", &["contact", "verify", "Alice", "--digits", &digits]);
    let found = next.good("bob", &["lookup", "@alice"]);
    assert_eq!(found["contact_verified"], true, "{found}");
}

#[test]
fn a_log_that_another_does_not_name_is_not_pinned_on_first_use() {
    let ended = Ended::new();
    let next = ended.next(|world| vec![ended.account(world, |_| {})]);
    // Somebody who pinned a directory of the same name that has not ended.
    let other = Town::new();
    other.settle("dora");
    let url = next.front.url();
    let refused = other.verdict("dora", &["trust", "add", &url]);
    assert_eq!(refused, (3, "successor-missing".into()));
    let pinned = other.good("dora", &["trust", "show"]);
    assert_eq!(pinned["directories"].as_array().unwrap().len(), 1, "{pinned}");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
