//! A backup taken while the server runs, lost databases, and the way forward with the journal.

use std::path::PathBuf;
use std::sync::Arc;

use keyglass_protocol::message::PutAnswer;
use keyglass_protocol::quantity::LogSize;
use keyglass_schema::test_database::{Backend, TestDatabase};
use keyglass_server::backup::{self, BackupError, Manifest, Standing};
use keyglass_server::clock::ManualClock;
use keyglass_server::publisher::{Replayed, Step};
use keyglass_server::restore::{self, RestoreError};
use keyglass_testkit::world::Person;

use crate::common::outside::Outside;
use crate::common::{BACKENDS, Place, Site, run};

/// A directory of which a backup was taken in the middle of its life.
struct Scene {
    place: Place,
    outside: Outside,
    people: Vec<(Person, PutAnswer)>,
    backup: PathBuf,
}

impl Scene {
    /// Two epochs, a backup while an update waits, two more epochs.
    async fn new(backend: Backend) -> Self {
        let place = Place::new(backend);
        let mut site = Site::begun(&place).await;
        let outside = Outside::new(&site, None).await;
        let backup = place.dir.path().join("backup");
        let mut scene = Self {
            place,
            outside,
            people: Vec::new(),
            backup,
        };
        scene.accept(&site, "alice", 1).await;
        site.advance().await.unwrap();
        scene.place.tick();
        scene.accept(&site, "bob", 2).await;
        site.advance().await.unwrap();
        scene.place.tick();
        scene.accept(&site, "carol", 3).await;
        scene.back_up();
        site.advance().await.unwrap();
        scene.place.tick();
        scene.accept(&site, "dora", 4).await;
        site.advance().await.unwrap();
        scene.outside.check_log(&site).await;
        site.close().await;
        scene
    }

    async fn accept(&mut self, site: &Site, name: &str, seed: u8) {
        let person = Person::new(name, seed);
        let given = site.accept(&person.label(), person.newest.bytes()).await;
        self.people.push((person, given));
    }

    fn back_up(&self) -> Manifest {
        backup::take(&self.place.settings(), &self.place.keys(), &self.backup).unwrap()
    }

    /// The database is gone, and a new, empty one is in its place.
    fn lose_database(&mut self) {
        self.place.database = TestDatabase::new(self.place.database.backend());
    }

    fn bring_back(&self) -> Result<Standing, BackupError> {
        backup::bring_back(&self.place.settings(), &self.place.keys(), &self.backup)
    }

    async fn replay(&self) -> Result<Replayed, RestoreError> {
        let (settings, keys) = (self.place.settings(), self.place.keys());
        let clock: Arc<ManualClock> = Arc::clone(&self.place.clock);
        restore::replay(settings, keys, clock, &mut |_| {}).await
    }

    async fn refusal(&self) -> &'static str {
        match Site::try_open(&self.place).await {
            Ok(_) => "none",
            Err(error) => error.reason(),
        }
    }

    /// Everything that was ever promised is there, in a log that continues every head that was seen.
    async fn check(&mut self) -> LogSize {
        let mut site = Site::open(&self.place).await;
        site.advance().await.unwrap();
        let size = self.outside.check_log(&site).await;
        for (person, given) in &self.people {
            let newest = self.outside.account(&site, &person.label()).await;
            assert_eq!(newest.as_ref(), Some(&person.newest));
            self.outside
                .check_fulfilled(&site, given, person.newest.bytes())
                .await;
        }
        assert_eq!(site.service.store.queue_depth().unwrap(), 0);
        site.close().await;
        size
    }
}

#[test]
fn a_restored_backup_signs_only_after_it_was_brought_forward() {
    for backend in BACKENDS {
        run(async {
            let mut scene = Scene::new(backend).await;
            scene.lose_database();
            let standing = scene.bring_back().unwrap();
            assert_eq!(
                (standing.size.get(), standing.guard.map(LogSize::get)),
                (3, Some(5))
            );
            assert_eq!(scene.refusal().await, "guard-ahead");
            let done = scene.replay().await.unwrap();
            assert_eq!((done.from.get(), done.to.get(), done.promised), (3, 5, false));
            assert_eq!(scene.check().await.get(), 5);
            // A second time there is nothing left to do, and the directory goes on.
            assert_eq!(scene.replay().await.unwrap().from.get(), 5);
            let mut site = Site::open(&scene.place).await;
            site.advance().await.unwrap();
            scene.accept(&site, "erna", 5).await;
            site.advance().await.unwrap();
            site.close().await;
            assert_eq!(scene.check().await.get(), 6);
        });
    }
}

#[test]
fn the_journal_alone_makes_the_same_directory_again() {
    for backend in BACKENDS {
        run(async {
            let mut scene = Scene::new(backend).await;
            scene.lose_database();
            std::fs::remove_dir_all(scene.place.settings().artefacts_dir).unwrap();
            let done = scene.replay().await.unwrap();
            assert_eq!((done.from.get(), done.to.get()), (0, 5));
            assert_eq!(scene.check().await.get(), 5);
        });
    }
}

