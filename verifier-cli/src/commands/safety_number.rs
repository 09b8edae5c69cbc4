//! `safety-number`: what two people compare.

use std::path::Path;

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::Millis;
use keyglass_protocol::record::{AccountRecord, AccountState};
use keyglass_protocol::safety_number::{AgreementKey, DeviceLine, Fingerprint, QrVersion, SafetyNumber};

use super::lookup;
use crate::args;
use crate::clock;
use crate::comparison::{Theirs, refuse};
use crate::contacts;
use crate::context::{Context, Memory};
use crate::desk::{Desk, PolicyIs, Vouched};
use crate::exit::Exit;
use crate::label;
use crate::output::Style;
use crate::qr::Modules;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::{self, Depth, Known};
use crate::state::{Contact, Directory, Means, Pin, Verification, write_new};

/// `keyglass safety-number`.
pub(super) fn run(context: &Context, args: &args::SafetyNumber) -> Outcome {
    let theirs = Theirs {
        scan: args.scan.clone(),
        digits: args.compare.clone(),
        ..Theirs::default()
    };
    let Some(contact) = &args.contact else {
        let (number, who) = by_hand(&args.id, &args.key, context.settings.offline)?;
        return from_keys(context.style, &number, &who, args, &theirs);
    };
    let comparing = theirs.is_given();
    let (mut memory, pair) = match pair(context, contact, args.which.account.as_deref(), comparing)? {
        Ok(found) => found,
        Err(nobody) => return Ok(*nobody),
    };
    if comparing {
        return compare(&mut memory, &pair, &theirs);
    }
    let report = pair.describe(&memory)?;
    drawn(report, context.style, &pair.number, args)
}

/// From ids and keys on the command line: nothing about them is verified.
fn by_hand(ids: &[String], keys: &[String], offline: bool) -> Result<(SafetyNumber, String), Failure> {
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
    let number = SafetyNumber::new(half(a, key_a)?, half(b, key_b)?).map_err(|e| refuse(&e))?;
    Ok((number, format!("{a} and {b}")))
}

fn from_keys(
    style: Style,
    number: &SafetyNumber,
    who: &str,
    args: &args::SafetyNumber,
    theirs: &Theirs,
) -> Outcome {
    const UNCHECKED: &str = "computed from the keys given; whether they are true was not checked";
    if theirs.is_given() {
        let (how, agrees) = theirs.compare(number)?;
        return agreed(who, how, agrees).map(|r| r.note(UNCHECKED));
    }
    let report = show(number, format!("safety number of {who}"));
    drawn(report.note(UNCHECKED), style, number, args)
}

fn half(id: &str, key: &str) -> Result<Fingerprint, Failure> {
    let bad = || Failure::malformed("bad-hex", "a key is 64 hex digits, or 66 with the type byte 05");
    let bytes = hex::decode(key).map_err(|_| bad())?;
    let key = AgreementKey::from_bytes(&bytes).map_err(|e| refuse(&e))?;
    Ok(Fingerprint::new(id, &key))
}

/// Both sides of a safety number, authorised.
pub(super) struct Pair {
    /// The contact as the user named it.
    name: String,
    /// The label that was looked up.
    label: Label,
    mine: AccountRecord,
    yours: AccountRecord,
    number: SafetyNumber,
    devices: DeviceLine,
    /// Who vouches for the records; none: they were authorised earlier.
    vouched: Option<Vouched>,
    /// When they were authorised, ms since 1970, and whether an auditor vouched then.
    earlier: Option<(u64, bool)>,
    /// What is not taken for theirs unless the numbers agree: it did not move here from the log before.
    unmoved: Option<Known>,
}

/// Both sides: authorised just now, or, with `--offline`, when they were looked up last.
///
/// The inner error is the verdict on a side that has no key. `comparing` says that the other's number is at hand: that
/// tells more than a log can, so it does not matter then how their key came into this one.
pub(super) fn pair(
    context: &Context,
    contact: &str,
    own: Option<&str>,
    comparing: bool,
) -> Result<Result<(Memory, Pair), Box<Report>>, Failure> {
    if context.settings.offline {
        let memory = context.memory()?;
        let pair = remembered(&memory, contact, own)?;
        return Ok(Ok((memory, pair)));
    }
    let mut desk = Desk::open(context)?;
    let pair = verified(&mut desk, contact, own, comparing)?;
    Ok(pair.map(|pair| (desk.memory, pair)))
}

