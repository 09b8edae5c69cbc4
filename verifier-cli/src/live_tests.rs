//! What a live directory may and may not answer to somebody who remembers: heads, records, configurations.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::Trust;
use keyglass_protocol::label::Label;
use keyglass_protocol::log;
use keyglass_protocol::message::{Answer, B64, ConsistencyProof, EpochProof, LookupProof};
use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::{ConfigHash, Epoch, KeyVersion, LogHash, LogSize};
use keyglass_protocol::record::AccountState;
use keyglass_testkit::lies::Scene;
use keyglass_testkit::world::{ORIGIN, Person, World};

use crate::configs;
use crate::report::Failure;
use crate::resolve::{self, Change, Depth, Known};
use crate::session::{Session, Trouble};
use crate::source::Source;
use crate::state::{Directory, RememberedHead};
use crate::together;

/// A live source over a world; it may leave out the consistency proof, as a cache would.
struct Live<'w> {
    world: &'w World,
    configs: Vec<ConfigDocument>,
    with_consistency: bool,
    /// A step that nobody asked for, in the answer about several labels.
    surplus: Option<LookupProof>,
    asked: Vec<String>,
    given: Vec<Answer>,
}

impl<'w> Live<'w> {
    fn new(world: &'w World) -> Self {
        Self {
            world,
            configs: vec![world.config.clone()],
            with_consistency: true,
            surplus: None,
            asked: Vec::new(),
            given: Vec::new(),
        }
    }

    fn give(&mut self, asked: String, mut answer: Answer, from: Option<LogSize>) -> Answer {
        let from = from.filter(|f| self.with_consistency && *f <= self.world.size());
        answer.consistency_proof = from.and_then(|f| self.world.bare_answer(Some(f.get())).consistency_proof);
        self.asked.push(asked);
        self.given.push(answer.clone());
        answer
    }
}

impl Source for Live<'_> {
    fn lookup(&mut self, label: &Label, from: Option<LogSize>, since: KeyVersion) -> Result<Answer, Failure> {
        let answer = self.world.lookup(label, Some(since.get()), None);
        Ok(self.give(format!("{label}?since={since}"), answer, from))
    }

    fn history(
        &mut self,
        label: &Label,
        from: Option<LogSize>,
        since: KeyVersion,
    ) -> Result<Answer, Failure> {
        let answer = self.world.history(label, since.get());
        Ok(self.give(format!("{label}/history?since={since}"), answer, from))
    }

    fn lookups(&mut self, labels: &[Label]) -> Result<Option<Answer>, Failure> {
        let mut answer = self.world.bare_answer(None);
        for label in labels {
            let one = self.world.lookup(label, None, None);
            answer.lookups.extend(one.lookups);
            answer.absences.extend(one.absences);
        }
        if let Some(surplus) = self.surplus.clone() {
            answer.lookups.push(surplus);
        }
        let asked = format!("{} together", labels.len());
        Ok(Some(self.give(asked, answer, None)))
    }

    fn config(&mut self, hash: &ConfigHash) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self
            .configs
            .iter()
            .find(|c| c.hash() == *hash)
            .map(|c| c.bytes().to_vec()))
    }

    fn consistency(&mut self, from: LogSize, to: LogSize) -> Result<Option<ConsistencyProof>, Failure> {
        let proof = log::consistency_proof(self.world, from, to).unwrap();
        let hashes = proof.iter().map(|h| B64(h.as_bytes().to_vec())).collect();
        Ok(Some(ConsistencyProof {
            from: from.get(),
            hashes,
        }))
    }

    fn root(&mut self, at: LogSize, _: LogSize) -> Result<Option<LogHash>, Failure> {
        Ok(Some(log::root(self.world, at).unwrap()))
    }

    fn epoch_proof(&mut self, size: LogSize, index: u64) -> Result<Option<EpochProof>, Failure> {
        Ok(Some(self.world.epoch_proof(Epoch::new(index), size)))
    }

    fn is_live(&self) -> bool {
        true
    }

    fn given(&self) -> &[Answer] {
        &self.given
    }

    fn forget(&mut self) {
        self.given.clear();
    }
}

fn directory(trust: &Trust) -> Directory {
    let mut directory = Directory::new(ORIGIN.to_owned(), String::new(), trust.log_key().to_string(), 0);
    configs::remember(&mut directory, trust.config());
    directory
}

fn head(directory: &Directory) -> Option<keyglass_protocol::epoch::SeenHead> {
    crate::context::seen_head(directory).unwrap()
}

