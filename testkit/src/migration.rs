//! A log that ended and the log that continues it, and every way in which they do not fit together.

use keyglass_protocol::config::{ConfigDocument, ConfigValues, Predecessor, Successor};
use keyglass_protocol::label::Label;
use keyglass_protocol::log;
use keyglass_protocol::message::B64;
use keyglass_protocol::note::{Origin, VerifierKey};
use keyglass_protocol::quantity::{LogHash, LogSize, RecordHash, RootHash};
use keyglass_protocol::record::{AccountKind, AliasRecord, Role};
use serde_json::{Value, json};

use crate::world::{OperatorKeys, Person, World};

/// Origin of the log that continues the world's.
pub const CONTINUED: &str = "keyglass.test/continued";

/// What is handed to a verifier that moves.
struct Scene {
    old: World,
    documents: [ConfigDocument; 2],
    new: ConfigValues,
    new_keys: OperatorKeys,
    alice: Person,
    handle: AliasRecord,
    released: AliasRecord,
}

/// The record of the old log, and the first one of the new.
type Records = (Vec<u8>, Vec<u8>);

/// Name, broken rule, what is changed in the new log, and the two records.
type Row = (
    &'static str,
    Option<&'static str>,
    fn(&mut Scene),
    fn(&Scene) -> Records,
);

