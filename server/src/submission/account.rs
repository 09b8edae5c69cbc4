//! Records of accounts: created, imported, changed, announced, recovered, closed.

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, Millis};
use keyglass_protocol::record::{
    AccountKind, AccountRecord, AccountStep, RecordError, Role, check_first, check_successor,
};
use keyglass_schema::Stored;

use super::SubmitError;
use super::rules::{Case, Checked};
use crate::access::Act;
use crate::service::Service;

pub(super) fn check(case: &Case<'_>) -> Result<Checked, SubmitError> {
    let record = AccountRecord::decode(case.bytes)?;
    if record.label() != *case.label {
        return Err(RecordError::OtherLabel.into());
    }
    if let Some(caller) = case.caller {
        caller.may_write(case.label, act(&record))?;
    }
    let mut checked = Checked {
        version: Some(record.version),
        closes: record.kind == AccountKind::Closed,
        publish_by: case.end_of_imports(record.kind == AccountKind::Imported),
        ..Checked::default()
    };
    if case.repeats() {
        return Ok(checked);
    }
    case.follows(record.version)?;
    let in_force = case.service.config.in_force();
    let Some(stored) = case.newest else {
        check_first(in_force.rules(), &record, case.epoch())?;
        return Ok(checked);
    };
    let previous = AccountRecord::decode(&stored.value)?;
    let step = AccountStep {
        epoch: case.epoch(),
        time: Some(case.not_before),
        previous_time: previous_time(case.service, &previous, stored.epoch)?,
    };
    check_successor(in_force.rules(), &previous, &record, &step)?;
    checked.changes_identity = checked.closes || previous.identity != record.identity;
    checked.follows_closed = previous.kind == AccountKind::Closed;
    Ok(checked)
}

/// On whose authority a record is written.
fn act(record: &AccountRecord) -> Act {
    match record.kind {
        AccountKind::Imported => Act::Import,
        AccountKind::Notice | AccountKind::Recovery => Act::Recovery,
        AccountKind::Closed if record.signatures().iter().any(|s| s.role == Role::Recovery) => Act::Recovery,
        AccountKind::Closed | AccountKind::Created | AccountKind::Owner => Act::Owner,
    }
}

/// The time of a notice's leaf, from which its delay runs. Only a signed leaf keeps its time.
fn previous_time(
    service: &Service,
    previous: &AccountRecord,
    epoch: Epoch,
) -> Result<Option<Millis>, SubmitError> {
    if previous.kind != AccountKind::Notice {
        return Ok(None);
    }
    if service.pending.size().get() <= epoch.get() {
        return Err(SubmitError::UpdatePending);
    }
    Ok(service.store.leaf(epoch)?.map(|leaf| leaf.time))
}

/// Whether an account has no key to trust: it is closed, or closed below the notices that stand on it.
pub(super) fn is_closed(
    service: &Service,
    label: &Label,
    newest: &AccountRecord,
) -> Result<bool, SubmitError> {
    let (mut kind, mut version) = (newest.kind, newest.version);
    while kind == AccountKind::Notice {
        let Some(below) = version.previous() else {
            return Ok(false);
        };
        let Some(Stored { value, .. }) = service.store.version(label, below)? else {
            return Err(SubmitError::Damaged);
        };
        (kind, version) = (AccountRecord::decode(&value)?.kind, below);
    }
    Ok(kind == AccountKind::Closed)
}
