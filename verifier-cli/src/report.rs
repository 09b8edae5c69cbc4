//! What a command has to say when it did what it was asked: most important line first.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::exit::Exit;

/// The answer of a command.
#[derive(Debug)]
pub(crate) struct Report {
    /// The verdict. Answers that are no failure of a check (absent, released) come as reports too.
    pub(crate) exit: Exit,
    /// Stable kebab-case name of the verdict's reason.
    pub(crate) reason: &'static str,
    /// Whether a quorum with an auditor vouches for what is said.
    pub(crate) audited: bool,
    /// The most important line.
    pub(crate) headline: String,
    /// Name and value of what is worth knowing, in order of importance.
    pub(crate) lines: Vec<(&'static str, String)>,
    /// Printed as it is, above the lines.
    pub(crate) above: String,
    /// Printed as it is, below the lines.
    pub(crate) body: String,
    /// What was checked, one sentence each.
    pub(crate) checked: Vec<&'static str>,
    /// Remarks for people, on stderr.
    pub(crate) notes: Vec<String>,
    /// Further members of the JSON object.
    pub(crate) json: Map<String, Value>,
    /// Nothing is printed with `--quiet`: for jobs that mail whatever they print.
    pub(crate) silent_when_quiet: bool,
}

impl Report {
    /// A report of success.
    pub(crate) fn new(reason: &'static str, headline: impl Into<String>) -> Self {
        Self {
            exit: Exit::Verified,
            reason,
            audited: false,
            headline: headline.into(),
            lines: Vec::new(),
            above: String::new(),
            body: String::new(),
            checked: Vec::new(),
            notes: Vec::new(),
            json: Map::new(),
            silent_when_quiet: false,
        }
    }

    /// Nothing more to say: everything was printed before.
    pub(crate) fn silent() -> Self {
        Self::raw(String::new())
    }

    /// Text for another program, printed as it is whatever the style: completions and the manual page.
    pub(crate) fn raw(text: String) -> Self {
        Self {
            body: text,
            ..Self::new("raw", "")
        }
    }

    /// Whether it is such a text.
    pub(crate) fn is_raw(&self) -> bool {
        self.headline.is_empty()
    }

    /// With another verdict.
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// With the statement that an auditor is, or is not, part of the quorum that vouches.
    pub(crate) fn audited(mut self, audited: bool) -> Self {
        self.audited = audited;
        self
    }

    /// Adds a line.
    pub(crate) fn line(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.lines.push((name, value.into()));
        self
    }

    /// Says what was checked.
    pub(crate) fn checked(mut self, what: &[&'static str]) -> Self {
        self.checked.extend_from_slice(what);
        self
    }

    /// Adds a remark.
    pub(crate) fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds a member to the JSON object.
    pub(crate) fn json(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.json.insert(name.to_owned(), value.into());
        self
    }
}

/// Why a command could not say what it was asked: what was checked, what failed, what it can mean, what to do.
///
/// Boxed, because nearly every function can return one.
#[derive(Debug)]
pub(crate) struct Failure(Box<Explanation>);

/// The parts of a [`Failure`].
#[derive(Debug)]
pub(crate) struct Explanation {
    /// The verdict.
    pub(crate) exit: Exit,
    /// Stable kebab-case name of the broken rule.
    pub(crate) reason: &'static str,
    /// What was checked.
    pub(crate) checked: String,
    /// What failed, in one sentence.
    pub(crate) failed: String,
    /// What it can mean.
    pub(crate) meaning: String,
    /// What to do next.
    pub(crate) next: String,
    /// Where the refused answer or the evidence was kept.
    pub(crate) saved: Option<PathBuf>,
    /// Further members of the JSON object.
    pub(crate) json: Map<String, Value>,
}

impl Deref for Failure {
    type Target = Explanation;

    fn deref(&self) -> &Explanation {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Explanation {
        &mut self.0
    }
}

impl Failure {
    /// A failure that is explained by its one sentence and what to do next.
    pub(crate) fn new(exit: Exit, reason: &'static str, failed: impl Into<String>) -> Self {
        Self(Box::new(Explanation {
            exit,
            reason,
            checked: String::new(),
            failed: failed.into(),
            meaning: String::new(),
            next: String::new(),
            saved: None,
            json: Map::new(),
        }))
    }

    /// The command line or a setting is wrong.
    pub(crate) fn usage(reason: &'static str, failed: impl Into<String>) -> Self {
        Self::new(Exit::Usage, reason, failed)
    }

    /// The input is malformed.
    pub(crate) fn malformed(reason: &'static str, failed: impl Into<String>) -> Self {
        Self::new(Exit::Malformed, reason, failed)
    }

    /// This program or this machine failed.
    pub(crate) fn internal(reason: &'static str, failed: impl Into<String>) -> Self {
        Self::new(Exit::Internal, reason, failed)
    }

    /// Something needed for an answer is missing.
    pub(crate) fn missing(reason: &'static str, failed: impl Into<String>) -> Self {
        Self::new(Exit::Unverifiable, reason, failed)
    }

    /// Says what was checked.
    pub(crate) fn checked(mut self, text: impl Into<String>) -> Self {
        self.checked = text.into();
        self
    }

    /// Says what it can mean.
    pub(crate) fn meaning(mut self, text: impl Into<String>) -> Self {
        self.meaning = text.into();
        self
    }

    /// Says what to do next.
    pub(crate) fn next(mut self, text: impl Into<String>) -> Self {
        self.next = text.into();
        self
    }

    /// Adds a member to the JSON object.
    pub(crate) fn json(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.json.insert(name.to_owned(), value.into());
        self
    }
}

/// What a command comes back with.
pub(crate) type Outcome = Result<Report, Failure>;
