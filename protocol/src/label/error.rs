//! Why a text is no label. Every reason is answered with 400.

use thiserror::Error;

/// A text that is not the canonical form of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LabelError {
    /// Neither `account:`, `handle:` nor `phone:`.
    #[error("a label begins with account:, handle: or phone:")]
    UnknownKind,
    /// Nothing behind the colon.
    #[error("the name is empty")]
    Empty,
    /// More bytes than the kind allows.
    #[error("the name is too long: at most {max} bytes, found {found}")]
    TooLong {
        /// The limit in bytes.
        max: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// A byte outside 0x21..=0x7E, or one of `/ ? # %`, in an account id.
    #[error("an account id has printable ASCII only, without / ? # %")]
    AccountCharacter,
    /// The account id is `.` or `..`, which URLs do not keep.
    #[error("an account id is not . or ..")]
    AccountDots,
    /// A character that steers the direction of text, invisible to the reader.
    #[error("a handle has no bidirectional control characters")]
    BidiControl,
    /// A code point outside PRECIS IdentifierClass (RFC 8264 section 4.2), or without the context it needs.
    #[error("a handle has a character that PRECIS IdentifierClass does not allow")]
    HandleCharacter,
    /// The Bidi Rule (RFC 5893 section 2) is broken.
    #[error("a handle with right-to-left characters breaks the Bidi Rule")]
    BidiRule,
    /// UsernameCaseMapped (RFC 8265 section 3.3) maps the handle to another text.
    #[error("the handle is not in canonical form")]
    HandleNotCanonical,
    /// The number does not begin with `+`.
    #[error("a phone number begins with +")]
    PhoneWithoutPlus,
    /// Something else than 0 to 9 behind the `+`.
    #[error("a phone number has digits only behind the +")]
    PhoneCharacter,
    /// The first digit is 0: no country code begins with it.
    #[error("a phone number does not begin with 0")]
    PhoneLeadingZero,
    /// Fewer than 2 or more than 15 digits.
    #[error("a phone number has 2 to 15 digits, found {found}")]
    PhoneLength {
        /// Digits that were given.
        found: usize,
    },
}

impl LabelError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownKind => "label-unknown-kind",
            Self::Empty => "label-empty",
            Self::TooLong { .. } => "label-too-long",
            Self::AccountCharacter => "account-character",
            Self::AccountDots => "account-dots",
            Self::BidiControl => "handle-bidi-control",
            Self::HandleCharacter => "handle-character",
            Self::BidiRule => "handle-bidi-rule",
            Self::HandleNotCanonical => "handle-not-canonical",
            Self::PhoneWithoutPlus => "phone-without-plus",
            Self::PhoneCharacter => "phone-character",
            Self::PhoneLeadingZero => "phone-leading-zero",
            Self::PhoneLength { .. } => "phone-length",
        }
    }
}
