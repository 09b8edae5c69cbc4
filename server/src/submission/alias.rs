//! The second lock: the account's own key, and the rules for what may follow what.

use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_protocol::record::{
    AccountKind, AccountRecord, AccountStep, AliasKind, AliasRecord, AliasStep, RecordError,
    check_alias_successor, check_first, check_first_alias, check_successor,
};
use keyglass_schema::{Holder, Stored};

use super::SubmitError;
use crate::access::{Act, Caller};
use crate::service::Service;

/// A record that may enter the queue.
pub(super) struct Checked {
    pub(super) version: KeyVersion,
    pub(super) holder: Option<Named>,
    pub(super) previous_holder: Option<Named>,
    pub(super) changes_identity: bool,
}

/// An account that an alias names, as it was when the alias was checked.
pub(super) struct Named {
    account: AccountId,
    record: AccountRecord,
}

impl Named {
    pub(super) fn holder(&self) -> Holder<'_> {
        Holder {
            account: &self.account,
            newest: self.record.version,
        }
    }
}

/// Checks an account's record against the newest stored one.
pub(super) fn account(
    service: &Service,
    label: &Label,
    bytes: &[u8],
    newest: Option<&Stored>,
    at: Epoch,
) -> Result<Checked, SubmitError> {
    let record = AccountRecord::decode(bytes)?;
    if record.label() != *label {
        return Err(RecordError::OtherLabel.into());
    }
    if !matches!(record.kind, AccountKind::Created | AccountKind::Owner) {
        return Err(SubmitError::KindNotAccepted);
    }
    let rules = service.config.rules();
    let epoch = at.next().unwrap_or(at);
    let mut changes_identity = false;
    if !repeats(newest, bytes) {
        follows(newest, record.version)?;
        match newest {
            None => check_first(&rules, &record, epoch)?,
            Some(stored) => {
                let previous = AccountRecord::decode(&stored.value)?;
                // The kinds that are accepted have no rule about times.
                let step = AccountStep {
                    epoch,
                    time: None,
                    previous_time: None,
                };
                check_successor(&rules, &previous, &record, &step)?;
                changes_identity = previous.identity != record.identity;
            }
        }
    }
    Ok(Checked {
        version: record.version,
        holder: None,
        previous_holder: None,
        changes_identity,
    })
}

/// Checks an alias's record against the newest stored one and the accounts that it names.
pub(super) fn alias(
    service: &Service,
    caller: &Caller,
    label: &Label,
    bytes: &[u8],
    newest: Option<&Stored>,
    at: Epoch,
) -> Result<Checked, SubmitError> {
    let record = AliasRecord::decode(bytes)?;
    if record.label() != *label {
        return Err(RecordError::OtherLabel.into());
    }
    if !matches!(record.kind, AliasKind::Claim | AliasKind::Release) {
        return Err(SubmitError::KindNotAccepted);
    }
    let previous = newest.map(|s| AliasRecord::decode(&s.value)).transpose()?;
    // The session must belong to the new holder, or for a release to the one who holds it.
    let acting = record
        .holder
        .as_ref()
        .or_else(|| previous.as_ref().and_then(|p| p.holder.as_ref()));
    if let Some(acting) = acting {
        caller.may_act_for(&acting.account, Act::Owner)?;
    }
    let named = |account: &AccountId| named(service, account, at);
    let holder = record
        .holder
        .as_ref()
        .map(|h| named(&h.account))
        .transpose()?
        .flatten();
    let before = previous
        .as_ref()
        .and_then(|p| p.holder.as_ref())
        .filter(|_| record.previous_holder.is_some());
    let previous_holder = before.map(|h| named(&h.account)).transpose()?.flatten();
    if !repeats(newest, bytes) {
        follows(newest, record.version)?;
        let rules = service.config.rules();
        let step = AliasStep {
            epoch: at.next().unwrap_or(at),
            holder: holder.as_ref().map(|n| &n.record),
            previous_holder: previous_holder.as_ref().map(|n| &n.record),
        };
        match &previous {
            None => check_first_alias(&rules, &record, &step)?,
            Some(previous) => check_alias_successor(&rules, previous, &record, &step)?,
        }
    }
    Ok(Checked {
        version: record.version,
        holder,
        previous_holder,
        changes_identity: false,
    })
}

/// Whether this is the newest stored record once more: the store answers it with the receipt that was given.
fn repeats(newest: Option<&Stored>, bytes: &[u8]) -> bool {
    newest.is_some_and(|stored| stored.value == bytes)
}

/// Demands the version after the newest stored one. Said before the signatures are looked at: it is the usual reason.
fn follows(newest: Option<&Stored>, version: KeyVersion) -> Result<(), SubmitError> {
    let newest = newest.map(|s| s.version);
    let expected = newest.map_or(Some(KeyVersion::FIRST), KeyVersion::next);
    if expected == Some(version) {
        Ok(())
    } else {
        Err(SubmitError::Stale { newest })
    }
}

/// The newest version of an account, if there is one.
fn named(service: &Service, account: &AccountId, at: Epoch) -> Result<Option<Named>, SubmitError> {
    let Some(stored) = service.store.newest(&Label::Account(account.clone()), at)? else {
        return Ok(None);
    };
    let record = AccountRecord::decode(&stored.value)?;
    Ok(Some(Named {
        account: account.clone(),
        record,
    }))
}
