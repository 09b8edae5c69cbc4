//! What others see: peers, heads and evidence that clients bring, and what is remembered of other auditors.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::sync::Arc;

use keyglass_auditor::follower::{Compared, PushAnswer};
use keyglass_auditor::peers::Peer;
use keyglass_auditor::refusal::Stop;
use keyglass_auditor::source::MemorySource;
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::auditor::BrokenWrites;
use keyglass_testkit::audited::{Rig, START, World, auditor_keys, note};
use sha2::Digest as _;

fn log_path() -> String {
    hex::encode(sha2::Sha256::digest(b"log.example/1"))
}

/// An auditor (number 0) whose only peer is auditor number 1, of which it sees what is put into the source.
async fn with_peer(world: &World) -> (Rig, Arc<MemorySource>) {
    let seen = Arc::new(MemorySource::default());
    let peer = Peer {
        key: Some(auditor_keys(1).verifier().clone()),
        url: "http://peer.example".to_owned(),
        source: seen.clone(),
    };
    let rig = Rig::with_keys(
        world.source.clone(),
        Rig::pins(world),
        auditor_keys(0),
        vec![peer],
    )
    .await;
    (rig, seen)
}

fn show(peer: &MemorySource, checkpoint: Vec<u8>) {
    peer.put(format!("/{}/checkpoint", log_path()), checkpoint);
}

