//! Every write of publishing fails, or fails after it took effect, or the process ends at it. Afterwards the same
//! function goes on, and an outsider finds one consistent log with everything that was promised.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use keyglass_protocol::message::PutAnswer;
use keyglass_protocol::quantity::{Epoch, LogSize};
use keyglass_schema::test_database::Backend;
use keyglass_server::clock::{Clock as _, ManualClock};
use keyglass_server::guard::{FileGuard, Guard, GuardError, Guarded};
use keyglass_server::publisher::{Progress, Step};
use keyglass_testkit::world::{FIRST_TIME, ORIGIN, Person};

use crate::common::faults::{break_writes, mend_writes};
use crate::common::outside::Outside;
use crate::common::{BACKENDS, Place, Site, run};

/// A directory with one epoch, and an update that is promised and not published.
struct Scene {
    place: Place,
    outside: Outside,
    person: Person,
    given: PutAnswer,
    earlier: (PutAnswer, Person),
}

impl Scene {
    async fn new(backend: Backend) -> (Self, Site) {
        let place = Place::new(backend);
        let mut site = Site::begun(&place).await;
        let outside = Outside::new(&site, None).await;
        let earlier = Person::new("earlier", 9);
        let given = site.accept(&earlier.label(), earlier.newest.bytes()).await;
        site.advance().await.unwrap();
        place.tick();
        let earlier = (given, earlier);
        let person = Person::new("alice", 1);
        let given = site.accept(&person.label(), person.newest.bytes()).await;
        (
            Self {
                place,
                outside,
                person,
                given,
                earlier,
            },
            site,
        )
    }

    /// Nothing that was acknowledged is lost, no epoch forked or skipped.
    async fn check(&mut self, site: &Site) {
        assert_eq!(
            self.outside.check_log(site).await,
            LogSize::new(3),
            "one epoch, once"
        );
        let record = self.person.newest.clone();
        assert_eq!(
            self.outside.account(site, &self.person.label()).await,
            Some(record.clone())
        );
        self.outside
            .check_fulfilled(site, &self.given, record.bytes())
            .await;
        let (given, person) = &self.earlier;
        assert_eq!(
            self.outside.account(site, &person.label()).await,
            Some(person.newest.clone())
        );
        self.outside
            .check_fulfilled(site, given, person.newest.bytes())
            .await;
    }
}

#[test]
fn the_process_ends_at_each_step() {
    // Steps that only happen when a log begins or has cosigners are covered below and in `cosigning`.
    let steps = Step::ALL
        .into_iter()
        .filter(|s| !matches!(s, Step::TreeCreated | Step::CosignersAsked));
    for (number, step) in steps.enumerate() {
        // Every step on SQLite, every second one on Postgres as well: what differs there is the store, which has its own
        // tests.
        for backend in BACKENDS.into_iter().take(1 + number % 2) {
            run(async {
                let (mut scene, mut site) = Scene::new(backend).await;
                scene.outside.check_log(&site).await;
                scene.place.stop_at.arm(Some(step));
                assert!(site.try_advance().await.is_none(), "{step:?} was not reached");
                scene.outside.check_log(&site).await;
                site.close().await;
                scene.place.tick();

                let mut site = Site::open(&scene.place).await;
                let progress = site.advance().await.unwrap();
                assert_eq!(
                    progress,
                    if step < Step::TreeCommitted {
                        Progress::Published
                    } else {
                        Progress::Idle
                    }
                );
                scene.check(&site).await;
                site.close().await;
            });
        }
    }
}

#[test]
fn the_process_ends_while_the_log_begins() {
    let steps = [
        Step::TreeCreated,
        Step::LeafStaged,
        Step::GuardSwapping,
        Step::GuardSwapped,
        Step::CheckpointSigned,
        Step::HeadFlipped,
        Step::ReceiptsFulfilled,
    ];
    for step in steps {
        run(async {
            let place = Place::new(Backend::Sqlite);
            let mut site = Site::open(&place).await;
            place.stop_at.arm(Some(step));
            assert!(site.try_advance().await.is_none(), "{step:?} was not reached");
            site.close().await;
            let mut site = Site::begun(&place).await;
            let mut outside = Outside::new(&site, None).await;
            assert_eq!(outside.check_log(&site).await, LogSize::new(1));
            let alice = Person::new("alice", 1);
            site.accept(&alice.label(), alice.newest.bytes()).await;
            site.advance().await.unwrap();
            assert_eq!(outside.account(&site, &alice.label()).await, Some(alice.newest));
            site.close().await;
        });
    }
}

