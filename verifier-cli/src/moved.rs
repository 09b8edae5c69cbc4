//! Labels that moved here from a log that has ended: the first record here against the final one there.
//!
//! It is asked for when a label is met here for the first time, if its record names one of the log before, or if that
//! log's record is remembered. What is pinned here was held against it when it was pinned.

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::label::Label;
use keyglass_protocol::migration::{self as rules, MigrationError};
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{AccountRecord, AccountState, AliasRecord};

use crate::clock;
use crate::contacts;
use crate::context::{self, Context, Memory};
use crate::desk::{self, PolicyIs};
use crate::exit::Exit;
use crate::migration::{self, Link};
use crate::output::foreign;
use crate::report::{Failure, Report};
use crate::resolve::{self, Depth, Known};
use crate::source::Online;
use crate::state::Directory;

/// That a label's first record here was held against the final one in the log before, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    label: String,
    /// Name of the log before.
    origin: String,
    /// The final version there; none: that log is not pinned, so nothing was checked.
    version: Option<KeyVersion>,
}

/// The first record of a label in this log.
enum First {
    Account(AccountRecord),
    Alias(AliasRecord),
}

impl First {
    fn label(&self) -> Label {
        match self {
            Self::Account(record) => record.label(),
            Self::Alias(record) => record.alias.clone(),
        }
    }

    fn names_another(&self) -> bool {
        let previous = match self {
            Self::Account(record) => record.previous,
            Self::Alias(record) => record.previous,
        };
        previous != RecordHash::ZERO
    }
}

/// Holds what is known of labels that are not pinned here yet against the log that this one continues.
///
/// # Errors
/// The broken rule of the move, or why it cannot be checked. Contacts that it concerns count as compared no more.
pub(crate) fn check(context: &Context, memory: &mut Memory, known: &Known) -> Result<Vec<Moved>, Failure> {
    let pinned = |first: &First, directory: &Directory| directory.pins.contains_key(first.label().as_str());
    let directory = memory.directory()?;
    let new: Vec<First> = beginnings(known)
        .into_iter()
        .filter(|first| !pinned(first, directory))
        .collect();
    hold(context, memory, new)
}

/// The same, whether they are pinned or not: for labels of one's own, which other commands pin.
pub(crate) fn check_anew(
    context: &Context,
    memory: &mut Memory,
    known: &Known,
) -> Result<Vec<Moved>, Failure> {
    hold(context, memory, beginnings(known))
}

/// First versions, as far as they are shown.
fn beginnings(known: &Known) -> Vec<First> {
    let account = known.account().and_then(|a| a.chain().records().first());
    let alias = known.alias().and_then(|a| a.chain().records().first());
    let account = account.map(|(_, r)| First::Account(r.clone()));
    let alias = alias.map(|(_, r)| First::Alias(r.clone()));
    let is_first = |first: &First| {
        let version = match first {
            First::Account(record) => record.version,
            First::Alias(record) => record.version,
        };
        version == KeyVersion::FIRST
    };
    alias.into_iter().chain(account).filter(is_first).collect()
}

fn hold(context: &Context, memory: &mut Memory, firsts: Vec<First>) -> Result<Vec<Moved>, Failure> {
    if firsts.is_empty() {
        return Ok(Vec::new());
    }
    let document = context::trust(memory.directory()?, &context.settings)?
        .document()
        .clone();
    let Some(before) = document.values().predecessor.clone() else {
        return Ok(Vec::new());
    };
    let link = migration::link(context, memory.state(), &document)?;
    let old = match &link {
        Link::Proven(old) => Some(old.as_ref()),
        Link::Stranger | Link::Claimed(_) => None,
    };
    let mut moved = Vec::new();
    for first in firsts {
        let label = first.label();
        let remembered = old.is_some_and(|old| old.pins.contains_key(label.as_str()));
        if !first.names_another() && !remembered {
            continue;
        }
        let version = match old {
            None => None,
            Some(old) => match held_against(context, memory, &document, (old, &first))? {
                // It ended there: who has the label here is somebody new.
                None => continue,
                version => version,
            },
        };
        moved.push(Moved {
            label: label.as_str().to_owned(),
            origin: before.origin.to_string(),
            version,
        });
    }
    Ok(moved)
}