/// Looks a label up and remembers what was found.
fn look(
    world: &World,
    source: &mut Live<'_>,
    directory: &mut Directory,
    label: &str,
) -> Result<(Known, Vec<Change>), Trouble> {
    let mut session = Session::new(source, world.trust(), head(directory), world.now);
    let known = resolve::resolve(
        &mut session,
        directory,
        &Label::parse(label).unwrap(),
        Depth::FromPin,
    )?;
    assert!(session.audited && session.shortfall.is_none());
    session.remember(directory);
    let changes = resolve::pin(directory, &known, world.now.get(), true);
    Ok((known, changes))
}

fn reason(outcome: Result<(Known, Vec<Change>), Trouble>) -> &'static str {
    match outcome.map(|_| ()).unwrap_err() {
        Trouble::Refused(refusal) => refusal.reason(),
        Trouble::Failed(failure) => failure.reason,
    }
}

#[test]
fn what_is_pinned_is_asked_for_from_there_on() {
    let mut scene = Scene::new();
    let mut memory = directory(&scene.world.trust());
    for (label, asked) in [
        ("account:alice", &["account:alice?since=1"][..]),
        ("account:alice", &["account:alice?since=2"]),
        (
            "handle:alice",
            &["handle:alice?since=1", "handle:alice/history?since=1"],
        ),
        (
            "handle:old",
            &[
                "handle:old?since=1",
                "handle:old/history?since=1",
                "account:bob/history?since=1",
            ],
        ),
        (
            "handle:old",
            &["handle:old?since=1", "handle:old/history?since=2"],
        ),
    ] {
        let mut source = Live::new(&scene.world);
        let (_, changes) = look(&scene.world, &mut source, &mut memory, label).unwrap();
        assert_eq!(source.asked, asked);
        assert_eq!(changes, []);
    }
    scene.alice.add_device(3, 23);
    scene.world.publish(&[scene.alice.entry()]);
    scene.alice.rotate(24);
    scene.world.publish(&[scene.alice.entry()]);
    let (known, changes) = look(
        &scene.world,
        &mut Live::new(&scene.world),
        &mut memory,
        "handle:alice",
    )
    .unwrap();
    let expected = ["devices", "identity"].map(|what| Change { what, why: "owner" });
    assert_eq!(changes, expected);
    assert_eq!(known.account().unwrap().chain().state(), AccountState::Live);
    assert_eq!(memory.head.as_ref().unwrap().size, scene.world.size().get());
}

#[test]
fn a_notice_is_told_once_and_so_is_that_it_was_stopped() {
    let mut scene = Scene::new();
    let mut memory = directory(&scene.world.trust());
    let recovery = scene.world.keys.recovery.clone();
    let look = |scene: &Scene, memory: &mut Directory| {
        let found = look(
            &scene.world,
            &mut Live::new(&scene.world),
            memory,
            "account:alice",
        );
        found.unwrap().1
    };
    look(&scene, &mut memory);
    let told = |what, why| vec![Change { what, why }];
    let publish = |scene: &mut Scene| scene.world.publish(&[scene.alice.entry()]);
    scene.alice.announce(Some(66), &recovery);
    publish(&mut scene);
    assert_eq!(look(&scene, &mut memory), told("recovery-announced", "notice"));
    scene.alice.delay(0);
    publish(&mut scene);
    assert_eq!(look(&scene, &mut memory), told("recovery-stopped", "owner"));
    scene.alice.announce(Some(66), &recovery);
    publish(&mut scene);
    look(&scene, &mut memory);
    scene.alice.let_in(66, &recovery);
    publish(&mut scene);
    assert_eq!(look(&scene, &mut memory), told("identity", "recovery"));
}

