//! `safety-number`: what two people compare.

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::Millis;
use keyglass_protocol::record::{AccountRecord, AccountState};
use keyglass_protocol::safety_number::{
    AgreementKey, Fingerprint, QrVersion, SafetyNumber, SafetyNumberError,
};

use super::lookup;
use crate::args;
use crate::clock;
use crate::context::Context;
use crate::desk::{Desk, PolicyIs};
use crate::label;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::{self, Depth, Known};
use crate::state::{Directory, Pin};

/// `keyglass safety-number`.
pub(super) fn run(context: &Context, args: &args::SafetyNumber) -> Outcome {
    match &args.contact {
        None => by_hand(&args.id, &args.key, context.settings.offline),
        Some(contact) if context.settings.offline => {
            remembered(context, contact, args.which.account.as_deref())
        }
        Some(contact) => verified(context, contact, args.which.account.as_deref()),
    }
}

/// From ids and keys on the command line: nothing about them is verified.
fn by_hand(ids: &[String], keys: &[String], offline: bool) -> Outcome {
    if !offline {
        return Err(
            Failure::usage("usage", "--id and --key say nothing about whose keys they are")
                .next("add --offline, or give a contact whose key is to be verified"),
        );
    }
    let ([a, b], [key_a, key_b]) = (ids, keys) else {
        return Err(Failure::usage(
            "usage",
            "--id and --key are given twice each: yours first, then theirs",
        ));
    };
    let number = SafetyNumber::new(half(a, key_a)?, half(b, key_b)?).map_err(refuse)?;
    let report = show(&number, format!("{a} and {b}"));
    Ok(report.note("computed from the keys given; whether they are true was not checked"))
}

fn half(id: &str, key: &str) -> Result<Fingerprint, Failure> {
    let bad = || Failure::malformed("bad-hex", "a key is 64 hex digits, or 66 with the type byte 05");
    let bytes = hex::decode(key).map_err(|_| bad())?;
    let key = AgreementKey::from_bytes(&bytes).map_err(refuse)?;
    Ok(Fingerprint::new(id, &key))
}

/// From records of both sides, authorised just now.
fn verified(context: &Context, contact: &str, own: Option<&str>) -> Outcome {
    let mut desk = Desk::open(context)?;
    let theirs = contact_label(desk.memory.directory()?, contact)?;
    let ours = own_label(desk.memory.directory()?, own)?;
    let mut records = Vec::new();
    let mut newest = None;
    for label in [&ours, &theirs] {
        let (known, vouched) = desk.ask(PolicyIs::Demanded, |s, d| {
            resolve::resolve(s, d, label, Depth::FromPin)
        })?;
        lookup::pin(&mut desk.memory, label, &known, &vouched)?;
        match live(&known) {
            Some(record) => {
                desk.demand_own_key(label, &record)?;
                records.push(record);
            }
            None => {
                desk.memory.save()?;
                return Ok(vouched.describe(desk.memory.directory()?, lookup::describe(label, &known)));
            }
        }
        newest = Some(vouched);
    }
    desk.memory.save()?;
    let [mine, yours] = records.as_slice() else {
        return Err(Failure::internal("no-answer", "nothing was asked"));
    };
    let mut report = between(mine, yours, contact)?;
    if let Some(vouched) = newest {
        report = vouched.describe(desk.memory.directory()?, report);
    }
    Ok(report)
}

fn live(known: &Known) -> Option<AccountRecord> {
    let account = known
        .account()
        .filter(|a| a.chain().state() == AccountState::Live)?;
    Some(account.newest().clone())
}

/// From the records that were authorised last, without network.
fn remembered(context: &Context, contact: &str, own: Option<&str>) -> Outcome {
    let memory = context.memory()?;
    let directory = memory.directory()?;
    let theirs = contact_label(directory, contact)?;
    let account = directory
        .contacts
        .values()
        .find(|c| c.label == theirs.as_str())
        .map(|c| c.account.clone());
    let (mine, _) = pinned(directory, own_label(directory, own)?.as_str())?;
    let (yours, pin) = pinned(directory, account.as_deref().unwrap_or(theirs.as_str()))?;
    own_key_is_ours(directory, &mine)?;
    let when = clock::utc(Millis::new(pin.last));
    let report = between(&mine, &yours, contact)?
        .audited(pin.audited)
        .json("last_verified_ms", pin.last);
    Ok(report.note(format!(
        "from the keys that were verified last, at {when}; they may have changed since"
    )))
}

fn pinned<'d>(directory: &'d Directory, label: &str) -> Result<(AccountRecord, &'d Pin), Failure> {
    let missing = || {
        Failure::missing(
            "nothing-remembered",
            format!("no verified key of {label} is remembered"),
        )
        .next("look it up once without --offline")
    };
    let pin = directory.pins.get(label).ok_or_else(missing)?;
    Ok((AccountRecord::decode(&pin.record.0).map_err(|_| missing())?, pin))
}

fn between(mine: &AccountRecord, yours: &AccountRecord, name: &str) -> Outcome {
    let half = |r: &AccountRecord| Fingerprint::of_account(&r.account, &r.identity).map_err(refuse);
    let number = SafetyNumber::new(half(mine)?, half(yours)?).map_err(refuse)?;
    let line = number
        .device_line(mine, yours)
        .map_err(|e| Failure::internal(e.reason(), format!("the device line: {e}")))?;
    let report = show(
        &number,
        format!("{} and {name} ({})", mine.label(), yours.label()),
    );
    let mut report = report
        .json("device_line", line.to_string())
        .json("own_account", mine.label().as_str());
    report.above.push_str(&format!("    {line}\n"));
    Ok(report.json("account", yours.label().as_str()).note(
        "read it to each other on a call where you know the voice, or compare it face to face; every digit counts",
    ))
}

/// Four lines of three groups.
fn show(number: &SafetyNumber, who: String) -> Report {
    let digits = number.digits();
    let groups: Vec<&str> = digits
        .as_bytes()
        .chunks(5)
        .filter_map(|c| std::str::from_utf8(c).ok())
        .collect();
    let mut report = Report::new("safety-number", format!("safety number of {who}"));
    report.above = groups
        .chunks(3)
        .map(|line| format!("    {}\n", line.join(" ")))
        .collect();
    let qr = hex::encode(number.qr(QrVersion::V2).to_bytes());
    report.json("digits", digits.clone()).json("qr_v2", qr)
}

/// The contact of this name, else the label.
fn contact_label(directory: &Directory, name: &str) -> Result<Label, Failure> {
    match directory.contacts.get(name) {
        Some(contact) => label::parse(&contact.label),
        None => label::parse(name),
    }
}

fn own_label(directory: &Directory, id: Option<&str>) -> Result<Label, Failure> {
    let (id, _) = crate::own::choose(directory, id)?;
    label::parse(&format!("account:{id}"))
}

/// A number made from a key that this device does not hold would compare somebody else.
fn own_key_is_ours(directory: &Directory, mine: &AccountRecord) -> Result<(), Failure> {
    let own = directory.accounts.get(mine.account.as_str());
    if own.is_some_and(|o| o.identity.public == mine.identity.to_string()) {
        return Ok(());
    }
    Err(crate::own::key_changed(mine))
}

fn refuse(error: SafetyNumberError) -> Failure {
    match error {
        SafetyNumberError::SameParty => {
            Failure::usage(error.reason(), "a safety number is between two people")
        }
        _ => Failure::malformed(error.reason(), error.to_string()),
    }
}
