//! An alias's history in which every step was checked.

use super::account_chain::check_shape;
use super::{
    AccountChain, AccountRecord, AliasRecord, AliasStep, ChainEntry, RecordError, Rules,
    check_alias_successor, check_first_alias,
};
use crate::label::{AccountId, Label};
use crate::quantity::Epoch;

/// Looks up the checked history of an account that an alias names.
pub type Accounts<'f, 'c> = dyn Fn(&AccountId) -> Option<&'c AccountChain> + 'f;

/// An alias's history, from version 1 or a pinned version to its newest, every step authorised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasChain {
    newest: AliasRecord,
    records: Vec<(Epoch, AliasRecord)>,
}

impl AliasChain {
    /// Checks a history: consecutive versions, from 1 or from the pinned record, in rising epochs.
    ///
    /// `accounts` gives the checked history of every account that held the alias, proven at the same head.
    ///
    /// # Errors
    /// [`RecordError`] of the first step that is not allowed, or of class unproven if an account's history is
    /// missing or erased.
    pub fn verify<'c>(
        rules: &Rules,
        alias: &Label,
        entries: &[ChainEntry<'_>],
        pinned: Option<&AliasRecord>,
        accounts: &Accounts<'_, 'c>,
    ) -> Result<Self, RecordError> {
        check_shape(entries, pinned.map(|p| p.version))?;
        let mut records: Vec<(Epoch, AliasRecord)> = Vec::new();
        for entry in entries {
            let value = entry.value.ok_or(RecordError::BlankValue)?;
            let record = AliasRecord::decode(value)?;
            if record.alias != *alias {
                return Err(RecordError::OtherLabel);
            }
            match (records.last(), pinned) {
                (Some((_, previous)), _) => {
                    let step = step(entry.epoch, Some(previous), &record, accounts)?;
                    check_alias_successor(rules, previous, &record, &step)?;
                }
                (None, Some(pin)) if pin.bytes() == value => {}
                (None, Some(_)) => return Err(RecordError::NotThePin),
                (None, None) => {
                    let step = step(entry.epoch, None, &record, accounts)?;
                    check_first_alias(rules, &record, &step)?;
                }
            }
            records.push((entry.epoch, record));
        }
        let (_, newest) = records.last().ok_or(RecordError::EmptyHistory)?;
        Ok(Self {
            newest: newest.clone(),
            records,
        })
    }

    /// The newest version.
    pub fn newest(&self) -> &AliasRecord {
        &self.newest
    }

    /// All versions with their epochs, ascending.
    pub fn records(&self) -> &[(Epoch, AliasRecord)] {
        &self.records
    }

    /// The account that holds the alias; `None`: released.
    pub fn holder(&self) -> Option<&AccountId> {
        self.newest.holder.as_ref().map(|h| &h.account)
    }
}

/// The accounts that a step names, as they were in its epoch.
fn step<'c>(
    epoch: Epoch,
    previous: Option<&AliasRecord>,
    record: &AliasRecord,
    accounts: &Accounts<'_, 'c>,
) -> Result<AliasStep<'c>, RecordError> {
    let holder = record.holder.as_ref().map(|h| &h.account);
    let before = previous
        .filter(|_| record.previous_holder.is_some())
        .and_then(|p| p.holder.as_ref())
        .map(|h| &h.account);
    Ok(AliasStep {
        epoch,
        holder: holder.map(|id| account_at(id, epoch, accounts)).transpose()?,
        previous_holder: before.map(|id| account_at(id, epoch, accounts)).transpose()?,
    })
}

fn account_at<'c>(
    id: &AccountId,
    epoch: Epoch,
    accounts: &Accounts<'_, 'c>,
) -> Result<&'c AccountRecord, RecordError> {
    accounts(id).ok_or(RecordError::AccountUnproven)?.at(epoch)
}
