//! What a directory with all its keys may try, each re-signed and breaking one rule: refused with that rule's name,
//! proven where a stranger can be shown, and never signed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod support;

use akd::{AzksElement, AzksValue, NodeLabel};
use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::log::Frontier;
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogHash, LogSize, RootHash};
use support::{Rig, Staged, World, config_values, note, signing_key};

type Lie = fn(&mut Staged);

fn resealed(change: impl FnOnce(&mut Vec<u8>), staged: &mut Staged) {
    change(&mut staged.proof);
    staged.seal();
}

/// Lies about the audit proof or the step.
const BAD_STEPS: &[(&str, &str, Lie)] = &[
    ("a leaf is removed from the tree", "previous-root-mismatch", |s| {
        s.edit(|p| {
            let _ = p.unchanged_nodes.pop();
        });
    }),
    ("an inserted leaf is left out", "root-mismatch", |s| {
        s.edit(|p| {
            let _ = p.inserted.pop();
        })
    }),
    ("an old value is rewritten", "previous-root-mismatch", |s| {
        s.edit(|p| p.unchanged_nodes[0].value = AzksValue([9; 32]));
    }),
    ("another value is inserted", "root-mismatch", |s| {
        s.edit(|p| p.inserted[0].value = AzksValue([9; 32]))
    }),
    ("a leaf is inserted twice", "duplicate-label", |s| {
        s.edit(|p| p.inserted.push(p.inserted[0]))
    }),
    (
        "an old subtree is shadowed by a new leaf",
        "label-is-prefix",
        |s| {
            s.edit(|p| {
                let shell = NodeLabel::new([0; 32], 1);
                let leaf = NodeLabel::new([0; 32], 256);
                p.unchanged_nodes = vec![AzksElement {
                    label: shell,
                    value: AzksValue([1; 32]),
                }];
                p.inserted = vec![AzksElement {
                    label: leaf,
                    value: AzksValue([2; 32]),
                }];
            });
        },
    ),
    ("a subtree is inserted whole", "leaf-label-length", |s| {
        s.edit(|p| p.inserted[0].label = NodeLabel::new([0; 32], 8));
    }),
    ("the whole old tree is replaced", "previous-root-mismatch", |s| {
        s.edit(|p| p.unchanged_nodes.clear())
    }),
    ("nothing is inserted", "nothing-inserted", |s| {
        s.edit(|p| p.inserted.clear())
    }),
    ("more is said to be inserted", "inserted-count", |s| {
        s.leaf.inserted += 1
    }),
    ("less is said to be inserted", "inserted-count", |s| {
        s.leaf.inserted -= 1
    }),
    ("the proof has bytes behind it", "protobuf-truncated", |s| {
        resealed(|p| p.push(0x0a), s)
    }),
    (
        "the proof has a field of its own",
        "protobuf-unknown-field",
        |s| resealed(|p| p.extend([0x18, 1]), s),
    ),
    ("the proof is cut", "protobuf-truncated", |s| {
        resealed(
            |p| {
                let _ = p.pop();
            },
            s,
        )
    }),
    ("the root is another", "root-mismatch", |s| {
        s.leaf.root = RootHash::new([5; 32])
    }),
];

/// Lies about a leaf by itself, or about its place behind the one before.
const BAD_LEAVES: &[(&str, &str, Lie)] = &[
    ("an epoch is skipped", "epoch-not-index", |s| {
        s.leaf.epoch = s.leaf.epoch.next().unwrap()
    }),
    ("an epoch is stated twice", "epoch-not-index", |s| {
        s.leaf.epoch = s.leaf.epoch.previous().unwrap()
    }),
    ("another past", "root-chain-broken", |s| {
        s.leaf.previous_root = RootHash::new([5; 32])
    }),
    ("time stands still", "time-not-later", |s| {
        s.leaf.time = keyglass_protocol::quantity::Millis::new(s.leaf.time.get() - 1000)
    }),
    ("time goes back", "time-not-later", |s| {
        s.leaf.time = keyglass_protocol::quantity::Millis::new(s.leaf.time.get() - 5000)
    }),
    ("an empty publish", "nothing-inserted", |s| s.leaf.inserted = 0),
    ("an empty proof", "no-audit", |s| {
        s.proof.clear();
        s.seal();
    }),
];

async fn two_epochs() -> (World, Rig) {
    let mut world = World::new().await;
    world.publish(20).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    (world, rig)
}

