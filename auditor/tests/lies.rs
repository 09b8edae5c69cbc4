//! What a directory with all its keys may try, each re-signed and breaking one rule: refused with that rule's name,
//! proven where a stranger can be shown, and never signed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::BTreeSet;

use akd::AzksValue;
use keyglass_auditor::follower::Compared;
use keyglass_protocol::config::{ConfigDocument, ConfigValues, Successor};
use keyglass_protocol::log::{Frontier, TileKind, TilePath, bundle_entries};
use keyglass_protocol::note::{Note, cosign};
use keyglass_protocol::quantity::{ConfigHash, LogHash, LogSize};
use keyglass_testkit::audited::faults::SecondAnswer;
use keyglass_testkit::audited::lies::{self, Lie, Scene, Verdict, Way};
use keyglass_testkit::audited::{
    Rig, START, Staged, World, config_values, heartbeat, note, signing_key, vkey,
};

async fn two_epochs() -> (World, Rig) {
    let mut world = World::new().await;
    world.publish(20).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    (world, rig)
}

/// Proven, latched, also after a restart and before any further epoch.
async fn proven(world: &mut World, rig: &mut Rig, what: &str, kind: &str, reason: &str) {
    rig.refuses(reason).await;
    assert_eq!(rig.latched().as_deref(), Some(reason), "{what}");
    assert_eq!(
        rig.evidence(),
        Some((kind.to_owned(), reason.to_owned())),
        "{what}"
    );
    rig.refuses("latched").await;
    rig.restart().await;
    rig.refuses("latched").await;
    let now = keyglass_auditor::clock::Clock::now(&*rig.clock);
    let standing = rig.follower.shared().standing(now);
    assert_eq!(
        (standing.ready, standing.reason.as_deref()),
        (false, Some(reason)),
        "{what}"
    );
    world.sign();
    rig.refuses("latched").await;
}

/// How the auditor hears a lie; the reason with which it refuses.
async fn hear(scene: &mut Scene, way: Way) -> Result<(), String> {
    let heard = match way {
        Way::Pull => scene.rig.round().await.map(drop),
        Way::Watch => scene.rig.watch().await,
    };
    heard.map_err(|stop| stop.reason().to_owned())
}

async fn wrong(lie: &Lie, first: bool) -> Option<String> {
    let mut scene = if first {
        Scene::unheard().await
    } else {
        Scene::new().await
    };
    let before = scene.rig.watched();
    (lie.tell)(&mut scene);
    match hear(&mut scene, lie.way).await {
        Err(reason) if reason == lie.reason => {}
        other => return Some(format!("{other:?} instead of {}", lie.reason)),
    }
    if scene.rig.watched() != before {
        return Some("signed all the same".to_owned());
    }
    let found = (scene.rig.latched(), scene.rig.evidence());
    let expected = match lie.verdict {
        Verdict::Proven(kind) => (
            Some(lie.reason.to_owned()),
            Some((kind.to_owned(), lie.reason.to_owned())),
        ),
        Verdict::Refused | Verdict::Waited => (None, None),
    };
    if found != expected {
        return Some(format!("{found:?} instead of {expected:?}"));
    }
    if matches!(lie.verdict, Verdict::Proven(_)) {
        // Also after a restart, and whatever the directory says next.
        scene.rig.restart().await;
        scene.world.sign();
        let again = hear(&mut scene, Way::Pull).await;
        if again != Err("latched".to_owned()) {
            return Some(format!("{again:?} after a proven lie"));
        }
    }
    None
}

#[tokio::test]
async fn every_lie_is_refused_for_its_own_reason() {
    let mut all_wrong = Vec::new();
    for (lie, first) in lies::all() {
        if let Some(wrong) = wrong(&lie, first).await {
            all_wrong.push(format!("{}: {wrong}", lie.name));
        }
    }
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
}

