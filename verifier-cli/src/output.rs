//! Words and JSON: data on stdout, everything else on stderr.

use std::io::{self, IsTerminal as _, Write};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::exit::Exit;
use crate::report::{Failure, Outcome, Report};

/// How the program speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// One JSON object instead of words.
    pub(crate) json: bool,
    /// No remarks on stderr.
    pub(crate) quiet: bool,
    /// What was checked is said even when it is good.
    pub(crate) verbose: bool,
    /// Colours are wanted (`NO_COLOR` is not set).
    pub(crate) color: bool,
}

impl Style {
    /// Whether colours are seen on stdout.
    pub(crate) fn color_on_stdout(&self) -> bool {
        self.color && io::stdout().is_terminal()
    }

    /// A remark while the command runs, for people at a terminal.
    pub(crate) fn progress(&self, text: &str) {
        if !self.json && !self.quiet && io::stderr().is_terminal() {
            // Nobody reads a remark that cannot be written.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }
}

/// A remark that is made when something takes longer than a second; none if it is dropped before.
pub(crate) struct Waiting {
    _done: Option<mpsc::Sender<()>>,
}

impl Style {
    /// Says what is waited for, for people at a terminal, if it takes longer than a second.
    pub(crate) fn waiting(&self, text: &'static str) -> Waiting {
        if self.json || self.quiet || !io::stderr().is_terminal() {
            return Waiting { _done: None };
        }
        let (done, dropped) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            if dropped.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Nobody reads a remark that cannot be written.
                let _ = writeln!(io::stderr(), "{text}");
            }
        });
        Waiting { _done: Some(done) }
    }
}

/// Prints the outcome and returns the exit code.
///
/// A closed stdout is an internal error: a verdict that nobody read must not look like success.
pub(crate) fn print(outcome: &Outcome, style: Style) -> u8 {
    let printed = if style.json {
        print_json(outcome)
    } else {
        print_words(outcome, style)
    };
    let exit = outcome.as_ref().map_or_else(|f| f.exit, |r| r.exit);
    if printed.is_ok() {
        exit.code()
    } else {
        Exit::Internal.code()
    }
}

/// Prints a text for another program.
pub(crate) fn print_raw(outcome: &Outcome) -> u8 {
    let body = outcome.as_ref().map(|r| r.body.as_str()).unwrap_or_default();
    let mut out = io::stdout().lock();
    let printed = out.write_all(body.as_bytes()).and_then(|()| out.flush());
    if printed.is_ok() {
        Exit::Verified.code()
    } else {
        Exit::Internal.code()
    }
}

fn print_json(outcome: &Outcome) -> io::Result<()> {
    let object = Value::Object(json_object(outcome));
    let mut out = io::stdout().lock();
    writeln!(out, "{object}")?;
    out.flush()
}

/// The one JSON object of a command.
pub(crate) fn json_object(outcome: &Outcome) -> Map<String, Value> {
    let (exit, reason, audited) = match outcome {
        Ok(r) => (r.exit, r.reason, r.audited),
        Err(f) => (f.exit, f.reason, false),
    };
    let mut object = Map::new();
    object.insert("schema".into(), 1.into());
    object.insert("verdict".into(), exit.verdict().into());
    object.insert("exit_code".into(), exit.code().into());
    object.insert("reason".into(), reason.into());
    object.insert("audited".into(), audited.into());
    match outcome {
        Ok(report) => {
            object.insert("message".into(), report.headline.clone().into());
            if !report.checked.is_empty() {
                object.insert("checked".into(), report.checked.clone().into());
            }
            if !report.notes.is_empty() {
                object.insert("notes".into(), report.notes.clone().into());
            }
            object.extend(report.json.clone());
        }
        Err(failure) => {
            object.insert("message".into(), failure.failed.clone().into());
            for (name, text) in [
                ("checked", &failure.checked),
                ("meaning", &failure.meaning),
                ("next", &failure.next),
            ] {
                if !text.is_empty() {
                    object.insert(name.into(), text.clone().into());
                }
            }
            if let Some(path) = &failure.saved {
                object.insert("saved".into(), path.display().to_string().into());
            }
            object.extend(failure.json.clone());
        }
    }
    object
}

