//! What has been seen of us is compared with what we remember, wherever it turns up.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::sync::Arc;

use keyglass_auditor::follower::{Follower, PushAnswer};
use keyglass_auditor::peers::Peer;
use keyglass_auditor::refusal::Stop;
use keyglass_auditor::source::MemorySource;
use keyglass_protocol::note::{AddCheckpoint, Note, cosign};
use keyglass_protocol::quantity::LogSize;
use keyglass_schema::auditor::BrokenWrites;
use keyglass_testkit::audited::{Rig, World, auditor_keys, heartbeat, note, signing_key};
use sha2::Digest as _;
use tempfile::TempDir;

const REASON: &str = "own-state-rolled-back";

/// A copy of the auditor's database and nothing else, as a backup may be.
fn database_of(rig: &Rig) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(rig.dir.path()).unwrap().flatten() {
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    copy
}

fn own(rig: &Rig) -> Vec<u8> {
    rig.follower.shared().published().unwrap().note
}

/// What is latched of this follower.
fn latched(follower: &Follower, rig: &Rig) -> Option<String> {
    let now = keyglass_auditor::clock::Clock::now(&*rig.clock);
    follower.shared().standing(now).reason
}

#[tokio::test]
async fn what_is_remembered_accuses_nobody() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let first = own(&rig);
    rig.clock.advance(61_000);
    rig.signs(1).await;
    world.publish(1).await;
    rig.signs(2).await;
    let second = own(&rig);
    rig.clock.advance(61_000);
    rig.signs(2).await;
    for shown in [first, second, own(&rig)] {
        world.source.put("/log/checkpoint", shown);
        rig.watch().await.unwrap();
        rig.restart().await;
        rig.round().await.unwrap();
    }
    assert_eq!(rig.latched(), None);
}

#[tokio::test]
async fn a_newer_time_on_the_same_head_is_noticed() {
    let world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let old = database_of(&rig);
    rig.clock.advance(61_000);
    rig.signs(1).await;
    world.source.put("/log/checkpoint", own(&rig));
    let mut copy = rig.on(old.path()).await.unwrap();
    assert_eq!(copy.round().await.unwrap_err().reason(), REASON);
}

/// Two processes with the same keys, each with a log of its own to look at.
#[tokio::test]
async fn another_root_at_the_same_size_is_noticed() {
    let mut world = World::new().await;
    world.publish(1).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    let mut other = World::new().await;
    other.publish(7).await;
    let mut twin = Rig::new(&other).await;
    twin.signs(2).await;
    world.source.put("/log/checkpoint", own(&twin));
    assert_eq!(rig.watch().await.unwrap_err().reason(), REASON);
    rig.refuses("latched").await;
}

/// The log has signed a size that it has not, and somebody with our key has, too.
#[tokio::test]
async fn another_size_of_the_same_root_is_noticed() {
    let world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let head = note(10, LogSize::new(9), world.root());
    let time = rig.watched().unwrap().at;
    let text = Note::parse(&head).unwrap().text().to_owned();
    let line = cosign(rig.keys.name(), &signing_key(21), &text, time);
    let shown = heartbeat(&head, time.get(), vec![line]);
    world.source.put("/log/checkpoint", shown);
    assert_eq!(rig.watch().await.unwrap_err().reason(), REASON);
}

#[tokio::test]
async fn a_pushed_head_with_a_signature_of_ours_is_noticed() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let old = database_of(&rig);
    world.publish(1).await;
    rig.signs(2).await;
    let request = AddCheckpoint {
        old: LogSize::new(1),
        proof: keyglass_testkit::audited::consistency(&world.entries, 1),
        checkpoint: own(&rig),
    };
    let mut copy = rig.on(old.path()).await.unwrap();
    assert_eq!(copy.pushed(&request).await, PushAnswer::Refused(REASON));
    assert_eq!(copy.shared().published().unwrap().size, LogSize::new(1));
}

#[tokio::test]
async fn it_is_noticed_among_what_others_see() {
    for at_peer in [false, true] {
        let mut world = World::new().await;
        let seen = Arc::new(MemorySource::default());
        let peer = Peer {
            key: None,
            url: "http://peer.example".to_owned(),
            source: seen.clone(),
        };
        let pins = Rig::pins(&world);
        let mut rig = Rig::with_keys(world.source.clone(), pins, auditor_keys(0), vec![peer]).await;
        rig.signs(1).await;
        let old = database_of(&rig);
        let mut copy = rig.on(old.path()).await.unwrap();
        copy.round().await.unwrap();
        world.publish(1).await;
        rig.signs(2).await;
        if at_peer {
            let log = hex::encode(sha2::Sha256::digest(b"log.example/1"));
            seen.put(format!("/{log}/checkpoint"), own(&rig));
        } else {
            world.source.put("/log/checkpoint", own(&rig));
        }
        assert_eq!(copy.watch().await.unwrap_err().reason(), REASON);
        assert_eq!(copy.round().await.unwrap_err().reason(), "latched");
    }
}

#[tokio::test]
async fn it_ends_the_signing_also_where_it_cannot_be_stored() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let old = database_of(&rig);
    world.publish(1).await;
    rig.signs(2).await;
    world.source.put("/log/checkpoint", own(&rig));
    let mut copy = rig.on(old.path()).await.unwrap();
    let store =
        keyglass_schema::auditor::AuditorStore::open(&old.path().join(keyglass_auditor::run::DATABASE_FILE))
            .unwrap();
    store.break_writes(BrokenWrites::Latches).unwrap();
    assert!(matches!(copy.round().await.unwrap_err(), Stop::Store(_)));
    assert_eq!(latched(&copy, &rig).as_deref(), Some(REASON));
    store.mend_writes().unwrap();
    assert_eq!(copy.round().await.unwrap_err().reason(), "latched");
}
