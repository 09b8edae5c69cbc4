//! `history`: every version that a label ever had.

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_protocol::record::AccountState;
use serde_json::{Value, json};

use super::lookup;
use crate::args;
use crate::context::Context;
use crate::desk::{Desk, PolicyIs};
use crate::exit::Exit;
use crate::label;
use crate::report::{Outcome, Report};
use crate::resolve::{Depth, Known};

/// `keyglass history LABEL`.
pub(super) fn run(context: &Context, args: &args::History) -> Outcome {
    let label = label::parse(&args.label)?;
    let mut desk = Desk::open(context)?;
    let (known, vouched) = desk.know(PolicyIs::Demanded, &label, Depth::Whole)?;
    lookup::pin(&mut desk.memory, &label, &known, &vouched)?;
    desk.memory.save()?;
    let (lines, versions) = rows(&label, &known);
    let report = match &known {
        Known::Absent => lookup::describe(&label, &known),
        Known::Account(account) if account.chain().state() == AccountState::Erased => {
            lookup::describe(&label, &known)
        }
        _ => {
            let count = versions.len();
            let s = if count == 1 { "" } else { "s" };
            let headline = format!(
                "VERIFIED: {} has {count} version{s}, each one authorised",
                label::show(&label)
            );
            Report::new("authorised", headline)
                .exit(Exit::Verified)
                .json("label", label.as_str())
        }
    };
    let mut report = vouched.describe(desk.memory.directory()?, report);
    report.above = lines;
    Ok(report.json("versions", versions))
}

/// One line and one object per version, oldest first.
fn rows(label: &Label, known: &Known) -> (String, Vec<Value>) {
    let mut lines = String::new();
    let mut versions = Vec::new();
    let mut add = |epoch: Epoch, version: KeyVersion, kind: &str, what: String, mut object: Value| {
        lines.push_str(&format!("  version {version}  epoch {epoch}  {kind:<9} {what}\n"));
        if let Some(members) = object.as_object_mut() {
            members.insert("version".into(), version.get().into());
            members.insert("epoch".into(), epoch.get().into());
            members.insert("kind".into(), kind.into());
        }
        versions.push(object);
    };
    match (label, known) {
        (Label::Account(_), Known::Account(account)) => {
            for (epoch, record) in account.chain().records() {
                let n = record.devices.len();
                let what = format!(
                    "identity {}, {n} device{}",
                    record.identity,
                    if n == 1 { "" } else { "s" }
                );
                let object = json!({"identity_key": record.identity.to_string(), "devices": n});
                add(*epoch, record.version, record.kind.as_str(), what, object);
            }
        }
        _ => {
            for (epoch, record) in known.alias().into_iter().flat_map(|a| a.chain().records()) {
                let holder = record.holder.as_ref().map(|h| h.account.label().to_owned());
                let what = holder
                    .clone()
                    .map_or("released".to_owned(), |h| format!("points to {h}"));
                add(
                    *epoch,
                    record.version,
                    record.kind.as_str(),
                    what,
                    json!({"account": holder}),
                );
            }
        }
    }
    (lines, versions)
}
