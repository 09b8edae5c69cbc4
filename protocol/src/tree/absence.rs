//! Absence: a label that never had a version.

use crate::quantity::{Epoch, KeyVersion};

use super::hash::EMPTY_ROOT;
use super::proof::Evidence;
use super::{Freshness, MAX_MEMBERSHIP_PROOF_BYTES, TreeError, TreeHead, cap};

/// Verifies that `label` has no version 1, hence none at all: a VRF proof (80 bytes) of
/// (label, fresh, 1) and an akd `NonMembershipProof` (protobuf) for its leaf.
///
/// At epoch 0 the tree is empty: the root itself is the proof and `proof` must be empty; the VRF
/// proof may be empty too.
///
/// # Errors
/// One variant of [`TreeError`] per broken rule.
pub fn verify_absence(
    head: &TreeHead<'_>,
    label: &[u8],
    vrf_proof: &[u8],
    proof: &[u8],
) -> Result<(), TreeError> {
    cap(proof, MAX_MEMBERSHIP_PROOF_BYTES)?;
    if head.epoch != Epoch::ZERO {
        return head.verify_absent(
            label,
            Freshness::Fresh,
            KeyVersion::FIRST,
            Evidence { vrf_proof, proof },
        );
    }
    if *head.root != EMPTY_ROOT || !proof.is_empty() {
        return Err(TreeError::NotEmptyTree);
    }
    if !vrf_proof.is_empty() {
        super::verify_vrf(head.vrf, label, Freshness::Fresh, KeyVersion::FIRST, vrf_proof)?;
    }
    Ok(())
}
