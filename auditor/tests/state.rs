//! Stored before signed: faults at every write, restarts, and copies of old state.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use keyglass_auditor::clock::Clock as _;
use keyglass_auditor::follower::{Compared, Outcome, PushAnswer};
use keyglass_auditor::refusal::Stop;
use keyglass_auditor::source::{EpochSource, MemorySource, Trouble};
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::auditor::{AuditorStoreError, BrokenWrites, Signing};
use keyglass_testkit::audited::{ManualClock, Rig, World, note, vkey};

/// One root per size in everything that ever left the auditor.
fn one_root_per_size(world: &World, rig: &Rig, seen: &mut BTreeMap<u64, LogHash>) {
    let mut notes = world.source.handed_in();
    notes.extend(rig.follower.shared().published().map(|published| published.note));
    for note in notes {
        let open = SignedCheckpoint::open(&note, &world.log_key()).unwrap();
        let head = open.checkpoint();
        let first = *seen.entry(head.size.get()).or_insert(head.root);
        assert_eq!(first, head.root, "two roots signed for size {}", head.size);
    }
}

#[tokio::test]
async fn a_failed_write_leaves_nothing_signed_and_is_taken_up_again() {
    let mut seen = BTreeMap::new();
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let mut size = 1;
    for write in [
        BrokenWrites::Leaves,
        BrokenWrites::Nodes,
        BrokenWrites::Configs,
        BrokenWrites::Directories,
        BrokenWrites::Checkpoints,
    ] {
        // Two leaves complete a subtree; a new configuration makes every table take part.
        let mut values = world.config.values().clone();
        values.previous_config_sha256 = Some(world.config.hash());
        values.merge_delay_seconds += 1;
        world.config = keyglass_protocol::config::ConfigDocument::create(&values).unwrap();
        world.serve_config(world.config.bytes());
        for _ in 0..2 {
            let staged = world.stage(1).await;
            world.put(&staged);
        }
        world.sign();
        rig.store().break_writes(write).unwrap();
        let before = rig.watched();
        for restart in [false, true] {
            if restart {
                rig.restart().await;
            }
            let stop = rig.round().await.unwrap_err();
            assert!(matches!(stop, Stop::Store(_)), "{write:?}: {stop}");
            assert_eq!(rig.watched(), before, "{write:?}");
            one_root_per_size(&world, &rig, &mut seen);
        }
        rig.store().mend_writes().unwrap();
        size += 2;
        rig.signs(size).await;
        one_root_per_size(&world, &rig, &mut seen);
    }
    assert!(seen.len() >= 5, "{seen:?}");
}

#[tokio::test]
async fn a_failed_write_of_a_renewal_renews_nothing() {
    let world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let before = rig.watched();
    rig.store().break_writes(BrokenWrites::Times).unwrap();
    rig.clock.advance(61_000);
    assert!(matches!(rig.round().await.unwrap_err(), Stop::Store(_)));
    assert_eq!(rig.watched(), before);
    rig.store().mend_writes().unwrap();
    rig.signs(1).await;
    assert!(rig.watched().unwrap().at > before.unwrap().at);
}

#[tokio::test]
async fn what_others_see_is_not_needed_to_sign() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    world.show_readers(1_700_000_010, Vec::new());
    rig.store().break_writes(BrokenWrites::Heartbeats).unwrap();
    assert!(matches!(rig.watch().await.unwrap_err(), Stop::Store(_)));
    rig.store().mend_writes().unwrap();
    rig.store().break_writes(BrokenWrites::Heads).unwrap();
    let larger = note(10, LogSize::new(9), LogHash::new([7; 32]));
    let compared = rig.follower.compare(&larger).await;
    assert!(matches!(compared, Compared::Later(_)), "{compared:?}");
    world.publish(1).await;
    rig.signs(2).await;
    assert_eq!(rig.latched(), None);
}

#[tokio::test]
async fn nothing_is_shown_that_could_not_be_kept_beside_the_database() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let before = rig.watched();
    // A directory where the file has to be.
    let dir = rig.dir.path().join(keyglass_auditor::published::PUBLISHED_DIR);
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::write(&dir, b"in the way").unwrap();
    world.publish(1).await;
    assert!(matches!(rig.round().await.unwrap_err(), Stop::File { .. }));
    assert_eq!(rig.watched(), before);
    std::fs::remove_file(&dir).unwrap();
    // It was recorded: after a restart the same is signed and shown.
    rig.restart().await;
    assert_eq!(rig.watched().unwrap().size, 2);
}

