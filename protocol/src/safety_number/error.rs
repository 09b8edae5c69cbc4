//! Why a safety number cannot be made or compared.

use thiserror::Error;

use crate::record::KeyError;

/// A safety number, code or key that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SafetyNumberError {
    /// Neither 32 bytes nor 33 with the type byte 05.
    #[error("a key has 32 bytes, or 33 with the type byte 05")]
    KeyLength,
    /// The key has low order or is not canonical.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Both halves are the same: a safety number is between two.
    #[error("both parties are the same")]
    SameParty,
    /// Not 60 digits.
    #[error("a safety number has 60 digits")]
    Digits,
    /// Not the number of words of a sentence.
    #[error("the sentence has 20 words besides \"the\", not {words}")]
    Sentence {
        /// Words found.
        words: usize,
    },
    /// The bytes are no scannable code.
    #[error("this is no safety number code")]
    MalformedQr,
    /// The other party's program makes another version of code.
    #[error("the code has version {theirs}, ours has version {ours}")]
    VersionMismatch {
        /// Version of our codes.
        ours: u8,
        /// Version of the scanned code.
        theirs: u8,
    },
}

impl SafetyNumberError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::KeyLength => "safety-number-key-length",
            Self::Key(e) => e.reason(),
            Self::SameParty => "safety-number-same-party",
            Self::Digits => "safety-number-digits",
            Self::Sentence { .. } => "safety-number-sentence",
            Self::MalformedQr => "safety-number-malformed-code",
            Self::VersionMismatch { .. } => "safety-number-version-mismatch",
        }
    }
}
