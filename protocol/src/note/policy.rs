//! Quorum policies (tlog-policy): logs, witnesses, groups, quorum.

use super::key::VerifierKey;

/// Longest policy file in bytes.
pub const MAX_POLICY_BYTES: usize = 1024 * 1024;
/// Most logs, and most witnesses and groups together.
pub const MAX_POLICY_ENTRIES: usize = 256;

/// Group whose members, direct or nested, verify every audit proof before they cosign.
const AUDITORS: &str = "auditors";

/// How many members of a group are needed; printed as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// Every member.
    All,
    /// One member.
    Any,
    /// This many, 1..=members.
    Count(usize),
}

/// A log or witness: its key and perhaps where to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Party {
    pub(super) key: VerifierKey,
    pub(super) url: Option<String>,
}

/// A witness or group with its name in the policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Witness(Party),
    /// Members are positions of earlier entries, so groups cannot be circular.
    Group {
        threshold: Threshold,
        members: Vec<usize>,
    },
}

/// Whose cosignatures a checkpoint needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(super) logs: Vec<Party>,
    pub(super) entries: Vec<Entry>,
    /// Position of the entry that is the quorum; `None` for `quorum none`.
    pub(super) quorum: Option<usize>,
}

impl Policy {
    /// Keys of the logs and their addresses.
    pub fn logs(&self) -> impl Iterator<Item = (&VerifierKey, Option<&str>)> {
        self.logs.iter().map(|log| (&log.key, log.url.as_deref()))
    }

    /// Keys of all witnesses, auditors among them, and their addresses.
    pub fn witnesses(&self) -> impl Iterator<Item = (&VerifierKey, Option<&str>)> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            What::Witness(party) => Some((&party.key, party.url.as_deref())),
            What::Group { .. } => None,
        })
    }

    /// Whether the quorum is reached by the keys for which `has` answers true.
    pub fn satisfied(&self, has: &dyn Fn(&VerifierKey) -> bool) -> bool {
        self.reached(&|_, key| has(key))
    }

    /// Whether the quorum is out of reach without a member, direct or nested, of the group `auditors`.
    pub fn needs_auditor(&self) -> bool {
        let auditors = self.auditors();
        !self.reached(&|position, _| auditors.get(position) == Some(&false))
    }

    /// For each entry, whether it is the group `auditors` or below it.
    fn auditors(&self) -> Vec<bool> {
        let mut below: Vec<bool> = self
            .entries
            .iter()
            .map(|entry| entry.name == AUDITORS && matches!(entry.what, What::Group { .. }))
            .collect();
        // Members stand before their group: from the last entry to the first, each is decided before use.
        for (position, entry) in self.entries.iter().enumerate().rev() {
            if let (Some(true), What::Group { members, .. }) = (below.get(position), &entry.what) {
                for member in members {
                    if let Some(mark) = below.get_mut(*member) {
                        *mark = true;
                    }
                }
            }
        }
        below
    }

    fn reached(&self, has: &dyn Fn(usize, &VerifierKey) -> bool) -> bool {
        let Some(quorum) = self.quorum else { return true };
        let mut held: Vec<bool> = Vec::with_capacity(self.entries.len());
        for (position, entry) in self.entries.iter().enumerate() {
            held.push(match &entry.what {
                What::Witness(party) => has(position, &party.key),
                What::Group { threshold, members } => {
                    let count = members
                        .iter()
                        .filter(|member| held.get(**member) == Some(&true))
                        .count();
                    count >= threshold.needed(members.len())
                }
            });
        }
        held.get(quorum) == Some(&true)
    }
}

impl Threshold {
    fn needed(self, members: usize) -> usize {
        match self {
            Self::All => members,
            Self::Any => 1,
            Self::Count(count) => count,
        }
    }
}
