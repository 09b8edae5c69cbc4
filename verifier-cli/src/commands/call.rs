//! `call`: a device vouches for the key of a call, and the other side checks it.

use std::path::Path;

use keyglass_protocol::call::{
    CallBinding, CallError, CallExpectation, CallKey, CallParty, CallTerms, Direction,
};
use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::log;
use keyglass_protocol::record::AccountRecord;
use keyglass_protocol::verify::AuthorisedAccount;

use super::lookup;
use crate::args::{self, CallDirection};
use crate::clock;
use crate::contacts;
use crate::context::Context;
use crate::desk::{Desk, PolicyIs, Vouched};
use crate::exit::Exit;
use crate::label;
use crate::log_reader::Tiles;
use crate::own;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::Depth;
use crate::saved::read_capped;
use crate::state::{KeyFile, Purpose, write_new};

/// Largest binding in a file, base64.
const MAX_BINDING_FILE: usize = 4096;

/// `keyglass call …`.
pub(super) fn run(context: &Context, args: &args::Call) -> Outcome {
    match args {
        args::Call::Sign {
            terms,
            keys,
            device,
            valid,
            out,
        } => sign(context, terms, keys, (*device, *valid), out.as_deref()),
        args::Call::Verify { terms, file, keys } => verify(context, terms, file, keys),
    }
}

/// Both sides of a call, authorised just now.
struct Sides<'c> {
    desk: Desk<'c>,
    mine: AuthorisedAccount,
    yours: AuthorisedAccount,
    vouched: Vouched,
    /// This device's number in the account and its signing key.
    device: (u32, KeyFile),
}

fn sides<'c>(context: &'c Context, terms: &args::CallTerms) -> Result<Sides<'c>, Failure> {
    let mut desk = Desk::open(context)?;
    let directory = desk.memory.directory()?;
    let (id, account) = own::choose(directory, terms.which.account.as_deref())?;
    let (device, key) = account.call_device().ok_or_else(no_device)?;
    let device = (device.id, key.clone());
    let theirs = match directory.contacts.get(&terms.contact) {
        Some(contact) => label::parse(&contact.label)?,
        None => label::parse(&terms.contact)?,
    };
    let mut found = Vec::new();
    let mut newest = None;
    for label in [&own::label(&id)?, &theirs] {
        let (known, vouched) = desk.know(PolicyIs::Demanded, label, Depth::FromPin)?;
        lookup::pin(&mut desk.memory, label, &known, &vouched)?;
        desk.memory.save()?;
        let account = known.account().filter(|a| a.chain().live().is_some()).cloned();
        let account = account.ok_or_else(|| {
            let none = lookup::describe(label, &known);
            Failure::new(none.exit, none.reason, none.headline)
        })?;
        desk.demand_own_key(label, account.newest())?;
        found.push(account);
        newest = Some(vouched);
    }
    if let Some((name, contact)) = contacts::find(desk.memory.directory()?, &terms.contact, theirs.as_str())
        && let Some(concern) = &contact.concern
    {
        return Err(contacts::refuse(name, concern));
    }
    let (Ok([mine, yours]), Some(vouched)) = (<[AuthorisedAccount; 2]>::try_from(found), newest) else {
        return Err(Failure::internal("no-answer", "nothing was asked"));
    };
    Ok(Sides {
        desk,
        mine,
        yours,
        vouched,
        device,
    })
}

fn no_device() -> Failure {
    Failure::missing(
        "no-call-device",
        "no device for calls has its keys on this machine",
    )
    .next("keyglass device add --use call, or keyglass device enrol")
}

