//! Leaves that break a rule by themselves or beside the one before.

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::evidence::{BadLeaf, Claim, Evidence};
use keyglass_protocol::quantity::{Epoch, RootHash};

use super::{accuse_leaves, file, text, world};

pub(super) fn leaves_apart() -> Evidence {
    let w = world();
    let leaves = vec![
        w.epoch_proof(Epoch::new(1), w.size()),
        w.epoch_proof(Epoch::new(3), w.size()),
    ];
    let checkpoint = text(&w.checkpoint(w.size()));
    file(
        &w,
        Claim::BadLeaf(BadLeaf {
            checkpoint,
            leaves,
            configs: Vec::new(),
        }),
    )
}

pub(super) fn bad_leaf(edit: impl FnOnce(&mut Leaf)) -> Evidence {
    let mut w = world();
    let at = w.epoch();
    let mut leaf = *w.leaf(at);
    edit(&mut leaf);
    w.replace_leaf(at, leaf);
    accuse_leaves(&w, &[Epoch::new(at.get() - 1), at], Vec::new())
}

/// The leaf of `epoch`, changed, by itself.
pub(super) fn alone(epoch: Epoch, edit: impl FnOnce(&mut Leaf)) -> Evidence {
    let mut w = world();
    let mut leaf = *w.leaf(epoch);
    edit(&mut leaf);
    w.replace_leaf(epoch, leaf);
    accuse_leaves(&w, &[epoch], Vec::new())
}

pub(super) fn bad_leaf_epoch() -> Evidence {
    alone(world().epoch(), |leaf| leaf.epoch = Epoch::new(9))
}

/// Somebody was in the tree before the log began.
pub(super) fn first_root() -> Evidence {
    alone(Epoch::ZERO, |leaf| leaf.root = RootHash::new([1; 32]))
}