/// A table, what publishing does to it, and whether a failure there must end the process.
const WRITES: [(&str, &str, bool); 10] = [
    ("updates", "UPDATE", false),
    ("leaves", "INSERT", true),
    ("label_states", "INSERT", true),
    ("tree_head", "UPDATE", true),
    ("epochs", "INSERT", false),
    ("log_hashes", "INSERT", false),
    ("checkpoints", "INSERT", false),
    ("head", "UPDATE", false),
    ("updates", "DELETE", false),
    ("receipts", "UPDATE", false),
];

#[test]
fn each_write_of_the_database_fails() {
    for (number, (table, event, fatal)) in WRITES.into_iter().enumerate() {
        for backend in BACKENDS.into_iter().take(1 + number % 2) {
            run(async {
                let (mut scene, mut site) = Scene::new(backend).await;
                break_writes(&scene.place.database, table, event);
                let error = site
                    .advance()
                    .await
                    .expect_err(&format!("{event} {table} had no effect on {backend:?}"));
                assert_eq!(error.is_fatal(), fatal, "{event} {table}: {error}");
                scene.outside.check_log(&site).await;
                let again = site.advance().await.expect_err("it is still broken");
                assert_eq!(again.is_fatal(), fatal, "{event} {table}: {again}");
                scene.outside.check_log(&site).await;
                mend_writes(&scene.place.database, table);
                if fatal {
                    site.close().await;
                    site = Site::open(&scene.place).await;
                }
                site.advance().await.unwrap();
                scene.check(&site).await;
                site.close().await;
            });
        }
    }
}

/// A guard whose next swap fails, perhaps after it took effect.
#[derive(Clone)]
struct FaultyGuard {
    inner: Arc<FileGuard>,
    fails: Arc<AtomicBool>,
    takes_effect: bool,
}

impl Guard for FaultyGuard {
    fn read(&self) -> Result<Option<Guarded>, GuardError> {
        self.inner.read()
    }

    fn swap(&self, expected: Option<Guarded>, next: Guarded) -> Result<(), GuardError> {
        if !self.fails.swap(false, Ordering::SeqCst) {
            return self.inner.swap(expected, next);
        }
        if self.takes_effect {
            self.inner.swap(expected, next)?;
        }
        Err(GuardError::Io {
            path: "guard".into(),
            error: std::io::Error::other("fault"),
        })
    }
}

#[test]
fn the_guard_fails_with_and_without_effect() {
    for takes_effect in [false, true] {
        run(async {
            let (mut scene, site) = Scene::new(Backend::Sqlite).await;
            site.close().await;
            let settings = scene.place.settings();
            let inner = Arc::new(FileGuard::open(&settings.guard, ORIGIN).unwrap());
            let fails = Arc::new(AtomicBool::new(true));
            let guard = FaultyGuard {
                inner,
                fails: Arc::clone(&fails),
                takes_effect,
            };
            let mut site = Site::with_guard(&scene.place, Box::new(guard)).await.unwrap();
            let error = site.advance().await.unwrap_err();
            assert_eq!((error.reason(), error.is_fatal()), ("guard-io", false));
            // Time passes: a leaf that is guarded keeps its time, one that is not gets a new one.
            scene.place.clock.advance(40_000);
            site.advance().await.unwrap();
            scene.check(&site).await;
            let leaf = site.service.store.leaf(Epoch::new(2)).unwrap().unwrap();
            let fresh = leaf.time == scene.place.clock.now();
            assert_eq!(fresh, !takes_effect);
            site.close().await;
        });
    }
}

#[test]
fn an_audit_proof_cannot_be_written() {
    run(async {
        let (mut scene, mut site) = Scene::new(Backend::Sqlite).await;
        let folder = scene
            .place
            .settings()
            .artefacts_dir
            .join("log")
            .join("audit")
            .join("2");
        std::fs::write(&folder, "in the way").unwrap();
        let error = site.advance().await.unwrap_err();
        assert_eq!((error.reason(), error.is_fatal()), ("audit-proof", false));
        std::fs::remove_file(&folder).unwrap();
        site.advance().await.unwrap();
        scene.check(&site).await;
        site.close().await;
    });
}