async fn told(lie: Lie) -> (World, Rig) {
    let (mut world, rig) = two_epochs().await;
    let mut staged = world.stage(3).await;
    lie(&mut staged);
    world.put(&staged);
    world.sign();
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

#[tokio::test]
async fn a_step_that_is_not_append_only_is_proven() {
    for (what, reason, lie) in BAD_STEPS {
        let (mut world, mut rig) = told(*lie).await;
        proven(&mut world, &mut rig, what, "bad-append", reason).await;
    }
}

#[tokio::test]
async fn a_bad_leaf_is_proven() {
    for (what, reason, lie) in BAD_LEAVES {
        let (mut world, mut rig) = told(*lie).await;
        proven(&mut world, &mut rig, what, "bad-leaf", reason).await;
    }
}

#[tokio::test]
async fn an_entry_that_is_no_leaf_is_proven() {
    type Change = fn(&mut Vec<u8>);
    let entries: [(Change, &str); 4] = [
        (
            |e| {
                let _ = e.pop();
            },
            "truncated",
        ),
        (|e| e.push(0), "trailing-bytes"),
        (|e| e[0] = b'X', "bad-magic"),
        (Vec::clear, "truncated"),
    ];
    for (change, reason) in entries {
        let (mut world, mut rig) = two_epochs().await;
        let mut entry = world.stage(1).await.leaf.encode();
        change(&mut entry);
        world.append(entry);
        world.sign();
        proven(&mut world, &mut rig, "no leaf", "bad-leaf", reason).await;
    }
}

#[tokio::test]
async fn a_configuration_that_may_not_follow_is_proven() {
    type Change = fn(&mut keyglass_protocol::config::ConfigValues);
    let changes: [(Change, &str); 3] = [
        (
            |c| c.vrf_public_key = *signing_key(77).verifying_key().as_bytes(),
            "config-vrf-key-changed",
        ),
        (
            |c| c.previous_config_sha256 = Some(ConfigHash::new([1; 32])),
            "config-previous-hash",
        ),
        (|c| c.limits.devices -= 1, "config-limit-lowered"),
    ];
    for (change, reason) in changes {
        let (mut world, mut rig) = two_epochs().await;
        let mut values = config_values();
        values.previous_config_sha256 = Some(world.config.hash());
        change(&mut values);
        world.config = ConfigDocument::create(&values).unwrap();
        world.serve_config(world.config.bytes());
        world.publish(1).await;
        proven(&mut world, &mut rig, reason, "bad-leaf", reason).await;
    }
}

#[tokio::test]
async fn two_roots_of_one_size_are_proven() {
    let (mut world, mut rig) = two_epochs().await;
    world
        .source
        .put("/log/pending", note(10, LogSize::new(2), LogHash::new([3; 32])));
    rig.refuses("two-roots-at-one-size").await;
    assert_eq!(
        rig.evidence(),
        Some(("fork".to_owned(), "two-roots-at-one-size".to_owned()))
    );
    world.publish(1).await;
    rig.refuses("latched").await;
}

#[tokio::test]
async fn another_past_under_a_larger_head_is_proven() {
    // In the tile at hand, and in one that was left behind.
    for epochs in [3, 300] {
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
        proven(&mut world, &mut rig, "fork", "fork", "two-leaves-at-one-index").await;
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
    let foreign = support::note(10, LogSize::new(3), LogHash::new([3; 32]));
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

#[tokio::test]
async fn what_a_stranger_could_not_be_shown_is_refused_without_accusation() {
    // A proof that nobody would read.
    let (mut world, mut rig) = two_epochs().await;
    let mut staged = world.stage(1).await;
    staged.leaf.audit_length = 1 << 40;
    world.put(&staged);
    world.sign();
    rig.refuses("audit-proof-too-long").await;

    // A configuration document that is none.
    let (mut world, mut rig) = two_epochs().await;
    let mut staged = world.stage(1).await;
    staged.leaf.config = world.serve_config(b"{}");
    world.put(&staged);
    world.sign();
    rig.refuses("config-missing-field").await;

    // A tree that was not empty at the start.
    let mut world = World::new().await;
    let mut first = world.newest;
    first.root = RootHash::new([1; 32]);
    world.entries = vec![first.encode()];
    world.sign();
    let mut rig = Rig::new(&world).await;
    rig.refuses("first-root").await;

    // Another log's configuration from the start on.
    let mut world = World::new().await;
    let mut values = config_values();
    values.log_vkey = support::vkey(values.origin.as_str(), 99);
    let config = ConfigDocument::create(&values).unwrap();
    let mut first = world.newest;
    first.config = world.serve_config(config.bytes());
    assert_eq!(first.epoch, Epoch::ZERO);
    world.entries = vec![first.encode()];
    world.sign();
    let mut rig = Rig::new(&world).await;
    rig.refuses("config-log-key-changed").await;
    assert_eq!((rig.latched(), rig.evidence()), (None, None));
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
