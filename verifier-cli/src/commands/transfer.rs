//! `handle transfer`: the holder offers a handle, the new holder accepts; both sign the same record.

use std::path::Path;

use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::label::Label;
use keyglass_protocol::record::{
    AccountState, AliasBody, AliasKind, AliasRecord, Holder, PreviousHolder, Role, RoleSignature,
};

use super::{handle, identity};
use crate::args;
use crate::context::Context;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::label;
use crate::own;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::Known;
use crate::saved::read_capped;
use crate::state::{Purpose, write_new};
use crate::submit;

const HEADER: &str = "keyglass/handle-transfer/v1";
/// Longest offer in bytes.
const MAX_OFFER: usize = 64 * 1024;

/// The holder signs a transfer to the newest key of another account.
pub(super) fn offer(
    context: &Context,
    alias: &Label,
    to: &str,
    file: Option<&Path>,
    args: &args::Publish,
) -> Outcome {
    let mut desk = Desk::open(context)?;
    let (_, own, account) = identity::published(&mut desk, args.which.account.as_deref())?;
    submit::settle(&mut desk, alias)?;
    let before = handle::held(&mut desk, alias, &account)?;
    let to = label::parse(to)?;
    let (known, _) = submit::current(&mut desk, &to)?;
    let live = known
        .account()
        .filter(|a| a.chain().state() == AccountState::Live);
    let receiver = live.map(|a| a.newest().clone()).ok_or_else(|| {
        Failure::missing(
            "transfer-to-nobody",
            format!("{} leads to no account with a key", label::show(&to)),
        )
    })?;
    if receiver.account == account.account {
        return Err(Failure::usage("transfer-to-self", "the handle is yours already"));
    }
    let body = AliasBody {
        kind: AliasKind::Transfer,
        origin: account.origin.clone(),
        alias: alias.clone(),
        version: handle::next_version(Some(&before))?,
        previous: before.hash(),
        holder: Some(Holder {
            account: receiver.account.clone(),
            version: receiver.version,
            key: receiver.identity,
        }),
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
        .map_err(|e| handle::unsignable(&e))?;
    desk.memory
        .directory_mut()?
        .made
        .extend(own::mark(record.bytes()));
    desk.memory.save()?;
    let text = format!("{HEADER}\n{}\n", base64_encode(record.bytes()));
    let shown = label::show(alias);
    let report = Report::new(
        "transfer-offered",
        format!("OFFERED: {shown} to {}", receiver.label()),
    )
    .line("their key", receiver.identity.to_string())
    .json("label", alias.as_str())
    .json("to", receiver.label().as_str())
    .json("offer", text.clone())
    .note("nothing has changed yet: it is theirs when they run keyglass handle transfer --accept FILE");
    let Some(path) = file else {
        let mut report = report;
        report.body = text;
        return Ok(report);
    };
    write_new(path, text.as_bytes()).map_err(|e| {
        Failure::usage(
            "save-failed",
            format!("{} cannot be written: {e}", path.display()),
        )
    })?;
    let saved = path.display().to_string();
    Ok(report.line("saved", saved.clone()).json("saved", saved))
}

/// The new holder signs too, and sends it.
pub(super) fn accept(context: &Context, file: &Path, args: &args::Publish) -> Outcome {
    let offered = read(file)?;
    let alias = offered.alias.clone();
    let mut desk = Desk::open(context)?;
    let (id, own, account) = identity::published(&mut desk, args.which.account.as_deref())?;
    submit::settle(&mut desk, &alias)?;
    let refuse = |reason, why: String| {
        Failure::new(Exit::Invalid, reason, why)
            .checked("the offer against the handle's newest version and your account")
            .meaning("it was made for somebody else, or something changed since it was made")
            .next("ask the holder for a new offer")
    };
    let mine = offered
        .holder
        .as_ref()
        .is_some_and(|h| h.account == account.account && h.key == account.identity);
    if !mine || offered.kind != AliasKind::Transfer {
        return Err(refuse(
            "transfer-not-yours",
            "the offer is not for your account and its newest key".to_owned(),
        ));
    }
    let (known, _) = submit::current(&mut desk, &alias)?;
    if !matches!(&known, Known::Alias(before, _) if before.newest().hash() == offered.previous) {
        return Err(refuse(
            "transfer-outdated",
            format!(
                "the offer does not follow the newest version of {}",
                label::show(&alias)
            ),
        ));
    }
    let key = own
        .identity
        .open(&desk.memory.home, Purpose::Signing)?
        .signing_key();
    let signed = offered
        .body()
        .sign(&[(Role::Identity, &key)])
        .map_err(|e| handle::unsignable(&e))?;
    let signatures: Vec<RoleSignature> = [signed.signatures(), offered.signatures()].concat();
    let record = offered.body().with_signatures(&signatures).map_err(|e| {
        refuse(
            "transfer-malformed",
            format!("the offer is not signed as it must be: {e}"),
        )
    })?;
    let what = format!("points to {}", account.label());
    handle::send(&mut desk, &id, &record, &what, !args.no_wait)
}

fn read(path: &Path) -> Result<AliasRecord, Failure> {
    let bad = |why: String| {
        Failure::malformed(
            "transfer-malformed",
            format!("{} is no offer of a handle: {why}", path.display()),
        )
        .next("keyglass handle transfer HANDLE --to LABEL --offer FILE makes one")
    };
    let bytes = read_capped(path, MAX_OFFER)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("not UTF-8".into()))?;
    let body = text
        .strip_prefix(HEADER)
        .ok_or_else(|| bad("another file".into()))?;
    let bytes = base64_decode(body.trim()).map_err(|e| bad(e.to_string()))?;
    AliasRecord::decode(&bytes).map_err(|e| bad(e.to_string()))
}
