//! Accusations about the configuration documents that leaves name.

use keyglass_protocol::config::{ConfigDocument, ConfigValues};
use keyglass_protocol::evidence::Evidence;
use keyglass_protocol::message::B64;
use keyglass_protocol::note::{Origin, VerifierKey};
use keyglass_protocol::quantity::{ConfigHash, Epoch};
use sha2::{Digest as _, Sha256};

use super::{accuse_leaves, world};
use crate::world::World;

/// Which part of an accusation about configurations is not true.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum ConfigFlaw {
    None,
    Older,
    Newer,
    Unchanged,
}

/// The last leaf names a configuration with another VRF key.
pub(super) fn config_leaves(flaw: ConfigFlaw) -> Evidence {
    let mut w = world();
    let old = w.config.clone();
    let mut values = old.values().clone();
    values.previous_config_sha256 = Some(old.hash());
    values.vrf_public_key = *World::new(3).trust().vrf().as_bytes();
    let mut new = ConfigDocument::create(&values).unwrap();
    if flaw == ConfigFlaw::Unchanged {
        new = old.clone();
    }
    let at = w.epoch();
    let mut leaf = *w.leaf(at);
    leaf.config = new.hash();
    w.replace_leaf(at, leaf);
    let stranger = World::new(3).config.bytes().to_vec();
    let mut configs = vec![B64(old.bytes().to_vec()), B64(new.bytes().to_vec())];
    match flaw {
        ConfigFlaw::Older => configs[0] = B64(stranger),
        ConfigFlaw::Newer => configs[1] = B64(stranger),
        ConfigFlaw::None | ConfigFlaw::Unchanged => {}
    }
    accuse_leaves(&w, &[Epoch::new(at.get() - 1), at], configs)
}

/// Two leaves name the document that ends the log.
pub(super) fn leaf_after_the_last() -> Evidence {
    let mut w = world();
    let mut values = w.config.values().clone();
    values.previous_config_sha256 = Some(w.config.hash());
    values.successor = Some(keyglass_protocol::config::Successor {
        origin: Origin::new("keyglass.test/continued").unwrap(),
        log_vkey: VerifierKey::new_ed25519(
            "keyglass.test/continued",
            w.keys.receipt.verifying_key().as_bytes(),
        )
        .unwrap(),
    });
    let last = ConfigDocument::create(&values).unwrap();
    let at = w.epoch();
    let before = Epoch::new(at.get() - 1);
    for epoch in [before, at] {
        let mut leaf = *w.leaf(epoch);
        leaf.config = last.hash();
        w.replace_leaf(epoch, leaf);
    }
    let document = B64(last.bytes().to_vec());
    accuse_leaves(&w, &[before, at], vec![document.clone(), document])
}

/// The leaf of `epoch` names the document of these bytes, and the file shows `shown`.
fn named(epoch: Epoch, document: &[u8], shown: &[u8]) -> Evidence {
    let mut w = world();
    let mut leaf = *w.leaf(epoch);
    leaf.config = ConfigHash::new(Sha256::digest(document).into());
    w.replace_leaf(epoch, leaf);
    accuse_leaves(&w, &[epoch], vec![B64(shown.to_vec())])
}

fn changed(change: impl FnOnce(&mut ConfigValues)) -> Vec<u8> {
    let mut values = world().config.values().clone();
    change(&mut values);
    ConfigDocument::create(&values).unwrap().bytes().to_vec()
}

/// A leaf names a document that is none.
pub(super) fn no_document() -> Evidence {
    named(Epoch::new(2), b"{}", b"{}")
}

/// A leaf names a document of another origin.
pub(super) fn document_of_another_origin() -> Evidence {
    let document = changed(|values| {
        let key = World::new(3).keys.log.verifying_key();
        values.log_vkey = VerifierKey::new_ed25519("other.test/log", key.as_bytes()).unwrap();
        values.origin = values.log_vkey.origin().clone();
    });
    named(Epoch::new(2), &document, &document)
}

/// A leaf names a document with another log key.
pub(super) fn document_of_another_key() -> Evidence {
    let document = changed(|values| {
        let key = World::new(3).keys.log.verifying_key();
        values.log_vkey = VerifierKey::new_ed25519(values.origin.as_str(), key.as_bytes()).unwrap();
    });
    named(Epoch::new(2), &document, &document)
}

/// The leaf of `epoch` names a document that follows another one.
pub(super) fn later_document(epoch: u64) -> Evidence {
    let document = changed(|values| values.previous_config_sha256 = Some(ConfigHash::new([1; 32])));
    named(Epoch::new(epoch), &document, &document)
}

/// The file shows another document than the leaf names.
pub(super) fn another_document() -> Evidence {
    named(Epoch::new(2), b"{}", b"{ }")
}

/// The log begins with the document that it has to begin with.
pub(super) fn first_document() -> Evidence {
    let document = changed(|_| {});
    named(Epoch::ZERO, &document, &document)
}
