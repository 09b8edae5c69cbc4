//! `identity`: one's own account.

use std::collections::BTreeMap;

use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{
    AccountBody, AccountKind, AccountRecord, AccountState, DeviceUses, IdentityKey, KeyAnnouncement,
    MAX_RECOVERY_DELAY, Role,
};
use keyglass_protocol::verify::AuthorisedAccount;
use serde_json::json;

use super::{close, recover, transport};
use crate::args;
use crate::clock;
use crate::context::Context;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::own;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::Known;
use crate::state::{Directory, KeyFile, OwnAccount, Purpose};
use crate::submit::{self, Sent, Update};

/// `keyglass identity …`.
pub(super) fn run(context: &Context, args: &args::Identity) -> Outcome {
    match args {
        args::Identity::New {
            account,
            recovery_delay,
        } => new(context, account, *recovery_delay),
        args::Identity::Show(which) => show(context, which.account.as_deref()),
        args::Identity::Publish(args) => publish(context, &args.publish, args.cancel_recovery),
        args::Identity::Rotate(args) => rotate(context, args),
        args::Identity::Recover(args) => recover::run(context, args),
        args::Identity::Close { yes, publish } => close::close(context, *yes, publish),
        args::Identity::Export { file, which } => transport::export(context, file, which),
        args::Identity::Import { file } => transport::import(context, file),
    }
}

fn new(context: &Context, account: &str, recovery_delay: u32) -> Outcome {
    let label = own::label(account.strip_prefix("account:").unwrap_or(account))?;
    if recovery_delay > MAX_RECOVERY_DELAY {
        return Err(Failure::usage(
            "recovery-delay-too-long",
            "a recovery is announced at most 30 days ahead",
        ));
    }
    let mut memory = context.memory()?;
    let id = label.name().to_owned();
    if memory.directory()?.accounts.contains_key(&id) {
        return Err(Failure::usage(
            "identity-exists",
            format!("there is an identity for {label} on this device"),
        )
        .next("keyglass identity show"));
    }
    let identity = KeyFile::create(&memory.home, Purpose::Signing)?;
    let device = own::new_device(&memory.home, 1, DeviceUses::DM_AND_CALL)?;
    let account = OwnAccount {
        identity: identity.clone(),
        recovery_delay,
        devices: vec![device],
        published: None,
        created: clock::now().get(),
        walked: 0,
        aliases: BTreeMap::new(),
    };
    memory.directory_mut()?.accounts.insert(id, account);
    memory.save()?;
    let keys = memory.home.directory("keys")?;
    Ok(Report::new(
        "identity-created",
        format!("a new identity for {label}: {}", identity.public),
    )
    .line("private keys", keys.display().to_string())
    .line("next", "keyglass identity publish")
    .json("account", label.as_str())
    .json("identity_key", identity.public)
    .note("who has the files with the private keys is you: keep a backup where nobody else reads it"))
}

fn show(context: &Context, id: Option<&str>) -> Outcome {
    let memory = context.memory()?;
    let directory = memory.directory()?;
    let (id, own) = own::choose(directory, id)?;
    let label = own::label(&id)?;
    let state = match (own.published, directory.pending.get(label.as_str())) {
        (_, Some(pending)) => format!("version {} is on its way", pending.version),
        (Some(version), None) => format!("version {version} was verified in the log"),
        (None, None) => "not published yet: keyglass identity publish".to_owned(),
    };
    let mut report = Report::new("identity", format!("{label}: {}", own.identity.public))
        .line("published", state)
        .line("recovery", recovery(own.recovery_delay))
        .json("account", label.as_str())
        .json("identity_key", own.identity.public.clone())
        .json("published_version", own.published)
        .json("pending", directory.pending.contains_key(label.as_str()))
        .json("recovery_delay_seconds", own.recovery_delay);
    let mut list = Vec::new();
    for device in own.devices.iter().filter(|d| d.id != 0) {
        let uses = match device.uses {
            1 => "dm",
            2 => "call",
            _ => "dm+call",
        };
        let here = if device.private.is_some() {
            "keys on this machine"
        } else {
            "keys elsewhere"
        };
        report.body.push_str(&format!(
            "  device {}  {uses}, {here}\n    x25519  {}\n    ed25519 {}\n",
            device.id, device.dh_key, device.signing_key
        ));
        list.push(json!({
            "id": device.id, "uses": uses, "dh_key": device.dh_key, "signing_key": device.signing_key,
            "private_here": device.private.is_some(),
        }));
    }
    for other in directory.accounts.keys().filter(|k| **k != id) {
        report = report.note(format!("also on this device: account:{other}"));
    }
    Ok(report
        .json("devices", list)
        .note("from memory; keyglass lookup shows what the directory says now"))
}

