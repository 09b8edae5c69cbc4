//! An auditor whose own files or database are damaged signs nothing, and accuses nobody.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use keyglass_auditor::follower::Compared;
use keyglass_auditor::published::PUBLISHED_DIR;
use keyglass_auditor::refusal::Stop;
use keyglass_protocol::config::ConfigDocument;
use keyglass_schema::auditor::{BrokenWrites, LostRows};
use keyglass_testkit::audited::{Rig, World};

#[tokio::test]
async fn nothing_is_signed_on_a_configuration_that_is_lost() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let mut values = world.config.values().clone();
    values.previous_config_sha256 = Some(world.config.hash());
    values.merge_delay_seconds += 1;
    world.config = ConfigDocument::create(&values).unwrap();
    world.serve_config(world.config.bytes());
    world.publish(1).await;
    // The new document was seen and is not stored.
    rig.store().break_writes(BrokenWrites::Leaves).unwrap();
    assert!(matches!(rig.round().await.unwrap_err(), Stop::Store(_)));
    rig.store().mend_writes().unwrap();
    rig.store().lose(LostRows::Configs).unwrap();
    rig.refuses("internal").await;
}

#[tokio::test]
async fn nothing_is_compared_with_hashes_that_are_lost() {
    let mut world = World::new().await;
    world.publish(1).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    rig.store().lose(LostRows::Nodes).unwrap();
    assert_eq!(
        rig.follower.compare(&world.checkpoint_of(2)).await,
        Compared::Later("internal")
    );
    rig.clock.advance(61_000);
    rig.refuses("internal").await;
    assert_eq!(rig.latched(), None);
}

#[tokio::test]
async fn an_auditor_whose_file_cannot_be_read_or_kept_does_not_start() {
    let world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let dir = rig.dir.path().join(PUBLISHED_DIR);
    let kept = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&kept).unwrap();
    std::fs::remove_file(&kept).unwrap();
    std::fs::create_dir(&kept).unwrap();
    let stop = rig.on(rig.dir.path()).await.err().unwrap();
    assert!(matches!(stop, Stop::File { .. }), "{stop}");
    std::fs::remove_dir(&kept).unwrap();
    std::fs::write(&kept, bytes).unwrap();
    // What is shown again after a start is kept first, too.
    let in_the_way = kept.with_extension("unfinished");
    std::fs::create_dir(&in_the_way).unwrap();
    let stop = rig.on(rig.dir.path()).await.err().unwrap();
    assert!(matches!(stop, Stop::File { .. }), "{stop}");
    std::fs::remove_dir(&in_the_way).unwrap();
    rig.restart().await;
    assert_eq!(rig.watched().unwrap().size, 1);
}
