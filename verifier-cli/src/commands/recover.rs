//! `identity recover`: a lost account comes back with a new key, by its owner and the platform's recovery desk together.
//!
//! If the account states a delay, the desk first announces the new key, for all to see, and the owner of the old key
//! can stop it until the delay has passed.

use std::path::Path;

use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::label::Label;
use keyglass_protocol::record::{
    AccountBody, AccountKind, AccountRecord, DeviceUses, IdentityKey, KeyAnnouncement, Role, RoleSignature,
};
use zeroize::Zeroizing;

use super::identity;
use crate::args;
use crate::clock;
use crate::context::Context;
use crate::desk::{Desk, Vouched};
use crate::exit::Exit;
use crate::own;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::Known;
use crate::saved::read_capped;
use crate::secret::Secret;
use crate::state::{KeyFile, OwnAccount, Purpose, write_new};
use crate::submit::{self, Update};

const HEADER: &str = "keyglass/recovery-request/v1";
/// Longest request in bytes.
const MAX_REQUEST: usize = 64 * 1024;

/// `keyglass identity recover`.
pub(super) fn run(context: &Context, args: &args::Recover) -> Outcome {
    match (&args.grant, &args.recovery_key) {
        (Some(request), Some(key)) => grant(context, request, key, &args.publish),
        _ => request(context, args),
    }
}

/// The account's newest version in the log.
fn newest(desk: &mut Desk<'_>, label: &Label) -> Result<(AccountRecord, Vouched), Failure> {
    match submit::current(desk, label)? {
        (Known::Account(account), vouched) => Ok((account.newest().clone(), vouched)),
        _ => Err(
            Failure::missing("not-published", format!("{label} is not in the directory"))
                .next("keyglass identity new --account ID makes a new account"),
        ),
    }
}

/// The owner: a new key, and a request for the desk; or the end, when the log shows the new key.
fn request(context: &Context, args: &args::Recover) -> Outcome {
    let account = args.publish.which.account.as_deref().ok_or_else(|| {
        Failure::usage("account-missing", "which account is to be recovered?")
            .next("name it with --account ID")
    })?;
    let label = own::label(account.strip_prefix("account:").unwrap_or(account))?;
    let id = label.name().to_owned();
    let mut desk = Desk::open(context)?;
    let (newest, vouched) = newest(&mut desk, &label)?;
    let candidate = candidate(&mut desk, &id, &newest)?;
    if candidate.identity.public == newest.identity.to_string() {
        return recovered(&mut desk, &id, candidate, &newest, &vouched);
    }
    let key = candidate
        .identity
        .open(&desk.memory.home, Purpose::Signing)?
        .signing_key();
    let body = AccountBody {
        kind: AccountKind::Recovery,
        identity: IdentityKey::from(&key),
        devices: own::record_devices(&candidate.devices)?,
        announced: KeyAnnouncement::NONE,
        ..identity::next_body(&newest, &candidate)?
    };
    let record = body
        .sign(&[(Role::Identity, &key)])
        .map_err(|e| identity::unsignable(&e))?;
    // Only what the desk makes of it enters the log; signatures are part of a record's hash.
    let text = format!("{HEADER}\n{}\n", base64_encode(record.bytes()));
    let announced = newest.kind == AccountKind::Notice && newest.announced == body.identity.announcement();
    let how = match (newest.recovery_delay, announced) {
        (0, _) => "the recovery desk signs it, then run this again".to_owned(),
        (delay, false) => format!(
            "the desk announces it first; {} later make a new request",
            days(delay)
        ),
        (delay, true) => format!(
            "announced; the desk can sign it {} after the announcement",
            days(delay)
        ),
    };
    let report = Report::new(
        "recovery-requested",
        format!("REQUESTED: {label} with the new key {}", body.identity),
    )
    .line("next", how)
    .json("account", label.as_str())
    .json("identity_key", body.identity.to_string())
    .json("announced", announced)
    .json("recovery_delay_seconds", newest.recovery_delay)
    .json("request", text.clone());
    let mut report = vouched.describe(desk.memory.directory()?, report);
    if let Some(path) = &args.request {
        write_new(path, text.as_bytes()).map_err(|e| {
            Failure::usage(
                "save-failed",
                format!("{} cannot be written: {e}", path.display()),
            )
        })?;
        let shown = path.display().to_string();
        return Ok(report.line("saved", shown.clone()).json("saved", shown));
    }
    report.body = text;
    Ok(report)
}

