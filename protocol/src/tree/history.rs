//! History: every version of a label from a given one to the newest.

use crate::quantity::{Epoch, KeyVersion};

use super::hash::{STALE_COMMITMENT, commitment, leaf_value};
use super::lookup::{check_value, nonce};
use super::markers::history_markers;
use super::proof::{Evidence, History, Update};
use super::{Freshness, MAX_HISTORY_PROOF_BYTES, MAX_HISTORY_VERSIONS, TreeError, TreeHead, cap};

/// One version of a label, proven under a root. Only [`verify_history`] and, of the newest version, a lookup make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenVersion {
    version: KeyVersion,
    epoch: Epoch,
    value: Option<Vec<u8>>,
}

impl ProvenVersion {
    /// The newest version, as a lookup has proven it.
    pub(crate) fn newest(version: KeyVersion, epoch: Epoch, value: &[u8]) -> Self {
        Self {
            version,
            epoch,
            value: Some(value.to_vec()),
        }
    }

    /// The version.
    pub fn version(&self) -> KeyVersion {
        self.version
    }

    /// The epoch in which it appeared. For a blank version 1 it is only claimed: the leaf that
    /// would bind it cannot be opened.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its value; `None` if the directory blanked it: then the leaf exists, but is not opened.
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }
}

/// Verifies an akd `HistoryProof` (protobuf) of `label`: all versions from `since` to the newest.
/// They are returned ascending; the newest always has its value.
///
/// Proven for each version v: the leaf (label, fresh, v) exists and opens to the value (or is
/// blank), and (label, stale, v - 1) was inserted in the same epoch. Past markers exist, future
/// markers do not.
///
/// # Errors
/// One variant of [`TreeError`] per broken rule.
pub fn verify_history(
    head: &TreeHead<'_>,
    label: &[u8],
    since: KeyVersion,
    proof: &[u8],
) -> Result<Vec<ProvenVersion>, TreeError> {
    cap(proof, MAX_HISTORY_PROOF_BYTES)?;
    let history = History::parse(proof, MAX_HISTORY_VERSIONS)?;
    let updates = check_order(head, since, &history)?;
    let newest = updates.last().map_or(since, |update| update.version);
    let (past, future) = history_markers(since, newest, head.epoch);
    if history.past.len() != past.len() || history.past_vrf.len() != past.len() {
        return Err(TreeError::PastMarkerCount);
    }
    if history.future.len() != future.len() || history.future_vrf.len() != future.len() {
        return Err(TreeError::FutureMarkerCount);
    }

    let mut versions = Vec::with_capacity(updates.len());
    for update in &updates {
        versions.push(verify_update(head, label, update)?);
    }
    for (version, evidence) in past.into_iter().zip(pairs(&history.past_vrf, &history.past)) {
        head.verify_member(label, Freshness::Fresh, version, evidence)?;
    }
    for (version, evidence) in future
        .into_iter()
        .zip(pairs(&history.future_vrf, &history.future))
    {
        head.verify_absent(label, Freshness::Fresh, version, evidence)?;
    }
    Ok(versions)
}

fn pairs<'a>(vrf_proofs: &[&'a [u8]], proofs: &[&'a [u8]]) -> impl Iterator<Item = Evidence<'a>> {
    vrf_proofs
        .iter()
        .zip(proofs)
        .map(|(vrf_proof, proof)| Evidence { vrf_proof, proof })
}

/// A version whose place in the order was checked.
struct Ordered<'a> {
    version: KeyVersion,
    epoch: Epoch,
    update: &'a Update<'a>,
}

/// Versions fall by one to `since`, epochs fall with them, the newest is not blank. Returns them
/// ascending.
fn check_order<'a>(
    head: &TreeHead<'_>,
    since: KeyVersion,
    history: &'a History<'a>,
) -> Result<Vec<Ordered<'a>>, TreeError> {
    let first = history.updates.first().ok_or(TreeError::HistoryEmpty)?;
    check_value(first.value)?;
    let mut updates: Vec<Ordered<'a>> = Vec::with_capacity(history.updates.len());
    for update in &history.updates {
        let (version, epoch) = head.check_record(update.version, update.epoch)?;
        if let Some(newer) = updates.last() {
            if version.next() != Some(newer.version) {
                return Err(TreeError::VersionGap);
            }
            if epoch >= newer.epoch {
                return Err(TreeError::EpochOrder);
            }
        }
        updates.push(Ordered {
            version,
            epoch,
            update,
        });
    }
    if updates.last().is_none_or(|oldest| oldest.version != since) {
        return Err(TreeError::HistoryStart);
    }
    updates.reverse();
    Ok(updates)
}

fn verify_update(
    head: &TreeHead<'_>,
    label: &[u8],
    ordered: &Ordered<'_>,
) -> Result<ProvenVersion, TreeError> {
    let &Ordered {
        version,
        epoch,
        update,
    } = ordered;
    let leaf = head.verify_member(label, Freshness::Fresh, version, update.existence)?;
    let nonce = nonce(update.nonce)?;
    let value = if update.value.is_empty() {
        None
    } else {
        check_value(update.value)?;
        if leaf_value(&commitment(update.value, &nonce), epoch) != leaf {
            return Err(TreeError::ValueMismatch);
        }
        Some(update.value.to_vec())
    };
    match (version.previous(), update.previous_vrf, update.previous) {
        (None, None, None) => {}
        (None, ..) => return Err(TreeError::PreviousUnexpected),
        (Some(previous), Some(vrf_proof), Some(proof)) => {
            let evidence = Evidence { vrf_proof, proof };
            let stale = head.verify_member(label, Freshness::Stale, previous, evidence)?;
            if stale != leaf_value(&STALE_COMMITMENT, epoch) {
                return Err(TreeError::StaleMismatch);
            }
        }
        (Some(_), ..) => return Err(TreeError::PreviousMissing),
    }
    Ok(ProvenVersion {
        version,
        epoch,
        value,
    })
}
