//! What is true is signed, whatever happens on the way.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use keyglass_auditor::clock::Clock as _;
use keyglass_auditor::follower::{Outcome, Pins, PushAnswer};
use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::note::{SignedCheckpoint, parse_lines};
use keyglass_testkit::audited::faults::Fault;
use keyglass_testkit::audited::long::{Plan, run};
use keyglass_testkit::audited::{Rig, World, config_values, vkey};

#[tokio::test]
async fn every_honest_epoch_is_signed_and_handed_in() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    for (size, labels) in [(2, 1), (3, 2), (4, 30), (5, 1)] {
        world.publish(labels).await;
        rig.clock.advance(1000);
        rig.signs(size).await;
    }
    let handed_in = world.source.handed_in();
    assert_eq!(handed_in.len(), 5);
    assert!(handed_in.iter().all(|note| {
        let open = SignedCheckpoint::open(note, &world.log_key()).unwrap();
        open.cosignature(rig.keys.verifier()).unwrap().is_some()
    }));
    let metrics = rig.registry.encode().unwrap();
    assert!(
        metrics.contains(r#"keyglass_auditor_signed_size{directory="log.example/1"} 5"#),
        "{metrics}"
    );
    assert!(rig.follower.shared().standing(rig.clock.now()).ready);
}

#[tokio::test]
async fn an_auditor_that_comes_late_verifies_everything_across_tiles() {
    let mut world = World::new().await;
    for _ in 0..260 {
        let staged = world.stage(1).await;
        world.put(&staged);
    }
    world.sign();
    let mut rig = Rig::new(&world).await;
    rig.clock.advance(1_000_000);
    rig.signs(261).await;
    // Over the edge of the next tile, and with a restart on the way.
    for _ in 0..251 {
        let staged = world.stage(1).await;
        world.put(&staged);
    }
    world.sign();
    rig.signs(512).await;
    rig.restart().await;
    world.publish(2).await;
    rig.signs(513).await;
}

#[tokio::test]
async fn a_signature_is_the_same_after_a_restart() {
    let mut world = World::new().await;
    world.publish(3).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    let before = rig.follower.shared().published();
    rig.clock.advance(5000);
    rig.restart().await;
    assert_eq!(rig.follower.shared().published(), before);
    assert_eq!(rig.round().await.unwrap(), Outcome::Unchanged);
}

#[tokio::test]
async fn an_unchanged_head_is_signed_again_only_when_it_was_seen_again() {
    let world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let first = rig.watched().unwrap().at;
    rig.clock.advance(59_000);
    assert_eq!(rig.round().await.unwrap(), Outcome::Unchanged);
    rig.clock.advance(2000);
    world.source.remove("/log/pending");
    rig.refuses("status").await;
    world.sign();
    rig.signs(1).await;
    assert_eq!(rig.watched().unwrap().at.get(), first.get() + 61);
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_waited_for_and_accuses_nobody() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let staged = world.stage(2).await;
    world.put(&staged);
    let mut altered = staged.proof.clone();
    altered[40] ^= 1;
    let mut longer = staged.proof.clone();
    longer.push(0);
    let path = staged.path();
    world.sign();
    for (bytes, reason) in [
        (None, "status"),
        (Some(altered), "proof-hash"),
        (Some(longer), "too-large"),
        (
            Some(staged.proof[..staged.proof.len() - 1].to_vec()),
            "proof-length",
        ),
        (Some(Vec::new()), "proof-length"),
    ] {
        match bytes {
            Some(bytes) => world.source.put(path.clone(), bytes),
            None => world.source.remove(&path),
        }
        rig.refuses(reason).await;
    }
    world.serve_proof(&staged);
    for bytes in [Vec::new(), vec![0, 5, 1], world.entries.concat()] {
        world.source.put("/log/tile/entries/000.p/2", bytes);
        rig.refuses("entry-count").await;
    }
    let swapped: Vec<&[u8]> = vec![&world.entries[1], &world.entries[0]];
    world.source.put(
        "/log/tile/entries/000.p/2",
        keyglass_protocol::log::bundle_entries(&swapped).unwrap(),
    );
    rig.refuses("log-root").await;
    assert_eq!((rig.latched(), rig.evidence()), (None, None));
    world.sign();
    rig.signs(2).await;
}