#[test]
fn one_answer_tells_what_is_absent_and_what_is_as_it_was() {
    let mut scene = Scene::new();
    let mut memory = directory(&scene.world.trust());
    for label in ["account:bob", "handle:alice", "handle:old"] {
        look(&scene.world, &mut Live::new(&scene.world), &mut memory, label).unwrap();
    }
    let labels = [
        "account:bob",
        "account:nobody",
        "handle:alice",
        "handle:old",
        "phone:+1415",
    ]
    .map(|label| Label::parse(label).unwrap());
    let ask = |scene: &Scene, surplus: Option<LookupProof>| {
        let mut source = Live::new(&scene.world);
        source.surplus = surplus;
        let mut session = Session::new(&mut source, scene.world.trust(), head(&memory), scene.world.now);
        let known = together::resolve(&mut session, &memory, &labels);
        assert_eq!(source.asked, ["5 together"]);
        known
    };
    let known = ask(&scene, None).unwrap();
    let same = |known: &Option<Known>, wanted: &str| match known {
        Some(Known::Absent) => wanted == "absent",
        Some(Known::Account(account)) => account.newest().label().as_str() == wanted,
        Some(Known::Alias(alias, account)) => {
            format!("{} {}", alias.newest().alias, account.newest().label()) == wanted
        }
        Some(Known::Released(alias)) => format!("released {}", alias.newest().alias) == wanted,
        None => wanted == "alone",
    };
    let expect = |known: &[Option<Known>], wanted: [&str; 5]| {
        for (found, wanted) in known.iter().zip(wanted) {
            assert!(same(found, wanted), "{found:?} instead of {wanted}");
        }
    };
    let first = [
        "account:bob",
        "absent",
        "handle:alice account:alice",
        "released handle:old",
        "absent",
    ];
    expect(&known, first);
    // Whoever has another record, or was never met, is looked up alone.
    scene.bob.add_device(7, 27);
    scene.world.publish(&[scene.bob.entry()]);
    let nobody = keyglass_testkit::world::Person::new("nobody", 8);
    scene.world.publish(&[nobody.entry()]);
    let known = ask(&scene, None).unwrap();
    expect(&known, ["alone", "alone", first[2], first[3], "absent"]);
    let surplus = scene.honest("account:bob").lookups.remove(0);
    match ask(&scene, Some(surplus)).map(|_| ()).unwrap_err() {
        Trouble::Refused(refusal) => assert_eq!(refusal.reason(), "surplus-lookup"),
        Trouble::Failed(failure) => panic!("{failure:?}"),
    }
}

#[test]
fn a_released_handle_that_somebody_else_claims_is_another_account() {
    let mut scene = Scene::new();
    let mut memory = directory(&scene.world.trust());
    look(
        &scene.world,
        &mut Live::new(&scene.world),
        &mut memory,
        "handle:alice",
    )
    .unwrap();
    let released = scene.alice.release(&scene.handle);
    scene
        .world
        .publish(&[(released.label(), released.bytes().to_vec())]);
    let claimed = scene.bob.claim("handle:alice", Some(&released));
    scene
        .world
        .publish(&[(claimed.label(), claimed.bytes().to_vec())]);
    let (known, changes) = look(
        &scene.world,
        &mut Live::new(&scene.world),
        &mut memory,
        "handle:alice",
    )
    .unwrap();
    assert_eq!(
        changes,
        [Change {
            what: "account",
            why: "claim"
        }]
    );
    assert_eq!(known.account().unwrap().newest().account, scene.bob.id);
}

#[test]
fn consistency_is_made_from_the_log_if_the_answer_lacks_it() {
    let mut scene = Scene::new();
    let mut memory = directory(&scene.world.trust());
    look(
        &scene.world,
        &mut Live::new(&scene.world),
        &mut memory,
        "account:alice",
    )
    .unwrap();
    let seen = memory.head.clone().unwrap().size;
    scene.world.publish(&[Person::new("carol", 5).entry()]);
    let mut source = Live {
        with_consistency: false,
        ..Live::new(&scene.world)
    };
    look(&scene.world, &mut source, &mut memory, "account:alice").unwrap();
    assert_eq!(memory.head.unwrap().size, seen + 1);
}

#[test]
fn what_contradicts_the_memory_is_refused() {
    let scene = Scene::new();
    let mut memory = directory(&scene.world.trust());
    look(
        &scene.world,
        &mut Live::new(&scene.world),
        &mut memory,
        "account:alice",
    )
    .unwrap();
    let ask = |memory: &mut Directory, label: &str| {
        reason(look(&scene.world, &mut Live::new(&scene.world), memory, label))
    };

    // Another log of the same size, a longer log than the directory shows now, another log before.
    let with_head = |size: u64, root: [u8; 32]| {
        let old = memory.head.clone().unwrap();
        let head = RememberedHead {
            size,
            root: LogHash::new(root).to_string(),
            ..old
        };
        Directory {
            head: Some(head),
            ..memory.clone()
        }
    };
    let size = scene.world.size().get();
    assert_eq!(ask(&mut with_head(size, [1; 32]), "account:alice"), "fork");
    assert_eq!(
        ask(&mut with_head(size + 1, [1; 32]), "account:alice"),
        "stale-head"
    );
    assert_eq!(
        ask(&mut with_head(size - 1, [1; 32]), "account:alice"),
        "inconsistent"
    );

    // A record that was authorised before and is no version of the account now.
    let mut other = memory.clone();
    other.pins.get_mut("account:alice").unwrap().record =
        B64(Person::new("alice", 77).newest.bytes().to_vec());
    other.pins.get_mut("account:alice").unwrap().version = 1;
    assert_eq!(ask(&mut other, "account:alice"), "history-not-the-pin");
    assert_eq!(ask(&mut other, "handle:alice"), "history-not-the-pin");
    let alice = other.pins.remove("account:alice").unwrap();
    other.pins.insert("account:nobody".to_owned(), alice);
    assert_eq!(ask(&mut other, "account:nobody"), "history-not-the-pin");
}

