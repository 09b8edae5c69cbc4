//! An account's history in which every step was checked.

use super::account_rules::{check_alone, verify_closing};
use super::{
    AccountKind, AccountRecord, AccountStep, ChainEntry, IdentityKey, MAX_VERSIONS, RecordError, Rules,
    check_epoch_order, check_first, check_next_version, check_successor, check_version,
};
use crate::label::AccountId;
use crate::quantity::{Epoch, KeyVersion};

/// Whether an account has a key to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// It has an authorised identity key.
    Live,
    /// Its newest version is a closing, or a notice above one.
    Closed,
    /// It is closed and values below were erased: nothing about it is authorised.
    Erased,
}

/// An account's history, from version 1 or a pinned version to its newest, every step authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountChain {
    newest: AccountRecord,
    /// With the epoch of each, ascending; without the erased ones.
    records: Vec<(Epoch, AccountRecord)>,
    state: AccountState,
    imported: bool,
}

impl AccountChain {
    /// Checks a history: consecutive versions, from 1 or from the pinned record, in rising epochs.
    ///
    /// With a pin the first entry must be the pinned record, byte for byte; a notice is no such pin. Values may be missing below a closed
    /// record that is the newest; then the chain is [`AccountState::Erased`].
    ///
    /// # Errors
    /// [`RecordError`] of the first step that is not allowed.
    pub fn verify(
        rules: &Rules,
        account: &AccountId,
        entries: &[ChainEntry<'_>],
        pinned: Option<&AccountRecord>,
    ) -> Result<Self, RecordError> {
        check_shape(entries, pinned.map(|p| p.version))?;
        let mut walk = Walk::default();
        for entry in entries {
            match entry.value {
                Some(value) => walk.step(rules, decode(value, account, entry.version)?, entry, pinned)?,
                None => walk.gap(),
            }
        }
        walk.finish()
    }

    /// The newest version.
    pub fn newest(&self) -> &AccountRecord {
        &self.newest
    }

    /// The newest version, if the account has a key to trust.
    pub fn live(&self) -> Option<&AccountRecord> {
        (self.state == AccountState::Live).then_some(&self.newest)
    }

    /// All versions with their epochs, ascending; without erased ones.
    pub fn records(&self) -> &[(Epoch, AccountRecord)] {
        &self.records
    }

    /// Whether there is a key to trust.
    pub fn state(&self) -> AccountState {
        self.state
    }

    /// Whether the platform alone vouches for the keys: imported, and no version by the owner since.
    ///
    /// Known only if the history begins at version 1 or at the imported version.
    pub fn is_imported(&self) -> bool {
        self.imported
    }

    /// The newest version at an epoch.
    ///
    /// # Errors
    /// [`RecordError::AccountErased`], [`RecordError::AccountUnproven`] if the history begins later, or
    /// [`RecordError::AccountAbsent`] before version 1.
    pub fn at(&self, epoch: Epoch) -> Result<&AccountRecord, RecordError> {
        if self.state == AccountState::Erased {
            return Err(RecordError::AccountErased);
        }
        match self.records.iter().rev().find(|(e, _)| *e <= epoch) {
            Some((_, record)) => Ok(record),
            None if self
                .records
                .first()
                .is_some_and(|(_, r)| r.version == KeyVersion::FIRST) =>
            {
                Err(RecordError::AccountAbsent)
            }
            None => Err(RecordError::AccountUnproven),
        }
    }

    /// The identity key at an epoch, if it is proven.
    pub fn identity_at(&self, epoch: Epoch) -> Option<&IdentityKey> {
        self.at(epoch).ok().map(|record| &record.identity)
    }
}

/// Versions consecutive from 1 or the pin, epochs rising, no more entries than versions can exist.
pub(super) fn check_shape(entries: &[ChainEntry<'_>], pinned: Option<KeyVersion>) -> Result<(), RecordError> {
    let found = entries.len();
    if u64::try_from(found).map_or(true, |n| n > MAX_VERSIONS) {
        return Err(RecordError::HistoryTooLong { found });
    }
    let first = entries.first().ok_or(RecordError::EmptyHistory)?;
    let expected = pinned.unwrap_or(KeyVersion::FIRST);
    check_version(expected, first.version)?;
    for (previous, next) in entries.iter().zip(entries.iter().skip(1)) {
        check_next_version(previous.version, next.version)?;
        check_epoch_order(previous.epoch, next.epoch)?;
    }
    Ok(())
}

fn decode(value: &[u8], account: &AccountId, version: KeyVersion) -> Result<AccountRecord, RecordError> {
    let record = AccountRecord::decode(value)?;
    if record.account != *account {
        return Err(RecordError::OtherLabel);
    }
    check_version(version, record.version)?;
    Ok(record)
}

/// What is known after each step of a history.
#[derive(Default)]
struct Walk<'a> {
    records: Vec<(Epoch, AccountRecord)>,
    /// The entry of the last record, if it is the direct predecessor of the next step.
    previous: Option<&'a ChainEntry<'a>>,
    erased: bool,
    closed: bool,
    imported: bool,
}

impl<'a> Walk<'a> {
    /// A value that is missing: what stands above it cannot be linked to what stands below.
    fn gap(&mut self) {
        self.previous = None;
        self.erased = true;
    }