#[test]
fn there_are_at_least_forty_lies_with_names_of_their_own() {
    let names: BTreeSet<&str> = lies::all().iter().map(|(lie, _)| lie.name).collect();
    assert_eq!(names.len(), lies::all().len());
    let signed = lies::all()
        .iter()
        .filter(|(lie, _)| lie.verdict != Verdict::Waited)
        .count();
    assert!(signed >= 40, "{signed}");
}

#[tokio::test]
async fn a_leaf_after_the_last_is_proven() {
    for (taken_back, reason) in [(false, "log-ended"), (true, "config-after-successor")] {
        let (mut world, mut rig) = two_epochs().await;
        let mut values = config_values();
        values.previous_config_sha256 = Some(world.config.hash());
        let log_vkey = vkey("next.example/log", 99);
        values.successor = Some(Successor {
            origin: log_vkey.origin().clone(),
            log_vkey,
        });
        names(&mut world, &values);
        world.publish(1).await;
        rig.signs(3).await;
        if taken_back {
            values.previous_config_sha256 = Some(world.config.hash());
            values.successor = None;
            names(&mut world, &values);
        }
        world.publish(1).await;
        proven(&mut world, &mut rig, "after the end", "bad-leaf", reason).await;
    }
}

/// Leaves name this configuration from now on.
fn names(world: &mut World, values: &ConfigValues) {
    world.config = ConfigDocument::create(values).unwrap();
    world.serve_config(world.config.bytes());
}

#[tokio::test]
async fn the_truth_is_signed() {
    let mut scene = Scene::new().await;
    scene.publish();
    scene.rig.signs(3).await;
    let readers = scene.world.show_readers(1_700_000_020, Vec::new());
    scene.rig.watch().await.unwrap();
    assert_eq!(scene.rig.follower.compare(&readers).await, Compared::Consistent);
    assert_eq!((scene.rig.latched(), scene.rig.evidence()), (None, None));
}

#[tokio::test]
async fn another_past_under_a_larger_head_is_proven() {
    // In the tile at hand, and in one that was left behind.
    for (epochs, reason) in [(3, "another-root-at-its-size"), (300, "two-leaves-at-one-index")] {
        let mut world = World::new().await;
        for _ in 0..epochs {
            let staged = world.stage(1).await;
            world.put(&staged);
        }
        world.sign();
        let mut rig = Rig::new(&world).await;
        rig.clock.advance(1_000_000);
        rig.signs(epochs + 1).await;
        let mut other = world.entries[1].clone();
        other[19] ^= 1;
        world.entries[1] = other;
        let staged = world.stage(1).await;
        world.put(&staged);
        world.sign();
        proven(&mut world, &mut rig, "fork", "fork", reason).await;
    }
}

#[tokio::test]
async fn a_smaller_head_is_stale_but_another_past_of_it_is_proven() {
    let (mut world, mut rig) = two_epochs().await;
    world.publish(1).await;
    rig.signs(3).await;
    let first = {
        let mut frontier = Frontier::new();
        frontier
            .push(keyglass_protocol::log::leaf_hash(&world.entries[0]))
            .unwrap();
        frontier.root()
    };
    world.source.put("/log/pending", note(10, LogSize::new(1), first));
    rig.refuses("stale-head").await;
    assert_eq!(rig.latched(), None);
    world.sign();
    rig.round().await.unwrap();
    world
        .source
        .put("/log/pending", note(10, LogSize::new(2), LogHash::new([3; 32])));
    rig.refuses("two-roots-at-one-size").await;
    assert!(rig.evidence().is_some());
}

