//! Which version of an alias may follow which, and who must sign it.

use super::{
    AccountRecord, AliasKind, AliasRecord, Holder, IdentityKey, RecordError, Role, Rules, check_length,
};
use crate::label::AccountId;
use crate::quantity::{Epoch, KeyVersion};

/// Where a version stands: its epoch, and the accounts that it names as they were in that epoch.
#[derive(Debug, Clone, Copy)]
pub struct AliasStep<'a> {
    /// Epoch of the version.
    pub epoch: Epoch,
    /// Newest version, at that epoch, of the account that holds the alias now; `None`: absent.
    pub holder: Option<&'a AccountRecord>,
    /// Newest version, at that epoch, of the account that held the alias before; `None`: absent.
    pub previous_holder: Option<&'a AccountRecord>,
}

/// Demands that a record may be the first of its alias.
///
/// # Errors
/// [`RecordError`] naming the rule that is broken.
pub fn check_first_alias(
    rules: &Rules,
    record: &AliasRecord,
    step: &AliasStep<'_>,
) -> Result<(), RecordError> {
    check_alone(rules, record)?;
    super::check_version(KeyVersion::FIRST, record.version)?;
    rules.check_no_previous(&record.previous, record.kind == AliasKind::Imported)?;
    let holder = record.holder.as_ref().ok_or(RecordError::NotAFirst)?;
    match record.kind {
        AliasKind::Claim | AliasKind::Imported => {}
        AliasKind::Release | AliasKind::Transfer | AliasKind::Reassign => return Err(RecordError::NotAFirst),
    }
    check_holder(holder, step.holder)?;
    if record.kind == AliasKind::Imported {
        record.verify_exactly(&[(Role::Import, rules.importer(step.epoch)?)])
    } else {
        record.verify_exactly(&[(Role::Identity, holder.key.as_bytes())])
    }
}

/// Demands that `next` may follow `previous`, which was checked before.
///
/// # Errors
/// [`RecordError`] naming the rule that is broken.
pub fn check_alias_successor(
    rules: &Rules,
    previous: &AliasRecord,
    next: &AliasRecord,
    step: &AliasStep<'_>,
) -> Result<(), RecordError> {
    check_alone(rules, next)?;
    check_link(previous, next)?;
    check_kind_follows(previous, next)?;
    if let Some(holder) = &next.holder {
        check_holder(holder, step.holder)?;
    }
    if let (Some(named), Some(before)) = (&next.previous_holder, &previous.holder) {
        check_account(&before.account, named.version, &named.key, step.previous_holder)?;
    }
    check_signatures(rules, next, step.epoch)
}

/// What can be said about a record without the one before.
fn check_alone(rules: &Rules, record: &AliasRecord) -> Result<(), RecordError> {
    check_length(record.bytes(), rules.limits().record_bytes)?;
    let reserved = matches!(record.kind, AliasKind::Release | AliasKind::Reassign);
    rules.limits().check_version(record.version, reserved)?;
    rules.check_origin(&record.origin)?;
    let (release, transfer) = (
        record.kind == AliasKind::Release,
        record.kind == AliasKind::Transfer,
    );
    if record.holder.is_none() != release {
        return Err(RecordError::Holder);
    }
    if record.previous_holder.is_some() != (release || transfer) {
        return Err(RecordError::PreviousHolder);
    }
    Ok(())
}

fn check_link(previous: &AliasRecord, next: &AliasRecord) -> Result<(), RecordError> {
    if next.alias != previous.alias {
        return Err(RecordError::OtherLabel);
    }
    super::check_next_version(previous.version, next.version)?;
    if next.previous != previous.hash() {
        return Err(RecordError::PreviousHash);
    }
    Ok(())
}

fn check_kind_follows(previous: &AliasRecord, next: &AliasRecord) -> Result<(), RecordError> {
    match (next.kind, &previous.holder) {
        (AliasKind::Imported, _) => Err(RecordError::OnlyAFirst),
        (AliasKind::Claim, Some(_)) => Err(RecordError::NotReleased),
        (AliasKind::Release | AliasKind::Transfer, None) => Err(RecordError::NotHeld),
        _ => Ok(()),
    }
}

fn check_holder(holder: &Holder, account: Option<&AccountRecord>) -> Result<(), RecordError> {
    check_account(&holder.account, holder.version, &holder.key, account)
}

/// The named key is the identity key of the account's newest version, and the named version is not newer.
fn check_account(
    id: &AccountId,
    named: KeyVersion,
    key: &IdentityKey,
    account: Option<&AccountRecord>,
) -> Result<(), RecordError> {
    let account = account
        .filter(|a| a.account == *id)
        .ok_or(RecordError::AccountAbsent)?;
    let newest = account.version;
    if named > newest {
        return Err(RecordError::HolderVersion { named, newest });
    }
    if *key != account.identity {
        return Err(RecordError::HolderKey);
    }
    Ok(())
}

fn check_signatures(rules: &Rules, next: &AliasRecord, epoch: Epoch) -> Result<(), RecordError> {
    let holder = next.holder.as_ref().map(|h| (Role::Identity, h.key.as_bytes()));
    let previous = next
        .previous_holder
        .as_ref()
        .map(|h| (Role::PreviousIdentity, h.key.as_bytes()));
    let recovery = match next.kind {
        AliasKind::Reassign => Some((Role::Recovery, rules.recovery_key(epoch)?)),
        _ => None,
    };
    let needed: Vec<_> = [holder, previous, recovery].into_iter().flatten().collect();
    next.verify_exactly(&needed)
}
