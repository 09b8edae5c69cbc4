//! `monitor`: own accounts, own names and contacts, every version since the last check.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{checkpoint, receipt, watched};
use crate::args;
use crate::clock;
use crate::context::Context;
use crate::desk::{Desk, PolicyIs};
use crate::exit::Exit;
use crate::output;
use crate::report::{Failure, Outcome, Report};
use crate::schedule::Schedule;
use crate::secret::fill_random;

/// How often the watch looks whether it should stop.
const TICK: Duration = Duration::from_millis(100);

/// `keyglass monitor`.
pub(super) fn run(context: &Context, args: &args::Monitor) -> Outcome {
    if args.watch {
        return watch(context, Duration::from_secs(args.every));
    }
    round(context, args.accept)
}

/// One thing that was looked at.
pub(super) struct Finding {
    /// Its part in the exit code; [`Exit::Verified`] for what is in order and for notices.
    pub(super) exit: Exit,
    /// Stable kebab-case name.
    pub(super) reason: &'static str,
    /// Whose or what.
    pub(super) subject: String,
    /// In words.
    pub(super) text: String,
    /// Worth telling although nothing is wrong.
    pub(super) notice: bool,
    /// What to do.
    pub(super) next: String,
    /// Where evidence was kept.
    pub(super) saved: Option<String>,
}

impl Finding {
    /// All in order.
    pub(super) fn good(subject: &str, text: impl Into<String>) -> Self {
        Self {
            exit: Exit::Verified,
            reason: "unchanged",
            subject: subject.to_owned(),
            text: text.into(),
            notice: false,
            next: String::new(),
            saved: None,
        }
    }

    /// Worth telling.
    pub(super) fn notice(subject: &str, reason: &'static str, text: impl Into<String>) -> Self {
        Self {
            reason,
            notice: true,
            ..Self::good(subject, text)
        }
    }

    /// Something is wrong.
    pub(super) fn alarm(subject: &str, reason: &'static str, text: impl Into<String>, next: &str) -> Self {
        Self {
            exit: Exit::Alarm,
            reason,
            next: next.to_owned(),
            ..Self::good(subject, text)
        }
    }

    /// The user says that it was him.
    pub(super) fn accept(&mut self) {
        if self.exit == Exit::Alarm {
            (self.exit, self.notice) = (Exit::Verified, true);
            self.next = "accepted as your own act".to_owned();
        }
    }

    /// A check that could not be finished, or failed.
    pub(super) fn failed(subject: &str, failure: &Failure) -> Self {
        Self {
            exit: failure.exit,
            reason: failure.reason,
            next: failure.next.clone(),
            saved: failure.saved.as_ref().map(|p| p.display().to_string()),
            ..Self::good(subject, failure.failed.clone())
        }
    }

    fn json(&self) -> Value {
        let level = match (self.exit, self.notice) {
            (Exit::Verified, false) => "good",
            (Exit::Verified, true) => "notice",
            (Exit::Alarm, _) => "alarm",
            _ => "failed",
        };
        json!({
            "level": level, "exit_code": self.exit.code(), "reason": self.reason, "subject": self.subject,
            "message": self.text, "next": self.next, "saved": self.saved,
        })
    }

    fn words(&self) -> String {
        let mark = match (self.exit, self.notice) {
            (Exit::Verified, false) => "good   ",
            (Exit::Verified, true) => "notice ",
            (Exit::Alarm, _) => "ALARM  ",
            _ => "FAILED ",
        };
        let mut words = format!("  {mark}  {}: {}\n", self.subject, self.text);
        for (name, value) in [("next", Some(&self.next)), ("saved", self.saved.as_ref())] {
            if let Some(value) = value.filter(|v| !v.is_empty()) {
                words.push_str(&format!("           {name}  {value}\n"));
            }
        }
        words
    }
}

