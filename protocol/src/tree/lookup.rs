//! Lookup: the newest version of a label.

use crate::quantity::{Epoch, KeyVersion, Nonce};

use super::hash::{commitment, leaf_value};
use super::markers::{lookup_markers, power_below};
use super::proof::{Evidence, Lookup, digest};
use super::{Freshness, MAX_LOOKUP_PROOF_BYTES, MAX_MEMBERSHIP_PROOF_BYTES, MAX_VALUE_BYTES, TreeHead};
use super::{TreeError, cap};

/// Membership of (label, fresh, version) for one marker version of a lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker<'a> {
    /// The marker version.
    pub version: KeyVersion,
    /// VRF proof of (label, fresh, version), 80 bytes.
    pub vrf_proof: &'a [u8],
    /// akd `MembershipProof`, protobuf.
    pub proof: &'a [u8],
}

/// The newest version of a label, proven under a root. Only [`verify_lookup`] makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenValue {
    version: KeyVersion,
    epoch: Epoch,
    value: Vec<u8>,
}

impl ProvenValue {
    /// The newest version.
    pub fn version(&self) -> KeyVersion {
        self.version
    }

    /// The epoch in which it appeared.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its value: the record's bytes, never empty.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Its value, taken out.
    pub fn into_value(self) -> Vec<u8> {
        self.value
    }
}

/// Verifies an akd `LookupProof` (protobuf) for `label` and the markers beside it.
///
/// Proven: the leaf (label, fresh, v) opens to the value, (label, stale, v) does not exist, and
/// (label, fresh, m) exists for version 1, the power of two below v and every past marker.
///
/// # Errors
/// One variant of [`TreeError`] per broken rule.
pub fn verify_lookup(
    head: &TreeHead<'_>,
    label: &[u8],
    proof: &[u8],
    markers: &[Marker<'_>],
) -> Result<ProvenValue, TreeError> {
    cap(proof, MAX_LOOKUP_PROOF_BYTES)?;
    let lookup = Lookup::parse(proof)?;
    let (version, epoch) = head.check_record(lookup.version, lookup.epoch)?;
    check_value(lookup.value)?;
    check_marker_set(version, head.epoch, markers)?;

    let leaf = head.verify_member(label, Freshness::Fresh, version, lookup.existence)?;
    if leaf_value(&commitment(lookup.value, &nonce(lookup.nonce)?), epoch) != leaf {
        return Err(TreeError::ValueMismatch);
    }
    let power = power_below(version);
    // At 1, 2, 4, 8, … the marker proof repeats the existence proof, which has just been checked.
    if power != version || lookup.marker != lookup.existence {
        head.verify_member(label, Freshness::Fresh, power, lookup.marker)?;
    }
    head.verify_absent(label, Freshness::Stale, version, lookup.freshness)?;
    for marker in markers {
        let evidence = Evidence {
            vrf_proof: marker.vrf_proof,
            proof: marker.proof,
        };
        head.verify_member(label, Freshness::Fresh, marker.version, evidence)?;
    }
    Ok(ProvenValue {
        version,
        epoch,
        value: lookup.value.to_vec(),
    })
}

/// Exactly the demanded markers, ascending, each within its size.
fn check_marker_set(version: KeyVersion, epoch: Epoch, markers: &[Marker<'_>]) -> Result<(), TreeError> {
    let demanded = lookup_markers(version, epoch);
    if !demanded
        .iter()
        .copied()
        .eq(markers.iter().map(|marker| marker.version))
    {
        return Err(TreeError::MarkerSet);
    }
    markers
        .iter()
        .try_for_each(|marker| cap(marker.proof, MAX_MEMBERSHIP_PROOF_BYTES))
}

/// A value that is neither blank nor longer than any record.
pub(super) fn check_value(value: &[u8]) -> Result<(), TreeError> {
    if value.is_empty() {
        return Err(TreeError::BlankValue);
    }
    if value.len() > MAX_VALUE_BYTES {
        return Err(TreeError::ValueTooLong(value.len()));
    }
    Ok(())
}

/// Exactly 32 bytes.
pub(super) fn nonce(bytes: &[u8]) -> Result<Nonce, TreeError> {
    digest(bytes).map(|bytes| Nonce::new(*bytes))
}
