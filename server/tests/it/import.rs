//! Importing a file: every line is checked, a crash at any step is harmless, and a second time changes nothing.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use keyglass_protocol::quantity::LogSize;
use keyglass_schema::test_database::Backend;
use keyglass_server::import::{self, Advance, BadRecord, Import, ImportError, Watcher};
use keyglass_server::publisher::{NoSteps, Step, Steps};
use keyglass_server::settings::Layer;
use keyglass_testkit::world::Person;

use crate::common::lines::{File, file, import_key, imported, imported_handle, line};
use crate::common::outside::Outside;
use crate::common::{BACKENDS, Place, Site, run};

/// What an import said.
#[derive(Default, Clone)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn all(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Watcher for Said {
    fn resumed(&mut self, at: &Advance) {
        self.push(format!("resumed after {}", at.counts.lines));
    }

    fn advanced(&mut self, _to: &Advance) {}

    fn skipped(&mut self, line: u64, why: &BadRecord) {
        self.push(format!("{line} {}", why.reason()));
    }
}

/// Ends the publisher when a step is reached for the n-th time.
struct EndAt {
    step: Step,
    left: AtomicU32,
}

impl Steps for EndAt {
    fn reached(&self, step: Step) {
        if step == self.step && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            std::panic::resume_unwind(Box::new("stopped by the test"));
        }
    }
}

fn place(backend: Backend) -> Place {
    Place::with(
        backend,
        Layer {
            max_batch: Some(6),
            ..Layer::default()
        },
    )
}

async fn import(
    place: &Place,
    path: &Path,
    skip_bad: bool,
    steps: Arc<dyn Steps>,
    said: &Said,
) -> Result<Advance, ImportError> {
    let import = Import {
        file: path.to_owned(),
        skip_bad,
    };
    let watcher = Box::new(said.clone());
    let (settings, keys) = (place.settings(), place.keys());
    let clock: Arc<keyglass_server::clock::ManualClock> = Arc::clone(&place.clock);
    import::start(settings, keys, clock, steps, import, watcher)
        .await?
        .wait()
        .await
}

async fn all(place: &Place, path: &Path) -> Result<Advance, ImportError> {
    import(place, path, false, Arc::new(NoSteps), &Said::default()).await
}

/// Everything in the file is in the directory, as an outsider verifies it.
async fn check(place: &Place, file: &File) -> LogSize {
    let mut site = Site::open(place).await;
    site.advance().await.unwrap();
    let mut outside = Outside::new(&site, None).await;
    let size = outside.check_log(&site).await;
    for (label, record) in file.accounts.iter().chain(&file.handles) {
        assert_eq!(
            outside.account(&site, label).await.as_ref(),
            Some(record),
            "{label:?}"
        );
    }
    site.close().await;
    size
}

#[test]
fn everything_is_imported_and_a_second_time_changes_nothing() {
    for backend in BACKENDS {
        run(async {
            let place = place(backend);
            let file = file(&place, &place.dir.path().join("lines"), 8);
            let done = all(&place, &file.path).await.unwrap();
            assert_eq!(
                (done.counts.lines, done.counts.imported),
                (file.lines, file.lines)
            );
            assert_eq!(done.offset, done.length);
            let size = check(&place, &file).await;

            let again = all(&place, &file.path).await.unwrap();
            assert_eq!(again.counts, done.counts, "it was at its end already");
            // Without the note of how far it was, every line is recognised.
            std::fs::remove_file(place.settings().data_dir.join("import")).unwrap();
            let again = all(&place, &file.path).await.unwrap();
            assert_eq!((again.counts.known, again.counts.imported), (file.lines, 0));
            assert_eq!(check(&place, &file).await, size, "no epoch was made for nothing");
        });
    }
}

