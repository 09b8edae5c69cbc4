//! How a configuration may change, and what is reported.

use super::{ConfigDocument, ConfigError, ConfigValues};
use crate::quantity::{ConfigHash, Epoch};
use crate::record::{Limits, Rules};

/// What a new configuration document changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigChange {
    /// The heartbeat key.
    HeartbeatKey,
    /// The receipt key.
    ReceiptKey,
    /// The import key.
    ImportKey,
    /// Imports stay possible longer than was said before.
    ImportReopened,
    /// Imports end, or end earlier than was said before.
    ImportClosed,
    /// The recovery key.
    RecoveryKey,
    /// The merge delay.
    MergeDelay,
    /// A limit on records grew.
    Limits,
    /// The log that continues this one.
    Successor,
}

impl ConfigChange {
    /// Every change.
    pub const ALL: [Self; 9] = [
        Self::HeartbeatKey,
        Self::ReceiptKey,
        Self::ImportKey,
        Self::ImportReopened,
        Self::ImportClosed,
        Self::RecoveryKey,
        Self::MergeDelay,
        Self::Limits,
        Self::Successor,
    ];

    /// Whether somebody else may now sign, or sign again: this alarms.
    pub fn is_key_change(self) -> bool {
        match self {
            Self::HeartbeatKey
            | Self::ReceiptKey
            | Self::ImportKey
            | Self::ImportReopened
            | Self::RecoveryKey
            | Self::Successor => true,
            Self::ImportClosed | Self::MergeDelay | Self::Limits => false,
        }
    }

    /// Stable kebab-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HeartbeatKey => "heartbeat-key",
            Self::ReceiptKey => "receipt-key",
            Self::ImportKey => "import-key",
            Self::ImportReopened => "import-reopened",
            Self::ImportClosed => "import-closed",
            Self::RecoveryKey => "recovery-key",
            Self::MergeDelay => "merge-delay",
            Self::Limits => "limits",
            Self::Successor => "successor",
        }
    }
}

pub(super) fn check_successor(
    previous: &ConfigDocument,
    next: &ConfigDocument,
) -> Result<Vec<ConfigChange>, ConfigError> {
    if next.values.previous_config_sha256 != Some(previous.hash()) {
        return Err(ConfigError::PreviousHash);
    }
    if previous.values.successor.is_some() {
        return Err(ConfigError::AfterSuccessor);
    }
    check_constants(&previous.values, &next.values)?;
    check_limits(&previous.values.limits, &next.values.limits)?;
    Ok(changes(&previous.values, &next.values))
}

/// What never changes within one log; the akd configuration has one value only.
fn check_constants(a: &ConfigValues, b: &ConfigValues) -> Result<(), ConfigError> {
    if a.origin != b.origin {
        return Err(ConfigError::OriginChanged);
    }
    if a.vrf_public_key != b.vrf_public_key {
        return Err(ConfigError::VrfKeyChanged);
    }
    if a.log_vkey != b.log_vkey {
        return Err(ConfigError::LogKeyChanged);
    }
    if a.predecessor != b.predecessor {
        return Err(ConfigError::PredecessorChanged);
    }
    Ok(())
}

/// Limits only grow: what is in the log stays valid.
fn check_limits(a: &Limits, b: &Limits) -> Result<(), ConfigError> {
    let lowered = [
        ("record_bytes", b.record_bytes < a.record_bytes),
        ("devices", b.devices < a.devices),
        ("owner_versions", b.owner_versions < a.owner_versions),
        ("versions", b.versions < a.versions),
        ("recovery_delay_seconds", b.recovery_delay < a.recovery_delay),
    ];
    match lowered.iter().find(|(_, lowered)| *lowered) {
        Some((name, _)) => Err(ConfigError::LimitLowered(name)),
        None => Ok(()),
    }
}