    fn step(
        &mut self,
        rules: &Rules,
        record: AccountRecord,
        entry: &'a ChainEntry<'a>,
        pinned: Option<&AccountRecord>,
    ) -> Result<(), RecordError> {
        match (self.previous.zip(self.records.last()), pinned) {
            (Some((previous, (_, last))), _) => {
                let step = AccountStep {
                    epoch: entry.epoch,
                    time: entry.leaf_time,
                    previous_time: previous.leaf_time,
                };
                check_successor(rules, last, &record, &step)?;
            }
            (None, Some(pin)) if pin.version == record.version => check_pin(pin, &record)?,
            (None, None) if record.version == KeyVersion::FIRST => check_first(rules, &record, entry.epoch)?,
            (None, _) => check_above_gap(rules, &record, entry.epoch)?,
        }
        match record.kind {
            AccountKind::Closed => self.closed = true,
            AccountKind::Imported => self.imported = true,
            AccountKind::Owner => (self.closed, self.imported) = (false, false),
            AccountKind::Recovery => self.closed = false,
            AccountKind::Created | AccountKind::Notice => {}
        }
        self.records.push((entry.epoch, record));
        self.previous = Some(entry);
        Ok(())
    }

    /// Only a closing as the newest version explains missing values.
    fn finish(self) -> Result<AccountChain, RecordError> {
        let newest = match (self.previous, self.records.last()) {
            (Some(_), Some((_, newest))) => newest.clone(),
            _ => return Err(RecordError::BlankValue),
        };
        let state = match (self.erased, self.closed) {
            (false, false) => AccountState::Live,
            (false, true) => AccountState::Closed,
            (true, _) if newest.kind == AccountKind::Closed => AccountState::Erased,
            (true, _) => return Err(RecordError::BlankValue),
        };
        Ok(AccountChain {
            newest,
            records: self.records,
            state,
            imported: self.imported,
        })
    }
}

fn check_pin(pin: &AccountRecord, record: &AccountRecord) -> Result<(), RecordError> {
    if pin.bytes() != record.bytes() {
        Err(RecordError::NotThePin)
    } else if pin.kind == AccountKind::Notice {
        Err(RecordError::PinnedNotice)
    } else {
        Ok(())
    }
}

/// Without the version before, only a closing can still be checked against its own keys.
fn check_above_gap(rules: &Rules, record: &AccountRecord, epoch: Epoch) -> Result<(), RecordError> {
    check_alone(rules, record)?;
    match record.kind {
        AccountKind::Closed => verify_closing(rules, record, epoch),
        _ => Ok(()),
    }
}
