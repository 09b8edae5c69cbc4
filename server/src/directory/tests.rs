//! What is kept at one head, for how long, and how much of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use akd::directory::Directory as Akd;
use akd::storage::StorageManager;
use akd::{AkdLabel, AkdValue, AzksParallelismConfig, WhatsAppV1Configuration};
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::message::EpochProof;
use keyglass_protocol::quantity::{AuditHash, ConfigHash, Epoch, Millis, RootHash};
use keyglass_schema::test_database::{Backend, TestDatabase};

use super::*;
use crate::keys::SystemRandom;
use crate::settings::Settings;

/// A directory of 50 accounts at epoch 1, and the cell that moves its readers.
struct Site {
    _database: TestDatabase,
    directory: Directory,
    cell: HeadCell,
}

impl Site {
    async fn new(answer_bytes: u64) -> Self {
        let (dir, database) = (tempfile::tempdir().unwrap(), TestDatabase::new(Backend::Sqlite));
        let settings = Settings::local(dir.path()).unwrap();
        let vrf = crate::bootstrap::keys(&settings, &SystemRandom).unwrap().vrf;
        let store = database.open();
        let storage = StorageManager::new_no_cache(store.tree());
        let akd = Akd::<WhatsAppV1Configuration, _, _>::new(
            storage,
            vrf.clone(),
            AzksParallelismConfig::disabled(),
        );
        let batch = (0..50).map(|i| (AkdLabel(account(i).as_bytes().to_vec()), AkdValue(vec![7; 300])));
        let root = akd.await.unwrap().publish(batch.collect()).await.unwrap().hash();
        let source = ProofSource::new(&store, &vrf, 1 << 20, answer_bytes);
        let leaf = Leaf {
            epoch: Epoch::new(1),
            time: Millis::new(1),
            previous_root: RootHash::ZERO,
            root: RootHash::new(root),
            config: ConfigHash::ZERO,
            inserted: 50,
            audit_hash: AuditHash::ZERO,
            audit_length: 1,
        };
        let cell = HeadCell::default();
        cell.set(Head::of_leaf(&source, leaf, "first note").await);
        Self {
            _database: database,
            directory: Directory::new(store, cell.clone(), Handle::current()),
            cell,
        }
    }

    async fn ask(&self, i: u32) -> Answered {
        self.directory
            .lookup(account(i), Extras::default())
            .await
            .unwrap()
    }
}

impl Head {
    async fn of_leaf(source: &ProofSource, leaf: Leaf, note: &str) -> Self {
        Self {
            size: leaf.epoch.log_size().unwrap(),
            checkpoint: note.to_owned(),
            epoch: EpochProof {
                index: leaf.epoch.get(),
                leaf: leaf.encode().into(),
                inclusion_proof: Vec::new(),
            },
            prover: Arc::new(Prover::new(source, leaf.epoch, leaf.root).await.unwrap()),
            leaf,
            answers: served::answers(source.answer_bytes),
            answer_bytes: source.answer_bytes,
        }
    }
}

fn account(i: u32) -> Label {
    Label::parse(&format!("account:{i}")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_ask_the_same_one_does_the_work() {
    let site = Site::new(1 << 20).await;
    let all = tokio::join!(site.ask(1), site.ask(1), site.ask(1), site.ask(1));
    let again = site.ask(1).await;
    for served in [&all.0, &all.1, &all.2, &all.3] {
        assert!(Arc::ptr_eq(served, &again));
    }
    assert_eq!(again.json().unwrap(), serde_json::to_vec(again.answer()).unwrap());
    assert_eq!(again.json().unwrap().as_ptr(), again.json().unwrap().as_ptr());
    assert_eq!(again.protobuf().as_ptr(), again.protobuf().as_ptr());
    // Another question is another answer, even about the same label.
    let since = Extras {
        since: Some(KeyVersion::FIRST),
        ..Extras::default()
    };
    assert!(
        site.directory.lookup(account(1), since).await.is_err(),
        "the value is no record"
    );
    assert!(!Arc::ptr_eq(&*site.ask(2).await, &again));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_kept_beyond_its_head() {
    let site = Site::new(1 << 20).await;
    let before = site.ask(1).await;
    site.cell
        .set(site.cell.get().unwrap().with_note(b"second note").unwrap());
    let after = site.ask(1).await;
    assert_eq!(
        (
            before.answer().checkpoint.as_str(),
            after.answer().checkpoint.as_str()
        ),
        ("first note", "second note")
    );
    assert_eq!(before.answer().lookups, after.answer().lookups);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_kept_than_is_allowed() {
    for bytes in [0, 200_000] {
        let site = Site::new(bytes).await;
        for i in 0..50 {
            site.ask(i).await;
        }
        let head = site.cell.get().unwrap();
        assert!(head.answers.weight() <= bytes);
        assert_eq!(head.answers.is_empty(), bytes == 0);
        let absent = site.directory.lookup(account(99), Extras::default()).await;
        assert!(matches!(absent, Err(LookupError::Absent(_))));
    }
}
