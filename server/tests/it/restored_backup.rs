//! Old backups, lost guards, other histories: the server refuses to sign and says why.

use std::path::{Path, PathBuf};

use keyglass_protocol::quantity::LogSize;
use keyglass_schema::DatabaseUrl;
use keyglass_schema::test_database::Backend;
use keyglass_server::guard_init;
use keyglass_server::settings::Layer;
use keyglass_testkit::world::{FIRST_TIME, Person};

use crate::common::outside::Outside;
use crate::common::witness::Witness;
use crate::common::{Place, Site, run};

fn files(place: &Place) -> Vec<PathBuf> {
    let DatabaseUrl::Sqlite(path) = place.database.url() else {
        panic!("SQLite only")
    };
    ["", "-wal", "-shm"]
        .iter()
        .map(|end| PathBuf::from(format!("{}{end}", path.display())))
        .collect()
}

fn back_up(place: &Place, to: &Path) {
    for file in files(place).iter().filter(|f| f.exists()) {
        std::fs::copy(file, to.join(file.file_name().unwrap())).unwrap();
    }
}

fn restore(place: &Place, from: &Path) {
    for file in files(place) {
        let _ = std::fs::remove_file(&file);
        let kept = from.join(file.file_name().unwrap());
        if kept.exists() {
            std::fs::copy(kept, file).unwrap();
        }
    }
}

async fn publish(place: &Place, name: &str, seed: u8) {
    let mut site = Site::open(place).await;
    site.advance().await.unwrap();
    let person = Person::new(name, seed);
    site.accept(&person.label(), person.newest.bytes()).await;
    site.advance().await.unwrap();
    site.close().await;
}

async fn refusal(place: &Place) -> &'static str {
    match Site::try_open(place).await {
        Ok(site) => {
            site.close().await;
            "none"
        }
        Err(error) => {
            assert!(error.is_fatal(), "{error}");
            error.reason()
        }
    }
}

#[test]
fn an_old_backup_does_not_sign() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let backup = tempfile::tempdir().unwrap();
        publish(&place, "alice", 1).await;
        back_up(&place, backup.path());
        publish(&place, "bob", 2).await;
        let newest = tempfile::tempdir().unwrap();
        back_up(&place, newest.path());

        restore(&place, backup.path());
        assert_eq!(refusal(&place).await, "guard-ahead");
        restore(&place, tempfile::tempdir().unwrap().path());
        assert_eq!(
            refusal(&place).await,
            "guard-ahead",
            "an empty database is older still"
        );
        // The newest copy ends the refusal by itself.
        restore(&place, newest.path());
        publish(&place, "carol", 3).await;
        let site = Site::open(&place).await;
        let mut outside = Outside::new(&site, None).await;
        assert_eq!(outside.check_log(&site).await, LogSize::new(4));
        site.close().await;
    });
}

#[test]
fn another_history_of_the_same_length_does_not_sign() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let backup = tempfile::tempdir().unwrap();
        publish(&place, "alice", 1).await;
        back_up(&place, backup.path());
        let guard = std::fs::read(place.settings().guard).unwrap();
        publish(&place, "bob", 2).await;
        let newer = std::fs::read(place.settings().guard).unwrap();
        restore(&place, backup.path());
        std::fs::write(place.settings().guard, guard).unwrap();
        place.tick();
        publish(&place, "mallory", 3).await;
        // The guard of the true history comes back.
        std::fs::write(place.settings().guard, newer).unwrap();
        assert_eq!(refusal(&place).await, "guard-fork");
    });
}

#[test]
fn a_lost_guard_is_rebuilt_by_hand_only() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        publish(&place, "alice", 1).await;
        let old = std::fs::read(place.settings().guard).unwrap();
        publish(&place, "bob", 2).await;
        let guard = place.settings().guard;

        std::fs::write(&guard, old).unwrap();
        assert_eq!(refusal(&place).await, "guard-behind");
        std::fs::remove_file(&guard).unwrap();
        assert_eq!(refusal(&place).await, "guard-missing");
        let rebuilt = guard_init::rebuild(&place.settings(), &place.keys())
            .await
            .unwrap();
        assert_eq!(rebuilt.size, LogSize::new(3));
        let again = guard_init::rebuild(&place.settings(), &place.keys())
            .await
            .unwrap_err();
        assert_eq!(again.reason(), "guard-exists");
        publish(&place, "carol", 3).await;
    });
}

#[test]
fn a_cosigner_that_saw_more_under_our_signature_stops_us() {
    run(async {
        let witness = Witness::start("auditor.example", 3, FIRST_TIME.seconds());
        let layer = Layer {
            cosigner: Some(vec![witness.setting()]),
            ..Layer::default()
        };
        let place = Place::with(Backend::Sqlite, layer);
        witness.state.lock().unwrap().log = Some(place.keys().log.verifier().clone());
        let (backup, newest) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        publish(&place, "alice", 1).await;
        back_up(&place, backup.path());
        let old_guard = std::fs::read(place.settings().guard).unwrap();
        publish(&place, "bob", 2).await;
        back_up(&place, newest.path());

        // Database and guard come from the same old backup: only the cosigner knows.
        restore(&place, backup.path());
        std::fs::write(place.settings().guard, old_guard).unwrap();
        assert_eq!(refusal(&place).await, "cosigner-ahead");
        // `guard init` believes the cosigner, and the server goes on refusing.
        std::fs::remove_file(place.settings().guard).unwrap();
        let rebuilt = guard_init::rebuild(&place.settings(), &place.keys())
            .await
            .unwrap();
        assert_eq!(rebuilt.size, LogSize::new(3));
        assert_eq!(refusal(&place).await, "guard-ahead");
        restore(&place, newest.path());
        publish(&place, "carol", 3).await;
    });
}

#[test]
fn a_claim_of_a_cosigner_without_our_signature_does_not() {
    run(async {
        let witness = Witness::start("auditor.example", 3, FIRST_TIME.seconds());
        let layer = Layer {
            cosigner: Some(vec![witness.setting()]),
            ..Layer::default()
        };
        let place = Place::with(Backend::Sqlite, layer);
        witness.state.lock().unwrap().log = Some(place.keys().log.verifier().clone());
        publish(&place, "alice", 1).await;
        let claim = "keyglass.test/world\n99\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— keyglass.test/world AAAAAAA=\n";
        {
            let mut state = witness.state.lock().unwrap();
            let root = state.seen.as_ref().unwrap().1;
            state.seen = Some((LogSize::new(99), root, claim.as_bytes().to_vec()));
        }
        let mut site = Site::begun(&place).await;
        let bob = Person::new("bob", 2);
        site.accept(&bob.label(), bob.newest.bytes()).await;
        let progress = site.advance().await.unwrap();
        assert_eq!(
            progress,
            keyglass_server::publisher::Progress::AwaitingQuorum,
            "an alarm, not a stop"
        );
        site.close().await;
    });
}

#[test]
fn a_guard_is_not_rebuilt_while_a_cosigner_is_out_of_reach() {
    run(async {
        let witness = Witness::start("auditor.example", 3, FIRST_TIME.seconds());
        let mut place = Place::new(Backend::Sqlite);
        publish(&place, "alice", 1).await;
        std::fs::remove_file(place.settings().guard).unwrap();
        place.layer.cosigner = Some(vec![format!("{} http://127.0.0.1:1", witness.vkey)]);
        let error = guard_init::rebuild(&place.settings(), &place.keys())
            .await
            .unwrap_err();
        assert_eq!(error.reason(), "cosigner-unknown");
        assert!(!place.settings().guard.exists());
    });
}
