//! Promises that were not kept.

use akd::proto::specs::types::SingleAppendOnlyProof;
use keyglass_protocol::evidence::{BrokenReceipt, Claim, EpochWithProof, Evidence};
use keyglass_protocol::message::B64;
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{Commitment, Epoch, LeafLabel};
use keyglass_protocol::receipt::Receipt;
use protobuf::Message as _;

use super::freeze::rename_config;
use super::{file, text, world};
use crate::world::{Person, World};

/// What became of the promise.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Late {
    /// A leaf later than the deadline, without the update.
    Leaf,
    /// A heartbeat later than deadline and grace, without the update.
    Heartbeat,
    /// The update is there.
    Kept,
    /// An epoch is left out of the file.
    Gap,
    /// The deadline has not passed.
    NotYet,
    /// The file starts at a leaf that is later than the acceptance.
    Beheaded,
    /// An audit proof is not the one that its leaf states.
    OtherProof,
    /// The heartbeat is late, but the file ends before the head.
    Short,
    /// The receipt names another configuration.
    OtherConfig,
    /// The receipt is another directory's.
    OtherOrigin,
    /// No leaf in the file names the configuration.
    Unnamed,
}

pub(super) fn broken_receipt(late: Late) -> Evidence {
    let mut w = world();
    let accepted = w.now.plus(500);
    if late == Late::Unnamed {
        rename_config(&mut w);
    }
    let mut receipt = Receipt {
        origin: w.config.values().origin.clone(),
        config: w.config.hash(),
        leaf_label: LeafLabel::new([1; 32]),
        commitment: Commitment::new([2; 32]),
        accepted,
        deadline: accepted.plus(60_000),
    };
    w.publish(&[Person::new("dan", 50).entry()]);
    if late == Late::Kept {
        let proof = SingleAppendOnlyProof::parse_from_bytes(w.audit_proof(w.epoch())).unwrap();
        receipt.leaf_label = LeafLabel::try_from(proof.inserted[0].label.label_val()).unwrap();
        receipt.commitment = Commitment::try_from(proof.inserted[0].value()).unwrap();
    }
    match late {
        Late::OtherConfig => receipt.config = World::new(3).config.hash(),
        Late::OtherOrigin => receipt.origin = Origin::new("other.test/log").unwrap(),
        _ => {}
    }
    match late {
        Late::Heartbeat | Late::Short => w.now = receipt.deadline.plus(661_000),
        Late::NotYet => {}
        _ => {
            w.now = receipt.deadline;
            w.publish(&[Person::new("eva", 51).entry()]);
        }
    }
    let mut epochs: Vec<EpochWithProof> = (4..w.size().get())
        .map(|e| EpochWithProof {
            epoch: w.epoch_proof(Epoch::new(e), w.size()),
            audit_proof: B64(w.audit_proof(Epoch::new(e)).to_vec()),
        })
        .collect();
    let mut before = w.epoch_proof(Epoch::new(3), w.size());
    match late {
        Late::Gap | Late::Short => drop(epochs.remove(0)),
        Late::Beheaded => {
            epochs.remove(0);
            before = w.epoch_proof(Epoch::new(4), w.size());
        }
        Late::OtherProof => epochs[0].audit_proof.0[40] ^= 1,
        _ => {}
    }
    let signed = receipt.sign(&w.keys.receipt_name(), &w.keys.receipt).unwrap();
    let items = BrokenReceipt {
        receipt: text(signed.note()),
        checkpoint: text(&w.checkpoint(w.size())),
        before,
        epochs,
    };
    file(&w, Claim::BrokenReceipt(items))
}