#[tokio::test]
async fn a_checkpoint_without_the_logs_signature_proves_nothing() {
    let (world, mut rig) = two_epochs().await;
    let foreign = note(10, LogSize::new(3), LogHash::new([3; 32]));
    let foreign = String::from_utf8(foreign)
        .unwrap()
        .replace("log.example/1", "other.example");
    for (checkpoint, reason) in [
        (
            note(66, LogSize::new(2), LogHash::new([3; 32])),
            "signature-missing",
        ),
        (foreign.into_bytes(), "origin-mismatch"),
        (b"hello\n".to_vec(), "note-blank-line"),
        (Vec::new(), "note-blank-line"),
    ] {
        world.source.put("/log/pending", checkpoint);
        let stop = rig.round().await.unwrap_err();
        assert!(
            matches!(stop, keyglass_auditor::refusal::Stop::Refused(_)),
            "{stop}"
        );
        // Another key of the same name has another key ID, so its line is unknown rather than bad.
        assert!(
            stop.reason() == reason || reason == "note-blank-line",
            "{} instead of {reason}",
            stop.reason()
        );
    }
    world.sign();
    rig.round().await.unwrap();
    assert_eq!(rig.latched(), None);
}

#[tokio::test]
async fn implausible_times_are_refused_and_not_accused() {
    let (mut world, mut rig) = two_epochs().await;
    let mut staged = world.stage(1).await;
    let now = keyglass_auditor::clock::Clock::now(&*rig.clock);
    staged.leaf.time = now.plus(61_000);
    world.put(&staged);
    world.sign();
    rig.refuses("leaf-time-ahead").await;
    rig.clock.advance(2000);
    rig.signs(3).await;

    let (mut world, mut rig) = two_epochs().await;
    rig.clock.advance(2 * 3_600_000);
    rig.signs(2).await;
    world.publish(1).await;
    rig.refuses("leaf-time-behind").await;
    assert_eq!((rig.latched(), rig.evidence()), (None, None));
}

/// The head over what was verified was seen and is not signed; perhaps a smaller one was.
#[tokio::test]
async fn another_past_of_what_was_verified_in_part_is_proven() {
    for signed in [false, true] {
        let mut world = World::new().await;
        let mut rig = Rig::new(&world).await;
        if signed {
            rig.signs(1).await;
        }
        let late = in_part(&mut world, &mut rig).await;
        world.entries[1][19] ^= 1;
        world.serve_proof(&late);
        let staged = world.stage(1).await;
        world.put(&staged);
        world.sign();
        proven(
            &mut world,
            &mut rig,
            "fork of the unsigned",
            "fork",
            "another-root-at-its-size",
        )
        .await;
    }
}

/// Three epochs more, of which the last has no proof yet.
async fn publish_in_part(world: &mut World) -> Staged {
    for _ in 0..2 {
        let staged = world.stage(1).await;
        world.put(&staged);
    }
    let late = world.stage(1).await;
    world.put(&late);
    world.source.remove(&late.path());
    world.sign();
    late
}

/// They are published and verified as far as can be.
async fn in_part(world: &mut World, rig: &mut Rig) -> Staged {
    let late = publish_in_part(world).await;
    rig.refuses("status").await;
    assert_eq!(rig.store().verified(rig.log()).unwrap().size.get(), 3);
    late
}

#[tokio::test]
async fn a_head_that_is_verified_in_part_is_compared_with_what_others_brought() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let other = note(10, LogSize::new(4), LogHash::new([7; 32]));
    assert_eq!(rig.follower.compare(&other).await, Compared::Ahead);
    publish_in_part(&mut world).await;
    rig.refuses("two-roots-at-one-size").await;
    assert_eq!(rig.evidence().unwrap().0, "fork");
}

#[tokio::test]
async fn a_head_over_what_was_verified_in_part_is_signed() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    in_part(&mut world, &mut rig).await;
    let smaller = world.checkpoint_of(3);
    world.source.put("/log/pending", smaller);
    rig.signs(3).await;
}

/// Verified, and not signed because nothing names the pinned configuration: another root is noticed even so.
#[tokio::test]
async fn what_is_verified_and_not_signed_is_not_exchanged() {
    let world = World::new().await;
    let mut pins = Rig::pins(&world);
    pins.config = Some(ConfigHash::new([9; 32]));
    let mut rig = Rig::with(world.source.clone(), pins).await;
    rig.refuses("pinned-config-unseen").await;
    let other = note(10, LogSize::new(1), LogHash::new([3; 32]));
    world.source.put("/log/pending", other);
    rig.refuses("log-root").await;
}