#[test]
fn a_process_that_ended_after_the_backup_at_any_step_loses_nothing_that_the_journal_has() {
    // Those after which something else is left behind.
    let steps = [
        Step::TreeCommitting,
        Step::LeafStaged,
        Step::GuardSwapping,
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
            let mut scene = Scene::new(backend).await;
            let mut site = Site::open(&scene.place).await;
            site.advance().await.unwrap();
            scene.place.tick();
            scene.accept(&site, "late", 9).await;
            scene.place.stop_at.arm(Some(step));
            assert!(site.try_advance().await.is_none(), "{step:?} was not reached");
            site.close().await;
            // Long enough for a leaf that is not guarded to get a new time.
            scene.place.clock.advance(31_000);
            scene.lose_database();
            scene.bring_back().unwrap();
            scene.replay().await.unwrap();
            assert_eq!(scene.check().await.get(), 6, "{step:?}");
        });
    }
}

#[test]
fn a_journal_with_a_hole_or_too_short_does_not_lift_the_refusal() {
    run(async {
        let mut scene = Scene::new(Backend::Sqlite).await;
        // Each process begins a file of its own.
        for (name, seed) in [("erna", 5), ("fritz", 6)] {
            let mut site = Site::open(&scene.place).await;
            site.advance().await.unwrap();
            scene.accept(&site, name, seed).await;
            site.advance().await.unwrap();
            site.close().await;
            scene.place.tick();
        }
        let dir = scene.place.settings().journal_dir;
        let mut files: Vec<_> = std::fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        files.sort();
        assert_eq!(files.len(), 3);
        let kept: Vec<_> = files.iter().map(|f| std::fs::read(f).unwrap()).collect();
        let altered = [&kept[1][..40], &[kept[1][40] ^ 1], &kept[1][41..]].concat();
        let flaws: [(usize, Option<Vec<u8>>, &str); 3] = [
            (2, None, "journal-short"),
            (1, None, "journal-gap"),
            (1, Some(altered), "journal-not-opened"),
        ];
        for (number, content, reason) in flaws {
            match content {
                Some(content) => std::fs::write(&files[number], content).unwrap(),
                None => std::fs::remove_file(&files[number]).unwrap(),
            }
            scene.lose_database();
            scene.bring_back().unwrap();
            assert_eq!(scene.replay().await.unwrap_err().reason(), reason);
            assert_eq!(scene.refusal().await, "guard-ahead", "{reason}");
            std::fs::write(&files[number], &kept[number]).unwrap();
        }
        // With its files back it goes on where it stopped.
        scene.replay().await.unwrap();
        assert_eq!(scene.check().await.get(), 7);
    });
}

#[test]
fn files_of_the_journal_go_only_when_a_backup_covers_them() {
    run(async {
        let mut scene = Scene::new(Backend::Sqlite).await;
        let mut site = Site::open(&scene.place).await;
        site.advance().await.unwrap();
        scene.accept(&site, "erna", 5).await;
        let later = scene.place.dir.path().join("later");
        let (settings, keys) = (scene.place.settings(), scene.place.keys());
        let manifest = backup::take(&settings, &keys, &later).unwrap();
        site.advance().await.unwrap();
        site.close().await;
        assert_eq!(manifest.size, 5);
        let earlier = Manifest::read(&scene.backup.join("manifest.json")).unwrap();
        assert_eq!(backup::prune_journal(&settings, &keys, &earlier).unwrap(), 0);
        assert_eq!(backup::prune_journal(&settings, &keys, &manifest).unwrap(), 1);
        scene.lose_database();
        scene.backup = later;
        scene.bring_back().unwrap();
        scene.replay().await.unwrap();
        assert_eq!(scene.check().await.get(), 6);
    });
}

#[test]
fn backups_that_do_not_belong_here_are_refused() {
    run(async {
        let mut scene = Scene::new(Backend::Sqlite).await;
        assert_eq!(scene.bring_back().unwrap_err().reason(), "database-in-use");
        let (settings, keys) = (scene.place.settings(), scene.place.keys());
        let again = backup::take(&settings, &keys, &scene.backup).unwrap_err();
        assert_eq!(again.reason(), "backup-exists");
        scene.lose_database();
        let (manifest, copy) = (
            scene.backup.join("manifest.json"),
            scene.backup.join("database.sqlite"),
        );
        let (good, bytes) = (
            std::fs::read_to_string(&manifest).unwrap(),
            std::fs::read(&copy).unwrap(),
        );
        for (from, to, reason) in [
            ("\"origin\": \"", "\"origin\": \"x", "other-origin"),
            ("\"sqlite\"", "\"postgres\"", "backup-other-database"),
            ("\"schema\": 1", "\"schema\": 2", "backup-manifest"),
            ("{", "", "backup-manifest"),
        ] {
            std::fs::write(&manifest, good.replacen(from, to, 1)).unwrap();
            assert_eq!(scene.bring_back().unwrap_err().reason(), reason);
        }
        std::fs::write(&manifest, &good).unwrap();
        std::fs::write(&copy, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(scene.bring_back().unwrap_err().reason(), "backup-damaged");
        std::fs::write(&copy, &bytes).unwrap();
        scene.bring_back().unwrap();
    });
}
