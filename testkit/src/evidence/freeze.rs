//! Heartbeats on an older head.

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::evidence::{Claim, Evidence, Freeze};
use keyglass_protocol::message::B64;
use keyglass_protocol::quantity::{Epoch, LogSize};

use super::{file, text, world};
use crate::world::World;

pub(super) fn freeze(bad: bool) -> Evidence {
    let mut w = world();
    let smaller_size = LogSize::new(w.size().get() - 1);
    let mut smaller = text(&w.checkpoint(smaller_size));
    w.now = w.now.plus(60_000);
    let larger = text(&w.checkpoint(w.size()));
    if bad {
        w.now = w.now.plus(60_000);
        smaller = text(&w.checkpoint(smaller_size));
    }
    let epoch = w.epoch_proof(w.epoch(), w.size());
    file(
        &w,
        Claim::Freeze(Freeze {
            smaller,
            larger,
            epoch,
        }),
    )
}

/// All leaves name another configuration than the one that the file holds.
pub(super) fn rename_config(w: &mut World) {
    let ours = w.config.clone();
    w.config = World::new(3).config;
    for at in 0..w.size().get() {
        let mut leaf = *w.leaf(Epoch::new(at));
        leaf.config = w.config.hash();
        w.replace_leaf(Epoch::new(at), leaf);
    }
    w.named = Some(w.config.hash());
    w.config = ours;
}

/// Heartbeats in order, and the file calls the larger head the smaller.
pub(super) fn freeze_swapped() -> Evidence {
    let mut evidence = freeze(false);
    if let Claim::Freeze(items) = &mut evidence.claim {
        std::mem::swap(&mut items.smaller, &mut items.larger);
        let w = world();
        let size = LogSize::new(w.size().get() - 1);
        items.epoch = w.epoch_proof(size.last_epoch().unwrap(), size);
    }
    evidence
}

pub(super) fn freeze_other_config() -> Evidence {
    let mut evidence = freeze(true);
    let mut values = world().config.values().clone();
    values.merge_delay_seconds += 1;
    evidence.config = B64(ConfigDocument::create(&values).unwrap().bytes().to_vec());
    evidence
}
