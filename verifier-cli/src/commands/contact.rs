//! `contact`: people whose keys are remembered.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use keyglass_protocol::quantity::Millis;
use keyglass_protocol::record::{AccountRecord, AccountState};
use serde_json::{Value, json};

use super::{lookup, safety_number, words};
use crate::args;
use crate::clock;
use crate::comparison::Theirs;
use crate::contacts;
use crate::context::Context;
use crate::desk::{Desk, PolicyIs};
use crate::label;
use crate::output::foreign;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::Depth;
use crate::state::{Contact, Directory};

/// Longest name of a contact in bytes.
const MAX_NAME_BYTES: usize = 200;
/// Most bytes that are typed for a comparison.
const MAX_HEARD: u64 = 4096;

/// `keyglass contact …`.
pub(super) fn run(context: &Context, args: &args::Contact) -> Outcome {
    match args {
        args::Contact::Add { label, name } => add(context, label, name.as_deref()),
        args::Contact::List => list(context),
        args::Contact::Verify(args) => verify(context, args),
        args::Contact::Unverify { name } => unverify(context, name),
        args::Contact::Remove { name } => remove(context, name),
    }
}

/// Compares the safety number; the outcome stays with the contact.
fn verify(context: &Context, args: &args::VerifyContact) -> Outcome {
    let mut theirs = Theirs {
        scan: args.scan.clone(),
        file: args.file.clone(),
        digits: args.digits.clone(),
        sentence: args.sentence.clone(),
    };
    let (mut memory, pair) =
        match safety_number::pair(context, &args.name, args.which.account.as_deref(), true)? {
            Ok(found) => found,
            Err(nobody) => return Ok(*nobody),
        };
    if !theirs.is_given() {
        let heard = hear(&args.name)?;
        if heard.bytes().any(|b| b.is_ascii_digit()) {
            theirs.digits = Some(heard);
        } else {
            theirs.sentence = Some(heard);
        }
    }
    safety_number::compare(&mut memory, &pair, &theirs)
}

/// Asks at a terminal for what the other person reads aloud; four lines of words, or the digits.
fn hear(name: &str) -> Result<String, Failure> {
    let nothing = || {
        Failure::usage("nothing-to-compare", "there is nothing of the other person's to compare with")
            .next("give --scan PICTURE, --file FILE, --digits DIGITS or --sentence WORDS; keyglass safety-number shows yours")
    };
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(nothing());
    }
    let _ = writeln!(
        io::stderr(),
        "Type the digits or the four lines that {name:?} reads to you, then an empty line:"
    );
    let mut heard = String::new();
    for line in io::stdin().lock().take(MAX_HEARD).lines() {
        let line = line.map_err(|_| nothing())?;
        if line.trim().is_empty() {
            break;
        }
        heard.push_str(&line);
        heard.push(' ');
    }
    if heard.is_empty() {
        Err(nothing())
    } else {
        Ok(heard)
    }
}

/// Takes the newest key without comparing, or takes a comparison back.
fn unverify(context: &Context, name: &str) -> Outcome {
    let mut memory = context.memory()?;
    let directory = memory.directory_mut()?;
    let name = named(directory, name)?;
    contacts::accept(directory, &name);
    if let Some(contact) = directory.contacts.get_mut(&name) {
        contact.verified = None;
    }
    memory.save()?;
    let headline = format!("{name} counts as never compared; the newest verified key counts as theirs");
    Ok(Report::new("contact-unverified", headline)
        .json("contact", name.clone())
        .note(format!("compare when you can: keyglass contact verify {name:?}")))
}

/// Forgets the name; what was seen of the label stays remembered.
fn remove(context: &Context, name: &str) -> Outcome {
    let mut memory = context.memory()?;
    let directory = memory.directory_mut()?;
    let name = named(directory, name)?;
    directory.contacts.remove(&name);
    memory.save()?;
    Ok(
        Report::new("contact-removed", format!("{name} is no contact any more"))
            .json("contact", name)
            .note("the keys that were seen stay remembered: a later change is still told"),
    )
}