/// The final version in the log before; none if nothing was left there to move.
fn held_against(
    context: &Context,
    memory: &mut Memory,
    document: &ConfigDocument,
    (old, first): (&Directory, &First),
) -> Result<Option<KeyVersion>, Failure> {
    let label = first.label();
    let asked = memory.visit(&old.origin, |memory| {
        let http = context.http_to(&memory.directory()?.url)?;
        let mut source = Online::new(&http);
        let question = |s: &mut crate::session::Session<'_>, d: &Directory| {
            resolve::resolve(s, d, &label, Depth::FromPin)
        };
        let (known, vouched) = desk::ask(context, memory, &mut source, PolicyIs::Demanded, None, question)?;
        // That log may itself continue another one.
        check(context, memory, &known)?;
        let ended = context::trust(memory.directory()?, &context.settings)?;
        Ok((known, vouched, ended.document().clone()))
    });
    let (known, vouched, ended) = asked.map_err(|failure| of_the_old_log(failure, &old.origin))?;
    let judged =
        rules::Link::verify(&ended, &vouched.epoch, document).and_then(|link| judge(&link, &known, first));
    judged.or_else(|error| Err(refuse(memory, &label, &old.origin, &error)?))
}

/// What an answer of the log before means for the first record here.
fn judge(link: &rules::Link, last: &Known, first: &First) -> Result<Option<KeyVersion>, MigrationError> {
    match first {
        First::Account(first) => match last.account() {
            Some(last)
                if first.previous != RecordHash::ZERO || last.chain().state() == AccountState::Live =>
            {
                link.account(last.newest(), first)?;
                Ok(Some(last.newest().version))
            }
            None if first.previous != RecordHash::ZERO => Err(MigrationError::PreviousHash),
            _ => Ok(None),
        },
        First::Alias(first) => match last.alias() {
            Some(last) if first.previous != RecordHash::ZERO || last.newest().holder.is_some() => {
                link.alias(last.newest(), first)?;
                Ok(Some(last.newest().version))
            }
            None if first.previous != RecordHash::ZERO => Err(MigrationError::PreviousHash),
            _ => Ok(None),
        },
    }
}

fn of_the_old_log(mut failure: Failure, origin: &str) -> Failure {
    failure.failed = format!("the log that this one continues, {origin}: {}", failure.failed);
    failure
}

/// Whoever was compared over the log before was compared with another key: that is kept before it is told.
fn refuse(
    memory: &mut Memory,
    label: &Label,
    origin: &str,
    error: &MigrationError,
) -> Result<Failure, Failure> {
    let shown = crate::label::show(label);
    let concerned = contacts::not_moved(
        memory.directory_mut()?,
        label.as_str(),
        error.reason(),
        clock::now().get(),
    );
    memory.save()?;
    let was_verified = concerned.iter().any(|(_, was_verified)| *was_verified);
    let exit = if was_verified { Exit::Alarm } else { Exit::Invalid };
    let failed = format!("{shown} did not move here from {origin}: {error}");
    let failure = Failure::new(exit, error.reason(), foreign(&failed))
        .checked("its first record here against the final one in the log that this one continues")
        .meaning("the platform brought other keys here than those that counted there, or made a mistake")
        .next(format!(
            "do not use the key; meet or call them: keyglass contact verify {shown:?}"
        ))
        .json("continues", origin)
        .json("label", label.as_str());
    Ok(match concerned.first() {
        Some((name, _)) => failure
            .json("contact", name.clone())
            .json("was_verified", was_verified),
        None => failure,
    })
}

/// Adds to a report what moved here.
pub(crate) fn describe(mut report: Report, moved: &[Moved]) -> Report {
    if moved.is_empty() {
        return report;
    }
    for Moved {
        label,
        origin,
        version,
    } in moved
    {
        report = match version {
            Some(version) => report.line(
                "moved",
                format!("{label} continues version {version} in {origin}, the final one there, unchanged"),
            ),
            None => report.note(format!(
                "{label} names a record of {origin}, which is not pinned here: that was not checked"
            )),
        };
    }
    let object = |m: &Moved| {
        serde_json::json!({
            "label": m.label, "origin": m.origin, "version": m.version.map(KeyVersion::get),
            "checked": m.version.is_some(),
        })
    };
    let list: Vec<serde_json::Value> = moved.iter().map(object).collect();
    let report = report.json("moved", list);
    if moved.iter().any(|m| m.version.is_some()) {
        report.checked(&[
            "that the first record here continues the final one in the log before, and changes nothing",
        ])
    } else {
        report
    }
}

/// What a saved answer leaves open: it holds nothing of the log before.
pub(crate) fn unchecked(directory: &Directory, document: &ConfigDocument, known: &Known) -> Vec<Moved> {
    let Some(before) = &document.values().predecessor else {
        return Vec::new();
    };
    let open = beginnings(known)
        .into_iter()
        .filter(|first| first.names_another() && !directory.pins.contains_key(first.label().as_str()));
    open.map(|first| Moved {
        label: first.label().as_str().to_owned(),
        origin: before.origin.to_string(),
        version: None,
    })
    .collect()
}