fn days(seconds: u32) -> String {
    clock::roughly(u64::from(seconds).saturating_mul(1000))
}

/// The keys that are to take the account over, made once.
fn candidate(desk: &mut Desk<'_>, id: &str, newest: &AccountRecord) -> Result<OwnAccount, Failure> {
    let directory = desk.memory.directory()?;
    if let Some(candidate) = directory.recoveries.get(id) {
        return Ok(candidate.clone());
    }
    let here = directory.accounts.get(id).filter(|a| a.identity.is_here());
    if here.is_some_and(|a| a.identity.public == newest.identity.to_string()) {
        return Err(Failure::usage("identity-here", "this device has the account's key: nothing is lost")
            .next("keyglass identity rotate replaces it; keyglass identity publish --cancel-recovery stops a recovery"));
    }
    let home = &desk.memory.home;
    let id_of_device = newest
        .devices
        .iter()
        .map(|d| d.id)
        .max()
        .unwrap_or_default()
        .saturating_add(1);
    let candidate = OwnAccount {
        identity: KeyFile::create(home, Purpose::Signing)?,
        recovery_delay: newest.recovery_delay,
        devices: vec![own::new_device(home, id_of_device, DeviceUses::DM_AND_CALL)?],
        published: None,
        created: clock::now().get(),
        walked: 0,
        aliases: std::collections::BTreeMap::new(),
    };
    let recoveries = &mut desk.memory.directory_mut()?.recoveries;
    recoveries.insert(id.to_owned(), candidate.clone());
    desk.memory.save()?;
    Ok(candidate)
}

/// The log shows the new key: the account is this device's again.
fn recovered(
    desk: &mut Desk<'_>,
    id: &str,
    mut own: OwnAccount,
    newest: &AccountRecord,
    vouched: &Vouched,
) -> Outcome {
    own::sync(&mut own, newest);
    own.walked = newest.version.get();
    let directory = desk.memory.directory_mut()?;
    if let Some(before) = directory.accounts.get(id) {
        own.aliases.clone_from(&before.aliases);
    }
    directory.recoveries.remove(id);
    directory.accounts.insert(id.to_owned(), own);
    desk.memory.save()?;
    let headline = format!(
        "VERIFIED IN THE LOG: account:{id} is yours again, version {}",
        newest.version
    );
    let report = Report::new("recovered", headline)
        .json("account", format!("account:{id}"))
        .json("version", newest.version.get())
        .json("identity_key", newest.identity.to_string())
        .note("your contacts see that your identity changed by recovery: compare safety numbers again");
    Ok(vouched.describe(desk.memory.directory()?, report))
}

/// The desk: announces the new key if the account states a delay, else signs the recovery; sends either.
fn grant(context: &Context, request: &Path, key: &Path, args: &args::Publish) -> Outcome {
    let wanted = read(request)?;
    let key = recovery_key(key)?.signing_key();
    let label = wanted.label();
    let mut desk = Desk::open(context)?;
    let (newest, _) = newest(&mut desk, &label)?;
    let announcement = wanted.identity.announcement();
    let announced = newest.kind == AccountKind::Notice && newest.announced == announcement;
    let needs_notice = newest.recovery_delay != 0 || newest.kind == AccountKind::Notice;
    let (record, what) = if needs_notice && !announced {
        let body = AccountBody {
            kind: AccountKind::Notice,
            version: newest
                .version
                .next()
                .ok_or_else(|| Failure::internal("version-limit", "no version is left"))?,
            previous: newest.hash(),
            announced: announcement,
            ..newest.body().clone()
        };
        let notice = body
            .sign(&[(Role::Recovery, &key)])
            .map_err(|e| identity::unsignable(&e))?;
        (notice, "announces a recovery")
    } else {
        (cosigned(&wanted, &newest, &key)?, "is recovered")
    };
    let update = Update {
        label: label.clone(),
        record: record.bytes().to_vec(),
        version: record.version,
        becomes: None,
    };
    let sent = submit::send(&mut desk, update, !args.no_wait)?;
    // The desk is not the owner: what it signs is not its own act.
    if let Some(mark) = own::mark(record.bytes()) {
        desk.memory.directory_mut()?.made.remove(&mark);
    }
    desk.memory.save()?;
    let report = submit::report(&desk, &label, what, record.version, &sent)?;
    Ok(if record.kind == AccountKind::Notice {
        report.note(format!(
            "the owner makes a new request in {}; until then whoever has the old key can stop it",
            days(newest.recovery_delay)
        ))
    } else {
        report.note("the owner runs keyglass identity recover once more")
    })
}