#[test]
fn an_import_that_ended_at_any_step_goes_on() {
    // Those after which something else is left behind.
    let steps = [
        Step::TreeCommitting,
        Step::TreeCommitted,
        Step::AuditStored,
        Step::LeafStaged,
        Step::GuardSwapped,
        Step::CheckpointSigned,
        Step::HeadFlipped,
    ];
    for (number, step) in steps.into_iter().enumerate() {
        let backend = if number % 4 == 3 {
            Backend::Postgres
        } else {
            Backend::Sqlite
        };
        run(async {
            let place = place(backend);
            let file = file(&place, &place.dir.path().join("lines"), 7);
            // Twice in a row, in the second epoch of the file and in the one after. (Epoch 0 counts for some steps.)
            for nth in [3, 2] {
                let end = Arc::new(EndAt {
                    step,
                    left: AtomicU32::new(nth),
                });
                let ended = import(&place, &file.path, false, end, &Said::default()).await;
                assert!(
                    matches!(ended, Err(ImportError::Server(_))),
                    "{step:?}: {ended:?}"
                );
                place.tick();
            }
            let said = Said::default();
            let done = import(&place, &file.path, false, Arc::new(NoSteps), &said)
                .await
                .unwrap();
            assert_eq!(done.counts.lines, file.lines);
            assert_eq!(done.counts.imported + done.counts.known, file.lines);
            assert!(said.all()[0].starts_with("resumed after "), "{step:?}");
            check(&place, &file).await;
        });
    }
}

#[test]
fn bad_lines_are_reported_by_number_and_skipped_only_if_asked() {
    run(async {
        let place = place(Backend::Sqlite);
        let key = import_key(&place);
        let (alice, bob, mut carol) = (
            Person::new("alice", 1),
            Person::new("bob", 2),
            Person::new("carol", 3),
        );
        let other = Person::new("bob", 9);
        let strange = ed25519_dalek::SigningKey::from_bytes(&[77; 32]);
        let mut gap = carol.clone();
        gap.add_device(2, 1);
        gap.add_device(3, 1);
        let first = carol.newest.clone();
        carol.rotate(33);
        let records = [
            (line(imported(&alice, &key).bytes()), None),
            ("nonsense\n".to_owned(), Some("bad-json")),
            (line(&[1, 2, 3]), Some("truncated")),
            (
                line(imported(&bob, &strange).bytes()),
                Some("bad-record-signature"),
            ),
            (
                line(imported_handle(&bob, "bob", &key).bytes()),
                Some("alias-account-absent"),
            ),
            (line(imported(&bob, &key).bytes()), None),
            (line(imported_handle(&bob, "bob", &key).bytes()), None),
            (line(other.newest.bytes()), Some("other-record")),
            (line(first.bytes()), None),
            (line(gap.newest.bytes()), Some("version-gap")),
            // Her key changes: not in the epoch of her handle, which was made with the old one.
            (
                line(imported_handle(&gap, "carol", &key).bytes()),
                Some("alias-holder-version"),
            ),
        ];
        let path = place.dir.path().join("lines");
        let text: String = records.iter().map(|(text, _)| text.as_str()).collect();
        std::fs::write(&path, &text).unwrap();

        let ended = all(&place, &path).await.unwrap_err();
        assert_eq!(ended.to_string().split(':').next(), Some("line 2"), "{ended}");
        assert_eq!(ended.reason(), "bad-json");
        let said = Said::default();
        let done = import(&place, &path, true, Arc::new(NoSteps), &said)
            .await
            .unwrap();
        let expected: Vec<String> = (1..)
            .zip(&records)
            .filter_map(|(number, (_, why))| Some(format!("{number} {}", (*why)?)))
            .collect();
        let mut heard = said.all();
        assert_eq!(heard.remove(0), "resumed after 1");
        assert_eq!(heard, expected);
        assert_eq!((done.counts.imported, done.counts.skipped), (4, 7));
    });
}