fn sign(
    context: &Context,
    args: &args::CallTerms,
    keys: &args::CallKeys,
    (device, valid): (Option<u32>, u64),
    out: Option<&Path>,
) -> Outcome {
    let call_id = call_id(&args.call_id)?;
    let key = key(keys)?.ok_or_else(|| {
        Failure::usage("no-call-key", "there is no key to vouch for")
            .next("give it with --dtls, --x25519 or --mls")
    })?;
    let sides = sides(context, args)?;
    let (mine, yours) = (sides.mine.newest(), sides.yours.newest());
    let leaf = sides.vouched.epoch.leaf();
    let party = |record: &AccountRecord, device| CallParty {
        account: record.account.clone(),
        version: record.version,
        device,
    };
    let terms = CallTerms {
        origin: mine.origin.clone(),
        call_id,
        signer: party(mine, sides.device.0),
        peer: party(yours, peer_device(yours, device)?),
        key,
        direction: direction(args.direction),
        not_after: clock::now().plus(valid.saturating_mul(1000)),
        epoch: leaf.epoch,
        leaf_hash: log::leaf_hash(&leaf.encode()),
    };
    let secret = sides.device.1.open(&sides.desk.memory.home, Purpose::Signing)?;
    let bytes = terms
        .sign(&secret.signing_key())
        .and_then(|b| b.encode())
        .map_err(|e| Failure::malformed(e.reason(), e.to_string()))?;
    let binding = base64_encode(&bytes);
    if let Some(path) = out {
        write_new(path, format!("{binding}\n").as_bytes()).map_err(|e| {
            Failure::usage(
                "save-failed",
                format!("{} cannot be written: {e}", path.display()),
            )
        })?;
    }
    let report = Report::new("call-signed", binding.clone())
        .json("binding", binding)
        .json("signer", mine.label().as_str())
        .json("device", sides.device.0)
        .json("peer", yours.label().as_str())
        .json("peer_device", terms.peer.device)
        .json("not_after_ms", terms.not_after.get());
    let report = report
        .line("signer", format!("{}, device {}", mine.label(), sides.device.0))
        .line("peer", format!("{}, device {}", yours.label(), terms.peer.device))
        .line("until", clock::utc(terms.not_after));
    Ok(sides.vouched.describe(sides.desk.memory.directory()?, report))
}

/// The other's device: the one that was named, or the only one for calls.
fn peer_device(record: &AccountRecord, wanted: Option<u32>) -> Result<u32, Failure> {
    let calls: Vec<u32> = record
        .devices
        .iter()
        .filter(|d| d.uses.call())
        .map(|d| d.id)
        .collect();
    match (wanted, calls.as_slice()) {
        (Some(id), list) if list.contains(&id) => Ok(id),
        (None, [only]) => Ok(*only),
        (_, []) => Err(Failure::missing(
            "call-no-device",
            format!("{} has no device for calls", record.label()),
        )),
        (_, list) => {
            let list = list.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            Err(Failure::usage(
                "call-which-device",
                format!("{} has the devices {list} for calls", record.label()),
            )
            .next("name the one that you talk to with --device ID"))
        }
    }
}

fn verify(context: &Context, args: &args::CallTerms, file: &Path, keys: &args::CallKeys) -> Outcome {
    let (call_id, wanted) = (call_id(&args.call_id)?, key(keys)?);
    let binding = read(file)?;
    let sides = sides(context, args)?;
    let expected = CallExpectation {
        origin: &sides.mine.newest().origin.clone(),
        call_id: &call_id,
        direction: direction(args.direction),
        signer: sides.yours.chain(),
        peer: sides.mine.chain(),
        peer_device: sides.device.0,
        now: clock::now(),
    };
    let call = binding.verify(&expected).map_err(|e| refuse(&e))?;
    let terms = call.terms();
    same_log(context, &sides, terms)?;
    if wanted.as_ref().is_some_and(|key| key != call.key()) {
        return Err(Failure::new(
            Exit::Invalid,
            "call-key-mismatch",
            "the call's key is not the one that their device vouches for",
        )
        .checked("the key of the call against the one that the other's verified device signed")
        .meaning("somebody sits between you on this call")
        .next("hang up and call again over another network")
        .json("call", "mismatch"));
    }
    let (kind, hex) = key_words(call.key());
    let headline = match &wanted {
        Some(_) => format!(
            "VERIFIED: {} vouches for this call's key",
            sides.yours.newest().label()
        ),
        None => format!("VERIFIED: the call's key is {hex}"),
    };
    let mut report = Report::new("call-verified", headline)
        .line("key", format!("{kind} {hex}"))
        .line(
            "signer",
            format!("{}, device {}", sides.yours.newest().label(), terms.signer.device),
        )
        .line("until", clock::utc(terms.not_after))
        .checked(&["the signature of the other's device, which is one of their newest verified record's"])
        .json("call", "verified")
        .json("key_kind", kind)
        .json("key", hex)
        .json("signer", sides.yours.newest().label().as_str())
        .json("device", terms.signer.device);
    if wanted.is_none() {
        report = report
            .note("compare it with the key of the call, or give that key with --dtls, --x25519 or --mls");
    }
    Ok(sides.vouched.describe(sides.desk.memory.directory()?, report))
}