fn recovery(delay: u32) -> String {
    match delay {
        0 => "at once (no notice is needed)".to_owned(),
        seconds => format!(
            "announced {} ahead",
            clock::roughly(u64::from(seconds).saturating_mul(1000))
        ),
    }
}

fn publish(context: &Context, args: &args::Publish, cancel: bool) -> Outcome {
    let mut desk = Desk::open(context)?;
    let (id, _) = own::choose(desk.memory.directory()?, args.which.account.as_deref())?;
    let label = own::label(&id)?;
    submit::settle(&mut desk, &label)?;
    let (known, vouched) = submit::current(&mut desk, &label)?;
    let own = desk
        .memory
        .directory()?
        .accounts
        .get(&id)
        .cloned()
        .ok_or_else(gone)?;
    if let Some(account) = known.account() {
        let record = ours(&desk, account)?;
        let mut synced = own;
        own::sync(&mut synced, &record);
        if record.kind == AccountKind::Notice {
            return cancel_recovery(&mut desk, &id, synced, &record, (cancel, !args.no_wait));
        }
        desk.memory.directory_mut()?.accounts.insert(id, synced);
        desk.memory.save()?;
        let report = Report::new(
            "up-to-date",
            format!(
                "VERIFIED IN THE LOG: {label} is published, version {}",
                record.version
            ),
        )
        .json("label", label.as_str())
        .json("version", record.version.get());
        return Ok(vouched.describe(desk.memory.directory()?, report));
    }
    let body = first_body(desk.memory.directory()?, &id, &own)?;
    let key = own
        .identity
        .open(&desk.memory.home, Purpose::Signing)?
        .signing_key();
    let record = body.sign(&[(Role::Identity, &key)]).map_err(|e| unsignable(&e))?;
    send(&mut desk, &id, own, &record, "is published", !args.no_wait)
}

/// An ordinary version above a notice stops the recovery that it announces.
fn cancel_recovery(
    desk: &mut Desk<'_>,
    id: &str,
    account: OwnAccount,
    notice: &AccountRecord,
    (cancel, wait): (bool, bool),
) -> Outcome {
    if !cancel {
        let failed = format!(
            "the platform announced that another key will take {} over",
            notice.label()
        );
        return Err(Failure::new(Exit::Alarm, "recovery-announced", failed)
            .checked("the newest version of your account, in the log and authorised")
            .meaning("you asked for a recovery on another device, or somebody else did in your name")
            .next("keyglass identity publish --cancel-recovery stops it"));
    }
    // Whoever stops a recovery has seen its notice.
    desk.memory
        .directory_mut()?
        .made
        .extend(own::mark(notice.bytes()));
    send_devices(desk, id, account, notice, "stopped the recovery", wait)
}

fn rotate(context: &Context, args: &args::Publish) -> Outcome {
    let mut desk = Desk::open(context)?;
    let (id, own, newest) = published(&mut desk, args.which.account.as_deref())?;
    let home = &desk.memory.home;
    let old = own.identity.open(home, Purpose::Signing)?.signing_key();
    let new = KeyFile::create(home, Purpose::Signing)?;
    let new_key = new.open(home, Purpose::Signing)?.signing_key();
    let mut body = next_body(&newest, &own)?;
    body.identity = IdentityKey::from(&new_key);
    let record = body
        .sign(&[(Role::Identity, &new_key), (Role::PreviousIdentity, &old)])
        .map_err(|e| unsignable(&e))?;
    let becomes = OwnAccount { identity: new, ..own };
    let report = send(
        &mut desk,
        &id,
        becomes,
        &record,
        "has a new identity key",
        !args.no_wait,
    )?;
    Ok(report
        .json("identity_key", record.identity.to_string())
        .note("your contacts see that your identity changed: compare safety numbers again"))
}

