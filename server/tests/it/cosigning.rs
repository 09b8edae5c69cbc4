//! Quorum, hold, hand-in, and the minute's duties.

use std::time::Duration;

use keyglass_protocol::message::ReceiptState;
use keyglass_protocol::note::{Note, Policy, SignedCheckpoint, cosign};
use keyglass_protocol::quantity::{LogSize, Millis, Seconds};
use keyglass_schema::test_database::Backend;
use keyglass_server::clock::Clock as _;
use keyglass_server::publisher::{Progress, Step};
use keyglass_server::settings::Layer;
use keyglass_testkit::world::{FIRST_TIME, Person};

use crate::common::faults::{break_writes, mend_writes};
use crate::common::outside::Outside;
use crate::common::witness::{Mood, Witness};
use crate::common::{Place, Site, problem, run};

fn policy(witness: &Witness) -> Policy {
    format!(
        "witness a {}\ngroup auditors all a\nquorum auditors\n",
        witness.vkey
    )
    .parse()
    .unwrap()
}

/// A directory with one cosigner that is asked, and its first epoch.
async fn cosigned(layer: Layer) -> (Place, Site, Witness, Outside) {
    let witness = Witness::start("auditor.example", 3, FIRST_TIME.seconds());
    let layer = Layer {
        cosigner: Some(vec![witness.setting()]),
        ..layer
    };
    let place = Place::with(Backend::Sqlite, layer);
    witness.state.lock().unwrap().log = Some(place.keys().log.verifier().clone());
    let site = Site::begun(&place).await;
    let outside = Outside::new(&site, Some(policy(&witness))).await;
    (place, site, witness, outside)
}

#[test]
fn readers_move_when_the_auditor_has_cosigned() {
    run(async {
        let (place, mut site, witness, mut outside) = cosigned(Layer::default()).await;
        let alice = Person::new("alice", 1);
        let given = site.accept(&alice.label(), alice.newest.bytes()).await;
        place.stop_at.arm(None);
        assert_eq!(site.advance().await.unwrap(), Progress::Published);
        assert!(place.stop_at.seen.lock().unwrap().contains(&Step::CosignersAsked));
        // The epoch stands on the auditor's cosignature: the policy that names it is met.
        assert_eq!(
            outside.account(&site, &alice.label()).await,
            Some(alice.newest.clone())
        );
        outside.check_fulfilled(&site, &given, alice.newest.bytes()).await;
        outside.check_log(&site).await;
        assert_eq!(witness.requests(), 2, "one request per epoch");
        site.close().await;

        // A new process does not know what the cosigner has seen, and learns it from the conflict.
        let mut site = Site::open(&place).await;
        let bob = Person::new("bob", 2);
        site.advance().await.unwrap();
        site.accept(&bob.label(), bob.newest.bytes()).await;
        assert_eq!(site.advance().await.unwrap(), Progress::Published);
        assert_eq!(witness.requests(), 4);
        assert_eq!(outside.account(&site, &bob.label()).await, Some(bob.newest));
        site.close().await;
    });
}

/// A process that takes over, or was started again, while the quorum is out: alice is published, bob is signed and shown to nobody.
async fn taken_over(alice: &Person, bob: &Person) -> (Place, Site, Witness, Outside) {
    let (place, mut site, witness, outside) = cosigned(Layer::default()).await;
    site.publish(&place, &alice.label(), alice.newest.bytes()).await;
    witness.set(Mood::Broken);
    site.accept(&bob.label(), bob.newest.bytes()).await;
    assert_eq!(site.advance().await.unwrap(), Progress::AwaitingQuorum);
    site.close().await;
    let site = Site::open(&place).await;
    (place, site, witness, outside)
}

