//! Errors: one variant per broken rule, so that a test can demand the exact reason.
//!
//! Each room has its own enum; `reason()` gives the stable kebab-case name that programs print.

use thiserror::Error;

/// Bytes or text that are not the one canonical encoding of anything.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes end inside a field.
    #[error("truncated: the bytes end inside a field")]
    Truncated,
    /// Bytes are left over behind the last field.
    #[error("trailing bytes behind the last field")]
    TrailingBytes,
    /// The four magic bytes are those of another format.
    #[error("wrong magic bytes: this is another format")]
    BadMagic,
    /// A field has a fixed length and this is another.
    #[error("wrong length: expected {expected} bytes, found {found}")]
    WrongLength {
        /// Bytes that the format demands.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// A field or message is longer than its limit.
    #[error("too long: at most {max}, found {found}")]
    TooLong {
        /// The limit in bytes or items.
        max: usize,
        /// What was given.
        found: usize,
    },
    /// Text that must be UTF-8 is not.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not lower-case hex of the demanded length.
    #[error("not lower-case hex of the demanded length")]
    BadHex,
    /// Not standard base64 with padding in its canonical spelling.
    #[error("not canonical base64")]
    BadBase64,
    /// Decoding and encoding again gave other bytes.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// Version 0 does not exist.
    #[error("version 0 does not exist")]
    VersionZero,
    /// A number that must be decimal without leading zeros is not.
    #[error("not a canonical decimal number")]
    BadDecimal,
    /// An enumerated byte has no meaning.
    #[error("unknown value {0} of an enumerated field")]
    UnknownKind(u8),
    /// Not the protobuf message that is expected here.
    #[error(transparent)]
    BadProtobuf(#[from] crate::tree::wire::WireError),
    /// Not the JSON that is expected here.
    #[error("not the JSON that is expected here (line {line}, column {column})")]
    BadJson {
        /// Line of the first error, from 1.
        line: usize,
        /// Column of the first error.
        column: usize,
    },
}

impl FormatError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing-bytes",
            Self::BadMagic => "bad-magic",
            Self::WrongLength { .. } => "wrong-length",
            Self::TooLong { .. } => "too-long",
            Self::NotUtf8 => "not-utf8",
            Self::BadHex => "bad-hex",
            Self::BadBase64 => "bad-base64",
            Self::NotCanonical => "not-canonical",
            Self::VersionZero => "version-zero",
            Self::BadDecimal => "bad-decimal",
            Self::UnknownKind(_) => "unknown-kind",
            Self::BadProtobuf(_) => "bad-protobuf",
            Self::BadJson { .. } => "bad-json",
        }
    }
}
