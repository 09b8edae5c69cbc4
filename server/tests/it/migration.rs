//! A log ends and another one continues it: the old one stays readable, and a pin moves only over the link.

use std::sync::Arc;

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::migration::{Link, MigrationError};
use keyglass_protocol::quantity::{LogSize, RecordHash};
use keyglass_protocol::record::AliasRecord;
use keyglass_schema::test_database::Backend;
use keyglass_server::clock::ManualClock;
use keyglass_server::import::{self, Advance, BadRecord, Counts, Import, Watcher};
use keyglass_server::publisher::{NoSteps, Progress};
use keyglass_server::settings::Layer;
use keyglass_server::{export, final_state};
use keyglass_testkit::world::{ORIGIN, Person};

use crate::common::outside::Outside;
use crate::common::{BACKENDS, Place, Site, label, run};

const NEW: &str = "keyglass.test/continued";

/// A place for the log that will continue another, with its keys.
fn continuing(backend: Backend) -> Place {
    Place {
        origin: NEW.to_owned(),
        ..Place::new(backend)
    }
}

/// Ends the log of `old` for the one of `new`.
async fn end(old: &mut Place, new: &Place, site: Site) -> Site {
    site.close().await;
    old.tick();
    old.layer.successor = Some(new.keys().log.verifier().to_string());
    assert_eq!(
        old.refusal(),
        "configuration-changed",
        "it is for ever: it has to be said"
    );
    old.layer.accept_config_change = Some(vec!["successor".to_owned()]);
    let mut site = Site::open(old).await;
    assert_eq!(site.advance().await.unwrap(), Progress::Published);
    site
}

#[test]
fn a_log_ends_and_stays_readable() {
    for backend in BACKENDS {
        run(async {
            let (mut old, new) = (Place::new(backend), continuing(Backend::Sqlite));
            let mut site = Site::begun(&old).await;
            let mut outside = Outside::new(&site, None).await;
            assert_eq!(
                final_state::read(&site.service.store).unwrap_err().reason(),
                "log-not-ended"
            );
            let alice = Person::new("alice", 1);
            site.publish(&old, &alice.label(), alice.newest.bytes()).await;
            // What was promised is kept before the log ends.
            let bob = Person::new("bob", 2);
            let given = site.accept(&bob.label(), bob.newest.bytes()).await;
            let mut site = end(&mut old, &new, site).await;
            assert_eq!(outside.check_log(&site).await, LogSize::new(4));
            outside.check_fulfilled(&site, &given, bob.newest.bytes()).await;

            for _ in 0..2 {
                let carol = Person::new("carol", 3);
                let (status, body) = site.put(&carol.label(), carol.newest.bytes()).await;
                let text = String::from_utf8(body).unwrap();
                assert_eq!(status, 409, "{text}");
                assert!(text.contains("log-ended") && text.contains(NEW), "{text}");
                let found = outside.account(&site, &alice.label()).await;
                assert_eq!(found, Some(alice.newest.clone()));
                let before = outside.heartbeat(&site).await.unwrap();
                old.clock.advance(61_000);
                site.refresh().await.unwrap();
                assert!(
                    outside.heartbeat(&site).await.unwrap() > before,
                    "its head stays fresh"
                );
                assert_eq!(site.advance().await.unwrap(), Progress::Idle);
                assert_eq!(
                    outside.check_log(&site).await,
                    LogSize::new(4),
                    "no leaf after the last"
                );
                site.close().await;
                // It stays ended, whatever the settings say.
                old.layer.successor = None;
                old.layer.accept_config_change = None;
                site = Site::open(&old).await;
                site.advance().await.unwrap();
            }
            site.close().await;
            old.layer.merge_delay = Some("30s".parse().unwrap());
            assert_eq!(old.refusal(), "config-after-successor");
            old.layer = Layer {
                successor: Some(old.keys().log.verifier().to_string()),
                ..Layer::default()
            };
            assert_eq!(old.refusal(), "config-after-successor");
        });
    }
}

