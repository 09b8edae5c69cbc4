//! The part of a directory's configuration that decides whether a record is allowed.

use super::keys::check_ed25519;
use super::signature::Signer;
use super::{
    MAX_DEVICES, MAX_OWNER_VERSIONS, MAX_RECORD_BYTES, MAX_RECOVERY_DELAY, MAX_VERSIONS, RecordError,
};
use crate::ed25519::PreparedKey;
use crate::note::Origin;
use crate::quantity::{Epoch, KeyVersion, RecordHash};

/// Limits of a directory; each at most the protocol's own, which is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest record in bytes, at most [`MAX_RECORD_BYTES`].
    pub record_bytes: usize,
    /// Most devices of one account, at most [`MAX_DEVICES`].
    pub devices: usize,
    /// Highest version of the kinds that users make, at most [`MAX_OWNER_VERSIONS`].
    pub owner_versions: u64,
    /// Highest version of the reserved kinds, at most [`MAX_VERSIONS`].
    pub versions: u64,
    /// Longest recovery delay in seconds, at most [`MAX_RECOVERY_DELAY`].
    pub recovery_delay: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: MAX_RECORD_BYTES,
            devices: MAX_DEVICES,
            owner_versions: MAX_OWNER_VERSIONS,
            versions: MAX_VERSIONS,
            recovery_delay: MAX_RECOVERY_DELAY,
        }
    }
}

impl Limits {
    pub(super) fn check_version(&self, version: KeyVersion, reserved: bool) -> Result<(), RecordError> {
        let max = if reserved {
            self.versions
        } else {
            self.owner_versions
        };
        if version.get() > max {
            let found = version;
            return Err(RecordError::VersionLimit { max, found });
        }
        Ok(())
    }
}

/// The platform's keys from one epoch on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesPeriod {
    /// First epoch in which they count.
    pub from: Epoch,
    /// Ed25519 key that signs imported records.
    pub import_key: Option<[u8; 32]>,
    /// Last epoch in which the import key counts; `None`: it was not closed yet.
    pub import_closed_after: Option<Epoch>,
    /// Ed25519 key that signs notices, recoveries, closings and reassignments.
    pub recovery_key: Option<[u8; 32]>,
}

/// What decides whether a record is allowed: origin, limits, and the platform's keys by epoch.
///
/// Made from a verified configuration ([`crate::config`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    origin: Origin,
    limits: Limits,
    has_predecessor: bool,
    periods: Vec<RulesPeriod>,
    /// Of import keys, for those who check very many records.
    prepared: Vec<PreparedKey>,
}

impl Rules {
    /// Rules of a directory whose keys changed at the given epochs; `periods` in any order.
    ///
    /// `has_predecessor`: imported records may name the hash of a final record in an earlier log.
    pub fn new(origin: Origin, limits: Limits, has_predecessor: bool, mut periods: Vec<RulesPeriod>) -> Self {
        periods.sort_by_key(|p| p.from);
        Self {
            origin,
            limits,
            has_predecessor,
            periods,
            prepared: Vec::new(),
        }
    }

    /// The same, with import keys prepared: checking an imported record is cheaper then, and its verdict the same.
    pub fn prepared(mut self) -> Self {
        let keys = self
            .periods
            .iter()
            .filter_map(|period| period.import_key.as_ref());
        let checked = keys.filter_map(|key| check_ed25519(key).ok());
        self.prepared = checked.filter_map(|key| PreparedKey::new(&key)).collect();
        self
    }

    /// Origin that every record must name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Limits on records.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether the platform's keys count in the one epoch as in the other.
    pub fn same_keys(&self, one: Epoch, other: Epoch) -> bool {
        self.import_key(one) == self.import_key(other) && self.recovery_key(one) == self.recovery_key(other)
    }

    fn period(&self, epoch: Epoch) -> Option<&RulesPeriod> {
        self.periods.iter().rev().find(|p| p.from <= epoch)
    }

    fn import_key(&self, epoch: Epoch) -> Result<&[u8; 32], RecordError> {
        let period = self.period(epoch).ok_or(RecordError::NoImportKey)?;
        if let Some(closed_after) = period.import_closed_after
            && epoch > closed_after
        {
            return Err(RecordError::ImportClosed { closed_after });
        }
        period.import_key.as_ref().ok_or(RecordError::NoImportKey)
    }

    /// Who must have signed an imported record.
    pub(super) fn importer(&self, epoch: Epoch) -> Result<Signer<'_>, RecordError> {
        let key = self.import_key(epoch)?;
        let prepared = self.prepared.iter().find(|prepared| prepared.as_bytes() == key);
        Ok(prepared.map_or(Signer::Key(key), Signer::Prepared))
    }

    pub(super) fn recovery_key(&self, epoch: Epoch) -> Result<&[u8; 32], RecordError> {
        self.period(epoch)
            .and_then(|p| p.recovery_key.as_ref())
            .ok_or(RecordError::NoRecoveryKey)
    }

    pub(super) fn check_origin(&self, origin: &Origin) -> Result<(), RecordError> {
        if *origin == self.origin {
            Ok(())
        } else {
            Err(RecordError::OtherOrigin)
        }
    }

    /// A first record has no previous one, but an imported one may continue a predecessor log's.
    pub(super) fn check_no_previous(&self, previous: &RecordHash, imported: bool) -> Result<(), RecordError> {
        if previous.is_zero() || (imported && self.has_predecessor) {
            Ok(())
        } else {
            Err(RecordError::PreviousHash)
        }
    }
}
