//! Audit proofs that do not lead to what the leaf names.

use akd::proto::specs::types::SingleAppendOnlyProof;
use keyglass_protocol::evidence::{BadAppend, Claim, Evidence};
use keyglass_protocol::message::B64;
use protobuf::Message as _;

use super::leaf::{alone, bad_leaf_epoch};
use super::{file, text, world};
use crate::world::World;

fn append_claim(w: &World) -> Evidence {
    let at = w.epoch();
    let items = BadAppend {
        checkpoint: text(&w.checkpoint(w.size())),
        epoch: w.epoch_proof(at, w.size()),
        audit_proof: B64(w.audit_proof(at).to_vec()),
    };
    file(w, Claim::BadAppend(items))
}

pub(super) fn bad_append(bad: bool) -> Evidence {
    let mut w = world();
    if bad {
        let mut proof = SingleAppendOnlyProof::parse_from_bytes(w.audit_proof(w.epoch())).unwrap();
        proof.inserted[0].value.as_mut().unwrap()[0] ^= 1;
        w.replace_audit(
            w.epoch(),
            proof.inserted.len() as u64,
            proof.write_to_bytes().unwrap(),
        );
    }
    append_claim(&w)
}

pub(super) fn bad_count() -> Evidence {
    let mut w = world();
    let mut leaf = *w.leaf(w.epoch());
    leaf.inserted += 1;
    w.replace_leaf(w.epoch(), leaf);
    append_claim(&w)
}

pub(super) fn other_audit_proof() -> Evidence {
    let mut evidence = append_claim(&world());
    if let Claim::BadAppend(items) = &mut evidence.claim {
        items.audit_proof.0.push(0);
    }
    evidence
}

pub(super) fn altered_audit_proof() -> Evidence {
    let mut evidence = append_claim(&world());
    if let Claim::BadAppend(items) = &mut evidence.claim {
        items.audit_proof.0[40] ^= 1;
    }
    evidence
}

/// A leaf that states another length than that of its proof.
pub(super) fn another_length() -> Evidence {
    let mut w = world();
    let mut leaf = *w.leaf(w.epoch());
    leaf.audit_length += 1;
    w.replace_leaf(w.epoch(), leaf);
    append_claim(&w)
}

/// A leaf that states another epoch than its index, and that the log does not have.
pub(super) fn leaf_outside_the_log() -> Evidence {
    let mut evidence = bad_leaf_epoch();
    if let Claim::BadLeaf(items) = &mut evidence.claim {
        items.leaves[0].leaf.0[18] ^= 1;
    }
    evidence
}

/// An audit proof that nobody would read.
pub(super) fn long_audit_proof() -> Evidence {
    alone(world().epoch(), |leaf| leaf.audit_length = 1 << 40)
}
