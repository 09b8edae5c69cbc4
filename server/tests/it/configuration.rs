//! Keys and settings that change: announced in a leaf of its own, followed by everybody, or refused with the reason.

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::quantity::{Epoch, LogSize};
use keyglass_schema::test_database::Backend;
use keyglass_server::publisher::{Progress, Step};
use keyglass_server::settings::Layer;
use keyglass_testkit::world::Person;

use crate::common::faults::{break_writes, mend_writes};
use crate::common::outside::Outside;
use crate::common::{BACKENDS, Place, Site, run};

/// A directory with an epoch and an update that waits, whose receipt and heartbeat keys are then replaced.
struct Rotated {
    place: Place,
    outside: Outside,
    alice: Person,
    bob: Person,
    /// What the waiting update was answered with.
    answer: (u16, Vec<u8>),
}

impl Rotated {
    /// With `waits` false the update is published already.
    async fn new(backend: Backend, waits: bool) -> Self {
        let mut place = Place::new(backend);
        let mut site = Site::begun(&place).await;
        let mut outside = Outside::new(&site, None).await;
        let (alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
        site.publish(&place, &alice.label(), alice.newest.bytes()).await;
        let answer = site.put(&bob.label(), bob.newest.bytes()).await;
        assert_eq!(answer.0, 202);
        if !waits {
            place.tick();
            site.advance().await.unwrap();
        }
        outside.check_log(&site).await;
        site.close().await;
        place.tick();
        for file in ["heartbeat.key", "receipt.key"] {
            place.replace_key(file, 7);
        }
        place.layer.accept_config_change = Some(vec!["heartbeat-key".into(), "receipt-key".into()]);
        Self {
            place,
            outside,
            alice,
            bob,
            answer,
        }
    }

    /// The waiting update stands under the old document, the new one in a leaf of its own, and both keys are in use.
    async fn check(&mut self, site: &mut Site) {
        assert_eq!(self.outside.check_log(site).await, LogSize::new(4));
        let named: Vec<_> = self
            .outside
            .trust
            .config()
            .documents()
            .iter()
            .map(|(e, _)| e.get())
            .collect();
        assert_eq!(named, [0, 3]);
        let leaf = site.service.store.leaf(Epoch::new(3)).unwrap().unwrap();
        assert_eq!(leaf.inserted, 1, "nothing but padding");
        assert!(self.outside.heartbeat(site).await.is_some(), "of the new key");
        for person in [&self.alice, &self.bob] {
            let found = self.outside.account(site, &person.label()).await;
            assert_eq!(found, Some(person.newest.clone()));
        }
        // The old promise is kept, answered with the same bytes, and verifies under the document that it names.
        let again = site.put(&self.bob.label(), self.bob.newest.bytes()).await;
        assert_eq!(again, self.answer);
        let given = serde_json::from_slice(&again.1).unwrap();
        self.outside
            .check_fulfilled(site, &given, self.bob.newest.bytes())
            .await;
        let carol = Person::new("carol", 3);
        let given = site
            .publish(&self.place, &carol.label(), carol.newest.bytes())
            .await;
        self.outside
            .check_fulfilled(site, &given, carol.newest.bytes())
            .await;
    }
}

#[test]
fn new_keys_are_announced_after_what_was_promised_under_the_old_ones() {
    for backend in BACKENDS {
        run(async {
            let mut rotated = Rotated::new(backend, true).await;
            rotated.place.layer.accept_config_change = None;
            assert_eq!(rotated.place.refusal(), "configuration-changed");
            rotated.place.layer.accept_config_change = Some(vec!["heartbeat-key".into()]);
            assert_eq!(rotated.place.refusal(), "configuration-changed", "both or none");
            rotated.place.layer.accept_config_change = Some(vec!["the-key".into()]);
            assert_eq!(rotated.place.refusal(), "configuration-change-unknown");
            rotated.place.layer.accept_config_change =
                Some(vec!["heartbeat-key".into(), "receipt-key".into()]);

            let mut site = Site::open(&rotated.place).await;
            rotated.place.stop_at.arm(Some(Step::LeafStaged));
            assert!(site.try_advance().await.is_none());
            assert_eq!(site.get("/v1/accounts/alice").await.0, 200);
            let dave = Person::new("dave", 4);
            assert_eq!(
                site.refuse(&dave.label(), dave.newest.bytes()).await,
                (503, "unavailable".to_owned()),
                "no promise between two documents"
            );
            site.close().await;
            let mut site = Site::open(&rotated.place).await;
            assert_eq!(site.advance().await.unwrap(), Progress::Published);
            rotated.check(&mut site).await;
            site.close().await;

            // The change is settled: it need not be accepted again.
            rotated.place.layer.accept_config_change = None;
            let mut site = Site::open(&rotated.place).await;
            assert_eq!(site.advance().await.unwrap(), Progress::Idle);
            assert_eq!(rotated.outside.check_log(&site).await, LogSize::new(5));
            site.close().await;
        });
    }
}

#[test]
fn a_crash_anywhere_in_the_announcement_is_harmless() {
    let steps = Step::ALL
        .into_iter()
        .filter(|s| !matches!(s, Step::TreeCreated | Step::CosignersAsked));
    for step in steps {
        run(async {
            let mut rotated = Rotated::new(Backend::Sqlite, false).await;
            let mut site = Site::open(&rotated.place).await;
            rotated.place.stop_at.arm(Some(step));
            assert!(site.try_advance().await.is_none(), "{step:?} was not reached");
            rotated.outside.check_log(&site).await;
            site.close().await;
            rotated.place.tick();
            let mut site = Site::open(&rotated.place).await;
            site.advance().await.unwrap();
            rotated.check(&mut site).await;
            site.close().await;
        });
    }
}

#[test]
fn the_document_and_the_leaf_that_names_it_are_written_together() {
    for backend in BACKENDS {
        run(async {
            let mut rotated = Rotated::new(backend, true).await;
            let mut site = Site::open(&rotated.place).await;
            for table in ["configs", "epochs"] {
                // The waiting update needs no new document.
                break_writes(&rotated.place.database, table, "INSERT");
                let error = site.advance().await.expect_err(table);
                assert!(!error.is_fatal(), "{table}: {error}");
                assert_eq!(rotated.place.database.count("configs"), 1, "{table}");
                rotated.outside.check_log(&site).await;
                mend_writes(&rotated.place.database, table);
            }
            site.advance().await.unwrap();
            rotated.check(&mut site).await;
            site.close().await;
        });
    }
}

#[test]
fn what_never_changes_is_refused_with_the_reason() {
    run(async {
        let mut place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        site.close().await;
        let kept = tempfile::tempdir().unwrap();
        let keys = place.settings().key_dir();
        for (file, reason) in [
            ("log.key", "config-log-key-changed"),
            ("import.key", "configuration-changed"),
        ] {
            std::fs::copy(keys.join(file), kept.path().join(file)).unwrap();
            place.replace_key(file, 7);
            assert_eq!(place.refusal(), reason);
            std::fs::copy(kept.path().join(file), keys.join(file)).unwrap();
        }
        place.layer.limit_devices = Some(63);
        assert_eq!(place.refusal(), "config-limit-lowered");
        place.layer.limit_devices = None;
        place.layer.successor = Some("nonsense".to_owned());
        assert_eq!(place.refusal(), "successor-invalid");
        place.layer.successor = None;
        let statement = kept.path().join("predecessor");
        std::fs::write(&statement, "{}").unwrap();
        place.layer.predecessor = Some(statement);
        assert_eq!(place.refusal(), "predecessor-invalid");
        place.layer.predecessor = None;
        Site::open(&place).await.close().await;
    });
}

#[test]
fn settings_are_announced_as_they_change() {
    run(async {
        let layer = Layer {
            limit_devices: Some(3),
            ..Layer::default()
        };
        let mut place = Place::with(Backend::Sqlite, layer);
        let site = Site::begun(&place).await;
        let mut outside = Outside::new(&site, None).await;
        site.close().await;
        place.layer.limit_devices = Some(4);
        place.layer.merge_delay = Some("30s".parse().unwrap());
        place.layer.import_closed_after_epoch = Some(100);
        let mut site = Site::open(&place).await;
        assert_eq!(site.advance().await.unwrap(), Progress::Published);
        assert_eq!(outside.check_log(&site).await, LogSize::new(2));
        let (_, bytes) = site.get("/v1/config").await;
        let document = ConfigDocument::parse(&bytes).unwrap();
        assert_eq!((document.limits.devices, document.merge_delay_seconds), (4, 30));
        assert_eq!(document.import_closed_after_epoch, Some(Epoch::new(100)));
        assert_eq!(
            document.previous_config_sha256,
            Some(outside.trust.config().documents()[0].1.hash())
        );
        let person = Person::new("bob", 2);
        let given = site.accept(&person.label(), person.newest.bytes()).await;
        let receipt = outside.check_receipt(&given, person.newest.bytes());
        let receipt = receipt.receipt();
        assert_eq!(receipt.deadline.since(receipt.accepted), 30_000);
        site.close().await;
    });
}

#[test]
fn epochs_are_filled_up_to_a_minimum() {
    run(async {
        let layer = Layer {
            padding: Some(5),
            ..Layer::default()
        };
        let place = Place::with(Backend::Sqlite, layer);
        let mut site = Site::begun(&place).await;
        let mut outside = Outside::new(&site, None).await;
        let mut alice = Person::new("alice", 1);
        site.publish(&place, &alice.label(), alice.newest.bytes()).await;
        let second = alice.add_device(2, 9);
        site.publish(&place, &alice.label(), second.bytes()).await;
        for n in 10..17 {
            let person = Person::new(&format!("p{n}"), n);
            site.accept(&person.label(), person.newest.bytes()).await;
        }
        place.tick();
        site.advance().await.unwrap();
        assert_eq!(outside.check_log(&site).await, LogSize::new(4));
        let inserted = [1, 2, 3].map(|e| site.service.store.leaf(Epoch::new(e)).unwrap().unwrap().inserted);
        assert_eq!(inserted, [5, 5, 7]);
        assert_eq!(
            site.advance().await.unwrap(),
            Progress::Idle,
            "no epoch of padding alone"
        );
        site.close().await;
    });
}