#[tokio::test]
async fn a_contradiction_that_cannot_be_stored_still_stops_the_signing() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    rig.store().break_writes(BrokenWrites::Latches).unwrap();
    world
        .source
        .put("/log/pending", note(10, LogSize::new(1), LogHash::new([3; 32])));
    assert!(matches!(rig.round().await.unwrap_err(), Stop::Store(_)));
    let now = rig.clock.now();
    assert!(!rig.follower.shared().standing(now).ready);
    // Nor does it start again as long as the evidence that is there cannot be latched.
    let again = rig.on(rig.dir.path()).await.err().unwrap();
    assert!(matches!(again, Stop::Store(_)), "{again}");
    // The directory takes it back; what was seen was seen.
    rig.store().mend_writes().unwrap();
    world.publish(1).await;
    rig.refuses("latched").await;
    // After a restart the evidence file speaks: it was written before.
    assert_eq!(rig.latched(), None);
    rig.restart().await;
    assert_eq!(rig.latched().as_deref(), Some("two-roots-at-one-size"));
    rig.refuses("latched").await;
}

#[tokio::test]
async fn after_a_crash_between_storing_and_signing_the_same_bytes_are_signed() {
    let mut world = World::new().await;
    world.publish(2).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    // As after a crash right behind the commit: recorded, never shown.
    let store = rig.store();
    let (_, id) = store.directories().unwrap().remove(0);
    let signed = store.signed(id).unwrap().unwrap();
    rig.clock.advance(10_000);
    let at = rig.clock.now().seconds();
    store
        .sign(
            id,
            &Signing {
                size: signed.size,
                root: signed.root,
                note: &signed.note,
                at,
            },
        )
        .unwrap();
    rig.restart().await;
    let watched = rig.watched().unwrap();
    assert_eq!((watched.size, watched.root, watched.at), (2, signed.root, at));
}

#[tokio::test]
async fn an_old_copy_of_the_state_refuses_to_sign() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let old = tempfile::tempdir().unwrap();
    copy(rig.dir.path(), old.path());
    world.publish(1).await;
    rig.signs(2).await;
    // The directory shows the checkpoint with the signature that the old copy knows nothing of.
    world
        .source
        .put("/log/pending", world.source.handed_in().pop().unwrap());
    let mut restored = rig.on(old.path()).await.unwrap();
    assert_eq!(
        restored.round().await.unwrap_err().reason(),
        "own-state-rolled-back"
    );
    world.publish(1).await;
    assert_eq!(restored.round().await.unwrap_err().reason(), "latched");
    // The true one is not disturbed.
    rig.signs(3).await;
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let to = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&file.path(), &to);
        } else {
            std::fs::copy(file.path(), to).unwrap();
        }
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_signs_nothing() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.clock.advance(100_000);
    rig.signs(1).await;
    rig.clock.set(support_start() + 60_000);
    world.publish(1).await;
    rig.refuses("clock-went-back").await;
    rig.clock.advance(200_000);
    rig.signs(2).await;
}

fn support_start() -> u64 {
    1_700_000_000_000
}

#[tokio::test]
async fn a_cleared_latch_lets_signing_go_on() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    world
        .source
        .put("/log/pending", note(10, LogSize::new(1), LogHash::new([3; 32])));
    rig.refuses("two-roots-at-one-size").await;
    let store = rig.store();
    let (_, id) = store.directories().unwrap().remove(0);
    let now = rig.clock.now();
    assert_eq!(store.clear_latches(id, "talked to the operator", now).unwrap(), 1);
    rig.restart().await;
    world.publish(1).await;
    rig.signs(2).await;
    assert_eq!(
        store.latches(id).unwrap()[0].cleared.as_ref().unwrap().1,
        "talked to the operator"
    );
}

