//! Lies about the configuration: who may sign what, and where leaves stand.

use keyglass_protocol::codec::base64_encode;
use keyglass_protocol::config::{Predecessor, Successor};
use keyglass_protocol::message::Answer;
use keyglass_protocol::note::{Origin, VerifierKey};
use keyglass_protocol::quantity::{ConfigHash, LogHash, LogSize, RootHash};
use serde_json::{Value, json};

use super::{Row, Scene};
use crate::world::{Person, World};

/// Lies about the configuration.
pub(super) const LIES: &[Row] = &[
    (
        "leaf-of-a-configuration-that-nobody-has",
        "a leaf that names a document that is not served",
        "configuration-changed",
        3,
        "account:alice",
        |s| s.last_leaf(|leaf| leaf.config = ConfigHash::new([9; 32])),
    ),
    (
        "another-document-under-the-hash",
        "a document that the log does not name",
        "config-hash",
        1,
        "account:alice",
        |s| {
            s.configure(|v| v.merge_delay_seconds = 50);
            let hash = s.world.named.unwrap().to_string();
            let pinned = s.world.config.bytes().to_vec();
            s.documents.insert(hash, pinned);
            s.honest("account:alice")
        },
    ),
    (
        "vrf-key-swapped",
        "the key that places labels",
        "config-vrf-key-changed",
        1,
        "account:alice",
        |s| {
            let other = World::new(9).config.values().vrf_public_key;
            s.configured(|v| v.vrf_public_key = other)
        },
    ),
    (
        "log-key-swapped",
        "the key that signs the log",
        "config-log-key-changed",
        1,
        "account:alice",
        |s| {
            let other = World::new(9).keys.log_vkey();
            s.configured(|v| v.log_vkey = other)
        },
    ),
    (
        "origin-swapped",
        "the name of the log",
        "config-origin-changed",
        1,
        "account:alice",
        |s| {
            let key = *s.world.keys.log.verifying_key().as_bytes();
            s.configured(|v| {
                v.origin = Origin::new("staging.test/log").unwrap();
                v.log_vkey = VerifierKey::new_ed25519("staging.test/log", &key).unwrap();
            })
        },
    ),
    (
        "predecessor-invented",
        "a log before the first",
        "config-predecessor-changed",
        1,
        "account:alice",
        |s| {
            let other = World::new(9);
            let predecessor = Predecessor {
                origin: Origin::new("old.test/log").unwrap(),
                log_vkey: VerifierKey::new_ed25519("old.test/log", other.keys.log.verifying_key().as_bytes())
                    .unwrap(),
                vrf_public_key: other.config.values().vrf_public_key,
                size: LogSize::new(9),
                log_root: LogHash::new([9; 32]),
                akd_root: RootHash::new([9; 32]),
            };
            s.configured(|v| v.predecessor = Some(predecessor))
        },
    ),
    (
        "limit-lowered",
        "a limit that records in the log break",
        "config-limit-lowered",
        1,
        "account:alice",
        |s| s.configured(|v| v.limits.devices = 1),
    ),
    (
        "hash-configuration-swapped",
        "another way to hash the tree",
        "config-akd-configuration",
        1,
        "account:alice",
        |s| s.document(|json| json["akd_configuration"] = "Experimental".into()),
    ),
    (
        "one-key-in-two-roles",
        "a receipt key that is the heartbeat's",
        "config-key-twice",
        1,
        "account:alice",
        |s| {
            let key = *s.world.keys.heartbeat.verifying_key().as_bytes();
            let vkey = VerifierKey::new_ed25519("keyglass.test/world/receipt", &key).unwrap();
            s.document(|json| json["receipt_vkey"] = vkey.to_string().into())
        },
    ),
    (
        "configuration-with-an-unknown-field",
        "a rule that no client knows",
        "config-unknown-field",
        1,
        "account:alice",
        |s| s.document(|json| json["no_checks_please"] = true.into()),
    ),
    (
        "configuration-without-a-field",
        "a document without its merge delay",
        "config-missing-field",
        1,
        "account:alice",
        |s| {
            s.document(|json| {
                json.as_object_mut().unwrap().remove("merge_delay_seconds");
            })
        },
    ),
    (
        "merge-delay-of-a-year",
        "a promise that is never due",
        "config-merge-delay",
        1,
        "account:alice",
        |s| s.document(|json| json["merge_delay_seconds"] = json!(31_536_000)),
    ),
    (
        "heartbeat-key-swapped",
        "who says that a head is the newest",
        "configuration-keys-changed",
        5,
        "account:alice",
        |s| {
            let other = World::new(9).keys.heartbeat_vkey();
            s.configured(|v| v.heartbeat_vkey = other)
        },
    ),
    (
        "receipt-key-swapped",
        "who promises to publish",
        "configuration-keys-changed",
        5,
        "account:alice",
        |s| {
            let other = World::new(9).keys.receipt_vkey();
            s.configured(|v| v.receipt_vkey = other)
        },
    ),
    (
        "recovery-key-swapped",
        "who may take accounts over",
        "configuration-keys-changed",
        5,
        "account:alice",
        |s| {
            let other = World::new(9).keys.recovery_vkey();
            s.configured(|v| v.recovery_vkey = Some(other))
        },
    ),
    (
        "import-key-swapped",
        "who may invent accounts",
        "configuration-keys-changed",
        5,
        "account:alice",
        |s| {
            let other = World::new(9).keys.import_vkey();
            s.configured(|v| v.import_vkey = Some(other))
        },
    ),
    (
        "successor-announced",
        "another log that clients shall go to",
        "configuration-keys-changed",
        5,
        "account:alice",
        |s| {
            let key = *World::new(9).keys.log.verifying_key().as_bytes();
            let successor = Successor {
                origin: Origin::new("new.test/log").unwrap(),
                log_vkey: VerifierKey::new_ed25519("new.test/log", &key).unwrap(),
            };
            s.configured(|v| v.successor = Some(successor))
        },
    ),
    (
        "configuration-downgraded",
        "the document before, after another was in force",
        "configuration-changed",
        3,
        "handle:alice",
        |s| {
            s.configure(|v| v.merge_delay_seconds = 50);
            let first = s.honest("handle:alice");
            s.world.named = None;
            s.world.publish(&[Person::new("somebody-else", 91).entry()]);
            let from = s.world.size().get() - 1;
            let handle = s.handle.label();
            let later = Answer {
                consistency_proof: s.world.bare_answer(Some(from)).consistency_proof,
                ..s.world.history(&handle, 1)
            };
            s.histories.insert("handle:alice".to_owned(), later);
            first
        },
    ),
];

impl Scene {
    /// A changed configuration in force, and an honest answer.
    fn configured(&mut self, change: impl FnOnce(&mut keyglass_protocol::config::ConfigValues)) -> Answer {
        self.configure(change);
        self.honest("account:alice")
    }

    /// A changed document in force that is no configuration, and an honest answer.
    fn document(&mut self, change: impl FnOnce(&mut Value)) -> Answer {
        let mut json: Value = serde_json::from_slice(self.world.config.bytes()).unwrap();
        json["previous_config_sha256"] = base64_encode(self.world.config.hash().as_bytes()).into();
        change(&mut json);
        self.name(json.to_string().as_bytes());
        self.honest("account:alice")
    }
}