fn print_words(outcome: &Outcome, style: Style) -> io::Result<()> {
    match outcome {
        Ok(report) => print_report(report, style),
        Err(failure) => print_failure(failure, style),
    }
}

fn print_report(report: &Report, style: Style) -> io::Result<()> {
    if style.quiet && report.silent_when_quiet {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    let color = style.color_on_stdout();
    let hue = if report.exit == Exit::Verified { "32" } else { "33" };
    writeln!(out, "{}", paint(&report.headline, hue, color))?;
    out.write_all(report.above.as_bytes())?;
    write_lines(&mut out, report.lines.iter().map(|(n, v)| (*n, v.as_str())))?;
    out.write_all(report.body.as_bytes())?;
    out.flush()?;
    let mut err = io::stderr().lock();
    if style.verbose {
        for checked in &report.checked {
            writeln!(err, "good: {checked}")?;
        }
    }
    if !style.quiet {
        for note in &report.notes {
            writeln!(err, "note: {note}")?;
        }
    }
    Ok(())
}

fn print_failure(failure: &Failure, style: Style) -> io::Result<()> {
    let mut err = io::stderr().lock();
    let color = style.color && io::stderr().is_terminal();
    let word = match failure.exit {
        Exit::Invalid => "REFUSED",
        Exit::Alarm => "ALARM",
        Exit::Policy => "NOT VERIFIED",
        Exit::Unverifiable | Exit::Verified => "NOTHING VERIFIED",
        Exit::Usage | Exit::Malformed | Exit::Network | Exit::Internal => "error",
    };
    writeln!(err, "{}: {}", paint(word, "1;31", color), failure.failed)?;
    let saved = failure
        .saved
        .as_ref()
        .map(|p| p.display().to_string())
        .unwrap_or_default();
    let lines = [
        ("reason", failure.reason),
        ("checked", failure.checked.as_str()),
        ("can mean", failure.meaning.as_str()),
        ("next", failure.next.as_str()),
        ("saved", saved.as_str()),
    ];
    write_lines(&mut err, lines.into_iter().filter(|(_, v)| !v.is_empty()))
}

fn write_lines<'a>(
    out: &mut impl Write,
    lines: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> io::Result<()> {
    let width = lines
        .clone()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    for (name, value) in lines {
        let mut rest = value.lines();
        writeln!(out, "  {name:width$}  {}", rest.next().unwrap_or_default())?;
        for more in rest {
            writeln!(out, "  {:width$}  {more}", "")?;
        }
    }
    Ok(())
}

fn paint(text: &str, code: &str, color: bool) -> String {
    if color {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Text from elsewhere, made safe for a terminal: no control or direction characters, at most 300 characters.
pub(crate) fn foreign(text: &str) -> String {
    let bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if bad(c) { '\u{fffd}' } else { c })
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn json_of_a_failure_has_the_members_that_scripts_rely_on() {
        let outcome =
            Err(Failure::missing("no-trust", "no directory is pinned").next("keyglass trust add URL"));
        let object = json_object(&outcome);
        assert_eq!(object["schema"], 1);
        assert_eq!(object["verdict"], "unverifiable");
        assert_eq!(object["exit_code"], 3);
        assert_eq!(object["reason"], "no-trust");
        assert_eq!(object["audited"], false);
        assert_eq!(object["next"], "keyglass trust add URL");
    }

    #[test]
    fn a_server_cannot_steer_the_terminal() {
        assert_eq!(foreign("a\u{1b}[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(foreign(&"x".repeat(1000)).len(), 300);
    }

    #[test]
    fn lines_are_aligned_and_continued() {
        let mut out = Vec::new();
        write_lines(&mut out, [("a", "1"), ("long", "2\n3")].into_iter()).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "  a     1\n  long  2\n        3\n"
        );
    }
}
