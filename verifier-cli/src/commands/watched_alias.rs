//! What `monitor` says about one own handle or number: nobody but this device may move it.

use keyglass_protocol::quantity::Epoch;
use keyglass_protocol::record::{AliasKind, AliasRecord};
use keyglass_protocol::verify::AuthorisedAlias;

use super::lookup;
use super::monitor::Finding;
use super::watched::{NOT_MINE, account, not_moved, proven};
use crate::desk::{Desk, PolicyIs};
use crate::label;
use crate::own;
use crate::report::Failure;
use crate::resolve::{self, Depth};
use crate::state::Directory;

/// Walks every version since the last check.
pub(super) fn own_alias(
    desk: &mut Desk<'_>,
    id: &str,
    alias: &str,
    accept: bool,
) -> Result<Vec<Finding>, Failure> {
    let label = label::parse(alias)?;
    let shown = label::show(&label);
    let walked = account(desk, id)?.aliases.get(alias).copied().unwrap_or_default();
    let asked = desk.ask(PolicyIs::Reported, |s, d| {
        resolve::resolve(s, d, &label, Depth::Whole)
    });
    let (known, vouched) = asked.map_err(proven)?;
    let Some(found) = known.alias() else {
        return Ok(vec![gone(&shown, walked)]);
    };
    let mut findings = Vec::new();
    if walked == 0 {
        findings.extend(not_moved(desk, &label, &known)?);
    }
    let moved = findings.is_empty();
    findings.extend(moved_away(desk.memory.directory()?, found, (id, walked, moved)));
    if !accept && !findings.is_empty() {
        let saved = desk
            .keep_shown(&label, "own-alias-changed")?
            .map(|p| p.display().to_string());
        findings.iter_mut().for_each(|f| f.saved.clone_from(&saved));
        return Ok(findings);
    }
    findings.iter_mut().for_each(Finding::accept);
    let held = settle(desk.memory.directory_mut()?, (id, alias), found.newest());
    if vouched.shortfall.is_none() {
        lookup::pin(&mut desk.memory, &label, &known, &vouched)?;
    }
    let text = if held {
        "points to you"
    } else {
        "is no longer yours, as you wanted"
    };
    findings.push(Finding::good(&shown, text));
    Ok(findings)
}

/// A name that came along from the log before may not be here yet.
fn gone(shown: &str, walked: u64) -> Finding {
    if walked == 0 {
        let text = "not in this directory yet: keyglass handle claim";
        return Finding::notice(shown, "own-alias-not-moved", text);
    }
    let text = "the directory says that your name does not exist";
    Finding::alarm(shown, "own-alias-gone", text, NOT_MINE)
}

/// Every version that this device did not make. What came along as it was from the log before is as it should be.
fn moved_away(
    directory: &Directory,
    found: &AuthorisedAlias,
    (id, walked, moved): (&str, u64, bool),
) -> Vec<Finding> {
    let came_along = |r: &AliasRecord| moved && r.kind == AliasKind::Imported && is_held_by(r, id);
    let foreign =
        found.chain().records().iter().filter(|(_, r)| {
            r.version.get() > walked && !directory.is_made_here(r.bytes()) && !came_along(r)
        });
    foreign
        .map(|(epoch, r)| alarm(&label::show(&r.alias), *epoch, r))
        .collect()
}

fn alarm(shown: &str, epoch: Epoch, record: &AliasRecord) -> Finding {
    let (version, kind) = (record.version, record.kind.as_str());
    let subject = format!("{shown} version {version} (epoch {epoch}, {kind})");
    let text = match &record.holder {
        Some(holder) => format!(
            "your name points to {}, not by this device",
            holder.account.label()
        ),
        None => "your name was released, not by this device".to_owned(),
    };
    Finding::alarm(&subject, "own-alias-changed", text, NOT_MINE)
}

fn is_held_by(record: &AliasRecord, id: &str) -> bool {
    record.holder.as_ref().is_some_and(|h| h.account.as_str() == id)
}

/// Everything up to the newest version is in order, or the user says so. Returns whether the name is still the account's.
fn settle(directory: &mut Directory, (id, alias): (&str, &str), newest: &AliasRecord) -> bool {
    let held = is_held_by(newest, id);
    if let Some(mark) = own::mark(newest.bytes()) {
        directory.made.remove(&mark);
    }
    if let Some(own) = directory.accounts.get_mut(id) {
        if held {
            own.aliases.insert(alias.to_owned(), newest.version.get());
        } else {
            own.aliases.remove(alias);
        }
    }
    held
}
