//! Lies in a leaf, about its place behind the one before, and about the configuration that it names.

use keyglass_protocol::config::{ConfigDocument, ConfigValues, Predecessor};
use keyglass_protocol::quantity::{AuditHash, ConfigHash, LogHash, LogSize, Millis, RootHash};

use super::{Lie, Scene, Verdict, lie};
use crate::audited::{config_values, signing_key, vkey};

const BAD_LEAF: Verdict = Verdict::Proven("bad-leaf");

const fn leaf(name: &'static str, reason: &'static str, tell: fn(&mut Scene)) -> Lie {
    lie(name, BAD_LEAF, reason, tell)
}

/// The third entry of the log is these bytes.
fn entry(s: &mut Scene, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = s.next.leaf.encode();
    change(&mut bytes);
    s.world.append(bytes);
    s.world.sign();
}

/// The third leaf names a successor of the configuration with this change.
fn config(s: &mut Scene, change: impl FnOnce(&mut ConfigValues)) {
    let mut values = config_values();
    values.previous_config_sha256 = Some(s.world.config.hash());
    change(&mut values);
    let document = ConfigDocument::create(&values).unwrap();
    s.world.serve_config(document.bytes());
    s.publish_with(|next| next.leaf.config = document.hash());
}

/// The first leaf of a log that nobody has seen yet.
fn first(s: &mut Scene, change: impl FnOnce(&mut keyglass_protocol::epoch::Leaf)) {
    let mut leaf = s.world.newest;
    change(&mut leaf);
    s.world.entries = vec![leaf.encode()];
    s.world.sign();
}

pub(super) const LIES: &[Lie] = &[
    leaf("an epoch is skipped", "epoch-not-index", |s| {
        s.publish_with(|next| next.leaf.epoch = next.leaf.epoch.next().unwrap());
    }),
    leaf("an epoch is stated twice", "epoch-not-index", |s| {
        s.publish_with(|next| next.leaf.epoch = next.leaf.epoch.previous().unwrap());
    }),
    leaf("another past", "root-chain-broken", |s| {
        s.publish_with(|next| next.leaf.previous_root = RootHash::new([5; 32]));
    }),
    leaf("the last epoch is replayed", "epoch-not-index", |s| {
        let old = s.world.newest.encode();
        entry(s, |bytes| *bytes = old);
    }),
    leaf("time stands still", "time-not-later", |s| {
        s.publish_with(|next| next.leaf.time = Millis::new(next.leaf.time.get() - 1000));
    }),
    leaf("time goes back", "time-not-later", |s| {
        s.publish_with(|next| next.leaf.time = Millis::new(next.leaf.time.get() - 5000));
    }),
    leaf("an empty publish", "nothing-inserted", |s| {
        s.publish_with(|next| next.leaf.inserted = 0);
    }),
    leaf("an empty proof", "no-audit", |s| {
        s.publish_with(|next| {
            next.proof.clear();
            next.seal();
        });
    }),
    leaf("the leaf is cut", "truncated", |s| {
        entry(s, |bytes| {
            bytes.pop().unwrap();
        });
    }),
    leaf("the leaf has a byte more", "trailing-bytes", |s| {
        entry(s, |bytes| bytes.push(0));
    }),
    leaf("the leaf is of another kind", "bad-magic", |s| {
        entry(s, |bytes| bytes[0] = b'X');
    }),
    leaf("the leaf is empty", "truncated", |s| entry(s, Vec::clear)),
    leaf("the VRF key is changed", "config-vrf-key-changed", |s| {
        config(s, |c| {
            c.vrf_public_key = *signing_key(77).verifying_key().as_bytes()
        });
    }),
    leaf("the log's key is changed", "config-log-key-changed", |s| {
        config(s, |c| c.log_vkey = vkey(c.origin.as_str(), 99));
    }),
    leaf("the origin is changed", "config-origin-changed", |s| {
        config(s, |c| {
            c.log_vkey = vkey("other.example/1", 10);
            c.origin = c.log_vkey.origin().clone();
        });
    }),
    leaf("a predecessor is invented", "config-predecessor-changed", |s| {
        config(s, |c| {
            let log_vkey = vkey("older.example/1", 55);
            c.predecessor = Some(Predecessor {
                origin: log_vkey.origin().clone(),
                log_vkey,
                vrf_public_key: *signing_key(56).verifying_key().as_bytes(),
                size: LogSize::new(1),
                log_root: LogHash::new([1; 32]),
                akd_root: RootHash::new([2; 32]),
            });
        });
    }),
    leaf("a configuration has another past", "config-previous-hash", |s| {
        config(s, |c| c.previous_config_sha256 = Some(ConfigHash::new([1; 32])));
    }),
    leaf("a configuration has no past", "config-previous-hash", |s| {
        config(s, |c| {
            c.previous_config_sha256 = None;
            c.merge_delay_seconds += 1;
        });
    }),
    leaf("a limit is lowered", "config-limit-lowered", |s| {
        config(s, |c| c.limits.devices -= 1);
    }),
    lie(
        "a leaf from the future",
        Verdict::Refused,
        "leaf-time-ahead",
        |s| {
            let now = keyglass_auditor::clock::Clock::now(&*s.rig.clock);
            s.publish_with(|next| next.leaf.time = now.plus(61_000));
        },
    ),
    lie(
        "a leaf from long before",
        Verdict::Refused,
        "leaf-time-behind",
        |s| {
            // The auditor has cosigned the smaller log two hours after this leaf is said to have been made.
            let at = keyglass_auditor::clock::Clock::now(&*s.rig.clock)
                .plus(2 * 3_600_000)
                .seconds();
            let store = s.rig.store();
            let signed = store.signed(s.rig.log()).unwrap().unwrap();
            let again = keyglass_schema::auditor::Signing {
                size: signed.size,
                root: signed.root,
                note: &signed.note,
                at,
            };
            store.sign(s.rig.log(), &again).unwrap();
            s.rig.clock.advance(2 * 3_600_000);
            s.publish();
        },
    ),
    leaf(
        "an audit proof that nobody would read",
        "audit-proof-too-long",
        |s| {
            s.publish_with(|next| next.leaf.audit_length = 1 << 40);
        },
    ),
    leaf("a configuration that is none", "config-missing-field", |s| {
        let hash = s.world.serve_config(b"{}");
        s.publish_with(|next| next.leaf.config = hash);
    }),
];