#[tokio::test]
async fn a_changed_configuration_is_followed() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let mut values = config_values();
    values.merge_delay_seconds = 30;
    values.receipt_vkey = vkey("receipt.example", 33);
    values.previous_config_sha256 = Some(world.config.hash());
    let next = ConfigDocument::create(&values).unwrap();
    world.config = next.clone();
    world.publish(1).await;
    rig.refuses("status").await;
    world.serve_config(next.bytes());
    rig.signs(2).await;
    rig.restart().await;
    world.publish(1).await;
    rig.signs(3).await;
}

#[tokio::test]
async fn the_pinned_configuration_must_be_named_before_anything_is_signed() {
    let mut world = World::new().await;
    let mut values = config_values();
    values.previous_config_sha256 = Some(world.config.hash());
    values.merge_delay_seconds = 90;
    let next = ConfigDocument::create(&values).unwrap();
    let pins = Pins {
        log_key: world.log_key(),
        config: Some(next.hash()),
        from_checkpoint: None,
    };
    let mut rig = Rig::with(world.source.clone(), pins).await;
    rig.refuses("pinned-config-unseen").await;
    // Nor when it was verified before.
    rig.refuses("pinned-config-unseen").await;
    world.serve_config(next.bytes());
    world.config = next;
    world.publish(1).await;
    rig.signs(2).await;
    world.publish(1).await;
    rig.signs(3).await;
}

#[tokio::test]
async fn an_auditor_is_ready_through_a_lost_answer_and_not_through_a_refusal() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    let standing = |rig: &Rig| {
        let standing = rig.follower.shared().standing(rig.clock.now());
        assert_eq!(standing.ready, standing.reason.is_none());
        standing.reason
    };
    assert_eq!(standing(&rig).as_deref(), Some("not-checked-yet"));
    let first = world.first_checkpoint();
    world.publish(1).await;
    rig.signs(2).await;
    assert_eq!(standing(&rig), None);
    world.source.remove("/log/pending");
    rig.refuses("status").await;
    assert_eq!(standing(&rig), None);
    rig.clock.advance(300_001);
    assert_eq!(standing(&rig).as_deref(), Some("status"));
    world.sign();
    rig.signs(2).await;
    assert_eq!(standing(&rig), None);
    world.source.put("/log/pending", first);
    rig.refuses("stale-head").await;
    assert_eq!(standing(&rig).as_deref(), Some("stale-head"));
}

#[tokio::test]
async fn an_auditor_may_start_from_a_trusted_checkpoint() {
    let mut world = World::new().await;
    let mut notes = Vec::new();
    for size in 2..=300 {
        let staged = world.stage(1).await;
        world.put(&staged);
        if [2, 255, 256, 257, 300].contains(&size) {
            notes.push((size, world.sign()));
        }
    }
    for (size, note) in notes {
        let pins = Pins {
            log_key: world.log_key(),
            config: None,
            from_checkpoint: Some(note),
        };
        let mut rig = Rig::with(world.source.clone(), pins).await;
        rig.clock.advance(1_000_000);
        // The proofs before the checkpoint are not asked for.
        rig.signs(300).await;
        let store = rig.store();
        let (_, id) = store.directories().unwrap().remove(0);
        assert_eq!(store.verified(id).unwrap().start.get(), size);
        rig.restart().await;
        assert_eq!(rig.round().await.unwrap(), Outcome::Unchanged);
    }
}

#[tokio::test]
async fn a_push_is_answered_with_the_cosignature_at_once() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    let PushAnswer::Cosigned(_) = rig.pushes(&world, 0, world.checkpoint(10)).await else {
        panic!()
    };
    let staged = world.stage(5).await;
    world.put(&staged);
    world.serve_tiles();
    let PushAnswer::Cosigned(lines) = rig.pushes(&world, 1, world.checkpoint(10)).await else {
        panic!()
    };
    let lines = parse_lines(lines.as_bytes()).unwrap();
    assert_eq!(lines.len(), 2);
    for (key, line) in rig.keys.verifiers().iter().zip(&lines) {
        assert!(key.claims(line));
    }
    assert_eq!(rig.watched().unwrap().size, 2);
}

/// `cargo xtask long honest-auditor` does this for 10,000 epochs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_is_never_an_accusation() {
    let plan = Plan {
        epochs: 300,
        one_in: 6,
        seed: 20_260_101,
    };
    let report = run(&plan).await;
    println!("{report}");
    assert!(report.epochs >= 300 && report.signed > 50, "{report}");
    assert!(
        Fault::ALL
            .iter()
            .all(|fault| report.faults.get(fault) >= Some(&3)),
        "{report}"
    );
}