/// Signs and sends a version with other devices; used by `device`.
pub(super) fn send_devices(
    desk: &mut Desk<'_>,
    id: &str,
    own: OwnAccount,
    newest: &AccountRecord,
    what: &str,
    wait: bool,
) -> Outcome {
    let key = own
        .identity
        .open(&desk.memory.home, Purpose::Signing)?
        .signing_key();
    let record = next_body(newest, &own)?
        .sign(&[(Role::Identity, &key)])
        .map_err(|e| unsignable(&e))?;
    send(desk, id, own, &record, what, wait)
}

/// The own account as it stands in the log: verified, live, and with the key on this device.
pub(super) fn published(
    desk: &mut Desk<'_>,
    id: Option<&str>,
) -> Result<(String, OwnAccount, AccountRecord), Failure> {
    let (id, _) = own::choose(desk.memory.directory()?, id)?;
    let label = own::label(&id)?;
    submit::settle(desk, &label)?;
    let (known, _) = submit::current(desk, &label)?;
    let mut own = desk
        .memory
        .directory()?
        .accounts
        .get(&id)
        .cloned()
        .ok_or_else(gone)?;
    let Known::Account(account) = &known else {
        return Err(
            Failure::missing("not-published", format!("{label} is not in the directory yet"))
                .next("keyglass identity publish"),
        );
    };
    let record = ours(desk, account)?;
    own::sync(&mut own, &record);
    Ok((id, own, record))
}

fn gone() -> Failure {
    Failure::internal("state-damaged", "the identity vanished from the memory")
}

/// The newest record, if the account is live and its key is the one on this device.
fn ours(desk: &Desk<'_>, account: &AuthorisedAccount) -> Result<AccountRecord, Failure> {
    let newest = account.newest();
    if account.chain().state() != AccountState::Live {
        return Err(Failure::new(
            Exit::Unverifiable,
            "closed",
            format!("{} is closed", newest.label()),
        ));
    }
    desk.demand_own_key(&newest.label(), newest)?;
    Ok(newest.clone())
}

fn first_body(directory: &Directory, id: &str, own: &OwnAccount) -> Result<AccountBody, Failure> {
    let damaged = |what: &str| {
        Failure::internal(
            "state-damaged",
            format!("the {what} in the memory cannot be read"),
        )
    };
    let keyglass_protocol::label::Label::Account(account) = own::label(id)? else {
        return Err(damaged("account"));
    };
    Ok(AccountBody {
        kind: AccountKind::Created,
        origin: directory
            .origin
            .parse::<Origin>()
            .map_err(|_| damaged("origin"))?,
        account,
        version: KeyVersion::FIRST,
        previous: RecordHash::ZERO,
        identity: own.identity.public.parse().map_err(|_| damaged("identity key"))?,
        recovery_delay: own.recovery_delay,
        announced: KeyAnnouncement::NONE,
        devices: own::record_devices(&own.devices)?,
        extension: Vec::new(),
    })
}

pub(super) fn next_body(newest: &AccountRecord, own: &OwnAccount) -> Result<AccountBody, Failure> {
    let version = newest
        .version
        .next()
        .ok_or_else(|| Failure::internal("version-limit", "no version is left"))?;
    Ok(AccountBody {
        kind: AccountKind::Owner,
        version,
        previous: newest.hash(),
        announced: KeyAnnouncement::NONE,
        devices: own::record_devices(&own.devices)?,
        ..newest.body().clone()
    })
}

pub(super) fn send(
    desk: &mut Desk<'_>,
    id: &str,
    becomes: OwnAccount,
    record: &AccountRecord,
    what: &str,
    wait: bool,
) -> Outcome {
    let label = record.label();
    let update = Update {
        label: label.clone(),
        record: record.bytes().to_vec(),
        version: record.version,
        becomes: Some((id.to_owned(), becomes)),
    };
    let sent: Sent = submit::send(desk, update, wait)?;
    submit::report(desk, &label, what, record.version, &sent)
}

pub(super) fn unsignable(error: &keyglass_protocol::record::RecordError) -> Failure {
    Failure::malformed(error.reason(), format!("no such record can be made: {error}"))
}
