//! Histories: every version of a label since one, with the dates that recovery delays need.

use std::collections::BTreeMap;

use super::error::Refusal;
use super::lookup::check_label;
use crate::epoch::{Trust, VerifiedEpoch};
use crate::label::Label;
use crate::message::Answer;
use crate::quantity::{Epoch, KeyVersion, Millis};
use crate::record::ChainEntry;
use crate::tree::{self, ProvenVersion, TreeHead};

/// All versions of a label from one to the newest, each proven to be in the log at a verified epoch.
///
/// In the log, not authorised.
#[derive(Debug, Clone)]
pub struct HistoryInLog {
    label: Label,
    head: Epoch,
    versions: Vec<ProvenVersion>,
    times: BTreeMap<Epoch, Millis>,
}

/// Verifies the history part of an answer: versions `since` to the newest of `label`, ascending.
///
/// # Errors
/// A [`Refusal`] naming the broken rule.
pub fn history(
    epoch: &VerifiedEpoch,
    trust: &Trust,
    label: &Label,
    since: KeyVersion,
    answer: &Answer,
) -> Result<HistoryInLog, Refusal> {
    let proof = answer.history.as_ref().ok_or(Refusal::HistoryMissing)?;
    check_label(label, &proof.label)?;
    let head = TreeHead {
        epoch: epoch.epoch(),
        root: epoch.root(),
        vrf: trust.vrf(),
    };
    let versions = tree::verify_history(&head, label.as_bytes(), since, &proof.proof.0)?;
    let mut times = BTreeMap::new();
    for leaf in &proof.leaves {
        let leaf = epoch.older_leaf(leaf)?;
        times.insert(leaf.epoch, leaf.time);
    }
    Ok(HistoryInLog {
        label: label.clone(),
        head: epoch.epoch(),
        versions,
        times,
    })
}

impl HistoryInLog {
    /// The newest version alone, as a lookup at this epoch has proven it.
    pub(super) fn newest(epoch: &VerifiedEpoch, label: Label, newest: ProvenVersion) -> Self {
        Self {
            label,
            head: epoch.epoch(),
            versions: vec![newest],
            times: BTreeMap::new(),
        }
    }

    /// The label.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The epoch under which the versions are proven; nothing is known of later ones.
    pub fn head(&self) -> Epoch {
        self.head
    }

    /// The versions, ascending. Not authorised.
    pub fn versions(&self) -> &[ProvenVersion] {
        &self.versions
    }

    /// The versions as the authorisation rules take them.
    pub(crate) fn entries(&self) -> Vec<ChainEntry<'_>> {
        self.versions
            .iter()
            .map(|v| ChainEntry {
                version: v.version(),
                epoch: v.epoch(),
                value: v.value(),
                leaf_time: self.times.get(&v.epoch()).copied(),
            })
            .collect()
    }
}
