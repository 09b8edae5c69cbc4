//! What `monitor` says about one own account, one contact.

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::Epoch;
use keyglass_protocol::record::{AccountKind, AccountRecord, AccountState};

use super::monitor::Finding;
use super::{lookup, watched_alias};
use crate::contacts;
use crate::desk::{Desk, PolicyIs};
use crate::exit::Exit;
use crate::label;
use crate::own;
use crate::report::Failure;
use crate::resolve::{self, Change, Depth, Known};
use crate::state::{OwnAccount, Worry};

/// What to do about what this device did not do.
pub(super) const NOT_MINE: &str =
    "if it was not you: warn your contacts through another channel; if it was: keyglass monitor --accept";

/// One own account and its names: every version that this device did not make is compared with the keys it knows.
pub(super) fn own_account(desk: &mut Desk<'_>, id: &str, accept: bool) -> Result<Vec<Finding>, Failure> {
    let label = own::label(id)?;
    let shown = label::show(&label);
    let own = account(desk, id)?;
    // An alarm is worth more than the policy, which is reported beside it.
    let asked = desk.ask(PolicyIs::Reported, |s, d| {
        resolve::resolve(s, d, &label, Depth::Whole)
    });
    let (known, vouched) = asked.map_err(proven)?;
    let mut findings = Vec::new();
    if own.walked == 0 {
        findings.extend(not_moved(desk, &label, &known)?);
    }
    match &known {
        Known::Account(found) => {
            let records = found.chain().records();
            findings.extend(walk_account(desk, &own, records)?);
            if !accept && findings.iter().any(|f| f.exit == Exit::Alarm) {
                let saved = desk.keep_shown(&label, "own-key-changed")?;
                let saved = saved.map(|p| p.display().to_string());
                findings
                    .iter_mut()
                    .filter(|f| f.exit == Exit::Alarm)
                    .for_each(|f| f.saved.clone_from(&saved));
            } else {
                let newest = found.newest();
                findings.iter_mut().for_each(Finding::accept);
                settle_walk(desk, id, newest)?;
            }
            if findings.is_empty() {
                let text = format!("version {}, as this device knows it", found.newest().version);
                findings.push(Finding::good(&shown, text));
            }
        }
        _ if own.published.is_some() => findings.push(Finding::alarm(
            &shown,
            "own-account-gone",
            "the directory says that your account does not exist",
            NOT_MINE,
        )),
        _ => findings.push(Finding::good(
            &shown,
            "not published yet: keyglass identity publish",
        )),
    }
    if vouched.shortfall.is_none() && matches!(known, Known::Account(_)) {
        lookup::pin(&mut desk.memory, &label, &known, &vouched)?;
    }
    for alias in account(desk, id)?.aliases.keys() {
        findings.extend(watched_alias::own_alias(desk, id, alias, accept)?);
    }
    Ok(findings)
}

/// What came here from the log before in another form than it had there.
pub(super) fn not_moved(
    desk: &mut Desk<'_>,
    label: &Label,
    known: &Known,
) -> Result<Option<Finding>, Failure> {
    match desk.moved_anew(label, known) {
        Ok(_) => Ok(None),
        Err(failure) if matches!(failure.exit, Exit::Invalid | Exit::Alarm) => {
            let finding = Finding::failed(&label::show(label), &failure);
            Ok(Some(Finding {
                exit: Exit::Alarm,
                next: NOT_MINE.to_owned(),
                ..finding
            }))
        }
        Err(failure) => Err(failure),
    }
}

/// What is refused about one's own label, and can be proven to anybody, is an alarm.
pub(super) fn proven(mut failure: Failure) -> Failure {
    let is_evidence = failure
        .saved
        .as_ref()
        .is_some_and(|p| p.extension().is_some_and(|e| e == "json"));
    if failure.exit == Exit::Invalid && is_evidence {
        failure.exit = Exit::Alarm;
    }
    failure
}

pub(super) fn account(desk: &Desk<'_>, id: &str) -> Result<OwnAccount, Failure> {
    let directory = desk.memory.directory()?;
    directory
        .accounts
        .get(id)
        .cloned()
        .ok_or_else(|| Failure::internal("state-damaged", "the identity vanished from the memory"))
}

/// Every version since the last check, each held against the one before, so that what was changed back shows too.
fn walk_account(
    desk: &Desk<'_>,
    own: &OwnAccount,
    records: &[(Epoch, AccountRecord)],
) -> Result<Vec<Finding>, Failure> {
    let directory = desk.memory.directory()?;
    let mut findings = Vec::new();
    let mut before: Option<&AccountRecord> = None;
    for (epoch, record) in records {
        if record.version.get() > own.walked && !directory.is_made_here(record.bytes()) {
            let subject = format!(
                "{} version {} (epoch {epoch}, {})",
                record.label(),
                record.version,
                record.kind.as_str()
            );
            findings.extend(
                judge(own, before, record)
                    .into_iter()
                    .map(|(reason, text, alarm)| {
                        if alarm {
                            Finding::alarm(&subject, reason, text, NOT_MINE)
                        } else {
                            Finding::notice(&subject, reason, text)
                        }
                    }),
            );
        }
        before = Some(record);
    }
    Ok(findings)
}