/// The same with the whole of another log: two leaves contradict each other, and no word of the log is at hand to show
/// it with.
#[tokio::test]
async fn another_past_of_what_is_verified_and_not_signed_ends_the_signing() {
    let mut world = World::new().await;
    world.publish(1).await;
    let mut pins = Rig::pins(&world);
    pins.config = Some(ConfigHash::new([9; 32]));
    let mut rig = Rig::with(world.source.clone(), pins).await;
    rig.refuses("pinned-config-unseen").await;
    world.entries[1][19] ^= 1;
    world.publish(1).await;
    rig.refuses("two-leaves-at-one-index").await;
    assert_eq!(rig.latched().as_deref(), Some("two-leaves-at-one-index"));
    assert_eq!(rig.evidence(), None);
}

#[tokio::test]
async fn one_lie_is_one_file_however_often_it_is_told() {
    let (mut world, mut rig) = two_epochs().await;
    let mut staged = world.stage(1).await;
    staged.leaf.time = world.newest.time;
    world.put(&staged);
    let head = world.sign();
    rig.refuses("time-not-later").await;
    rig.clear().await;
    // The same head with a line that anybody may add.
    world
        .source
        .put("/log/pending", heartbeat(&head, 1_700_000_030, Vec::new()));
    rig.refuses("time-not-later").await;
    let only = ("bad-leaf".to_owned(), "time-not-later".to_owned());
    assert_eq!(rig.evidence(), Some(only));
}

#[tokio::test]
async fn epochs_before_a_lie_stay_verified() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    for _ in 0..3 {
        let staged = world.stage(1).await;
        world.put(&staged);
    }
    let mut staged = world.stage(1).await;
    staged.edit(|proof| proof.inserted[0].value = AzksValue([9; 32]));
    world.put(&staged);
    world.sign();
    rig.refuses("root-mismatch").await;
    let store = rig.store();
    let (_, id) = store.directories().unwrap().remove(0);
    assert_eq!(store.verified(id).unwrap().size.get(), 4);
    assert_eq!(rig.watched().unwrap().size, 1);
}

/// Tiles that do not fit into memory are fetched twice. What is looked at the second time must be what hashed to the
/// signed root the first time.
#[tokio::test]
async fn a_tile_that_is_another_one_the_second_time_is_not_looked_at() {
    let mut world = World::new().await;
    let source = SecondAnswer::new(
        world.source.clone(),
        format!("/log/{}", TilePath::new(TileKind::Entries, 0, 256).unwrap()),
    );
    let mut rig = Rig::with(source.clone(), Rig::pins(&world)).await;
    // What was signed long before is in none of the tiles at hand by the end.
    rig.signs(1).await;
    for _ in 0..768 {
        let staged = world.stage(1).await;
        world.put(&staged);
    }
    world.sign();
    // A time that might stand there as well: no other rule is broken.
    let mut others = world.entries[..256].to_vec();
    others[255][19] ^= 1;
    let others: Vec<&[u8]> = others.iter().map(Vec::as_slice).collect();
    source.then(bundle_entries(&others).unwrap());
    rig.clock.advance(1_000_000);
    rig.refuses("tile-twice").await;
    assert_eq!((rig.latched(), rig.evidence()), (None, None));
    rig.signs(769).await;

    // An auditor that lost its memory has signed something in a tile that is not at hand for long.
    let head = world.checkpoint_of(300);
    let text = Note::parse(&head).unwrap().text().to_owned();
    let line = cosign(
        rig.keys.name(),
        &signing_key(21),
        &text,
        rig.watched().unwrap().at,
    );
    world
        .source
        .put("/log/checkpoint", heartbeat(&head, START / 1000, vec![line]));
    let mut lost = Rig::new(&world).await;
    lost.clock.advance(1_000_000);
    lost.refuses("own-state-rolled-back").await;
    lost.clear().await;
    lost.signs(769).await;
}
