//! `handle`: names that point to the account.

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{
    AccountRecord, AliasBody, AliasKind, AliasRecord, Holder, PreviousHolder, RecordError, Role,
};

use super::{identity, transfer};
use crate::args;
use crate::context::Context;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::label;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::Known;
use crate::state::Purpose;
use crate::submit::{self, Update};

/// `keyglass handle …`.
pub(super) fn run(context: &Context, args: &args::Handle) -> Outcome {
    match args {
        args::Handle::Claim { handle, publish } => claim(context, &label::parse_handle(handle)?, publish),
        args::Handle::Release { handle, publish } => release(context, &label::parse_handle(handle)?, publish),
        args::Handle::Transfer {
            handle,
            to,
            offer,
            accept,
            publish,
        } => match accept {
            Some(file) => transfer::accept(context, file, publish),
            None => {
                let alias = label::parse_handle(handle.as_deref().unwrap_or_default())?;
                let to = to.as_deref().unwrap_or_default();
                transfer::offer(context, &alias, to, offer.as_deref(), publish)
            }
        },
    }
}

fn claim(context: &Context, alias: &Label, args: &args::Publish) -> Outcome {
    let mut desk = Desk::open(context)?;
    let (id, own, account) = identity::published(&mut desk, args.which.account.as_deref())?;
    submit::settle(&mut desk, alias)?;
    let (known, vouched) = submit::current(&mut desk, alias)?;
    let shown = label::show(alias);
    let before = match &known {
        Known::Alias(_, holder) if holder.newest().account == account.account => {
            let report = Report::new(
                "up-to-date",
                format!("VERIFIED IN THE LOG: {shown} is yours already"),
            );
            return Ok(vouched.describe(desk.memory.directory()?, report.json("label", alias.as_str())));
        }
        Known::Alias(..) => {
            return Err(Failure::new(
                Exit::Invalid,
                "alias-not-released",
                format!("somebody else holds {shown}"),
            )
            .checked("the handle's newest version, in the log and authorised")
            .next("choose another handle, or ask its holder to release it"));
        }
        other => other.alias().map(|a| a.newest().clone()),
    };
    let body = AliasBody {
        kind: AliasKind::Claim,
        origin: account.origin.clone(),
        alias: alias.clone(),
        version: next_version(before.as_ref())?,
        previous: before.as_ref().map_or(RecordHash::ZERO, AliasRecord::hash),
        holder: Some(Holder {
            account: account.account.clone(),
            version: account.version,
            key: account.identity,
        }),
        previous_holder: None,
    };
    let key = own
        .identity
        .open(&desk.memory.home, Purpose::Signing)?
        .signing_key();
    let what = format!("points to {}", account.label());
    let record = body.sign(&[(Role::Identity, &key)]).map_err(|e| unsignable(&e))?;
    send(&mut desk, &id, &record, &what, !args.no_wait)
}

fn release(context: &Context, alias: &Label, args: &args::Publish) -> Outcome {
    let mut desk = Desk::open(context)?;
    let (id, own, account) = identity::published(&mut desk, args.which.account.as_deref())?;
    submit::settle(&mut desk, alias)?;
    let before = held(&mut desk, alias, &account)?;
    let body = AliasBody {
        kind: AliasKind::Release,
        origin: account.origin.clone(),
        alias: alias.clone(),
        version: next_version(Some(&before))?,
        previous: before.hash(),
        holder: None,
        previous_holder: Some(PreviousHolder {
            version: account.version,
            key: account.identity,
        }),
    };
    let key = own
        .identity
        .open(&desk.memory.home, Purpose::Signing)?
        .signing_key();
    let record = body
        .sign(&[(Role::PreviousIdentity, &key)])
        .map_err(|e| unsignable(&e))?;
    send(&mut desk, &id, &record, "is released", !args.no_wait)
}

/// The newest version of a handle that this account holds.
pub(super) fn held(
    desk: &mut Desk<'_>,
    alias: &Label,
    account: &AccountRecord,
) -> Result<AliasRecord, Failure> {
    let (known, _) = submit::current(desk, alias)?;
    match &known {
        Known::Alias(before, holder) if holder.newest().account == account.account => {
            Ok(before.newest().clone())
        }
        _ => Err(Failure::new(
            Exit::Invalid,
            "alias-not-held",
            format!("{} is not yours", label::show(alias)),
        )
        .checked("the handle's newest version, in the log and authorised")),
    }
}

pub(super) fn next_version(before: Option<&AliasRecord>) -> Result<KeyVersion, Failure> {
    match before {
        None => Ok(KeyVersion::FIRST),
        Some(record) => record
            .version
            .next()
            .ok_or_else(|| Failure::internal("version-limit", "no version is left")),
    }
}

pub(super) fn unsignable(error: &RecordError) -> Failure {
    Failure::malformed(error.reason(), format!("no such record can be made: {error}"))
}

/// Sends a version of a handle that an own account signed.
pub(super) fn send(desk: &mut Desk<'_>, id: &str, record: &AliasRecord, what: &str, wait: bool) -> Outcome {
    let label = record.label();
    let update = Update {
        label: label.clone(),
        record: record.bytes().to_vec(),
        version: record.version,
        becomes: None,
    };
    let sent = submit::send(desk, update, wait)?;
    // A name that this device took is watched from now on.
    let held = record.holder.as_ref().is_some_and(|h| h.account.as_str() == id);
    if let Some(own) = desk.memory.directory_mut()?.accounts.get_mut(id)
        && held
    {
        own.aliases
            .insert(label.as_str().to_owned(), record.version.get());
        desk.memory.save()?;
    }
    submit::report(desk, &label, what, record.version, &sent)
}
