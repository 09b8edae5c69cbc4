//! `lookup --batch`: many labels, one verdict per line, the gravest is the exit code.

use std::path::Path;

use keyglass_protocol::label::Label;
use keyglass_protocol::message::MAX_BATCH;

use super::lookup;
use crate::contacts;
use crate::context::Context;
use crate::desk::{Desk, PolicyIs, Vouched};
use crate::label;
use crate::output::json_object;
use crate::report::{Failure, Outcome, Report};
use crate::resolve::Known;
use crate::saved::read_capped;
use crate::together;

/// Largest list of labels in bytes.
const MAX_BATCH_FILE: usize = 16 << 20;

/// `keyglass lookup --batch FILE`.
pub(super) fn run(context: &Context, file: &Path) -> Outcome {
    let bytes = read_capped(file, MAX_BATCH_FILE)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failure::malformed("not-utf8", format!("{} is not UTF-8", file.display())))?;
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .collect();
    let mut desk = Desk::open(context)?;
    let mut sum = Sum::new();
    for part in lines.chunks(MAX_BATCH) {
        let mut known = together(&mut desk, part);
        for line in part {
            let outcome = label::parse(line).and_then(|label| one(&mut desk, &label, &mut known));
            sum.add(line, &outcome);
            let done = sum.results.len();
            if done.is_multiple_of(20) {
                context
                    .style
                    .progress(&format!("{done} of {} looked up…", lines.len()));
            }
        }
    }
    Ok(sum.report())
}

/// What one answer proved of several labels, and who vouches for it.
type Together = Option<(Vec<(Label, Known)>, Vouched)>;

/// Asks for several labels at once. What is refused here is refused again, with its reason, for each label alone.
fn together(desk: &mut Desk<'_>, lines: &[&str]) -> Together {
    let mut labels: Vec<Label> = lines.iter().filter_map(|line| label::parse(line).ok()).collect();
    labels.sort();
    labels.dedup();
    if labels.len() < 2 {
        return None;
    }
    let asked = desk.ask(PolicyIs::Demanded, |session, directory| {
        together::resolve(session, directory, &labels)
    });
    let (known, vouched) = asked.ok()?;
    let known = labels.into_iter().zip(known);
    Some((
        known.filter_map(|(label, known)| Some((label, known?))).collect(),
        vouched,
    ))
}

/// One label's verdict. Whatever must be explained or kept needs answers of its own.
fn one(desk: &mut Desk<'_>, label: &Label, known: &mut Together) -> Outcome {
    let proven = known.as_mut().and_then(|(list, vouched)| {
        let at = list.iter().position(|(l, _)| l == label)?;
        Some((list.swap_remove(at).1, &*vouched))
    });
    match proven {
        Some((known, vouched)) if !is_delicate(desk, label, &known)? => {
            lookup::conclude(desk, label, &known, vouched)
        }
        _ => lookup::lookup(desk, label, None),
    }
}

/// Own accounts, and contacts that must be looked at.
fn is_delicate(desk: &Desk<'_>, label: &Label, known: &Known) -> Result<bool, Failure> {
    let directory = desk.memory.directory()?;
    let own = known
        .account()
        .is_some_and(|a| directory.accounts.contains_key(a.newest().account.as_str()));
    let worry = contacts::find(directory, "", label.as_str()).is_some_and(|(_, c)| c.concern.is_some());
    Ok(own || worry)
}

/// Everything that was said.
struct Sum {
    worst: Report,
    body: String,
    results: Vec<serde_json::Value>,
    good: usize,
    all_audited: bool,
}

impl Sum {
    fn new() -> Self {
        Self {
            worst: Report::new("authorised", ""),
            body: String::new(),
            results: Vec::new(),
            good: 0,
            all_audited: true,
        }
    }

    fn add(&mut self, line: &str, outcome: &Outcome) {
        let (exit, reason, words) = match outcome {
            Ok(report) => (report.exit, report.reason, report.headline.clone()),
            Err(failure) => (
                failure.exit,
                failure.reason,
                format!("{line}: {} ({})", failure.failed, failure.reason),
            ),
        };
        self.all_audited &= matches!(outcome, Ok(report) if report.audited);
        if exit.gravity() > self.worst.exit.gravity() {
            self.worst = Report::new(reason, "").exit(exit);
        }
        self.body.push_str(&format!("{:>2}  {words}\n", exit.code()));
        let mut object = json_object(outcome);
        self.good = self.good.saturating_add(usize::from(exit.code() == 0));
        object.insert("asked".into(), line.into());
        object.remove("schema");
        self.results.push(serde_json::Value::Object(object));
    }

    fn report(self) -> Report {
        let Self {
            mut worst,
            body,
            results,
            good,
            all_audited,
        } = self;
        worst.headline = format!("{good} of {} verified", results.len());
        worst.body = body;
        let audited = all_audited && !results.is_empty();
        worst.audited(audited).json("results", results)
    }
}