/// The other side says which log it sees: another leaf than ours at one epoch is a split view.
fn same_log(context: &Context, sides: &Sides<'_>, terms: &CallTerms) -> Result<(), Failure> {
    let epoch = &sides.vouched.epoch;
    if terms.epoch > epoch.epoch() {
        return Err(Failure::new(
            Exit::Policy,
            "stale-head",
            format!(
                "the other side saw epoch {}, the directory shows you {}",
                terms.epoch,
                epoch.epoch()
            ),
        )
        .meaning("this replica lags behind, or somebody shows you an old state")
        .next("try again"));
    }
    let http = context.http(sides.desk.memory.directory()?)?;
    let proof = Tiles::new(&http, epoch.size()).epoch_proof(terms.epoch.get())?;
    let leaf = epoch.older_leaf(&proof).map_err(|e| {
        Failure::new(
            Exit::Invalid,
            e.reason(),
            format!("the log's leaf {}: {e}", terms.epoch),
        )
    })?;
    if log::leaf_hash(&leaf.encode()) == terms.leaf_hash {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Invalid,
        "call-other-log",
        format!(
            "the other side sees another log than you at epoch {}",
            terms.epoch
        ),
    )
    .checked("the leaf that the other's device signed against the one in your log")
    .meaning("the directory shows you and them different logs")
    .next("compare heads: keyglass checkpoint export and compare make evidence of it")
    .json("call", "mismatch"))
}

fn read(path: &Path) -> Result<CallBinding, Failure> {
    let bytes = read_capped(path, MAX_BINDING_FILE)?;
    let bad = |why: String| {
        Failure::malformed(
            "call-malformed",
            format!("{} is no call binding: {why}", path.display()),
        )
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("not UTF-8".into()))?;
    let bytes = base64_decode(text.trim()).map_err(|e| bad(e.to_string()))?;
    CallBinding::decode(&bytes).map_err(|e| bad(e.to_string()))
}

fn refuse(error: &CallError) -> Failure {
    let (exit, state) = match error {
        CallError::NoKey(_) | CallError::NoDevice(_) => (Exit::Unverifiable, "unverified"),
        CallError::Expired => (Exit::Policy, "unverified"),
        _ => (Exit::Invalid, "mismatch"),
    };
    Failure::new(exit, error.reason(), error.to_string())
        .checked("the binding against the newest verified devices of both sides")
        .meaning("it was made for another call or by somebody else, or a device was removed meanwhile")
        .next("hang up and call again; if it happens again, compare the safety number")
        .json("call", state)
}

fn direction(direction: CallDirection) -> Direction {
    match direction {
        CallDirection::Offer => Direction::Offer,
        CallDirection::Answer => Direction::Answer,
    }
}

fn call_id(text: &str) -> Result<[u8; 16], Failure> {
    let mut id = [0; 16];
    hex::decode_to_slice(text, &mut id)
        .map_err(|_| Failure::malformed("call-id", "a call's id is 32 hex digits"))?;
    Ok(id)
}

fn key(keys: &args::CallKeys) -> Result<Option<CallKey>, Failure> {
    let bytes = |text: &str| {
        let text: String = text.chars().filter(|c| *c != ':').collect();
        hex::decode(text.to_lowercase())
            .map_err(|_| Failure::malformed("bad-hex", "a call's key is given in hex digits"))
    };
    let fixed = |text: &str| {
        <[u8; 32]>::try_from(bytes(text)?)
            .map_err(|_| Failure::malformed("call-key-length", "this kind of key has 64 hex digits"))
    };
    let given = (&keys.dtls, &keys.x25519, &keys.mls);
    Ok(match given {
        (Some(text), ..) => Some(CallKey::DtlsSha256(fixed(text)?)),
        (_, Some(text), _) => Some(CallKey::X25519(fixed(text)?)),
        (.., Some(text)) => Some(CallKey::MlsAuthenticator(bytes(text)?)),
        _ => None,
    })
}

fn key_words(key: &CallKey) -> (&'static str, String) {
    let kind = match key {
        CallKey::DtlsSha256(_) => "dtls-sha256",
        CallKey::X25519(_) => "x25519",
        CallKey::MlsAuthenticator(_) => "mls-authenticator",
    };
    (kind, hex::encode(key.as_bytes()))
}
