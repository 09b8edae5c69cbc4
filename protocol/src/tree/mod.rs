//! akd's tree, checked from bytes.
//!
//! The directory keeps its users in the tree of akd 0.13 (`WhatsAppV1Configuration`): a
//! compressed binary trie of 256-bit labels whose root is signed every epoch. For version v of a
//! label there is a leaf (label, fresh, v), inserted when the version appeared, and a leaf
//! (label, stale, v), inserted when the next one did. A leaf's place is the output of a VRF, so
//! places tell nothing about labels.
//!
//! This room verifies what akd proves (lookup, absence, history, append-only) from the protobuf
//! bytes, without akd. akd's own checks recompute hashes and trust shapes, which lets forgeries
//! through; here every path is checked strictly:
//!
//! * each parent's label is a proper prefix of both children's, they stand on opposite sides, the
//!   direction is the label's bit, and the path ends at the root label;
//! * only the root may lack a child, which then has the fixed value of a missing one;
//! * a leaf has 256 bits, its path is never empty, no label has bits past its length;
//! * neither child in a proof of absence is the label or a prefix of it;
//! * a lookup shows version 1 and the past markers too, so that it meets every history;
//! * 1 <= version <= epoch of the record <= epoch of the head, epochs rise with versions;
//! * VRF proofs are canonical; protobuf fields occur once; sizes are capped before parsing.

mod absence;
mod append_only;
pub mod compact;
mod error;
mod fold;
mod hash;
mod history;
mod lookup;
mod many;
mod markers;
mod node_label;
mod path;
mod proof;
mod vrf;
pub mod wire;

pub use absence::verify_absence;
pub use append_only::{
    Appended, StepPart, Work, audit_contains, verify_append_only, verify_append_only_in_parts,
};
pub use error::TreeError;
pub use hash::{commitment, empty_root};
pub use history::{ProvenVersion, verify_history};
pub use lookup::{Marker, ProvenValue, verify_lookup};
pub use many::Hashing;
pub use markers::{history_markers, lookup_markers};
pub use vrf::{Freshness, VRF_PROOF_BYTES, VrfPublicKey, verify_vrf};

use crate::quantity::{Epoch, KeyVersion, RootHash};

/// Most bytes of a value in the tree: no record is longer.
pub const MAX_VALUE_BYTES: usize = 16 * 1024;
/// Most bytes of a membership or non-membership proof: 256 levels of at most 128 bytes, and change.
pub const MAX_MEMBERSHIP_PROOF_BYTES: usize = 40 * 1024;
/// Most bytes of a lookup proof: a value and three paths.
pub const MAX_LOOKUP_PROOF_BYTES: usize = MAX_VALUE_BYTES + 3 * MAX_MEMBERSHIP_PROOF_BYTES + 1024;
/// Most versions in one history: no label has more.
pub const MAX_HISTORY_VERSIONS: usize = 1024;
/// Most bytes of a history proof.
pub const MAX_HISTORY_PROOF_BYTES: usize = 32 * 1024 * 1024;
/// Most bytes of an append-only proof.
pub const MAX_AUDIT_PROOF_BYTES: usize = 64 * 1024 * 1024;
/// Most nodes, inserted and unchanged together, in an append-only proof.
pub const MAX_AUDIT_NODES: usize = 1 << 20;

/// What proofs are checked against: the tree of one epoch and the key that places its leaves.
#[derive(Debug, Clone, Copy)]
pub struct TreeHead<'a> {
    /// The epoch, from a signed leaf.
    pub epoch: Epoch,
    /// The root hash of exactly this epoch, from the same leaf.
    pub root: &'a RootHash,
    /// The directory's VRF key, from its configuration.
    pub vrf: &'a VrfPublicKey,
}

impl TreeHead<'_> {
    /// Demands the leaf (label, freshness, version) and returns its value.
    fn verify_member(
        &self,
        label: &[u8],
        freshness: Freshness,
        version: KeyVersion,
        evidence: proof::Evidence<'_>,
    ) -> Result<hash::Digest, TreeError> {
        let leaf = verify_vrf(self.vrf, label, freshness, version, evidence.vrf_proof)?;
        let membership = proof::Membership::parse(evidence.proof)?;
        membership
            .verify_leaf(&node_label::NodeLabel::leaf(&leaf), self.root)
            .copied()
    }

    /// Demands that the leaf (label, freshness, version) does not exist.
    fn verify_absent(
        &self,
        label: &[u8],
        freshness: Freshness,
        version: KeyVersion,
        evidence: proof::Evidence<'_>,
    ) -> Result<(), TreeError> {
        let leaf = verify_vrf(self.vrf, label, freshness, version, evidence.vrf_proof)?;
        let absence = proof::NonMembership::parse(evidence.proof)?;
        absence.verify(&node_label::NodeLabel::leaf(&leaf), self.root)
    }

    /// 1 <= version <= epoch of the record <= epoch of the head.
    fn check_record(&self, version: u64, epoch: u64) -> Result<(KeyVersion, Epoch), TreeError> {
        let version = KeyVersion::new(version).map_err(|_| TreeError::VersionZero)?;
        if version.get() > epoch {
            return Err(TreeError::VersionAboveEpoch);
        }
        if epoch > self.epoch.get() {
            return Err(TreeError::RecordEpochAboveHead);
        }
        Ok((version, Epoch::new(epoch)))
    }
}

/// Refuses bytes beyond their cap before anything is read.
fn cap(bytes: &[u8], max: usize) -> Result<(), TreeError> {
    if bytes.len() > max {
        return Err(TreeError::ProofTooLong {
            max,
            found: bytes.len(),
        });
    }
    Ok(())
}
