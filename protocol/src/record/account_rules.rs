//! Which version of an account may follow which, and who must sign it.

use super::{AccountKind, AccountRecord, KeyAnnouncement, RecordError, Role, Rules, check_length};
use crate::quantity::{Epoch, KeyVersion, Millis};

/// Where a version stands: its epoch, and the leaf times that prove a recovery delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountStep {
    /// Epoch of the version.
    pub epoch: Epoch,
    /// Time of that epoch's leaf.
    pub time: Option<Millis>,
    /// Time of the leaf of the version before.
    pub previous_time: Option<Millis>,
}

/// Demands that a record may be the first of its account.
///
/// # Errors
/// [`RecordError`] naming the rule that is broken.
pub fn check_first(rules: &Rules, record: &AccountRecord, epoch: Epoch) -> Result<(), RecordError> {
    check_alone(rules, record)?;
    super::check_version(KeyVersion::FIRST, record.version)?;
    rules.check_no_previous(&record.previous, record.kind == AccountKind::Imported)?;
    match record.kind {
        AccountKind::Created => record.verify_exactly(&[(Role::Identity, record.identity.as_bytes())]),
        AccountKind::Imported => record.verify_exactly(&[(Role::Import, rules.importer(epoch)?)]),
        _ => Err(RecordError::NotAFirst),
    }
}

/// Demands that `next` may follow `previous`, which was checked before.
///
/// # Errors
/// [`RecordError`] naming the rule that is broken.
pub fn check_successor(
    rules: &Rules,
    previous: &AccountRecord,
    next: &AccountRecord,
    step: &AccountStep,
) -> Result<(), RecordError> {
    check_alone(rules, next)?;
    check_link(rules, previous, next)?;
    check_kind_follows(previous, next)?;
    match next.kind {
        AccountKind::Notice => check_notice(previous, next)?,
        AccountKind::Closed => check_closing(previous, next)?,
        _ => {}
    }
    check_signatures(rules, previous, next, step.epoch)?;
    match next.kind {
        AccountKind::Recovery => check_announced(previous, next.identity.announcement(), step),
        AccountKind::Closed if next.has_role(Role::Recovery) => {
            check_announced(previous, KeyAnnouncement::NONE, step)
        }
        _ => Ok(()),
    }
}

/// What can be said about a record without the one before.
pub(super) fn check_alone(rules: &Rules, record: &AccountRecord) -> Result<(), RecordError> {
    let limits = rules.limits();
    check_length(record.bytes(), limits.record_bytes)?;
    let (max, found) = (limits.devices, record.devices.len());
    if found > max {
        return Err(RecordError::TooManyDevices { max, found });
    }
    let (max, found) = (limits.recovery_delay, record.recovery_delay);
    if found > max {
        return Err(RecordError::DelayTooLong { max, found });
    }
    rules.check_origin(&record.origin)?;
    if record.kind != AccountKind::Notice && record.announced != KeyAnnouncement::NONE {
        return Err(RecordError::Announcement);
    }
    if record.kind == AccountKind::Closed && !record.devices.is_empty() {
        return Err(RecordError::ClosedDevices);
    }
    Ok(())
}

fn check_link(rules: &Rules, previous: &AccountRecord, next: &AccountRecord) -> Result<(), RecordError> {
    if next.account != previous.account {
        return Err(RecordError::OtherLabel);
    }
    super::check_next_version(previous.version, next.version)?;
    if next.previous != previous.hash() {
        return Err(RecordError::PreviousHash);
    }
    rules
        .limits()
        .check_version(next.version, is_reserved(previous, next))
}

/// Kinds that must stay possible when the owner has used up the ordinary versions.
fn is_reserved(previous: &AccountRecord, next: &AccountRecord) -> bool {
    match next.kind {
        AccountKind::Notice | AccountKind::Recovery | AccountKind::Closed => true,
        AccountKind::Owner => previous.kind == AccountKind::Notice,
        AccountKind::Created | AccountKind::Imported => false,
    }
}

fn check_kind_follows(previous: &AccountRecord, next: &AccountRecord) -> Result<(), RecordError> {
    match next.kind {
        AccountKind::Created | AccountKind::Imported => Err(RecordError::OnlyAFirst),
        AccountKind::Owner | AccountKind::Closed if previous.kind == AccountKind::Closed => {
            Err(RecordError::AfterClosed)
        }
        _ => Ok(()),
    }
}

fn check_notice(previous: &AccountRecord, next: &AccountRecord) -> Result<(), RecordError> {
    let unchanged = next.identity == previous.identity
        && next.recovery_delay == previous.recovery_delay
        && next.devices == previous.devices
        && next.extension == previous.extension;
    if unchanged {
        Ok(())
    } else {
        Err(RecordError::NoticeChanges)
    }
}

fn check_closing(previous: &AccountRecord, next: &AccountRecord) -> Result<(), RecordError> {
    if next.identity != previous.identity {
        return Err(RecordError::ClosedIdentity);
    }
    if next.recovery_delay != previous.recovery_delay {
        return Err(RecordError::ClosedDelay);
    }
    Ok(())
}

fn check_signatures(
    rules: &Rules,
    previous: &AccountRecord,
    next: &AccountRecord,
    epoch: Epoch,
) -> Result<(), RecordError> {
    let identity = (Role::Identity, next.identity.as_bytes());
    match next.kind {
        AccountKind::Owner if next.identity != previous.identity => {
            next.verify_exactly(&[identity, (Role::PreviousIdentity, previous.identity.as_bytes())])
        }
        AccountKind::Notice => next.verify_exactly(&[(Role::Recovery, rules.recovery_key(epoch)?)]),
        AccountKind::Recovery => {
            next.verify_exactly(&[identity, (Role::Recovery, rules.recovery_key(epoch)?)])
        }
        AccountKind::Closed => verify_closing(rules, next, epoch),
        AccountKind::Owner | AccountKind::Created | AccountKind::Imported => next.verify_exactly(&[identity]),
    }
}

/// A closing is signed by the identity key or by the recovery key, never by both.
pub(super) fn verify_closing(rules: &Rules, record: &AccountRecord, epoch: Epoch) -> Result<(), RecordError> {
    if record.has_role(Role::Recovery) {
        record.verify_exactly(&[(Role::Recovery, rules.recovery_key(epoch)?)])
    } else {
        record.verify_exactly(&[(Role::Identity, record.identity.as_bytes())])
    }
}

/// The owner's lock on recovery: if the version before had a delay, a notice must have stood that long.
///
/// The delay of a notice is that of the version before it, so that the direct predecessor is enough.
fn check_announced(
    previous: &AccountRecord,
    announcement: KeyAnnouncement,
    step: &AccountStep,
) -> Result<(), RecordError> {
    if previous.kind != AccountKind::Notice {
        return if previous.recovery_delay == 0 {
            Ok(())
        } else {
            Err(RecordError::NoticeMissing)
        };
    }
    if previous.announced != announcement {
        return Err(RecordError::NotAnnounced);
    }
    check_delay(previous.recovery_delay, step)
}

fn check_delay(delay: u32, step: &AccountStep) -> Result<(), RecordError> {
    if delay == 0 {
        return Ok(());
    }
    let (Some(notice), Some(time)) = (step.previous_time, step.time) else {
        return Err(RecordError::LeafTimeMissing);
    };
    let (delay_ms, elapsed_ms) = (u64::from(delay) * 1000, time.since(notice));
    if elapsed_ms < delay_ms {
        return Err(RecordError::TooEarly { delay_ms, elapsed_ms });
    }
    Ok(())
}