/// All cases with their file names.
pub fn all() -> Vec<(&'static str, Value)> {
    let rows: &[Row] = &[
        ("ok_account", None, |_| {}, |s| s.account(s.alice.newest.hash())),
        ("ok_alias", None, |_| {}, |s| s.alias(&s.alice, s.handle.hash())),
        ("not_ended", Some("migration-not-ended"), |s| s.end(None), account),
        (
            "other_document",
            Some("migration-other-document"),
            |s| s.documents[1] = s.documents[0].clone(),
            account,
        ),
        (
            "other_successor",
            Some("migration-other-successor"),
            |s| s.end(Some(s.old.keys.log_vkey())),
            account,
        ),
        (
            "other_successor_key",
            Some("migration-other-successor"),
            |s| {
                let key = s.new_keys.receipt.verifying_key().to_bytes();
                s.end(Some(VerifierKey::new_ed25519(CONTINUED, &key).unwrap()));
            },
            account,
        ),
        (
            "no_predecessor",
            Some("migration-no-predecessor"),
            |s| s.new.predecessor = None,
            account,
        ),
        (
            "other_predecessor",
            Some("migration-other-predecessor"),
            |s| {
                let key = s.old.keys.receipt.verifying_key().to_bytes();
                let origin = s.old.config.origin.to_string();
                s.state().log_vkey = VerifierKey::new_ed25519(&origin, &key).unwrap();
            },
            account,
        ),
        (
            "other_vrf_key",
            Some("migration-other-vrf-key"),
            |s| s.state().vrf_public_key = *World::new(3).trust().vrf().as_bytes(),
            account,
        ),
        (
            "other_size",
            Some("migration-other-size"),
            |s| s.state().size = LogSize::new(1),
            account,
        ),
        (
            "other_log_root",
            Some("migration-other-log-root"),
            |s| s.state().log_root = LogHash::new([9; 32]),
            account,
        ),
        (
            "other_tree_root",
            Some("migration-other-tree-root"),
            |s| s.state().akd_root = RootHash::new([9; 32]),
            account,
        ),
        (
            "not_imported",
            Some("migration-not-imported"),
            |_| {},
            |s| (s.alice.newest.bytes().to_vec(), s.alice.newest.bytes().to_vec()),
        ),
        (
            "imported_later",
            Some("migration-not-imported"),
            |_| {},
            |s| {
                let moved = s
                    .alice
                    .imported(CONTINUED, s.alice.newest.hash(), &s.new_keys.import);
                let mut body = moved.body().clone();
                body.version = body.version.next().unwrap();
                let later = body.sign(&[(Role::Import, &s.new_keys.import)]).unwrap();
                (s.alice.newest.bytes().to_vec(), later.bytes().to_vec())
            },
        ),
        (
            "other_account",
            Some("migration-other-label"),
            |_| {},
            |s| {
                let bob = Person::new("bob", 1);
                let moved = bob.imported(CONTINUED, s.alice.newest.hash(), &s.new_keys.import);
                (s.alice.newest.bytes().to_vec(), moved.bytes().to_vec())
            },
        ),
        (
            "names_nothing",
            Some("migration-previous-hash"),
            |_| {},
            |s| s.account(RecordHash::ZERO),
        ),
        (
            "other_identity",
            Some("migration-changed"),
            |_| {},
            |s| {
                let mut stolen = s.alice.clone();
                stolen.rotate(7);
                let moved = stolen.imported(CONTINUED, s.alice.newest.hash(), &s.new_keys.import);
                (s.alice.newest.bytes().to_vec(), moved.bytes().to_vec())
            },
        ),
        (
            "other_devices",
            Some("migration-changed"),
            |_| {},
            |s| {
                let mut more = s.alice.clone();
                more.add_device(9, 9);
                let moved = more.imported(CONTINUED, s.alice.newest.hash(), &s.new_keys.import);
                (s.alice.newest.bytes().to_vec(), moved.bytes().to_vec())
            },
        ),
        (
            "other_delay",
            Some("migration-changed"),
            |_| {},
            |s| {
                let mut body = s.alice.newest.body().clone();
                body.recovery_delay = 60;
                let strict = body.sign(&[(Role::Identity, &s.alice.identity)]).unwrap();
                let moved = s.alice.imported(CONTINUED, strict.hash(), &s.new_keys.import);
                (strict.bytes().to_vec(), moved.bytes().to_vec())
            },
        ),
        (
            "other_extension",
            Some("migration-changed"),
            |_| {},
            |s| {
                let mut body = s.alice.newest.body().clone();
                body.extension = b"more".to_vec();
                let long = body.sign(&[(Role::Identity, &s.alice.identity)]).unwrap();
                let moved = s.alice.imported(CONTINUED, long.hash(), &s.new_keys.import);
                (long.bytes().to_vec(), moved.bytes().to_vec())
            },
        ),
        (
            "closed_account",
            Some("migration-nothing-to-move"),
            |_| {},
            |s| {
                let mut closed = s.alice.clone();
                let last = closed.end(None);
                assert_eq!(last.kind, AccountKind::Closed);
                let moved = closed.imported(CONTINUED, last.hash(), &s.new_keys.import);
                (last.bytes().to_vec(), moved.bytes().to_vec())
            },
        ),
        (
            "alias_not_imported",
            Some("migration-not-imported"),
            |_| {},
            |s| (s.handle.bytes().to_vec(), s.handle.bytes().to_vec()),
        ),
        (
            "alias_imported_later",
            Some("migration-not-imported"),
            |_| {},
            |s| {
                let moved =
                    s.alice
                        .imported_alias("handle:alice", CONTINUED, s.handle.hash(), &s.new_keys.import);
                let mut body = moved.body().clone();
                body.version = body.version.next().unwrap();
                let later = body.sign(&[(Role::Import, &s.new_keys.import)]).unwrap();
                (s.handle.bytes().to_vec(), later.bytes().to_vec())
            },
        ),
        (
            "other_alias",
            Some("migration-other-label"),
            |_| {},
            |s| {
                let moved =
                    s.alice
                        .imported_alias("handle:other", CONTINUED, s.handle.hash(), &s.new_keys.import);
                (s.handle.bytes().to_vec(), moved.bytes().to_vec())
            },
        ),
        (
            "alias_names_nothing",
            Some("migration-previous-hash"),
            |_| {},
            |s| s.alias(&s.alice, RecordHash::ZERO),
        ),
        (
            "other_holder",
            Some("migration-changed"),
            |_| {},
            |s| s.alias(&Person::new("bob", 2), s.handle.hash()),
        ),
        (
            "released_alias",
            Some("migration-nothing-to-move"),
            |_| {},
            |s| {
                let moved =
                    s.alice
                        .imported_alias("handle:alice", CONTINUED, s.released.hash(), &s.new_keys.import);
                (s.released.bytes().to_vec(), moved.bytes().to_vec())
            },
        ),
    ];
    rows.iter()
        .map(|(name, reason, change, records)| {
            let mut scene = Scene::new();
            change(&mut scene);
            (*name, scene.file(*reason, records(&scene)))
        })
        .collect()
}