/// The next configuration of a world, with other values.
fn next_config(
    world: &World,
    change: impl FnOnce(&mut keyglass_protocol::config::ConfigValues),
) -> ConfigDocument {
    let mut values = world.config.values().clone();
    values.previous_config_sha256 = Some(world.config.hash());
    change(&mut values);
    ConfigDocument::create(&values).unwrap()
}

fn follow(
    world: &World,
    trust: Trust,
    configs: Vec<ConfigDocument>,
    accept: bool,
) -> Result<Trust, &'static str> {
    let mut source = Live {
        configs,
        ..Live::new(world)
    };
    let mut session = Session::new(&mut source, trust, None, world.now);
    session.accept_new_keys = accept;
    match session.accept(&world.bare_answer(None)) {
        Ok(_) => Ok(session.trust),
        Err(Trouble::Refused(refusal)) => Err(refusal.reason()),
        Err(Trouble::Failed(failure)) => Err(failure.reason),
    }
}

#[test]
fn configurations_are_followed_and_dated() {
    let mut scene = Scene::new();
    let first = scene.world.config.clone();
    let pinned = scene.world.trust();
    let slower = next_config(&scene.world, |v| v.merge_delay_seconds = 90);
    scene.world.config = slower.clone();
    let named = scene.world.publish(&[Person::new("carol", 5).entry()]);
    scene.world.publish(&[Person::new("dave", 6).entry()]);

    let trust = follow(
        &scene.world,
        pinned.clone(),
        vec![first.clone(), slower.clone()],
        false,
    )
    .unwrap();
    let dated: Vec<_> = trust
        .config()
        .documents()
        .iter()
        .map(|(e, d)| (*e, d.hash()))
        .collect();
    assert_eq!(dated, [(Epoch::ZERO, first.hash()), (named, slower.hash())]);

    assert_eq!(
        follow(&scene.world, pinned.clone(), vec![first.clone()], false).unwrap_err(),
        "configuration-changed"
    );
    // A live directory does not go back to an older configuration.
    scene.world.config = first.clone();
    scene.world.publish(&[Person::new("erin", 7).entry()]);
    assert_eq!(
        follow(&scene.world, trust, vec![first, slower], false).unwrap_err(),
        "configuration-changed"
    );
}

#[test]
fn new_keys_in_a_configuration_alarm_until_they_are_accepted() {
    let mut scene = Scene::new();
    let pinned = scene.world.trust();
    let first = scene.world.config.clone();
    let key = scene.alice.identity.verifying_key();
    let other = VerifierKey::new_ed25519("keyglass.test/other", key.as_bytes()).unwrap();
    let renewed = next_config(&scene.world, |v| v.receipt_vkey = other);
    scene.world.config = renewed.clone();
    scene.world.publish(&[Person::new("carol", 5).entry()]);
    let documents = vec![first, renewed.clone()];
    let alarm = follow(&scene.world, pinned.clone(), documents.clone(), false);
    assert_eq!(alarm.unwrap_err(), "configuration-keys-changed");
    let trust = follow(&scene.world, pinned, documents, true).unwrap();
    assert_eq!(trust.document().hash(), renewed.hash());
}

#[test]
fn a_log_that_ended_does_not_go_on() {
    let mut scene = Scene::new();
    let pinned = scene.world.trust();
    let first = scene.world.config.clone();
    let key = scene.alice.identity.verifying_key();
    let log_vkey = VerifierKey::new_ed25519("keyglass.test/next", key.as_bytes()).unwrap();
    let successor = keyglass_protocol::config::Successor {
        origin: log_vkey.origin().clone(),
        log_vkey,
    };
    let last = next_config(&scene.world, |v| v.successor = Some(successor));
    scene.world.config = last.clone();
    scene.world.publish(&[Person::new("carol", 5).entry()]);
    let documents = vec![first, last.clone()];
    let alarm = follow(&scene.world, pinned.clone(), documents.clone(), false);
    assert_eq!(alarm.unwrap_err(), "configuration-keys-changed");
    let trust = follow(&scene.world, pinned.clone(), documents.clone(), true).unwrap();
    assert_eq!(trust.document().hash(), last.hash());
    scene.world.publish(&[Person::new("dave", 6).entry()]);
    for trust in [trust, pinned] {
        let refused = follow(&scene.world, trust, documents.clone(), true);
        assert_eq!(refused.unwrap_err(), "log-ended");
    }
}