fn changes(a: &ConfigValues, b: &ConfigValues) -> Vec<ConfigChange> {
    // Without a last epoch imports never end.
    let import_end = |v: &ConfigValues| v.import_closed_after_epoch.map_or(u64::MAX, Epoch::get);
    let (end_before, end_after) = (import_end(a), import_end(b));
    [
        (a.heartbeat_vkey != b.heartbeat_vkey, ConfigChange::HeartbeatKey),
        (a.receipt_vkey != b.receipt_vkey, ConfigChange::ReceiptKey),
        (a.import_vkey != b.import_vkey, ConfigChange::ImportKey),
        (end_after > end_before, ConfigChange::ImportReopened),
        (end_after < end_before, ConfigChange::ImportClosed),
        (a.recovery_vkey != b.recovery_vkey, ConfigChange::RecoveryKey),
        (
            a.merge_delay_seconds != b.merge_delay_seconds,
            ConfigChange::MergeDelay,
        ),
        (a.limits != b.limits, ConfigChange::Limits),
        (a.successor != b.successor, ConfigChange::Successor),
    ]
    .into_iter()
    .filter_map(|(changed, change)| changed.then_some(change))
    .collect()
}

/// The documents of one log from its first on, each with the first epoch whose leaf names it.
#[derive(Debug, Clone)]
pub struct ConfigChain {
    documents: Vec<(Epoch, ConfigDocument)>,
    newest: ConfigDocument,
}

impl ConfigChain {
    /// Begins with the log's first document, in force from epoch 0 on.
    ///
    /// # Errors
    /// [`ConfigError::NotAFirst`] if it names a previous one.
    pub fn start(first: ConfigDocument) -> Result<Self, ConfigError> {
        if first.previous_config_sha256.is_some() {
            return Err(ConfigError::NotAFirst);
        }
        Ok(Self::pinned(first, Epoch::ZERO))
    }

    /// Begins with a document that is trusted for another reason, in force from an epoch on.
    pub fn pinned(document: ConfigDocument, from: Epoch) -> Self {
        Self {
            newest: document.clone(),
            documents: vec![(from, document)],
        }
    }

    /// Follows a change: `next` is named by leaves from epoch `from` on.
    ///
    /// # Errors
    /// [`ConfigError`] as [`ConfigDocument::check_successor`], or [`ConfigError::EpochOrder`].
    pub fn push(&mut self, next: ConfigDocument, from: Epoch) -> Result<Vec<ConfigChange>, ConfigError> {
        let changes = self.newest.check_successor(&next)?;
        if self.documents.last().is_some_and(|(epoch, _)| *epoch >= from) {
            return Err(ConfigError::EpochOrder);
        }
        self.newest = next.clone();
        self.documents.push((from, next));
        Ok(changes)
    }

    /// The newest document.
    pub fn newest(&self) -> &ConfigDocument {
        &self.newest
    }

    /// The documents with their first epochs, ascending.
    pub fn documents(&self) -> &[(Epoch, ConfigDocument)] {
        &self.documents
    }

    /// The document with this hash, if it is one of them.
    pub fn document(&self, hash: &ConfigHash) -> Option<&ConfigDocument> {
        let found = self.documents.iter().rev().find(|(_, d)| d.hash() == *hash);
        found.map(|(_, document)| document)
    }

    /// Demands that the log goes on to `epoch`: a document that names a successor stands in the last leaf only.
    ///
    /// For a chain whose epochs are those of the first leaves that name the documents, not of pins.
    ///
    /// # Errors
    /// [`ConfigError::AfterTheEnd`].
    pub fn check_not_ended(&self, epoch: Epoch) -> Result<(), ConfigError> {
        match self.documents.last() {
            Some((last, document)) if document.values.successor.is_some() && epoch > *last => {
                Err(ConfigError::AfterTheEnd {
                    last: *last,
                    found: epoch,
                })
            }
            _ => Ok(()),
        }
    }

    /// The rules for records, with the platform's keys of each period.
    pub fn rules(&self) -> Rules {
        let periods = self
            .documents
            .iter()
            .map(|(from, document)| document.values.period(*from))
            .collect();
        super::rules(&self.newest.values, periods)
    }
}
