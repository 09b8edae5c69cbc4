//! What is signed and true, and not supplied as it was signed. It may be the network: nobody is accused, and
//! nothing is signed. Bytes are capped before they are read.

use keyglass_protocol::log::bundle_entries;
use keyglass_protocol::quantity::{ConfigHash, LogHash, LogSize};

use super::{Lie, Scene, Verdict, lie};
use crate::audited::note;

const fn supply(name: &'static str, reason: &'static str, tell: fn(&mut Scene)) -> Lie {
    lie(name, Verdict::Waited, reason, tell)
}

/// The third epoch is published; its audit proof is served like this.
fn proof(s: &mut Scene, change: impl FnOnce(&mut Vec<u8>)) {
    s.publish();
    let mut bytes = s.next.proof.clone();
    change(&mut bytes);
    s.world.source.put(s.next.path(), bytes);
}

pub(super) const LIES: &[Lie] = &[
    supply(
        "a leaf states another length than its proof has",
        "proof-length",
        |s| {
            s.publish_with(|next| next.leaf.audit_length += 1);
        },
    ),
    supply("the proof is withheld", "status", |s| {
        s.publish();
        s.world.source.remove(&s.next.path());
    }),
    supply("another proof than the leaf states", "proof-hash", |s| {
        proof(s, |bytes| bytes[40] ^= 1);
    }),
    supply("a shorter proof than the leaf states", "proof-length", |s| {
        proof(s, |bytes| {
            bytes.pop().unwrap();
        });
    }),
    supply("an empty proof in place of a stated one", "proof-length", |s| {
        proof(s, Vec::clear)
    }),
    supply("a longer proof than the leaf states", "too-large", |s| {
        proof(s, |bytes| bytes.push(0));
    }),
    supply("an endless proof", "too-large", |s| {
        proof(s, |bytes| bytes.resize(8 << 20, 0));
    }),
    supply("the leaves are withheld", "status", |s| {
        s.world.put(&s.next);
        let checkpoint = s.world.checkpoint(10);
        s.world.source.put("/log/pending", checkpoint);
    }),
    supply("other leaves than are signed", "log-root", |s| {
        s.publish();
        let swapped: Vec<&[u8]> = [2, 1, 0].map(|i: usize| s.world.entries[i].as_slice()).to_vec();
        s.serve_entries(bundle_entries(&swapped).unwrap());
    }),
    supply("fewer leaves than are signed", "entry-count", |s| {
        s.publish();
        let two: Vec<&[u8]> = s.world.entries.iter().take(2).map(Vec::as_slice).collect();
        s.serve_entries(bundle_entries(&two).unwrap());
    }),
    supply(
        "entries that state a length they do not have",
        "entry-count",
        |s| {
            s.publish();
            s.serve_entries(vec![0xff, 0xff, 1]);
        },
    ),
    supply("an entry that is longer than any leaf", "too-large", |s| {
        s.publish();
        s.serve_entries(vec![0; 4096]);
    }),
    supply("a head without a log under it", "status", |s| {
        let head = note(10, LogSize::new(9), LogHash::new([3; 32]));
        s.world.source.put("/log/pending", head);
    }),
    supply("a configuration that is withheld", "status", |s| {
        s.publish_with(|next| next.leaf.config = ConfigHash::new([7; 32]));
    }),
    supply("another configuration than the leaf names", "config-hash", |s| {
        let hash = ConfigHash::new([7; 32]);
        let other = s.world.config.bytes().to_vec();
        s.world.source.put(format!("/v1/config/{hash}"), other);
        s.publish_with(|next| next.leaf.config = hash);
    }),
    supply("a checkpoint that never ends", "too-large", |s| {
        s.world.source.put("/log/pending", vec![b'a'; 1 << 20]);
    }),
];