fn verified(
    desk: &mut Desk<'_>,
    name: &str,
    own: Option<&str>,
    comparing: bool,
) -> Result<Result<Pair, Box<Report>>, Failure> {
    let theirs = contact_label(desk.memory.directory()?, name)?;
    let ours = own_label(desk.memory.directory()?, own)?;
    let mut sides = Vec::new();
    for (label, may_be_unmoved) in [(&ours, false), (&theirs, comparing)] {
        let (record, side) = side(desk, label, may_be_unmoved)?;
        desk.memory.save()?;
        match record {
            Ok(record) => sides.push((record, side)),
            Err(none) => {
                let report = side.vouched.describe(desk.memory.directory()?, *none);
                return Ok(Err(Box::new(report)));
            }
        }
    }
    let [(mine, _), (yours, side)] = <[(AccountRecord, Side); 2]>::try_from(sides)
        .map_err(|_| Failure::internal("no-answer", "nothing was asked"))?;
    let pair = Pair {
        vouched: Some(side.vouched),
        unmoved: side.unmoved,
        ..Pair::new(name, theirs, mine, yours)?
    };
    Ok(Ok(pair))
}

/// Who vouches for one side, and what of it did not move here as it should.
struct Side {
    vouched: Vouched,
    unmoved: Option<Known>,
}

/// One side, or the verdict that it has no key. What did not move here as it should is pinned only if the numbers agree.
fn side(
    desk: &mut Desk<'_>,
    label: &Label,
    may_be_unmoved: bool,
) -> Result<(Result<AccountRecord, Box<Report>>, Side), Failure> {
    let (known, mut vouched) = desk.ask(PolicyIs::Demanded, |s, d| {
        resolve::resolve(s, d, label, Depth::FromPin)
    })?;
    let record = live(&known).ok_or_else(|| Box::new(lookup::describe(label, &known)));
    if let Ok(record) = &record {
        desk.demand_own_key(label, record)?;
    }
    let unmoved = match desk.moved(label, &known) {
        Ok(moved) => {
            vouched.moved = moved;
            lookup::pin(&mut desk.memory, label, &known, &vouched)?;
            None
        }
        Err(_) if may_be_unmoved && record.is_ok() => Some(known),
        Err(failure) => return Err(failure),
    };
    Ok((record, Side { vouched, unmoved }))
}

fn live(known: &Known) -> Option<AccountRecord> {
    let account = known
        .account()
        .filter(|a| a.chain().state() == AccountState::Live)?;
    Some(account.newest().clone())
}