#[test]
fn a_damaged_tree_is_noticed_before_it_is_signed() {
    run(async {
        let (mut scene, mut site) = Scene::new(Backend::Sqlite).await;
        scene.place.stop_at.arm(Some(Step::LeafStaged));
        assert!(site.try_advance().await.is_none());
        site.close().await;
        // The record that was committed is not the one that will be shown.
        scene
            .place
            .database
            .execute("DELETE FROM label_states WHERE epoch = 2");
        let mut site = Site::open(&scene.place).await;
        let error = site.advance().await.unwrap_err();
        assert!(
            !error.to_string().contains("alice"),
            "labels are not logged: {error}"
        );
        assert_eq!(site.service.pending.size(), LogSize::new(2), "nothing was signed");
        scene.outside.check_log(&site).await;
        site.close().await;
    });
}

#[test]
fn an_audit_proof_that_was_altered_is_noticed_before_it_is_signed() {
    run(async {
        let (mut scene, mut site) = Scene::new(Backend::Sqlite).await;
        scene.place.stop_at.arm(Some(Step::LeafStaged));
        assert!(site.try_advance().await.is_none());
        site.close().await;
        let leaf = {
            let site = Site::open(&scene.place).await;
            let leaf = site.service.store.leaf(Epoch::new(2)).unwrap().unwrap();
            site.close().await;
            leaf
        };
        let mut path = scene
            .place
            .settings()
            .artefacts_dir
            .join("log")
            .join("audit")
            .join("2");
        path.extend([leaf.previous_root.to_string(), leaf.root.to_string()]);
        let mut proof = std::fs::read(&path).unwrap();
        proof[5] ^= 1;
        std::fs::write(&path, &proof).unwrap();
        let mut site = Site::open(&scene.place).await;
        let error = site.advance().await.unwrap_err();
        assert_eq!((error.reason(), error.is_fatal()), ("self-check", true));
        scene.outside.check_log(&site).await;
        site.close().await;
    });
}

#[test]
fn a_clock_that_went_back_stops_signing_until_it_is_right() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        place.clock.advance(3_600_000);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();
        site.close().await;

        // The same place an hour earlier, as after a wrong clock was set right.
        let clock = Arc::new(ManualClock::new(FIRST_TIME));
        let earlier = Place { clock, ..place };
        let mut site = Site::open(&earlier).await;
        assert_eq!(site.advance().await.unwrap(), Progress::Idle);
        let bob = Person::new("bob", 2);
        site.accept(&bob.label(), bob.newest.bytes()).await;
        let error = site.advance().await.unwrap_err();
        assert_eq!((error.reason(), error.is_fatal()), ("clock-behind", false));
        earlier.clock.advance(3_600_000 - 30_000);
        assert_eq!(site.advance().await.unwrap(), Progress::Idle);
        let mut outside = Outside::new(&site, None).await;
        assert_eq!(outside.check_log(&site).await, LogSize::new(3));
        assert_eq!(outside.account(&site, &bob.label()).await, Some(bob.newest));
        site.close().await;
    });
}

#[test]
fn readers_are_answered_while_epochs_are_published() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let outside = Outside::new(&site, None).await;
        let alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();

        let (done, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0_u32)));
        let reader = {
            let (done, asked) = (Arc::clone(&done), Arc::clone(&asked));
            let (client, url) = (
                site.client.clone(),
                format!("{}/v1/accounts/alice?from=1&since=1", site.url),
            );
            tokio::spawn(async move {
                let mut answers = Vec::new();
                while !done.load(Ordering::SeqCst) {
                    let response = client.get(&url).send().await.unwrap();
                    assert_eq!(response.status(), 200);
                    answers.push(response.bytes().await.unwrap());
                    *asked.lock().unwrap() += 1;
                }
                answers
            })
        };
        for n in 0..12_u8 {
            let person = Person::new(&format!("p{n}"), n + 20);
            site.accept(&person.label(), person.newest.bytes()).await;
            site.advance().await.unwrap();
        }
        done.store(true, Ordering::SeqCst);
        let answers = reader.await.unwrap();
        assert!(answers.len() > 5, "the reader was starved: {}", answers.len());
        let mut epochs = Vec::new();
        for body in answers {
            let answer = serde_json::from_slice(&body).unwrap();
            let epoch = outside.verify_epoch(&site, &answer);
            keyglass_protocol::verify::lookup(&epoch, &outside.trust, &alice.label(), &answer).unwrap();
            epochs.push(epoch.epoch());
        }
        assert!(epochs.is_sorted(), "readers never go back");
        site.close().await;
    });
}