/// Lies in the first leaf.
pub(super) const FIRST: &[Lie] = &[
    leaf("epoch 0 has a past", "first-previous-root", |s| {
        first(s, |leaf| leaf.previous_root = RootHash::new([1; 32]));
    }),
    leaf("epoch 0 has an audit proof", "first-audit", |s| {
        first(s, |leaf| leaf.audit_hash = AuditHash::new([1; 32]));
    }),
    leaf("epoch 0 inserts", "first-audit", |s| {
        first(s, |leaf| leaf.inserted = 1)
    }),
    leaf("the tree was not empty at the start", "first-root", |s| {
        first(s, |leaf| leaf.root = RootHash::new([1; 32]));
    }),
    leaf(
        "another log's configuration from the start",
        "config-log-key-changed",
        |s| {
            let mut values = config_values();
            values.log_vkey = vkey(values.origin.as_str(), 99);
            let hash = s
                .world
                .serve_config(ConfigDocument::create(&values).unwrap().bytes());
            first(s, |leaf| leaf.config = hash);
        },
    ),
    leaf(
        "another origin's configuration from the start",
        "config-origin-changed",
        |s| {
            let mut values = config_values();
            values.log_vkey = vkey("other.example/1", 10);
            values.origin = values.log_vkey.origin().clone();
            let hash = s
                .world
                .serve_config(ConfigDocument::create(&values).unwrap().bytes());
            first(s, |leaf| leaf.config = hash);
        },
    ),
    leaf(
        "a later configuration from the start",
        "config-not-a-first",
        |s| {
            let mut values = config_values();
            values.previous_config_sha256 = Some(ConfigHash::new([1; 32]));
            let hash = s
                .world
                .serve_config(ConfigDocument::create(&values).unwrap().bytes());
            first(s, |leaf| leaf.config = hash);
        },
    ),
];