fn account(scene: &Scene) -> Records {
    scene.account(scene.alice.newest.hash())
}

impl Scene {
    fn new() -> Self {
        let old = World::new(1);
        let alice = Person::new("alice", 1);
        let handle = alice.claim("handle:alice", None);
        let new_world = World::new(2);
        let mut scene = Self {
            documents: [old.config.clone(), old.config.clone()],
            new: new_world.config.values().clone(),
            new_keys: new_world.keys,
            released: alice.release(&handle),
            old,
            alice,
            handle,
        };
        let key = scene.new_keys.log.verifying_key().to_bytes();
        let continued = VerifierKey::new_ed25519(CONTINUED, &key).unwrap();
        scene.new.origin = Origin::new(CONTINUED).unwrap();
        scene.new.log_vkey = continued.clone();
        scene.end(Some(continued));
        scene
    }

    /// Ends the old log for the one with this key, or only changes something else, and states its last size.
    fn end(&mut self, successor: Option<VerifierKey>) {
        let mut old = World::new(1);
        old.publish(&[
            (self.handle.label(), self.handle.bytes().to_vec()),
            self.alice.entry(),
        ]);
        let mut values = old.config.values().clone();
        values.previous_config_sha256 = Some(old.config.hash());
        values.merge_delay_seconds = 61;
        values.successor = successor.map(|log_vkey| Successor {
            origin: log_vkey.origin().clone(),
            log_vkey,
        });
        self.documents = [old.config.clone(), ConfigDocument::create(&values).unwrap()];
        old.config = self.documents[1].clone();
        old.publish(&[(Label::parse("account:filler").unwrap(), vec![0])]);
        self.new.predecessor = Some(Predecessor {
            origin: values.origin,
            log_vkey: values.log_vkey,
            vrf_public_key: values.vrf_public_key,
            size: old.size(),
            log_root: log::root(&old, old.size()).unwrap(),
            akd_root: old.root(),
        });
        self.old = old;
    }

    fn state(&mut self) -> &mut Predecessor {
        self.new.predecessor.as_mut().unwrap()
    }

    fn account(&self, previous: RecordHash) -> Records {
        let moved = self.alice.imported(CONTINUED, previous, &self.new_keys.import);
        (self.alice.newest.bytes().to_vec(), moved.bytes().to_vec())
    }

    fn alias(&self, holder: &Person, previous: RecordHash) -> Records {
        let moved = holder.imported_alias("handle:alice", CONTINUED, previous, &self.new_keys.import);
        (self.handle.bytes().to_vec(), moved.bytes().to_vec())
    }

    fn file(&self, reason: Option<&str>, (last, first): Records) -> Value {
        let text = |document: &ConfigDocument| String::from_utf8(document.bytes().to_vec()).unwrap();
        let old = &self.old;
        let checkpoint = old.checkpoint(old.size()).to_bytes();
        json!({
            "reason": reason,
            "log_vkey": old.keys.log_vkey().to_string(),
            "policy": old.policy().to_string(),
            "first_config": text(&World::new(1).config),
            "last_config": text(&old.config),
            "last_config_from": old.epoch().get(),
            "checkpoint": String::from_utf8(checkpoint).unwrap(),
            "epoch": old.epoch_proof(old.epoch(), old.size()),
            "now_ms": old.now.get(),
            "stated_config": text(&self.documents[1]),
            "new_config": text(&ConfigDocument::create(&self.new).unwrap()),
            "last": B64(last),
            "first": B64(first),
        })
    }
}