/// The owner's record with the desk's signature.
fn cosigned(
    wanted: &AccountRecord,
    newest: &AccountRecord,
    key: &ed25519_dalek::SigningKey,
) -> Result<AccountRecord, Failure> {
    if wanted.previous != newest.hash() {
        return Err(Failure::new(
            Exit::Invalid,
            "recovery-request-outdated",
            "the request does not follow the account's newest version",
        )
        .next("ask the owner for a new request: keyglass identity recover --account ID --request FILE"));
    }
    let by_desk = wanted
        .body()
        .sign(&[(Role::Recovery, key)])
        .map_err(|e| identity::unsignable(&e))?;
    let signatures: Vec<RoleSignature> = [wanted.signatures(), by_desk.signatures()].concat();
    wanted
        .body()
        .with_signatures(&signatures)
        .map_err(|e| identity::unsignable(&e))
}

fn read(path: &Path) -> Result<AccountRecord, Failure> {
    let bad = |why: String| {
        Failure::malformed(
            "recovery-request-malformed",
            format!("{} is no request: {why}", path.display()),
        )
        .next("keyglass identity recover --account ID --request FILE makes one")
    };
    let bytes = read_capped(path, MAX_REQUEST)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("not UTF-8".into()))?;
    let body = text
        .strip_prefix(HEADER)
        .ok_or_else(|| bad("another file".into()))?;
    let bytes = base64_decode(body.trim()).map_err(|e| bad(e.to_string()))?;
    let record = AccountRecord::decode(&bytes).map_err(|e| bad(e.to_string()))?;
    if record.kind != AccountKind::Recovery {
        return Err(bad("another kind of record".into()));
    }
    Ok(record)
}

/// The server's `recovery.key`, a signed-note private key, or 64 hex digits.
fn recovery_key(path: &Path) -> Result<Secret, Failure> {
    let bytes = Zeroizing::new(read_capped(path, 4096)?);
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    seed(text).ok_or_else(|| {
        Failure::malformed("recovery-key", format!("{} holds no signing key", path.display()))
            .next("it is the line in the server's keys/recovery.key")
    })
}

/// `PRIVATE+KEY+<name>+<key id>+<base64 of a type byte and the seed>`, or the seed in hex.
fn seed(text: &str) -> Option<Secret> {
    let Some(rest) = text.strip_prefix("PRIVATE+KEY+") else {
        let bytes = Zeroizing::new(hex::decode(text).ok()?);
        return Secret::from_slice(&bytes);
    };
    let typed = Zeroizing::new(base64_decode(rest.splitn(3, '+').nth(2)?).ok()?);
    Secret::from_slice(typed.get(1..)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_key_is_a_note_key_or_hex() {
        let typed = [[1; 1].as_slice(), &[0xfb; 32]].concat();
        let line = format!(
            "PRIVATE+KEY+keys.example/recovery+00c0ffee+{}",
            base64_encode(&typed)
        );
        assert!(line.matches('+').count() > 4, "its base64 has a plus too");
        for text in [line, "fb".repeat(32)] {
            assert_eq!(seed(&text).map(|s| *s.as_bytes()), Some([0xfb; 32]));
        }
        for text in ["", "PRIVATE+KEY+a+b", "PRIVATE+KEY+a+b+AAAA", "fbfb"] {
            assert!(seed(text).is_none(), "{text}");
        }
    }
}