#[test]
fn claims_in_a_file_are_judged_like_others_and_what_was_there_before_is_not() {
    for backend in BACKENDS {
        run(async {
            let place = place(backend);
            let key = import_key(&place);
            let mut alice = Person::new("alice", 1);
            alice.newest = imported(&alice, &key);
            let claim = |name: &str| line(alice.claim(&format!("handle:{name}"), None).bytes());
            let (path, later) = (place.dir.path().join("lines"), place.dir.path().join("later"));
            let records = [
                (line(alice.newest.bytes()), None),
                (claim("paypal"), None),
                (claim("admin"), Some("handle-reserved")),
                (claim("аlice"), Some("handle-restricted")),
                (claim("paypa1"), Some("handle-confusable")),
                (line(imported_handle(&alice, "support", &key).bytes()), None),
                (line(imported_handle(&alice, "modern", &key).bytes()), None),
                (claim("modem"), Some("handle-confusable")),
            ];
            let text: String = records.iter().map(|(text, _)| text.as_str()).collect();
            std::fs::write(&path, text).unwrap();
            let said = Said::default();
            let done = import(&place, &path, true, Arc::new(NoSteps), &said)
                .await
                .unwrap();
            let expected: Vec<String> = (1..)
                .zip(&records)
                .filter_map(|(number, (_, why))| Some(format!("{number} {}", (*why)?)))
                .collect();
            assert_eq!(said.all(), expected);
            assert_eq!(done.counts.imported, 4);
            // It is remembered what was there first.
            std::fs::write(&later, claim("paypa1")).unwrap();
            let refused = all(&place, &later).await.unwrap_err();
            assert_eq!(refused.reason(), "handle-confusable");
            let mut site = Site::open(&place).await;
            site.advance().await.unwrap();
            let modem = alice.claim("handle:modem", None);
            let (status, _, reason) = site.refuse_for(&modem.label(), modem.bytes()).await;
            assert_eq!((status, reason.as_str()), (422, "handle-confusable"));
            site.close().await;
        });
    }
}

#[test]
fn a_key_change_waits_for_the_epoch_after_the_handle_that_names_the_key() {
    run(async {
        let place = place(Backend::Sqlite);
        let key = import_key(&place);
        let mut carol = Person::new("carol", 3);
        carol.newest = imported(&carol, &key);
        let mut text = line(carol.newest.bytes());
        text += &line(imported_handle(&carol, "carol", &key).bytes());
        text += &line(carol.rotate(33).bytes());
        text += &line(carol.claim("handle:other", None).bytes());
        let path = place.dir.path().join("lines");
        std::fs::write(&path, text).unwrap();
        let done = all(&place, &path).await.unwrap();
        assert_eq!((done.counts.imported, done.epoch.get()), (4, 2));
        let labels = [
            carol.label(),
            crate::common::label("handle:carol"),
            crate::common::label("handle:other"),
        ];
        let file = File {
            path,
            lines: 4,
            accounts: labels.map(|l| (l, carol.newest.clone())).to_vec(),
            handles: Vec::new(),
        };
        check(&place, &file).await;
    });
}

/// Lines are judged ahead, for the epoch that they will probably come into. A second version in the first batch takes an epoch
/// of its own, so that the last two come into one in which the import key does not count any more.
#[test]
fn a_line_that_was_judged_ahead_is_judged_again_where_the_keys_are_others() {
    run(async {
        let layer = Layer {
            max_batch: Some(2),
            import_closed_after_epoch: Some(3),
            ..Layer::default()
        };
        let place = Place::with(Backend::Sqlite, layer);
        let key = import_key(&place);
        let mut carol = Person::new("carol", 3);
        carol.newest = imported(&carol, &key);
        let mut text = line(carol.newest.bytes());
        text += &line(carol.add_device(2, 3).bytes());
        for number in 10..14 {
            let person = Person::new(&format!("person{number}"), number);
            text += &line(imported(&person, &key).bytes());
        }
        let path = place.dir.path().join("lines");
        std::fs::write(&path, text).unwrap();
        let said = Said::default();
        let done = import(&place, &path, true, Arc::new(NoSteps), &said)
            .await
            .unwrap();
        assert_eq!(said.all(), ["5 import-closed", "6 import-closed"]);
        assert_eq!((done.counts.imported, done.epoch.get()), (4, 3));
    });
}

#[test]
fn no_updates_are_taken_meanwhile() {
    run(async {
        let place = place(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        site.service.importing.store(true, Ordering::Relaxed);
        assert_eq!(site.refuse(&alice.label(), alice.newest.bytes()).await.0, 503);
        site.service.importing.store(false, Ordering::Relaxed);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();
        site.close().await;
    });
}
