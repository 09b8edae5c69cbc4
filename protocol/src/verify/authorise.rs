//! From "in the log" to "the owner wanted it".

use std::collections::BTreeMap;

use super::error::Refusal;
use super::history::HistoryInLog;
use super::lookup::InLog;
use crate::epoch::{Trust, VerifiedEpoch};
use crate::label::{AccountId, Label};
use crate::quantity::Epoch;
use crate::record::{AccountChain, AccountRecord, AliasChain, AliasRecord};
use crate::tree::ProvenVersion;

/// Where a chain may start: nothing was ever authorised here, or this record was.
#[derive(Debug, Clone, Copy)]
pub enum Pinned<'a, T> {
    /// First contact: the chain starts at version 1.
    Nothing,
    /// The chain starts at this record, which was authorised before.
    At(&'a T),
}

impl<'a, T> Pinned<'a, T> {
    fn record(&self) -> Option<&'a T> {
        match self {
            Self::Nothing => None,
            Self::At(record) => Some(record),
        }
    }
}

/// An account whose every version, from the pinned one or from version 1, was authorised by its rules.
#[derive(Debug, Clone)]
pub struct AuthorisedAccount {
    chain: AccountChain,
    /// Epoch of the head that its history was proven under: what came later is not known.
    known_to: Epoch,
}

impl AuthorisedAccount {
    /// The chain of records, with the newest and its standing.
    pub fn chain(&self) -> &AccountChain {
        &self.chain
    }

    /// The newest record, authorised.
    pub fn newest(&self) -> &AccountRecord {
        self.chain.newest()
    }

    /// Demands that this is the record that the lookup showed.
    ///
    /// # Errors
    /// [`Refusal::HistoryEndsElsewhere`] if the lookup and the history do not show the same record.
    pub fn matches(&self, shown: &InLog<AccountRecord>) -> Result<(), Refusal> {
        if self.newest() == shown.record() {
            Ok(())
        } else {
            Err(Refusal::HistoryEndsElsewhere)
        }
    }
}

/// An alias whose every version was authorised by the accounts that it names.
#[derive(Debug, Clone)]
pub struct AuthorisedAlias {
    chain: AliasChain,
}

impl AuthorisedAlias {
    /// The chain of records.
    pub fn chain(&self) -> &AliasChain {
        &self.chain
    }

    /// The newest record, authorised.
    pub fn newest(&self) -> &AliasRecord {
        self.chain.newest()
    }

    /// Demands that this is the record that the lookup showed.
    ///
    /// # Errors
    /// [`Refusal::HistoryEndsElsewhere`] if the lookup and the history do not show the same record.
    pub fn matches(&self, shown: &InLog<AliasRecord>) -> Result<(), Refusal> {
        if self.newest() == shown.record() {
            Ok(())
        } else {
            Err(Refusal::HistoryEndsElsewhere)
        }
    }
}

/// Checks every version of an account against the rules of its configuration.
///
/// # Errors
/// [`Refusal::Record`] with the broken rule.
pub fn authorise_account(
    trust: &Trust,
    history: &HistoryInLog,
    pinned: Pinned<'_, AccountRecord>,
) -> Result<AuthorisedAccount, Refusal> {
    let Label::Account(id) = history.label() else {
        return Err(Refusal::NotAnAccount);
    };
    let chain = AccountChain::verify(&trust.config().rules(), id, &history.entries(), pinned.record())?;
    Ok(AuthorisedAccount {
        chain,
        known_to: history.head(),
    })
}

/// Takes a lookup of an account for its whole history since the pinned record, which it must show unchanged.
///
/// # Errors
/// [`Refusal::Record`], if it shows another record, or the pinned one does not say by itself what the account is.
pub fn unchanged_account(
    trust: &Trust,
    epoch: &VerifiedEpoch,
    shown: &InLog<AccountRecord>,
    pinned: &AccountRecord,
) -> Result<AuthorisedAccount, Refusal> {
    let record = shown.record();
    let newest = ProvenVersion::newest(shown.version(), shown.epoch(), record.bytes());
    let history = HistoryInLog::newest(epoch, record.label(), newest);
    authorise_account(trust, &history, Pinned::At(pinned))
}

/// The same for an alias.
///
/// # Errors
/// [`Refusal::Record`], if it shows another record.
pub fn unchanged_alias(
    trust: &Trust,
    epoch: &VerifiedEpoch,
    shown: &InLog<AliasRecord>,
    pinned: &AliasRecord,
) -> Result<AuthorisedAlias, Refusal> {
    let record = shown.record();
    let newest = ProvenVersion::newest(shown.version(), shown.epoch(), record.bytes());
    let history = HistoryInLog::newest(epoch, record.label(), newest);
    authorise_alias(trust, &history, Pinned::At(pinned), &BTreeMap::new())
}

/// Checks every version of an alias; `accounts` gives the authorised account of each id that it names.
///
/// An account whose history ends before the alias's counts as not given: its key may have changed in between, so
/// neither a signature nor a lie could be told from it.
///
/// # Errors
/// [`Refusal::Record`] with the broken rule.
pub fn authorise_alias(
    trust: &Trust,
    history: &HistoryInLog,
    pinned: Pinned<'_, AliasRecord>,
    accounts: &BTreeMap<AccountId, AuthorisedAccount>,
) -> Result<AuthorisedAlias, Refusal> {
    let chains = |id: &AccountId| {
        let known = accounts.get(id).filter(|a| a.known_to >= history.head());
        known.map(|a| &a.chain)
    };
    let chain = AliasChain::verify(
        &trust.config().rules(),
        history.label(),
        &history.entries(),
        pinned.record(),
        &chains,
    )?;
    Ok(AuthorisedAlias { chain })
}
