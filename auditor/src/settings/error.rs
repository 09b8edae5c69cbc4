//! Why settings cannot be used.

use thiserror::Error;

/// Why the settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// An environment variable of ours that means nothing.
    #[error("unknown setting {0} in the environment")]
    UnknownVariable(String),
    /// The file is not TOML, or has an unknown setting in it.
    #[error("settings file: {0}")]
    File(String),
    /// A value does not parse.
    #[error("{name}: {value:?} is not {expected}")]
    Value {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is expected.
        expected: &'static str,
    },
    /// No directory to follow.
    #[error("no directory: give --directory and --log-vkey, or [[directories]] in the settings file")]
    NoDirectory,
    /// A directory without its log's key.
    #[error("--directory and --log-vkey belong together")]
    NoLogKey,
    /// One log twice.
    #[error("the log {0} is named twice")]
    OriginTwice(String),
}

impl SettingsError {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownVariable(_) => "unknown-variable",
            Self::File(_) => "settings-file",
            Self::Value { .. } => "bad-value",
            Self::NoDirectory => "no-directory",
            Self::NoLogKey => "no-log-key",
            Self::OriginTwice(_) => "origin-twice",
        }
    }

    pub(super) fn value(name: &'static str, value: &str, expected: &'static str) -> Self {
        Self::Value {
            name,
            value: value.to_owned(),
            expected,
        }
    }
}