fn named(directory: &Directory, text: &str) -> Result<String, Failure> {
    let label = label::parse(text)
        .map(|l| l.as_str().to_owned())
        .unwrap_or_default();
    let found = contacts::find(directory, text, &label).map(|(name, _)| name.clone());
    found.ok_or_else(|| {
        Failure::usage("no-such-contact", format!("there is no contact {text:?}"))
            .next("keyglass contact list")
    })
}

fn add(context: &Context, text: &str, name: Option<&str>) -> Outcome {
    let label = label::parse(text)?;
    let name = name.map_or_else(|| label::show(&label), str::to_owned);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || foreign(&name) != name {
        return Err(Failure::usage(
            "contact-name",
            "a contact's name has 1 to 200 bytes and no control characters",
        ));
    }
    let mut desk = Desk::open(context)?;
    let taken = desk
        .memory
        .directory()?
        .contacts
        .get(&name)
        .filter(|c| c.label != label.as_str());
    if let Some(other) = taken {
        return Err(Failure::usage(
            "contact-exists",
            format!("{name} is already the name of {}", other.label),
        )
        .next("choose another --name"));
    }
    let (known, vouched) = desk.know(PolicyIs::Demanded, &label, Depth::FromPin)?;
    let (first, changes) = lookup::pin(&mut desk.memory, &label, &known, &vouched)?;
    let live = known
        .account()
        .filter(|a| a.chain().state() == AccountState::Live);
    let Some(account) = live else {
        desk.memory.save()?;
        return Ok(vouched.describe(desk.memory.directory()?, lookup::describe(&label, &known)));
    };
    let contact = Contact {
        label: label.as_str().to_owned(),
        account: account.newest().label().as_str().to_owned(),
        added: clock::now().get(),
        identity: Some(account.newest().identity.to_string()),
        verified: None,
        concern: None,
    };
    // Adding somebody again changes nothing of what was compared, or must be.
    let contacts = &mut desk.memory.directory_mut()?.contacts;
    contacts.entry(name.clone()).or_insert(contact);
    desk.memory.save()?;
    let report = Report::new(
        "contact-added",
        format!("VERIFIED: {} is remembered as {name}", label::show(&label)),
    )
    .json("contact", name.clone())
    .json("label", label.as_str())
    .note(format!(
        "compare the safety number with the person: keyglass contact verify {name:?}"
    ));
    let report = words::changes(words::account(report, account), &changes, first);
    Ok(vouched.describe(desk.memory.directory()?, report))
}

fn list(context: &Context) -> Outcome {
    let memory = context.memory()?;
    let directory = memory.directory()?;
    let mut body = String::new();
    let mut list = Vec::new();
    for (name, contact) in &directory.contacts {
        let (words, object) = remembered(directory, name, contact);
        body.push_str(&words);
        list.push(object);
    }
    let count = list.len();
    let headline = match count {
        0 => "no contacts yet: keyglass contact add LABEL".to_owned(),
        1 => format!("1 contact at {}", directory.origin),
        n => format!("{n} contacts at {}", directory.origin),
    };
    let mut report = Report::new("contacts-listed", headline).json("contacts", list);
    report.body = body;
    Ok(report)
}

/// What the memory holds of a contact. Nothing is verified anew.
fn remembered(directory: &Directory, name: &str, contact: &Contact) -> (String, Value) {
    let pin = directory.pins.get(&contact.account);
    let identity = pin
        .and_then(|p| AccountRecord::decode(&p.record.0).ok())
        .map(|r| r.identity.to_string());
    let last = pin.map(|p| p.last);
    let when = last.map_or("never".to_owned(), |t| clock::utc(Millis::new(t)));
    let key = identity.clone().unwrap_or_else(|| "no key".to_owned());
    let words = format!(
        "  {name}: {}\n    {}, {}\n    identity {key}\n    seen last {when}\n",
        words::standing(contact),
        contact.label,
        contact.account
    );
    let object = json!({
        "name": name, "label": contact.label, "account": contact.account, "identity_key": identity,
        "version": pin.map(|p| p.version), "last_verified_ms": last,
        "verified": contact.verified.is_some(), "verified_ms": contact.verified.as_ref().map(|v| v.at),
        "verified_how": contact.verified.as_ref().map(|v| v.how),
        "concern": contact.concern.as_ref().map(contacts::concern_reason),
        "concern_why": contact.concern.as_ref().map(|c| c.why.clone()),
    });
    (words, object)
}
