//! Starting behind a trusted checkpoint: what cannot be started from is refused, and nothing is signed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::sync::Arc;

use keyglass_auditor::follower::PushAnswer;
use keyglass_auditor::refusal::Stop;
use keyglass_auditor::source::EpochSource;
use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::log::{TILE_WIDTH, TileKind, TilePath, bundle_entries, empty_root, leaf_hash};
use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::auditor::BrokenWrites;
use keyglass_testkit::audited::faults::SecondAnswer;
use keyglass_testkit::audited::{Rig, World, config_values, note, vkey};

/// Size of the checkpoint that is started from.
const SIZE: u64 = 4;

/// A log of five epochs. The proofs before the checkpoint are gone.
async fn world() -> World {
    let mut world = World::new().await;
    for size in 2..=SIZE + 1 {
        let staged = world.stage(1).await;
        world.put(&staged);
        world.sign();
        if size <= SIZE {
            world.source.remove(&staged.path());
        }
    }
    world
}

fn tile(kind: TileKind) -> String {
    format!("/log/{}", TilePath::new(kind, 0, SIZE as u16).unwrap())
}

/// An auditor that starts behind this checkpoint.
async fn from(world: &World, checkpoint: Vec<u8>) -> Rig {
    of(world, world.source.clone(), checkpoint).await
}

async fn of(world: &World, source: Arc<dyn EpochSource>, checkpoint: Vec<u8>) -> Rig {
    let mut pins = Rig::pins(world);
    pins.from_checkpoint = Some(checkpoint);
    Rig::with(source, pins).await
}

#[tokio::test]
async fn a_checkpoint_that_is_not_over_this_log_is_refused() {
    let world = world().await;
    for (checkpoint, reason) in [
        (note(10, LogSize::new(SIZE), LogHash::new([3; 32])), "start-root"),
        (note(10, LogSize::new(0), empty_root()), "start-checkpoint"),
        (
            note(66, LogSize::new(SIZE), world.root_of(SIZE)),
            "signature-missing",
        ),
    ] {
        let mut rig = from(&world, checkpoint).await;
        rig.refuses(reason).await;
        // A push does not get round it.
        let refused = rig.pushes(&world, 0, world.checkpoint(10)).await;
        assert!(
            matches!(refused, PushAnswer::Later(found) | PushAnswer::Refused(found) if found == reason),
            "{refused:?}"
        );
        assert_eq!((rig.watched(), rig.latched()), (None, None));
    }
}

#[tokio::test]
async fn the_last_leaf_is_the_one_under_the_checkpoint() {
    let world = world().await;
    let mut entries = world.entries[..SIZE as usize].to_vec();
    entries[3][19] ^= 1;
    let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    let bundle = bundle_entries(&entries).unwrap();
    world.source.put(tile(TileKind::Entries), bundle);
    let mut rig = from(&world, world.checkpoint_of(SIZE)).await;
    rig.refuses("start-leaf").await;
    assert_eq!(rig.latched(), None);
}

/// A log may drop a partial tile for the full one, which has all its hashes.
#[tokio::test]
async fn a_tile_has_as_many_hashes_as_its_name_says() {
    let world = world().await;
    let all: Vec<u8> = world
        .entries
        .iter()
        .flat_map(|entry| *leaf_hash(entry).as_bytes())
        .collect();
    world.source.remove(&tile(TileKind::Hashes(0)));
    let full = TilePath::new(TileKind::Hashes(0), 0, TILE_WIDTH).unwrap();
    world.source.put(format!("/log/{full}"), all);
    let mut rig = from(&world, world.checkpoint_of(SIZE)).await;
    rig.refuses("hash-count").await;
}

/// The tile of hashes is asked for twice.
#[tokio::test]
async fn hashes_that_are_others_the_second_time_are_not_believed() {
    let world = world().await;
    let path = tile(TileKind::Hashes(0));
    let mut hashes = world.source.file(&path).unwrap();
    hashes[0] ^= 1;
    let source = SecondAnswer::new(world.source.clone(), path);
    source.then(hashes);
    let mut rig = of(&world, source, world.checkpoint_of(SIZE)).await;
    rig.refuses("tile-twice").await;
    rig.signs(SIZE + 1).await;
}

#[tokio::test]
async fn the_last_leaf_must_be_good_by_itself() {
    let mut other = config_values();
    other.log_vkey = vkey(other.origin.as_str(), 99);
    let other = ConfigDocument::create(&other).unwrap();
    for (epoch, config, reason) in [
        (9, None, "start-checkpoint"),
        (5, Some(&other), "config-log-key-changed"),
    ] {
        let mut world = world().await;
        let mut leaf = world.stage(1).await.leaf;
        leaf.epoch = keyglass_protocol::quantity::Epoch::new(epoch);
        if let Some(config) = config {
            leaf.config = world.serve_config(config.bytes());
        }
        world.append(leaf.encode());
        let head = world.sign();
        let mut rig = from(&world, head).await;
        rig.refuses(reason).await;
        assert_eq!(rig.watched(), None);
    }
}

#[tokio::test]
async fn a_start_that_cannot_be_stored_is_none() {
    let world = world().await;
    let mut rig = from(&world, world.checkpoint_of(SIZE)).await;
    rig.store().break_writes(BrokenWrites::Nodes).unwrap();
    let stop = rig.round().await.unwrap_err();
    assert!(matches!(stop, Stop::Store(_)), "{stop}");
    assert_eq!(rig.watched(), None);
    rig.store().mend_writes().unwrap();
    rig.signs(SIZE + 1).await;
    assert_eq!(rig.store().verified(rig.log()).unwrap().start.get(), SIZE);
}

/// What lies between its own signature and the start would never be verified.
#[tokio::test]
async fn an_auditor_does_not_start_behind_what_it_has_signed() {
    let mut world = World::new().await;
    let mut before = Rig::new(&world).await;
    before.signs(1).await;
    let own = before.follower.shared().published().unwrap().note;
    for _ in 1..SIZE {
        world.publish(1).await;
    }
    let mut rig = from(&world, world.checkpoint(10)).await;
    world.source.put("/log/checkpoint", own);
    rig.refuses("own-state-rolled-back").await;
    rig.clear().await;
    rig.refuses("start-checkpoint").await;
}