#[tokio::test]
async fn the_database_refuses_what_must_never_be() {
    let mut world = World::new().await;
    world.publish(1).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    let store = rig.store();
    let (_, id) = store.directories().unwrap().remove(0);
    let signed = store.signed(id).unwrap().unwrap();
    let good = Signing {
        size: signed.size,
        root: signed.root,
        note: &signed.note,
        at: signed.at,
    };
    let at_zero = keyglass_protocol::quantity::Seconds::new(0);
    for (signing, reason) in [
        (
            Signing {
                root: LogHash::new([1; 32]),
                ..good
            },
            "signed-other-root",
        ),
        (
            Signing {
                size: LogSize::new(1),
                ..good
            },
            "signed-larger",
        ),
        (
            Signing {
                size: LogSize::new(3),
                ..good
            },
            "not-verified",
        ),
        (Signing { at: at_zero, ..good }, "clock-went-back"),
    ] {
        assert_eq!(store.sign(id, &signing).unwrap_err().reason(), reason);
    }
    store.sign(id, &good).unwrap();
    let key = vkey("log.example/1", 66).to_string();
    let error = store.register("log.example/1", &key).unwrap_err();
    assert!(matches!(error, AuditorStoreError::OtherLogKey { .. }));
    assert_eq!(rig.round().await.unwrap(), Outcome::Unchanged);
}

#[tokio::test]
async fn a_restored_database_is_noticed_by_the_file_beside_it() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let backup = tempfile::tempdir().unwrap();
    copy(rig.dir.path(), backup.path());
    world.publish(1).await;
    rig.signs(2).await;
    let newest = rig.watched().unwrap();
    // Only the database is put back; neither directory nor peers say anything.
    for file in std::fs::read_dir(backup.path()).unwrap() {
        let file = file.unwrap();
        if file
            .file_name()
            .to_string_lossy()
            .starts_with(keyglass_auditor::run::DATABASE_FILE)
        {
            std::fs::copy(file.path(), rig.dir.path().join(file.file_name())).unwrap();
        }
    }
    rig.restart().await;
    assert_eq!(rig.latched().as_deref(), Some("own-state-rolled-back"));
    rig.refuses("latched").await;
    // It still shows the newest that it has signed.
    assert_eq!(rig.watched().unwrap(), newest);
    assert_eq!(rig.clear().await, 1);
    world.publish(1).await;
    rig.signs(3).await;
}

#[tokio::test]
async fn nothing_is_signed_before_the_directory_was_asked_what_it_has_of_us() {
    let world = World::new().await;
    let source = Arc::new(Unreachable(world.source.clone()));
    let mut rig = Rig::with(source, Rig::pins(&world)).await;
    rig.refuses("timeout").await;
    assert_eq!(rig.watched(), None);
    assert_eq!(
        rig.pushes(&world, 0, world.checkpoint(10)).await,
        PushAnswer::Later("timeout")
    );
}

/// A directory whose readers' checkpoint cannot be fetched.
struct Unreachable(Arc<MemorySource>);

#[async_trait::async_trait]
impl EpochSource for Unreachable {
    async fn get(&self, path: &str, max: u64) -> Result<Vec<u8>, Trouble> {
        if path == "/log/checkpoint" {
            return Err(Trouble::Timeout);
        }
        self.0.get(path, max).await
    }

    async fn hand_in(&self, note: &[u8]) -> Result<(), Trouble> {
        self.0.hand_in(note).await
    }
}

#[tokio::test]
async fn a_signature_carries_the_time_at_which_the_head_was_seen() {
    let mut world = World::new().await;
    world.publish(1).await;
    let slow = Arc::new(Slow(world.source.clone(), OnceLock::new()));
    let mut rig = Rig::with(slow.clone(), Rig::pins(&world)).await;
    rig.follower.round().await.unwrap();
    slow.1.set(rig.clock.clone()).ok().unwrap();
    world.publish(1).await;
    let asked = rig.clock.now().seconds();
    rig.signs(3).await;
    assert_eq!(rig.watched().unwrap().at, asked);
    assert!(rig.clock.now().seconds() > asked);
}

/// A directory whose every answer takes ten minutes.
struct Slow(Arc<MemorySource>, OnceLock<Arc<ManualClock>>);

#[async_trait::async_trait]
impl EpochSource for Slow {
    async fn get(&self, path: &str, max: u64) -> Result<Vec<u8>, Trouble> {
        if let Some(clock) = self.1.get() {
            clock.advance(600_000);
        }
        self.0.get(path, max).await
    }

    async fn hand_in(&self, note: &[u8]) -> Result<(), Trouble> {
        self.0.hand_in(note).await
    }
}
