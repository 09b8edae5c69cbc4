//! Records of handles and phone numbers: who holds them, and who may hand them on.

use std::collections::BTreeSet;

use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::KeyVersion;
use keyglass_protocol::record::{
    AccountRecord, AliasKind, AliasRecord, AliasStep, RecordError, check_alias_successor, check_first_alias,
};
use keyglass_schema::Store;

use super::rules::{Case, Checked, Named};
use super::{SubmitError, account, handles};
use crate::access::{Act, Caller};

/// Checks an alias's record against the newest stored one and the accounts that it names.
pub(super) fn check(case: &Case<'_>) -> Result<Checked, SubmitError> {
    let record = AliasRecord::decode(case.bytes)?;
    if record.label() != *case.label {
        return Err(RecordError::OtherLabel.into());
    }
    let previous = case.newest.map(|s| AliasRecord::decode(&s.value)).transpose()?;
    if let Some(caller) = case.caller {
        may_write(caller, &record, previous.as_ref())?;
    }
    let mut checked = Checked {
        version: Some(record.version),
        publish_by: case.end_of_imports(record.kind == AliasKind::Imported),
        holder: holder_of(case, Some(&record))?,
        previous_holder: holder_of(
            case,
            previous.as_ref().filter(|_| record.previous_holder.is_some()),
        )?,
        ..Checked::default()
    };
    if case.repeats() {
        return Ok(checked);
    }
    case.follows(record.version)?;
    let in_force = case.service.config.in_force();
    let step = AliasStep {
        epoch: case.epoch(),
        holder: checked.holder.as_ref().map(|n| &n.record),
        previous_holder: checked.previous_holder.as_ref().map(|n| &n.record),
    };
    match &previous {
        None => check_first_alias(in_force.rules(), &record, &step)?,
        Some(previous) => check_alias_successor(in_force.rules(), previous, &record, &step)?,
    }
    if let Some(holder) = &checked.holder {
        if account::is_closed(
            case.service,
            &Label::Account(holder.account.clone()),
            &holder.record,
        )? {
            return Err(SubmitError::HolderClosed);
        }
        checked.relies_on = former_holders(&case.service.store, case.label, &record, &holder.account)?;
    }
    if let Label::Handle(handle) = case.label {
        checked.skeleton = handles::check(&case.service.settings.handles, handle, &record)?;
    }
    Ok(checked)
}

/// The session must belong to the new holder, for a release to the one who holds it, for a transfer to either.
fn may_write(
    caller: &Caller,
    record: &AliasRecord,
    previous: Option<&AliasRecord>,
) -> Result<(), SubmitError> {
    let act = match record.kind {
        AliasKind::Claim | AliasKind::Release | AliasKind::Transfer => Act::Owner,
        AliasKind::Reassign => Act::Recovery,
        AliasKind::Imported => Act::Import,
    };
    caller.may_write(&record.label(), act)?;
    let may_act_for = |account: &AccountId| caller.may_act_for(account, act);
    let to = record.holder.as_ref().map(|h| may_act_for(&h.account));
    let from = previous
        .and_then(|p| p.holder.as_ref())
        .map(|h| may_act_for(&h.account));
    match record.kind {
        AliasKind::Release => from.unwrap_or(Ok(()))?,
        AliasKind::Transfer if matches!(from, Some(Ok(()))) => {}
        _ => to.unwrap_or(Ok(()))?,
    }
    Ok(())
}

/// The account that holds an alias by a record, as it is now; `None` if there is none.
fn holder_of(case: &Case<'_>, record: Option<&AliasRecord>) -> Result<Option<Named>, SubmitError> {
    let Some(holder) = record.and_then(|r| r.holder.as_ref()) else {
        return Ok(None);
    };
    let account = holder.account.clone();
    let label = Label::Account(account.clone());
    let Some(stored) = case.service.store.newest(&label, case.at)? else {
        return Ok(None);
    };
    let record = AccountRecord::decode(&stored.value)?;
    Ok(Some(Named { account, record }))
}

/// Everybody else who ever held the alias: the new holder's contacts check their signatures too, so their histories must
/// not be erased.
pub(super) fn former_holders(
    store: &Store,
    label: &Label,
    record: &AliasRecord,
    holder: &AccountId,
) -> Result<Vec<AccountId>, SubmitError> {
    let mut found = BTreeSet::new();
    let mut next = Some(KeyVersion::FIRST);
    while let Some(version) = next.filter(|v| *v < record.version) {
        let stored = store.version(label, version)?;
        let stored = stored.ok_or(SubmitError::Damaged)?;
        found.extend(
            AliasRecord::decode(&stored.value)?
                .holder
                .as_ref()
                .map(|h| h.account.clone()),
        );
        next = version.next();
    }
    found.remove(holder);
    Ok(found.into_iter().collect())
}