#[test]
fn a_new_process_answers_from_the_durable_head_while_the_quorum_is_awaited() {
    run(async {
        let (alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
        let (_place, mut site, _witness, outside) = taken_over(&alice, &bob).await;
        assert_eq!(site.advance().await.unwrap(), Progress::AwaitingQuorum);
        assert_eq!(outside.account(&site, &alice.label()).await, Some(alice.newest));
        assert_eq!(outside.account(&site, &bob.label()).await, None, "readers stay");
        site.close().await;
    });
}

/// A cosigner that keeps a takeover waiting keeps no reader waiting.
#[test]
fn a_new_process_answers_before_it_asks_anybody() {
    run(async {
        let (alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
        let (place, mut site, _witness, outside) = taken_over(&alice, &bob).await;
        place.stop_at.arm(Some(Step::CosignersAsked));
        assert!(site.try_advance().await.is_none(), "it asked");
        assert_eq!(outside.account(&site, &alice.label()).await, Some(alice.newest));
        site.close().await;
    });
}

#[test]
fn a_late_quorum_holds_readers_and_refuses_updates() {
    for mood in [Mood::Broken, Mood::Lies] {
        run(async {
            let (place, mut site, witness, mut outside) = cosigned(Layer::default()).await;
            let (alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
            witness.set(mood);
            let first = site.accept(&alice.label(), alice.newest.bytes()).await;
            assert_eq!(site.advance().await.unwrap(), Progress::AwaitingQuorum);
            assert_eq!(outside.account(&site, &alice.label()).await, None, "readers stay");
            assert_eq!(
                outside.check_log(&site).await,
                LogSize::new(2),
                "auditors see the pending epoch"
            );

            // Not late yet: promises are still given, but no further epoch is signed.
            let second = site.accept(&bob.label(), bob.newest.bytes()).await;
            assert_eq!(site.advance().await.unwrap(), Progress::AwaitingQuorum);
            assert_eq!(outside.check_log(&site).await, LogSize::new(2));

            place.clock.advance(11_000);
            let carol = Person::new("carol", 3);
            let (status, body) = site.put(&carol.label(), carol.newest.bytes()).await;
            assert_eq!((status, problem(&body)), (503, "holding".to_owned()));
            assert_eq!(
                outside.receipt_status(&site, &first).await.status,
                ReceiptState::Pending
            );

            witness.set(Mood::Good);
            witness.state.lock().unwrap().seen = None;
            assert_eq!(site.advance().await.unwrap(), Progress::Published);
            site.advance().await.unwrap();
            assert_eq!(
                outside.account(&site, &alice.label()).await,
                Some(alice.newest.clone())
            );
            outside.check_fulfilled(&site, &first, alice.newest.bytes()).await;
            outside.check_fulfilled(&site, &second, bob.newest.bytes()).await;
            site.accept(&carol.label(), carol.newest.bytes()).await;
            site.close().await;
        });
    }
}

#[test]
fn a_held_directory_says_when_to_try_again() {
    run(async {
        let (place, mut site, witness, _) = cosigned(Layer::default()).await;
        witness.set(Mood::Broken);
        let alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();
        place.clock.advance(11_000);
        let response = site
            .client
            .put(format!("{}/v1/accounts/bob", site.url))
            .header("content-type", "application/json")
            .body(r#"{"record":"AA=="}"#)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "5");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let metrics = site
            .client
            .get(format!("{}/metrics", site.admin))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(metrics.contains("keyglass_server_quorum_met 0"));
        site.close().await;
    });
}

#[test]
fn after_the_quorum_timeout_the_setting_decides() {
    for (setting, proceeds) in [("hold", false), ("proceed", true)] {
        run(async {
            let layer = Layer {
                after_quorum_timeout: Some(setting.to_owned()),
                ..Layer::default()
            };
            let (place, mut site, witness, _) = cosigned(layer).await;
            witness.set(Mood::Broken);
            let alice = Person::new("alice", 1);
            site.accept(&alice.label(), alice.newest.bytes()).await;
            assert_eq!(site.advance().await.unwrap(), Progress::AwaitingQuorum);
            place.clock.advance(601_000);
            let progress = site.advance().await.unwrap();
            assert_eq!(progress == Progress::Idle, proceeds, "{setting}: {progress:?}");
            assert_eq!(
                site.get("/v1/accounts/alice").await.0,
                if proceeds { 200 } else { 404 }
            );
            let state = site.service.hold_state();
            assert_eq!(
                format!("{state:?}"),
                if proceeds { "Degraded" } else { "Holding" }
            );
            site.close().await;
        });
    }
}

#[test]
fn the_unchanged_head_is_offered_and_cosigned_every_minute() {
    run(async {
        let (place, mut site, witness, outside) = cosigned(Layer::default()).await;
        let beat = outside.heartbeat(&site).await.unwrap();
        assert_eq!(beat, FIRST_TIME.seconds().millis());
        let requests = witness.requests();
        place.clock.advance(59_000);
        site.refresh().await.unwrap();
        assert_eq!(
            (witness.requests(), outside.heartbeat(&site).await),
            (requests, Some(beat))
        );

        place.clock.advance(1_000);
        witness.state.lock().unwrap().time = place.clock.now().seconds();
        site.refresh().await.unwrap();
        assert_eq!(witness.requests(), requests + 1);
        assert_eq!(outside.heartbeat(&site).await, Some(beat.plus(60_000)));
        let (_, note) = site.get("/log/checkpoint").await;
        let head = SignedCheckpoint::open(&note, outside.trust.log_key()).unwrap();
        assert_eq!(
            head.cosignature(&witness.vkey).unwrap(),
            Some(place.clock.now().seconds())
        );
        site.close().await;
    });
}

#[test]
fn a_long_hold_stops_the_heartbeat_and_never_offers_the_old_head() {
    run(async {
        let (place, mut site, witness, outside) = cosigned(Layer::default()).await;
        let alice = Person::new("alice", 1);
        witness.set(Mood::Broken);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        assert_eq!(site.advance().await.unwrap(), Progress::AwaitingQuorum);
        let requests = witness.requests();
        place.clock.advance(61_000);
        site.refresh().await.unwrap();
        let beat: Millis = outside.heartbeat(&site).await.unwrap();
        assert_eq!(
            beat,
            place.clock.now().seconds().millis(),
            "a short hold keeps the heartbeat"
        );
        assert_eq!(
            witness.requests(),
            requests,
            "the old head is not offered once its successor is signed"
        );

        place.clock.advance(600_000);
        site.refresh().await.unwrap();
        assert_eq!(outside.heartbeat(&site).await, Some(beat), "a long one stops it");
        site.close().await;
    });
}

/// Hands in a note and returns status and body.
async fn hand_in(site: &Site, note: impl Into<reqwest::Body>) -> (u16, Vec<u8>) {
    let response = site
        .client
        .post(format!("{}/log/cosignatures", site.url))
        .body(note)
        .send()
        .await
        .unwrap();
    (
        response.status().as_u16(),
        response.bytes().await.unwrap().to_vec(),
    )
}

#[test]
fn a_cosigner_without_an_address_hands_its_cosignatures_in() {
    run(async {
        let witness = Witness::start("auditor.example", 3, Seconds::new(1));
        let layer = Layer {
            cosigner: Some(vec![witness.vkey.to_string()]),
            ..Layer::default()
        };
        let place = Place::with(Backend::Sqlite, layer);
        let mut site = Site::open(&place).await;
        assert_eq!(site.advance().await.unwrap(), Progress::AwaitingQuorum);
        assert_eq!(
            site.get("/v1/accounts/alice").await.0,
            503,
            "no epoch is complete yet"
        );
        assert_eq!(
            site.client
                .get(format!("{}/readyz", site.admin))
                .send()
                .await
                .unwrap()
                .status(),
            503
        );

        let (_, pending) = site.get("/log/pending").await;
        let note = Note::parse(&pending).unwrap();
        let now = place.clock.now().seconds();
        let line = |text: &str, time| cosign("auditor.example", &witness.key, text, time);
        let with = |note: &Note, line| note.with_line(line).unwrap().to_bytes();

        let refused = |answer: (u16, Vec<u8>)| (answer.0, problem(&answer.1));
        assert_eq!(
            refused(hand_in(&site, "no note").await),
            (400, "malformed-body".to_owned())
        );
        assert_eq!(
            refused(hand_in(&site, pending.clone()).await),
            (403, "forbidden".to_owned()),
            "no line"
        );
        let wrong = with(&note, line("another\n1\n", now));
        assert_eq!(
            refused(hand_in(&site, wrong).await),
            (403, "forbidden".to_owned())
        );
        let late = with(&note, line(note.text(), Seconds::new(now.get() + 61)));
        assert_eq!(refused(hand_in(&site, late).await), (403, "forbidden".to_owned()));
        let stranger = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
        let stranger = with(&note, cosign("stranger.example", &stranger, note.text(), now));
        assert_eq!(
            refused(hand_in(&site, stranger).await),
            (403, "forbidden".to_owned())
        );
        let other_log = String::from_utf8(pending.clone())
            .unwrap()
            .replace("keyglass.test/world", "other.example");
        assert_eq!(
            refused(hand_in(&site, other_log).await),
            (404, "not-found".to_owned())
        );
        let unsigned = Note::new(note.text(), vec![line(note.text(), now)])
            .unwrap()
            .to_bytes();
        assert_eq!(
            refused(hand_in(&site, unsigned).await),
            (403, "forbidden".to_owned())
        );
        assert_eq!(site.advance().await.unwrap(), Progress::AwaitingQuorum);

        assert_eq!(hand_in(&site, with(&note, line(note.text(), now))).await.0, 200);
        assert_eq!(site.advance().await.unwrap(), Progress::Idle);
        assert_eq!(site.get("/log/checkpoint").await.0, 200);

        // Of an older size: the conflict states ours, as tlog-witness does.
        let alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        assert_eq!(site.advance().await.unwrap(), Progress::AwaitingQuorum);
        assert_eq!(
            hand_in(&site, with(&note, line(note.text(), now))).await.0,
            200,
            "the readers' head is still welcome"
        );
        let (_, second) = site.get("/log/pending").await;
        let second = Note::parse(&second).unwrap();
        assert_eq!(
            hand_in(&site, with(&second, line(second.text(), now))).await.0,
            200
        );
        assert_eq!(site.advance().await.unwrap(), Progress::Idle);
        let conflict = hand_in(&site, with(&note, line(note.text(), now))).await;
        assert_eq!(conflict, (409, b"2\n".to_vec()));
        site.close().await;
    });
}

/// What it cannot be reached for, a cosigner brings itself.
#[test]
fn a_cosigner_that_says_nothing_holds_nobody_up_once_the_quorum_is_there() {
    run(async {
        let (_place, mut site, witness, outside) = cosigned(Layer::default()).await;
        let alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        witness.set(Mood::Silent);
        let (client, url, asked) = (site.client.clone(), site.url.clone(), witness.requests());
        let brought = async {
            while witness.requests() == asked {
                tokio::task::yield_now().await;
            }
            let pending = client.get(format!("{url}/log/pending")).send().await.unwrap();
            let note = Note::parse(&pending.bytes().await.unwrap()).unwrap();
            let line = cosign("auditor.example", &witness.key, note.text(), FIRST_TIME.seconds());
            let note = note.with_line(line).unwrap().to_bytes();
            let answer = client.post(format!("{url}/log/cosignatures")).body(note).send();
            answer.await.unwrap().status().as_u16()
        };
        let both = async { tokio::join!(site.advance(), brought) };
        // Well before it gives the silent one up.
        let (progress, status) = tokio::time::timeout(Duration::from_secs(8), both).await.unwrap();
        assert_eq!((progress.unwrap(), status), (Progress::Published, 200));
        assert_eq!(outside.account(&site, &alice.label()).await, Some(alice.newest));
        site.close().await;
    });
}

#[test]
fn a_directory_that_goes_on_without_its_quorum_says_so_and_keeps_its_promises() {
    run(async {
        let layer = Layer {
            after_quorum_timeout: Some("proceed".to_owned()),
            quorum_timeout: Some("2m".parse().unwrap()),
            ..Layer::default()
        };
        let (place, mut site, witness, mut outside) = cosigned(layer).await;
        witness.set(Mood::Broken);
        let people: Vec<Person> = (1..=4).map(|n| Person::new(&format!("p{n}"), n)).collect();
        site.accept(&people[0].label(), people[0].newest.bytes()).await;
        assert_eq!(site.turn().await.unwrap(), Progress::AwaitingQuorum);
        let state = async |site: &Site, state: &str| {
            site.metric(&format!("keyglass_server_hold_state{{state=\"{state}\"}}"))
                .await
        };
        place.clock.advance(120_000);
        assert_eq!(
            site.turn().await.unwrap(),
            Progress::AwaitingQuorum,
            "not before its time"
        );
        assert_eq!(state(&site, "holding").await.as_deref(), Some("1"));
        place.clock.advance(1_000);
        assert_eq!(site.turn().await.unwrap(), Progress::Idle);
        assert_eq!(state(&site, "degraded").await.as_deref(), Some("1"));
        assert_eq!(site.service.head_size(), LogSize::new(2));

        // From now on no epoch waits out the timeout again: a promise that is given is kept.
        for person in &people[1..3] {
            let given = site.accept(&person.label(), person.newest.bytes()).await;
            place.tick();
            assert_eq!(site.turn().await.unwrap(), Progress::Published);
            let status = outside.receipt_status(&site, &given).await;
            assert_eq!(status.status, ReceiptState::Included);
        }
        witness.set(Mood::Good);
        witness.state.lock().unwrap().time = place.clock.now().seconds();
        let given = site.accept(&people[3].label(), people[3].newest.bytes()).await;
        place.tick();
        assert_eq!(site.turn().await.unwrap(), Progress::Published);
        assert_eq!(state(&site, "none").await.as_deref(), Some("1"));
        outside.check_log(&site).await;
        outside
            .check_fulfilled(&site, &given, people[3].newest.bytes())
            .await;
        site.close().await;
    });
}

#[test]
fn deadlines_that_pass_are_never_silent() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        break_writes(&place.database, "epochs", "INSERT");
        assert!(site.turn().await.is_err());
        let overdue = async |site: &Site| site.metric("keyglass_server_receipts_overdue").await;
        assert_eq!(overdue(&site).await.as_deref(), Some("0"));
        place.clock.advance(61_000);
        // Publishing still fails; what was promised is measured all the same.
        assert!(site.turn().await.is_err());
        assert_eq!(overdue(&site).await.as_deref(), Some("1"));
        assert_eq!(
            site.metric("keyglass_server_receipts_missed_total")
                .await
                .as_deref(),
            Some("0")
        );
        mend_writes(&place.database, "epochs");
        site.turn().await.unwrap();
        site.turn().await.unwrap();
        assert_eq!(overdue(&site).await.as_deref(), Some("0"));
        assert_eq!(
            site.metric("keyglass_server_receipts_missed_total")
                .await
                .as_deref(),
            Some("1")
        );
        site.close().await;
    });
}
