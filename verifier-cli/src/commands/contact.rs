//! `contact`: people whose keys are remembered.

use keyglass_protocol::quantity::Millis;
use keyglass_protocol::record::{AccountRecord, AccountState};
use serde_json::{Value, json};

use super::{lookup, words};
use crate::args;
use crate::clock;
use crate::context::Context;
use crate::desk::{Desk, PolicyIs};
use crate::label;
use crate::output::foreign;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::{self, Depth};
use crate::state::{Contact, Directory};

/// Longest name of a contact in bytes.
const MAX_NAME_BYTES: usize = 200;

/// `keyglass contact …`.
pub(super) fn run(context: &Context, args: &args::Contact) -> Outcome {
    match args {
        args::Contact::Add { label, name } => add(context, label, name.as_deref()),
        args::Contact::List => list(context),
    }
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
    let (known, vouched) = desk.ask(PolicyIs::Demanded, |s, d| {
        resolve::resolve(s, d, &label, Depth::FromPin)
    })?;
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
    };
    desk.memory
        .directory_mut()?
        .contacts
        .insert(name.clone(), contact);
    desk.memory.save()?;
    let report = Report::new(
        "contact-added",
        format!("VERIFIED: {} is remembered as {name}", label::show(&label)),
    )
    .json("contact", name.clone())
    .json("label", label.as_str())
    .note(format!(
        "compare the safety number with the person: keyglass safety-number {name:?}"
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
        "  {name}\n    {}, {}\n    identity {key}\n    verified last {when}\n",
        contact.label, contact.account
    );
    let object = json!({
        "name": name, "label": contact.label, "account": contact.account, "identity_key": identity,
        "version": pin.map(|p| p.version), "last_verified_ms": last,
    });
    (words, object)
}
