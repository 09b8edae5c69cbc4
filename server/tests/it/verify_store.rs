//! Bits flip and rows go away: the check names the place, and finds nothing where nothing is.

use std::path::PathBuf;

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::quantity::{Epoch, Millis};
use keyglass_schema::test_database::{Backend, TestDatabase};
use keyglass_server::backup;
use keyglass_server::verify_store::{self, Checked, Finding, Report, VerifyError};
use keyglass_testkit::world::Person;

use crate::common::{BACKENDS, Place, Site, run};

/// Keeps what was found.
#[derive(Default)]
struct Found(Vec<String>);

impl Report for Found {
    fn progress(&mut self, _part: &'static str, _done: u64, _total: u64) {}

    fn finding(&mut self, finding: &Finding) {
        self.0.push(finding.to_string());
    }
}

/// A directory with a backup, from which it can be made whole again.
struct Scene {
    place: Place,
    backup: PathBuf,
    leaf: Leaf,
}

impl Scene {
    async fn new(backend: Backend) -> Self {
        let place = Place::new(backend);
        let mut site = Site::begun(&place).await;
        let mut alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();
        place.tick();
        let bob = Person::new("bob", 2);
        alice.add_device(2, 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.accept(&bob.label(), bob.newest.bytes()).await;
        site.advance().await.unwrap();
        place.tick();
        let handle = alice.claim("handle:alice", None);
        site.accept(&handle.label(), handle.bytes()).await;
        site.advance().await.unwrap();
        let leaf = site.service.store.leaf(Epoch::new(1)).unwrap().unwrap();
        site.close().await;
        let backup = place.dir.path().join("backup");
        backup::take(&place.settings(), &place.keys(), &backup).unwrap();
        Self { place, backup, leaf }
    }

    /// The database as it was.
    fn renew(&mut self) {
        self.place.database = TestDatabase::new(self.place.database.backend());
        backup::bring_back(&self.place.settings(), &self.place.keys(), &self.backup).unwrap();
    }

    async fn check(&self) -> (Result<Checked, VerifyError>, Vec<String>) {
        let mut found = Found::default();
        let done = verify_store::verify(&self.place.settings(), &self.place.keys(), None, &mut found).await;
        (done, found.0)
    }

    /// Demands that something is found, and that the first finding is this.
    async fn finds(&self, damage: &str, place: &str, what: &str) {
        let (done, found) = self.check().await;
        let count = done.unwrap().findings;
        assert_eq!(count, found.len() as u64);
        let hit = found.iter().any(|f| f.starts_with(place) && f.contains(what));
        assert!(hit, "{damage}: {place}: {what}: {found:#?}");
    }

    /// Bytes as the database writes them.
    fn blob(&self, bytes: &[u8]) -> String {
        let hex = hex(bytes);
        match self.place.database.backend() {
            Backend::Sqlite => format!("x'{hex}'"),
            Backend::Postgres => format!("'\\x{hex}'::bytea"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_whole_store_has_no_findings() {
    for backend in BACKENDS {
        run(async {
            let scene = Scene::new(backend).await;
            let (done, found) = scene.check().await;
            assert_eq!(found, Vec::<String>::new());
            let expected = Checked {
                leaves: 4,
                checkpoints: 4,
                cosignatures: 0,
                audits: 3,
                labels: 3,
                versions: 4,
                lookups: 3,
                receipts: 4,
                findings: 0,
            };
            assert_eq!(done.unwrap(), expected);
        });
    }
}

#[test]
fn damaged_rows_are_found_where_they_are() {
    for backend in BACKENDS {
        run(async {
            let mut scene = Scene::new(backend).await;
            let retimed = Leaf {
                time: Millis::new(scene.leaf.time.get() + 1),
                ..scene.leaf
            };
            let (junk, other_leaf) = (scene.blob(&[1; 48]), scene.blob(&retimed.encode()));
            let (hash, entry) = (scene.blob(&[7; 32]), scene.blob(&[7; 64]));
            let newest = "(SELECT max(epoch) FROM label_states)";
            let cases = [
                (
                    format!("UPDATE label_states SET sealed = {junk} WHERE version = 2"),
                    "label_states, ",
                    "does not open",
                ),
                (
                    format!("UPDATE label_states SET sealed = {junk} WHERE version = 2"),
                    "label_states, epoch 2",
                    "no stored version explains",
                ),
                (
                    "DELETE FROM label_states WHERE epoch = 1".to_owned(),
                    "label_states, epoch 1",
                    "1 leaves of the tree",
                ),
                (
                    "DELETE FROM label_states WHERE epoch = 1".to_owned(),
                    "label_states, ",
                    "the version before it is missing",
                ),
                (
                    format!("DELETE FROM label_states WHERE epoch = {newest}"),
                    "label_states, epoch 3",
                    "1 leaves of the tree",
                ),
                ("DELETE FROM leaves WHERE epoch = 2".to_owned(), "tree", ""),
                (
                    format!("UPDATE leaves SET bytes = {entry} WHERE epoch = 3"),
                    "tree",
                    "",
                ),
                (
                    format!("UPDATE epochs SET leaf = {other_leaf} WHERE epoch = 1"),
                    "log_hashes, level 0, index 1",
                    "not the hash",
                ),
                (
                    format!("UPDATE epochs SET leaf = {other_leaf} WHERE epoch = 1"),
                    "checkpoints, epoch 3",
                    "the root is not that of the leaves",
                ),
                (
                    format!("UPDATE log_hashes SET hash = {hash} WHERE idx = 2"),
                    "log_hashes, level 0, index 2",
                    "not the hash",
                ),
                (
                    "DELETE FROM log_hashes WHERE idx = 2".to_owned(),
                    "log_hashes, level 0, index 2",
                    "missing",
                ),
                (
                    format!("UPDATE checkpoints SET note = {junk} WHERE epoch = 1"),
                    "checkpoints, epoch 1",
                    "",
                ),
                (format!("UPDATE head SET note = {junk}"), "head", ""),
                (format!("UPDATE configs SET document = {junk}"), "configs, ", ""),
                (
                    format!("UPDATE receipts SET sealed = {junk} WHERE epoch = 1"),
                    "receipts, ",
                    "does not open",
                ),
                (
                    "UPDATE receipts SET epoch = 2 WHERE epoch = 1".to_owned(),
                    "receipts, ",
                    "what it promised",
                ),
                (
                    "UPDATE tree_head SET epoch = epoch + 7".to_owned(),
                    "tree_head",
                    "another epoch",
                ),
                (
                    format!(
                        "INSERT INTO cosignatures (epoch, key_hash, vkey, line, time_s) VALUES (1, {hash}, 'nobody', 'nothing', 1)"
                    ),
                    "cosignatures, epoch 1, nobody",
                    "",
                ),
            ];
            for (sql, place, what) in cases {
                scene.renew();
                scene.place.database.execute(&sql);
                scene.finds(&sql, place, what).await;
            }
            scene.renew();
            assert_eq!(scene.check().await.1, Vec::<String>::new());
        });
    }
}

#[test]
fn damaged_files_and_a_foreign_guard_are_found() {
    run(async {
        let scene = Scene::new(Backend::Sqlite).await;
        let settings = scene.place.settings();
        let name = format!("log/audit/1/{}/{}", scene.leaf.previous_root, scene.leaf.root);
        let path = settings.artefacts_dir.join(name);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[good.len() / 2] ^= 4;
        std::fs::write(&path, bad).unwrap();
        scene
            .finds("a flipped bit", "artefacts, log/audit/1", "not the audit proof")
            .await;
        std::fs::remove_file(&path).unwrap();
        scene
            .finds("a lost file", "artefacts, log/audit/1", "cannot be read")
            .await;
        std::fs::write(&path, good).unwrap();

        let guard = std::fs::read_to_string(&settings.guard).unwrap();
        std::fs::write(&settings.guard, guard.replace("\n4\n", "\n9\n")).unwrap();
        scene.finds("a newer guard", "guard", "an old backup").await;
        std::fs::write(&settings.guard, guard.replace("\n4\n", "\n3\n")).unwrap();
        scene.finds("another guard", "guard", "another root").await;
        std::fs::write(&settings.guard, guard).unwrap();
        assert_eq!(scene.check().await.1, Vec::<String>::new());
    });
}

#[test]
fn a_running_server_or_no_database_is_said() {
    run(async {
        let mut scene = Scene::new(Backend::Sqlite).await;
        let site = Site::open(&scene.place).await;
        assert_eq!(scene.check().await.0.unwrap_err().reason(), "guard-held");
        site.close().await;
        scene.place.database = TestDatabase::new(Backend::Sqlite);
        assert_eq!(scene.check().await.0.unwrap_err().reason(), "no-database");
    });
}
