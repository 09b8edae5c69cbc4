//! What an import brings is remembered like what was submitted: closings, who held a name, what a handle looks like.

use std::sync::Arc;

use keyglass_protocol::quantity::KeyVersion;
use keyglass_schema::test_database::Backend;
use keyglass_server::clock::ManualClock;
use keyglass_server::import::{self, Advance, BadRecord, Import, Watcher};
use keyglass_server::publisher::NoSteps;
use keyglass_server::settings::Layer;
use keyglass_server::verify_store::{self, Finding, Report};
use keyglass_testkit::world::Person;

use crate::common::lines::{import_key, imported, imported_handle, line};
use crate::common::{BACKENDS, Place, Site, run};

const HOUR: u64 = 3_600_000;

/// Nothing is skipped.
struct Strict;

impl Watcher for Strict {
    fn resumed(&mut self, _: &Advance) {}

    fn advanced(&mut self, _: &Advance) {}

    fn skipped(&mut self, line: u64, why: &BadRecord) {
        panic!("line {line}: {why}");
    }
}

/// Nothing is found.
struct Whole;

impl Report for Whole {
    fn progress(&mut self, _: &'static str, _: u64, _: u64) {}

    fn finding(&mut self, finding: &Finding) {
        panic!("{finding}");
    }
}

async fn import_all(place: &Place, lines: &[String]) {
    let path = place.dir.path().join("lines");
    std::fs::write(&path, lines.concat()).unwrap();
    let import = Import {
        file: path,
        skip_bad: false,
    };
    let clock: Arc<ManualClock> = Arc::clone(&place.clock);
    let started = import::start(
        place.settings(),
        place.keys(),
        clock,
        Arc::new(NoSteps),
        import,
        Box::new(Strict),
    );
    let done = started.await.unwrap().wait().await.unwrap();
    assert_eq!(done.counts.imported, lines.len() as u64);
}

/// Which versions of somebody's account are blank.
fn blank(site: &Site, person: &Person) -> Vec<bool> {
    let store = &site.service.store;
    let versions = (1..=person.newest.version.get()).map(|v| KeyVersion::new(v).unwrap());
    versions
        .map(|v| {
            store
                .version(&person.label(), v)
                .unwrap()
                .unwrap()
                .value
                .is_empty()
        })
        .collect()
}

fn place(backend: Backend) -> Place {
    Place::with(
        backend,
        Layer {
            erase_closed_after: Some("1h".parse().unwrap()),
            ..Layer::default()
        },
    )
}

#[test]
fn imported_closings_are_erased_unless_a_name_needs_them() {
    for backend in BACKENDS {
        run(async {
            let place = place(backend);
            let key = import_key(&place);
            let mut people = [
                Person::new("alice", 1),
                Person::new("bob", 2),
                Person::new("carol", 3),
            ];
            let mut lines = Vec::new();
            for person in &mut people {
                person.newest = imported(person, &key);
                lines.push(line(person.newest.bytes()));
            }
            let [alice, bob, carol] = &mut people;
            // Alice changes something and closes; carol gives a name back, which bob takes, and closes too.
            lines.push(line(alice.add_device(2, 9).bytes()));
            lines.push(line(alice.end(None).bytes()));
            let held = imported_handle(carol, "band", &key);
            lines.push(line(held.bytes()));
            let released = carol.release(&held);
            lines.push(line(released.bytes()));
            lines.push(line(bob.claim("handle:band", Some(&released)).bytes()));
            lines.push(line(carol.end(None).bytes()));
            import_all(&place, &lines).await;

            let mut site = Site::open(&place).await;
            site.advance().await.unwrap();
            place.clock.advance(2 * HOUR);
            site.publisher.as_mut().unwrap().erase_due().unwrap();
            assert_eq!(blank(&site, alice), [true, true, false]);
            assert_eq!(blank(&site, bob), [false]);
            assert_eq!(
                blank(&site, carol),
                [false, false],
                "bob's name is proven by her key"
            );
            site.close().await;
            let (settings, keys) = (place.settings(), place.keys());
            let checked = verify_store::verify(&settings, &keys, None, &mut Whole)
                .await
                .unwrap();
            assert_eq!((checked.labels, checked.versions, checked.findings), (4, 9, 0));
        });
    }
}