#[test]
fn an_account_moves_over_the_hash_of_its_final_record() {
    run(async {
        let (mut old, mut new) = (Place::new(Backend::Sqlite), continuing(Backend::Sqlite));
        let import = new.secret("import");
        let mut site = Site::begun(&old).await;
        let mut outside = Outside::new(&site, None).await;
        let mut alice = Person::new("alice", 1);
        site.publish(&old, &alice.label(), alice.newest.bytes()).await;
        let handle = label("handle:wonderland");
        let claimed = alice.claim(handle.as_str(), None);
        site.publish(&old, &handle, claimed.bytes()).await;
        let site = end(&mut old, &new, site).await;
        outside.check_log(&site).await;
        let (_, answer) = outside.ask(&site, &alice.label()).await;
        let last = outside.verify_epoch(&site, &answer);
        let ended = outside.trust.document().clone();

        let state = final_state::read(&site.service.store).unwrap();
        let statement = new.dir.path().join("predecessor.json");
        std::fs::write(&statement, state.to_json().unwrap()).unwrap();
        new.layer.predecessor = Some(statement);
        let mut next = Site::begun(&new).await;
        let (_, bytes) = next.get("/v1/config").await;
        let continued = ConfigDocument::parse(&bytes).unwrap();
        let link = Link::verify(&ended, &last, &continued).unwrap();
        assert_eq!(link.predecessor(), &state);

        let final_record = alice.newest.clone();
        let moved = alice.imported(NEW, final_record.hash(), &import);
        next.publish(&new, &alice.label(), moved.bytes()).await;
        let moved_handle = alice.imported_alias(handle.as_str(), NEW, claimed.hash(), &import);
        next.publish(&new, &handle, moved_handle.bytes()).await;
        let mut inside = Outside::new(&next, None).await;
        inside.check_log(&next).await;
        let found = inside.history(&next, &alice.label()).await;
        assert_eq!(link.account(&final_record, found.newest()), Ok(()));
        let found: AliasRecord = inside.alias(&next, &handle).await.unwrap();
        assert_eq!(link.alias(&claimed, &found), Ok(()));
        // Her next version is her own, for the new log.
        alice.newest = moved;
        let own = alice.add_device(2, 9);
        next.publish(&new, &alice.label(), own.bytes()).await;

        // A record that names nothing, or something else, is no way to move.
        let bob = Person::new("bob", 2);
        for hash in [RecordHash::ZERO, RecordHash::new([7; 32])] {
            let foreign = bob.imported(NEW, hash, &import);
            assert_eq!(
                link.account(&bob.newest, &foreign),
                Err(MigrationError::PreviousHash)
            );
        }
        next.close().await;
        // What the new log continues is settled at its first start.
        new.layer.predecessor = None;
        let next = Site::open(&new).await;
        assert_eq!(next.service.config.predecessor, Some(state.clone()));
        next.close().await;
        let mut other = state;
        other.size = LogSize::new(9);
        let statement = new.dir.path().join("other.json");
        std::fs::write(&statement, other.to_json().unwrap()).unwrap();
        new.layer.predecessor = Some(statement);
        assert_eq!(new.refusal(), "config-predecessor-changed");
        site.close().await;
    });
}