/// From the records that were authorised last, without network.
fn remembered(memory: &Memory, name: &str, own: Option<&str>) -> Result<Pair, Failure> {
    let directory = memory.directory()?;
    let theirs = contact_label(directory, name)?;
    let account = contacts::find(directory, name, theirs.as_str()).map(|(_, c)| c.account.clone());
    let (mine, _) = pinned(directory, own_label(directory, own)?.as_str())?;
    let (yours, pin) = pinned(directory, account.as_deref().unwrap_or(theirs.as_str()))?;
    own_key_is_ours(directory, &mine)?;
    Ok(Pair {
        earlier: Some((pin.last, pin.audited)),
        ..Pair::new(name, theirs, mine, yours)?
    })
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

impl Pair {
    fn new(name: &str, label: Label, mine: AccountRecord, yours: AccountRecord) -> Result<Self, Failure> {
        let half =
            |r: &AccountRecord| Fingerprint::of_account(&r.account, &r.identity).map_err(|e| refuse(&e));
        let number = SafetyNumber::new(half(&mine)?, half(&yours)?).map_err(|e| refuse(&e))?;
        let devices = number
            .device_line(&mine, &yours)
            .map_err(|e| Failure::internal(e.reason(), format!("the device line: {e}")))?;
        Ok(Self {
            name: name.to_owned(),
            label,
            mine,
            yours,
            number,
            devices,
            vouched: None,
            earlier: None,
            unmoved: None,
        })
    }

    fn describe(&self, memory: &Memory) -> Outcome {
        let (mine, yours) = (self.mine.label(), self.yours.label());
        let mut report = show(
            &self.number,
            format!("safety number of {mine} and {} ({yours})", self.name),
        )
        .json("device_line", self.devices.to_string())
        .json("own_account", mine.as_str())
        .json("account", yours.as_str());
        report.above.push_str(&format!("    {}\n", self.devices));
        for clause in self.number.sentence().lines() {
            report.above.push_str(&format!("    {clause}\n"));
        }
        report = self.standing(memory, report)?;
        Ok(report.note(format!(
            "compare on a call where you know the voice, or face to face: keyglass contact verify {:?}",
            self.name
        )))
    }

    /// Who vouches for the records, and what is known of the contact.
    fn standing(&self, memory: &Memory, mut report: Report) -> Outcome {
        let directory = memory.directory()?;
        if let Some(vouched) = &self.vouched {
            report = vouched.describe(directory, report);
        }
        if let Some((last, audited)) = self.earlier {
            let when = clock::utc(Millis::new(last));
            let note =
                format!("from the keys that were verified last, at {when}; they may have changed since");
            report = report.audited(audited).json("last_verified_ms", last).note(note);
        }
        let contact = contacts::find(directory, &self.name, self.label.as_str());
        Ok(super::words::contact(report, contact))
    }
}

/// Four lines of three groups.
fn show(number: &SafetyNumber, headline: String) -> Report {
    let digits = number.digits();
    let groups: Vec<&str> = digits
        .as_bytes()
        .chunks(5)
        .filter_map(|c| std::str::from_utf8(c).ok())
        .collect();
    let mut report = Report::new("safety-number", headline);
    report.above = groups
        .chunks(3)
        .map(|line| format!("    {}\n", line.join(" ")))
        .collect();
    let qr = hex::encode(number.qr(QrVersion::V2).to_bytes());
    report
        .json("digits", digits.clone())
        .json("qr_v2", qr)
        .json("sentence", number.sentence().replace('\n', " "))
}

/// Adds the code: to the terminal, or as a picture.
fn drawn(mut report: Report, style: Style, number: &SafetyNumber, args: &args::SafetyNumber) -> Outcome {
    let modules = Modules::of(&number.qr(QrVersion::V2).to_bytes())?;
    if args.qr && !style.json {
        report.body.push('\n');
        report.body.push_str(&modules.to_text(style.color_on_stdout()));
    }
    if let Some(path) = &args.qr_file {
        let bytes = picture(&modules, path)?;
        write_new(path, &bytes).map_err(|e| {
            Failure::usage(
                "save-failed",
                format!("{} cannot be written: {e}", path.display()),
            )
        })?;
        let shown = path.display().to_string();
        report = report.line("saved", shown.clone()).json("saved", shown);
    }
    Ok(report)
}

fn picture(modules: &Modules, path: &Path) -> Result<Vec<u8>, Failure> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("png") => modules.to_png(),
        Some("svg") => Ok(modules.to_svg().into_bytes()),
        _ => Err(Failure::usage(
            "picture-kind",
            "the picture's name ends with .png or .svg",
        )),
    }
}

/// Compares, and remembers the outcome with the contact.
pub(super) fn compare(memory: &mut Memory, pair: &Pair, theirs: &Theirs) -> Outcome {
    let (how, agrees) = theirs.compare(&pair.number)?;
    let now = clock::now().get();
    if let (true, Some(known), Some(vouched)) = (agrees, &pair.unmoved, &pair.vouched) {
        lookup::pin(memory, &pair.label, known, vouched)?;
    }
    let directory = memory.directory_mut()?;
    let name = contacts::find(directory, &pair.name, pair.label.as_str()).map(|(name, _)| name.clone());
    let name = name.unwrap_or_else(|| label::show(&pair.label));
    let contact = directory.contacts.entry(name.clone()).or_insert_with(|| Contact {
        label: pair.label.as_str().to_owned(),
        account: pair.yours.label().as_str().to_owned(),
        added: now,
        identity: None,
        verified: None,
        concern: None,
    });
    if agrees {
        contact.account = pair.yours.label().as_str().to_owned();
        contact.identity = Some(pair.yours.identity.to_string());
        contact.verified = Some(Verification { at: now, how });
        contact.concern = None;
    } else {
        contacts::mismatch(contact, how.words(), now);
    }
    memory.save()?;
    let report = agreed(&name, how, agrees)?.json("contact", name);
    pair.standing(memory, report)
}

/// The verdict on a comparison.
fn agreed(whom: &str, how: Means, agrees: bool) -> Outcome {
    if agrees {
        let headline = format!("VERIFIED: the safety number with {whom} is the same on both sides");
        return Ok(Report::new("safety-number-match", headline).line("compared", how.words()));
    }
    Err(Failure::new(
        Exit::Invalid,
        "safety-number-mismatch",
        format!("the safety number with {whom} is NOT the same on both sides"),
    )
    .checked("their safety number against the one made from the keys that the directory shows you")
    .meaning("somebody sits between you; or one of you looked at another contact, or at an old code")
    .next("say nothing secret; compare once more face to face; if it stays, keep keyglass history of both and tell others"))
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