/// What a version that was not made here did: reason, words, whether it is an alarm.
fn judge(
    own: &OwnAccount,
    before: Option<&AccountRecord>,
    record: &AccountRecord,
) -> Vec<(&'static str, &'static str, bool)> {
    let known = before.map_or(own.identity.public.clone(), |b| b.identity.to_string());
    let differs = |part: fn(&AccountRecord, &AccountRecord) -> bool| before.is_some_and(|b| part(b, record));
    // A device that was only enrolled sees its owner's other devices come and go.
    let here = own.identity.is_here();
    let mine = |r: &AccountRecord| {
        let keys = own.devices.iter().filter(|d| d.private.is_some() && d.id != 0);
        keys.map(|d| &d.signing_key)
            .all(|k| r.devices.iter().any(|d| d.signing_key.to_string() == *k))
    };
    let removed = before.is_some_and(&mine) && !mine(record);
    let mut found = Vec::new();
    match record.kind {
        AccountKind::Notice => found.push((
            "recovery-announced",
            "the platform announced that another key will take this account over; keyglass identity publish --cancel-recovery stops it",
            true,
        )),
        AccountKind::Closed => found.push(("own-account-closed", "the account was closed, not by this device", true)),
        _ => {}
    }
    if record.identity.to_string() != known {
        found.push((
            "own-key-changed",
            "it has an identity key that this device does not know",
            true,
        ));
    }
    if removed && record.kind != AccountKind::Closed {
        found.push((
            "own-device-removed",
            "this device is no longer one of the account's",
            true,
        ));
    } else if differs(|a, b| a.devices != b.devices) && record.kind != AccountKind::Closed {
        found.push((
            "own-devices-changed",
            "devices were changed, not by this device",
            here,
        ));
    } else if before.is_none() && record.kind == AccountKind::Imported && mine(record) {
        found.push((
            "own-account-imported",
            "the platform brought your account here, with your keys; your next version confirms it",
            false,
        ));
    } else if before.is_none() && here && found.is_empty() {
        found.push(("own-version-unknown", "it was not made by this device", true));
    }
    if differs(|a, b| a.recovery_delay != b.recovery_delay) {
        found.push((
            "own-recovery-delay-changed",
            "the recovery delay was changed, not by this device",
            here,
        ));
    }
    if found.is_empty() {
        found.push((
            "own-version-elsewhere",
            "it was made by another device with the same keys",
            false,
        ));
    }
    found
}

/// Everything up to the newest version is in order, or the user says so.
fn settle_walk(desk: &mut Desk<'_>, id: &str, newest: &AccountRecord) -> Result<(), Failure> {
    let directory = desk.memory.directory_mut()?;
    if let Some(mark) = own::mark(newest.bytes()) {
        directory.made.remove(&mark);
    }
    if let Some(own) = directory.accounts.get_mut(id) {
        own.walked = newest.version.get();
        if own.identity.public == newest.identity.to_string() {
            own::sync(own, newest);
        }
    }
    Ok(())
}

/// One contact: a device change is a notice, another identity is an alarm until somebody looked at it.
pub(super) fn contact(desk: &mut Desk<'_>, name: &str) -> Result<Vec<Finding>, Failure> {
    let directory = desk.memory.directory()?;
    let Some(contact) = directory.contacts.get(name).cloned() else {
        return Ok(Vec::new());
    };
    let label = label::parse(&contact.label)?;
    let (known, vouched) = desk.know(PolicyIs::Demanded, &label, Depth::FromPin)?;
    let (_, changes) = lookup::pin(&mut desk.memory, &label, &known, &vouched)?;
    let after = desk
        .memory
        .directory()?
        .contacts
        .get(name)
        .cloned()
        .unwrap_or(contact.clone());
    let mut findings = Vec::new();
    if let Some(concern) = &after.concern {
        let failure = contacts::refuse(name, concern);
        let mut finding = Finding::failed(name, &failure);
        finding.text = contacts::concern_words(concern);
        if contact.concern.is_none() && concern.what != Worry::Mismatch {
            finding.saved = shown_in_full(desk, &label)?;
        }
        findings.push(finding);
    }
    findings.extend(changes.iter().filter_map(|c| change(name, c)));
    match known.account().map(|a| a.chain().state()) {
        Some(AccountState::Live) => {}
        _ => {
            let report = lookup::describe(&label, &known);
            findings.push(Finding {
                exit: report.exit,
                reason: report.reason,
                ..Finding::good(name, report.headline)
            });
        }
    }
    if findings.is_empty() {
        let how = match &after.verified {
            Some(v) => format!("unchanged, verified {}", v.how.words()),
            None => "unchanged, never compared".to_owned(),
        };
        findings.push(Finding::good(name, how));
    }
    Ok(findings)
}

/// The whole history is kept, so that others can see what was shown.
fn shown_in_full(desk: &mut Desk<'_>, label: &Label) -> Result<Option<String>, Failure> {
    desk.ask(PolicyIs::Reported, |s, d| {
        resolve::resolve(s, d, label, Depth::Whole)
    })?;
    let saved = desk.keep_shown(label, "contact-identity-changed")?;
    Ok(saved.map(|p| p.display().to_string()))
}

/// Identity and account are concerns, not notices.
fn change(name: &str, change: &Change) -> Option<Finding> {
    let why = change.why;
    let (reason, text) = match change.what {
        "devices" => ("contact-devices-changed", format!("the devices changed ({why})")),
        "recovery-delay" => (
            "contact-recovery-delay-changed",
            format!("the recovery delay changed ({why})"),
        ),
        "recovery-announced" => (
            "contact-recovery-announced",
            "the platform announced that another key will take this account over".to_owned(),
        ),
        "recovery-stopped" => (
            "contact-recovery-stopped",
            "the owner stopped the recovery that was announced".to_owned(),
        ),
        _ => return None,
    };
    Some(Finding::notice(name, reason, text))
}