#[test]
fn everything_moves_with_an_export_and_an_import() {
    for backend in BACKENDS {
        run(async {
            let (mut old, mut new) = (Place::new(backend), continuing(backend));
            let mut site = Site::begun(&old).await;
            let mut people: Vec<Person> = (1..=9).map(|n| Person::new(&format!("p{n}"), n)).collect();
            for person in &people {
                site.publish(&old, &person.label(), person.newest.bytes()).await;
            }
            let mut names = Vec::new();
            for person in &people {
                let name = label(&format!("handle:name-of-{}", person.id));
                let claimed = person.claim(name.as_str(), None);
                site.publish(&old, &name, claimed.bytes()).await;
                names.push(claimed);
            }
            // One has a second version, one gave its name back, one closed the account.
            let second = people[0].add_device(2, 9);
            site.publish(&old, &people[0].label(), second.bytes()).await;
            let released = people[1].release(&names[1]);
            site.publish(&old, &names[1].label(), released.bytes()).await;
            let closed = people[2].end(None);
            site.publish(&old, &people[2].label(), closed.bytes()).await;
            let refused = export::write(&site.service.store, &new.secret("import"), &mut Vec::new());
            assert_eq!(refused.unwrap_err().reason(), "log-not-ended");
            let mut outside = Outside::new(&site, None).await;
            let site = end(&mut old, &new, site).await;
            outside.check_log(&site).await;
            let (_, answer) = outside.ask(&site, &people[0].label()).await;
            let last = outside.verify_epoch(&site, &answer);

            let mut lines = Vec::new();
            let done = export::write(&site.service.store, &new.secret("import"), &mut lines).unwrap();
            assert_eq!((done.accounts, done.aliases, done.ended), (8, 7, 3));
            let file = new.dir.path().join("lines");
            std::fs::write(&file, lines).unwrap();
            let state = final_state::read(&site.service.store).unwrap();
            let statement = new.dir.path().join("predecessor.json");
            std::fs::write(&statement, state.to_json().unwrap()).unwrap();
            new.layer.predecessor = Some(statement);
            let imported = import(&new, &file).await;
            assert_eq!((imported.lines, imported.imported, imported.skipped), (15, 15, 0));

            let mut next = Site::open(&new).await;
            next.advance().await.unwrap();
            let mut inside = Outside::new(&next, None).await;
            inside.check_log(&next).await;
            let continued = inside.trust.document().clone();
            let link = Link::verify(outside.trust.document(), &last, &continued).unwrap();
            for (n, person) in people.iter().enumerate() {
                let found = inside.account(&next, &person.label()).await;
                assert_eq!(found.is_some(), n != 2, "{}", person.id);
                if n != 2 {
                    let found = inside.history(&next, &person.label()).await;
                    assert_eq!(link.account(&person.newest, found.newest()), Ok(()));
                }
            }
            for (n, name) in names.iter().enumerate() {
                if n == 1 || n == 2 {
                    assert_eq!(inside.account(&next, &name.label()).await, None);
                } else {
                    let found = inside.alias(&next, &name.label()).await.unwrap();
                    assert_eq!(link.alias(name, &found), Ok(()));
                }
            }
            next.close().await;
            site.close().await;
        });
    }
}

/// Imports a file of lines.
async fn import(place: &Place, file: &std::path::Path) -> Counts {
    let import = Import {
        file: file.to_owned(),
        skip_bad: false,
    };
    let clock: Arc<ManualClock> = Arc::clone(&place.clock);
    let (settings, keys) = (place.settings(), place.keys());
    import::start(settings, keys, clock, Arc::new(NoSteps), import, Box::new(Nobody))
        .await
        .unwrap()
        .wait()
        .await
        .unwrap()
        .counts
}

/// Nobody watches the import.
struct Nobody;

impl Watcher for Nobody {
    fn resumed(&mut self, _: &Advance) {}

    fn advanced(&mut self, _: &Advance) {}

    fn skipped(&mut self, line: u64, why: &BadRecord) {
        panic!("line {line}: {why}");
    }
}

#[test]
fn an_import_that_continues_needs_a_predecessor() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let import = place.secret("import");
        let site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        let record = alice.imported(ORIGIN, RecordHash::new([7; 32]), &import);
        let (status, code, reason) = site.refuse_for(&alice.label(), record.bytes()).await;
        assert_eq!(
            (status, code.as_str(), reason.as_str()),
            (422, "rule-broken", "previous-hash")
        );
        site.close().await;
    });
}