/// Looks at everything once.
fn round(context: &Context, accept: bool) -> Outcome {
    let mut desk = Desk::open(context)?;
    let mut findings = Vec::new();
    let http = context.http(desk.memory.directory()?)?;
    // Whether the directory can be reached and still continues what was seen; what it shows for a label comes then.
    let head = desk.ask(PolicyIs::Demanded, |session, _| {
        checkpoint::newest(session, &http)
    });
    let audited = match head {
        Ok((_, vouched)) => {
            let text = format!(
                "head of size {} continues what was seen before",
                vouched.epoch.size()
            );
            findings.push(Finding::good("directory", text));
            vouched.audited
        }
        Err(failure) if failure.exit == Exit::Network => return Err(failure),
        Err(failure) => {
            findings.push(Finding::failed("directory", &failure));
            false
        }
    };
    let ids: Vec<String> = desk.memory.directory()?.accounts.keys().cloned().collect();
    for id in &ids {
        look(&mut desk, &mut findings, &format!("account:{id}"), |desk| {
            watched::own_account(desk, id, accept)
        })?;
    }
    let names: Vec<String> = desk.memory.directory()?.contacts.keys().cloned().collect();
    for (done, name) in names.iter().enumerate() {
        if done % 20 == 19 {
            let text = format!("{} of {} contacts looked at…", done + 1, names.len());
            context.style.progress(&text);
        }
        look(&mut desk, &mut findings, name, |desk| {
            watched::contact(desk, name)
        })?;
    }
    look(&mut desk, &mut findings, "receipts", receipt::open_promises)?;
    Ok(summary(&findings, (ids.len(), names.len()), audited))
}

/// One check; what it learnt is kept whatever it found. Without network the round ends.
fn look(
    desk: &mut Desk<'_>,
    findings: &mut Vec<Finding>,
    subject: &str,
    check: impl FnOnce(&mut Desk<'_>) -> Result<Vec<Finding>, Failure>,
) -> Result<(), Failure> {
    match check(desk) {
        Ok(found) => findings.extend(found),
        Err(failure) => {
            let alarmed = findings.iter().any(|f| f.exit.gravity() > failure.exit.gravity());
            if matches!(failure.exit, Exit::Network | Exit::Internal) && !alarmed {
                return Err(failure);
            }
            findings.push(Finding::failed(subject, &failure));
        }
    }
    desk.memory.save()
}

fn summary(findings: &[Finding], (accounts, contacts): (usize, usize), audited: bool) -> Report {
    let gravest = findings.iter().rev().max_by_key(|f| f.exit.gravity());
    let (exit, reason) = gravest.map_or((Exit::Verified, "unchanged"), |f| (f.exit, f.reason));
    let wrong = findings.iter().filter(|f| f.exit != Exit::Verified).count();
    let notices = findings.iter().filter(|f| f.notice).count();
    let whom = format!(
        "{} and {}",
        count(accounts, "own account"),
        count(contacts, "contact")
    );
    let (headline, reason) = match (exit, wrong, notices) {
        (Exit::Verified, _, 0) => (format!("ALL GOOD: {whom}, nothing unexpected"), "unchanged"),
        (Exit::Verified, _, n) => (format!("ALL GOOD: {whom}, {}", count(n, "notice")), "changed"),
        (Exit::Alarm, n, _) => (format!("ALARM: {} of {whom}", count(n, "finding")), reason),
        (_, n, _) => (
            format!("NOT ALL VERIFIED: {} of {whom}", count(n, "finding")),
            reason,
        ),
    };
    let mut report = Report::new(reason, headline)
        .exit(exit)
        .audited(audited && exit == Exit::Verified)
        .json("findings", findings.iter().map(Finding::json).collect::<Vec<_>>())
        .json("accounts", accounts)
        .json("contacts", contacts);
    report.silent_when_quiet = exit == Exit::Verified && notices == 0;
    // What is wrong comes first.
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|f| (std::cmp::Reverse(f.exit.gravity()), !f.notice));
    report.body = sorted.iter().map(|f| f.words()).collect();
    report
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Looks again and again until it is told to stop. With `--json` every round is one object on a line.
fn watch(context: &Context, every: Duration) -> Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|e| Failure::internal("signals", format!("signals cannot be caught: {e}")))?;
    }
    let mut schedule = Schedule::new(every);
    while !stop.load(Ordering::Relaxed) {
        let outcome = round(context, false);
        let reached = !matches!(&outcome, Err(f) if f.exit == Exit::Network);
        if !context.style.json && !context.style.quiet {
            eprintln!("{}", clock::utc(clock::now()));
        }
        let code = output::print(&outcome, context.style);
        if code == Exit::Internal.code() {
            return outcome.and(Err(Failure::internal(
                "output-closed",
                "nobody reads the output any more",
            )));
        }
        let mut chance = [0; 2];
        fill_random(&mut chance)?;
        let pause = schedule.pause(reached, u16::from_be_bytes(chance));
        sleep(pause, &stop);
    }
    Ok(Report::silent())
}

fn sleep(pause: Duration, stop: &AtomicBool) {
    let start = std::time::Instant::now();
    while start.elapsed() < pause && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(TICK.min(pause.saturating_sub(start.elapsed())));
    }
}
