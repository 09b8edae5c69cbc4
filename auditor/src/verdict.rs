//! The answer of a one-shot command: one object, one exit code.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

/// What a one-shot command found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    /// Class of the answer.
    pub(crate) class: Class,
    /// Stable kebab-case name.
    pub(crate) reason: String,
    /// A sentence for people.
    pub(crate) text: String,
    /// Further fields of the JSON object.
    pub(crate) details: Map<String, Value>,
}

/// The classes of CONTRACT's table of exit codes that an auditor can meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Verified,
    Invalid,
    Usage,
    Unverifiable,
    /// A contradiction in what was signed: an evidence file was written.
    Alarm,
    Malformed,
    Network,
    Internal,
}

impl Class {
    fn code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Invalid => 1,
            Self::Usage => 2,
            Self::Unverifiable => 3,
            Self::Alarm => 5,
            Self::Malformed => 65,
            Self::Network => 69,
            Self::Internal => 70,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Invalid => "invalid",
            Self::Unverifiable => "unverifiable",
            Self::Alarm => "alarm",
            Self::Usage | Self::Malformed | Self::Network | Self::Internal => "error",
        }
    }
}

impl Verdict {
    pub(crate) fn new(class: Class, reason: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            class,
            reason: reason.into(),
            text: text.into(),
            details: Map::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The same with something to try added to the sentence.
    pub(crate) fn hint(mut self, hint: Option<String>) -> Self {
        if let Some(hint) = hint {
            self.text = format!("{}; {hint}", self.text);
            self.details.insert("hint".to_owned(), Value::from(hint));
        }
        self
    }

    /// The same about something that is named.
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// Prints the answer: JSON or a sentence on stdout, what went wrong on stderr.
    #[expect(clippy::print_stderr, reason = "one-shot commands do not log")]
    pub(crate) fn exit(&self, json: bool) -> ExitCode {
        let line = if json {
            self.to_json().to_string()
        } else {
            format!("{}: {}", self.class.name(), self.text)
        };
        if json || self.class == Class::Verified {
            if crate::print_lines(&[line]).is_err() {
                return ExitCode::from(Class::Internal.code());
            }
        } else {
            eprintln!("keyglass-auditor: {line} [{}]", self.reason);
        }
        ExitCode::from(self.class.code())
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("schema".to_owned(), json!(1));
        object.insert("verdict".to_owned(), json!(self.class.name()));
        object.insert("exit_code".to_owned(), json!(self.class.code()));
        object.insert("reason".to_owned(), json!(self.reason));
        // What this command verified, it audited itself.
        object.insert("audited".to_owned(), json!(self.class == Class::Verified));
        object.insert("message".to_owned(), json!(self.text));
        object.extend(self.details.clone());
        Value::Object(object)
    }
}
