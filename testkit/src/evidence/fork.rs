//! Two heads, or two leaves, that no one log can have.

use keyglass_protocol::evidence::{Claim, Evidence, Fork, ProvenLeaf};
use keyglass_protocol::message::B64;
use keyglass_protocol::note::Note;
use keyglass_protocol::quantity::{Epoch, LogHash, LogSize};

use super::{file, text, world};
use crate::world::{Person, World};

pub(super) fn fork(other: LogHash) -> Evidence {
    let w = world();
    let checkpoints = [
        text(&w.checkpoint(w.size())),
        text(&w.sign_checkpoint(w.size(), other)),
    ];
    file(&w, Claim::Fork(Fork::Checkpoints { checkpoints }))
}

pub(super) fn fork_same() -> Evidence {
    let mut w = world();
    let first = text(&w.checkpoint(w.size()));
    w.now = w.now.plus(60_000);
    let checkpoints = [first, text(&w.checkpoint(w.size()))];
    file(&w, Claim::Fork(Fork::Checkpoints { checkpoints }))
}

pub(super) fn fork_by_a_stranger() -> Evidence {
    let (w, mut stranger) = (world(), World::new(3));
    stranger.publish(&[Person::new("eve", 66).entry()]);
    let mut forged = text(&stranger.checkpoint(stranger.size()));
    // Under our log's key id, as a forger would write it.
    let ours = w.checkpoint(stranger.size());
    let theirs = Note::parse(forged.as_bytes()).unwrap();
    let mut line = theirs.signatures()[0].clone();
    line.key_id = ours.signatures()[0].key_id;
    forged = text(&Note::new(theirs.text(), vec![line]).unwrap());
    let checkpoints = [text(&ours), forged];
    file(&w, Claim::Fork(Fork::Checkpoints { checkpoints }))
}

pub(super) fn fork_of_leaves() -> Evidence {
    let mut w = world();
    let at = Epoch::new(2);
    let leaf = |w: &World| ProvenLeaf {
        checkpoint: text(&w.checkpoint(w.size())),
        epoch: w.epoch_proof(at, w.size()),
    };
    let first = leaf(&w);
    let mut other = *w.leaf(at);
    other.inserted += 1;
    w.replace_leaf(at, other);
    let leaves = Box::new([first, leaf(&w)]);
    file(&w, Claim::Fork(Fork::Leaves { leaves }))
}

/// Two heads of different sizes, as every growing log has them.
pub(super) fn fork_of_two_sizes() -> Evidence {
    let w = world();
    let checkpoints = [
        text(&w.checkpoint(LogSize::new(3))),
        text(&w.checkpoint(w.size())),
    ];
    file(&w, Claim::Fork(Fork::Checkpoints { checkpoints }))
}

/// True leaves of one log; `unproven` names one whose bytes are altered.
pub(super) fn fork_of_leaves_at(first: u64, second: u64, unproven: Option<usize>) -> Evidence {
    let w = world();
    let leaf = |at| ProvenLeaf {
        checkpoint: text(&w.checkpoint(w.size())),
        epoch: w.epoch_proof(Epoch::new(at), w.size()),
    };
    let mut leaves = Box::new([leaf(first), leaf(second)]);
    if let Some(i) = unproven {
        leaves[i].epoch.leaf.0[20] ^= 1;
    }
    file(&w, Claim::Fork(Fork::Leaves { leaves }))
}

/// What is wrong with the file.
pub(super) enum HeadsFlaw {
    None,
    Honest,
    OtherLarger,
    Swapped,
    Unsigned,
}

/// A head of size 2, and a larger one with a consistency proof from its own root at that size.
pub(super) fn fork_of_heads(flaw: HeadsFlaw) -> Evidence {
    let w = world();
    let (two, all) = (LogSize::new(2), w.size());
    let root = keyglass_protocol::log::root(&w, two).unwrap();
    let proof = keyglass_protocol::log::consistency_proof(&w, two, all).unwrap();
    let signed = match flaw {
        HeadsFlaw::Honest => root,
        _ => LogHash::new([9; 32]),
    };
    let mut smaller = text(&w.sign_checkpoint(two, signed));
    let mut larger = text(&w.checkpoint(all));
    match flaw {
        HeadsFlaw::OtherLarger => larger = text(&w.sign_checkpoint(all, LogHash::new([8; 32]))),
        HeadsFlaw::Swapped => std::mem::swap(&mut smaller, &mut larger),
        HeadsFlaw::Unsigned => {
            let honest = w.sign_checkpoint(two, root);
            let note = Note::parse(smaller.as_bytes()).unwrap();
            smaller = text(&Note::new(note.text(), honest.signatures().to_vec()).unwrap());
        }
        HeadsFlaw::None | HeadsFlaw::Honest => {}
    }
    let b64 = |hash: &LogHash| B64(hash.as_bytes().to_vec());
    let heads = Fork::Heads {
        smaller,
        larger,
        root: b64(&root),
        consistency_proof: proof.iter().map(b64).collect(),
    };
    file(&w, Claim::Fork(heads))
}
