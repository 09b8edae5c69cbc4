//! `handle`: names that point to the account.

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{AliasBody, AliasKind, AliasRecord, Holder, PreviousHolder, Role};

use super::identity;
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
    }
}

fn claim(context: &Context, alias: &Label, args: &args::Publish) -> Outcome {
    let mut desk = Desk::open(context)?;
    let (_, own, account) = identity::published(&mut desk, args.which.account.as_deref())?;
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
    send(&mut desk, &body, Role::Identity, &key, &what, !args.no_wait)
}

fn release(context: &Context, alias: &Label, args: &args::Publish) -> Outcome {
    let mut desk = Desk::open(context)?;
    let (_, own, account) = identity::published(&mut desk, args.which.account.as_deref())?;
    submit::settle(&mut desk, alias)?;
    let (known, _) = submit::current(&mut desk, alias)?;
    let shown = label::show(alias);
    let before = match &known {
        Known::Alias(before, holder) if holder.newest().account == account.account => before.newest().clone(),
        _ => {
            return Err(
                Failure::new(Exit::Invalid, "alias-not-held", format!("{shown} is not yours"))
                    .checked("the handle's newest version, in the log and authorised"),
            );
        }
    };
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
    send(
        &mut desk,
        &body,
        Role::PreviousIdentity,
        &key,
        "is released",
        !args.no_wait,
    )
}

fn next_version(before: Option<&AliasRecord>) -> Result<KeyVersion, Failure> {
    match before {
        None => Ok(KeyVersion::FIRST),
        Some(record) => record
            .version
            .next()
            .ok_or_else(|| Failure::internal("version-limit", "no version is left")),
    }
}

fn send(
    desk: &mut Desk<'_>,
    body: &AliasBody,
    role: Role,
    key: &ed25519_dalek::SigningKey,
    what: &str,
    wait: bool,
) -> Outcome {
    let record = body
        .sign(&[(role, key)])
        .map_err(|e| Failure::malformed(e.reason(), format!("no such record can be made: {e}")))?;
    let update = Update {
        label: body.alias.clone(),
        record: record.bytes().to_vec(),
        version: body.version,
        becomes: None,
    };
    let sent = submit::send(desk, update, wait)?;
    submit::report(desk, &body.alias, what, body.version, &sent)
}