#[tokio::test]
async fn a_peer_that_sees_the_same_is_remembered() {
    let mut world = World::new().await;
    let (mut rig, peer) = with_peer(&world).await;
    let mut other = Rig::with_keys(
        world.source.clone(),
        Rig::pins(&world),
        auditor_keys(1),
        Vec::new(),
    )
    .await;
    world.publish(2).await;
    rig.signs(2).await;
    other.signs(2).await;
    show(&peer, other.follower.shared().published().unwrap().note);
    rig.watch().await.unwrap();
    let vkey = other.keys.verifier().to_string();
    let head = rig.store().peer_head(rig.log(), &vkey).unwrap().unwrap();
    assert_eq!(head.size.get(), 2);
    assert_eq!(rig.latched(), None);
    let metrics = rig.registry.encode().unwrap();
    assert!(metrics.contains(r#"peer="auditor1.example"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_log_that_only_a_peer_is_shown_is_proven() {
    for (size, reason) in [(2, "two-roots-at-one-size"), (1, "another-root-at-its-size")] {
        let mut world = World::new().await;
        world.publish(2).await;
        let (mut rig, peer) = with_peer(&world).await;
        rig.signs(2).await;
        show(&peer, note(10, LogSize::new(size), LogHash::new([7; 32])));
        assert_eq!(rig.watch().await.unwrap_err().reason(), reason);
        assert_eq!(rig.evidence(), Some(("fork".to_owned(), reason.to_owned())));
        rig.refuses("latched").await;
    }
}

#[tokio::test]
async fn a_larger_head_is_compared_as_soon_as_it_can_be() {
    let mut world = World::new().await;
    world.publish(2).await;
    let (mut rig, peer) = with_peer(&world).await;
    rig.signs(2).await;
    show(&peer, note(10, LogSize::new(4), LogHash::new([7; 32])));
    rig.watch().await.unwrap();
    rig.restart().await;
    for size in [3, 4, 5] {
        world.publish(1).await;
        if size < 5 {
            rig.signs(size).await;
        }
        // The peer holds it still, but has been forgotten to show it.
        show(&peer, world.checkpoint(10));
        if size == 3 {
            rig.watch().await.unwrap();
        }
    }
    assert_eq!(rig.watch().await.unwrap_err().reason(), "two-roots-at-one-size");
    assert_eq!(rig.evidence().unwrap().0, "fork");
}

#[tokio::test]
async fn what_the_log_did_not_sign_counts_for_nothing() {
    let mut world = World::new().await;
    world.publish(2).await;
    let (mut rig, peer) = with_peer(&world).await;
    rig.signs(2).await;
    for shown in [
        note(66, LogSize::new(2), LogHash::new([7; 32])),
        b"nonsense".to_vec(),
        Vec::new(),
    ] {
        show(&peer, shown);
        rig.watch().await.unwrap();
    }
    assert_eq!((rig.latched(), rig.evidence()), (None, None));
}

#[tokio::test]
async fn heads_that_clients_bring_are_compared() {
    let mut world = World::new().await;
    world.publish(2).await;
    world.publish(2).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(3).await;
    let honest = world.checkpoint_of(2);
    assert_eq!(rig.follower.compare(&honest).await, Compared::Consistent);
    let larger = note(10, LogSize::new(9), LogHash::new([7; 32]));
    assert_eq!(rig.follower.compare(&larger).await, Compared::Ahead);
    assert_eq!(rig.follower.compare(&larger).await, Compared::Ahead);
    let foreign = note(66, LogSize::new(2), LogHash::new([7; 32]));
    assert_eq!(
        rig.follower.compare(&foreign).await,
        Compared::NotSigned("signature-missing")
    );
    assert_eq!(
        rig.follower.compare(b"x").await,
        Compared::Malformed("note-blank-line")
    );
    assert_eq!(rig.latched(), None);
    // Two heads of one size, both larger than what was verified, contradict each other all the same.
    let rival = note(10, LogSize::new(9), LogHash::new([8; 32]));
    assert_eq!(
        rig.follower.compare(&rival).await,
        Compared::Contradiction("two-roots-at-one-size")
    );
    assert_eq!(rig.evidence().unwrap().0, "fork");
}

#[tokio::test]
async fn a_head_from_before_the_start_is_not_known() {
    let mut world = World::new().await;
    for _ in 0..4 {
        world.publish(1).await;
    }
    let mut pins = Rig::pins(&world);
    pins.from_checkpoint = Some(world.checkpoint_of(4));
    let mut rig = Rig::with(world.source.clone(), pins).await;
    rig.signs(5).await;
    assert_eq!(
        rig.follower.compare(&world.checkpoint_of(2)).await,
        Compared::Before
    );
    assert_eq!(
        rig.follower.compare(&world.checkpoint_of(4)).await,
        Compared::Consistent
    );
    // It says so itself.
    let now = keyglass_auditor::clock::Clock::now(&*rig.clock);
    assert_eq!(rig.follower.shared().standing(now).verified_from, 4);
}

#[tokio::test]
async fn an_auditor_that_lost_its_memory_is_told_by_its_peer() {
    let mut world = World::new().await;
    world.publish(2).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    let own = rig.follower.shared().published().unwrap().note;
    // A new data directory with the same keys; the directory shows nothing of us, the peer does.
    let peer = Arc::new(MemorySource::default());
    let key_id = rig.keys.verifier().key_id();
    peer.put(format!("/{}/seen/{key_id}", log_path()), own.clone());
    let peers = vec![Peer {
        key: None,
        url: "http://peer.example".to_owned(),
        source: peer,
    }];
    let mut lost = Rig::with_keys(world.source.clone(), Rig::pins(&world), auditor_keys(0), peers).await;
    lost.refuses("own-state-rolled-back").await;
    lost.refuses("latched").await;
    assert_eq!(lost.clear().await, 1);
    // What it signed once is taken up: it verifies everything again, and goes on behind it.
    let shown = lost.watched().unwrap();
    assert_eq!(shown, rig.watched().unwrap());
    // Also if no new epoch comes.
    lost.signs(2).await;
    assert_eq!(lost.store().verified(lost.log()).unwrap().size.get(), 2);
    world.publish(1).await;
    lost.signs(3).await;
    let open = SignedCheckpoint::open(&own, &world.log_key()).unwrap();
    assert_eq!(open.checkpoint().size.get(), 2);
}

/// Leaves below what was signed before may be older than the signature by any time.
#[tokio::test]
async fn what_was_signed_late_is_verified_again_after_a_loss_of_memory() {
    let mut world = World::new().await;
    world.publish(2).await;
    let mut rig = Rig::new(&world).await;
    rig.clock.advance(7_200_000);
    rig.signs(2).await;
    world
        .source
        .put("/log/checkpoint", rig.follower.shared().published().unwrap().note);
    let mut lost = Rig::new(&world).await;
    lost.clock.advance(7_200_000);
    lost.refuses("own-state-rolled-back").await;
    lost.clear().await;
    let pushed = lost.pushes(&world, 2, world.checkpoint(10)).await;
    assert!(matches!(pushed, PushAnswer::Cosigned(_)), "{pushed:?}");
    assert_eq!(lost.store().verified(lost.log()).unwrap().size.get(), 2);
}

#[tokio::test]
async fn what_was_signed_before_a_loss_of_memory_must_be_in_the_log() {
    let mut world = World::new().await;
    world.publish(2).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    world.show_readers(1_700_000_010, Vec::new());
    let own = rig.follower.shared().published().unwrap().note;
    world.source.put("/log/checkpoint", own);
    let mut lost = Rig::new(&world).await;
    lost.refuses("own-state-rolled-back").await;
    lost.clear().await;
    // The directory uses the occasion to tell another story.
    world.entries[1][19] ^= 1;
    let next = world.stage(1).await;
    world.put(&next);
    world.sign();
    lost.refuses("another-root-at-its-size").await;
    assert_eq!(lost.evidence().unwrap().0, "fork");
}

#[tokio::test]
async fn others_are_asked_now_and_then_and_no_more_once_something_stands() {
    let mut world = World::new().await;
    world.publish(2).await;
    let (mut rig, peer) = with_peer(&world).await;
    rig.signs(2).await;
    rig.watch().await.unwrap();
    show(&peer, note(10, LogSize::new(2), LogHash::new([7; 32])));
    rig.follower.watch().await.unwrap();
    assert_eq!(rig.watch().await.unwrap_err().reason(), "two-roots-at-one-size");
    rig.watch().await.unwrap();
}

#[tokio::test]
async fn what_is_seen_and_cannot_be_stored_is_an_error() {
    let mut world = World::new().await;
    world.publish(2).await;
    let (mut rig, peer) = with_peer(&world).await;
    rig.signs(2).await;
    let pins = Rig::pins(&world);
    let mut other = Rig::with_keys(world.source.clone(), pins, auditor_keys(1), Vec::new()).await;
    other.signs(2).await;
    show(&peer, other.follower.shared().published().unwrap().note);
    rig.store().break_writes(BrokenWrites::Peers).unwrap();
    assert!(matches!(rig.watch().await.unwrap_err(), Stop::Store(_)));
    rig.store().mend_writes().unwrap();
    // Nor is a head compared for ever that cannot be done with.
    world.publish(1).await;
    assert_eq!(rig.follower.compare(&world.checkpoint(10)).await, Compared::Ahead);
    rig.signs(3).await;
    rig.store().break_writes(BrokenWrites::Forgetting).unwrap();
    assert!(matches!(rig.watch().await.unwrap_err(), Stop::Store(_)));
    rig.store().mend_writes().unwrap();
    rig.watch().await.unwrap();
    assert_eq!(rig.latched(), None);
}

#[tokio::test]
async fn the_operator_stands_by_newer_heads_later() {
    for (second, reason) in [(21, None), (19, Some("heartbeat-on-older-head"))] {
        let mut world = World::new().await;
        let mut rig = Rig::new(&world).await;
        rig.signs(1).await;
        let first = world.show_readers(START / 1000 + 20, Vec::new());
        rig.watch().await.unwrap();
        world.publish(1).await;
        rig.signs(2).await;
        world.show_readers(START / 1000 + second, Vec::new());
        let seen = rig.watch().await.map_err(|stop| stop.reason());
        assert_eq!(seen, reason.map_or(Ok(()), Err));
        assert_eq!(rig.latched().as_deref(), reason);
        // A cache that is behind shows what was true.
        world.source.put("/log/checkpoint", first);
        rig.watch().await.unwrap();
        assert_eq!(rig.latched().as_deref(), reason);
    }
}
