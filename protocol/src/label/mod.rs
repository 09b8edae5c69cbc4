//! Labels: what keys hang on, in their one canonical spelling.
//!
//! | label | names | points to |
//! |---|---|---|
//! | `account:<id>` | a stable account id | an [`AccountRecord`](crate::record::AccountRecord) |
//! | `handle:<name>` | a name that can change hands | an [`AliasRecord`](crate::record::AliasRecord) |
//! | `phone:<+E.164>` | a telephone number | an [`AliasRecord`](crate::record::AliasRecord) |
//!
//! Only canonical forms are accepted. Nothing is ever normalised on the way in, because two parties that
//! normalise differently would look at two different leaves of the tree.

mod account_id;
mod error;
mod handle;
mod phone;

use core::fmt;
use core::str::FromStr;

pub use account_id::AccountId;
pub use error::LabelError;
pub use handle::{HANDLE_UNICODE_VERSION, Handle};
pub use phone::Phone;

/// Longest label in bytes: `account:` and an id of 128 bytes.
pub const MAX_LABEL_BYTES: usize = AccountId::PREFIX.len() + AccountId::MAX_BYTES;

/// What kind of name a label is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LabelKind {
    /// `account:<id>`.
    Account,
    /// `handle:<name>`.
    Handle,
    /// `phone:<+E.164>`.
    Phone,
}

impl LabelKind {
    /// The word before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Handle => "handle",
            Self::Phone => "phone",
        }
    }
}

impl fmt::Display for LabelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A label in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// A stable account id.
    Account(AccountId),
    /// A name that can change hands.
    Handle(Handle),
    /// A telephone number.
    Phone(Phone),
}

impl Label {
    /// Reads `account:<id>`, `handle:<name>` or `phone:<+E.164>`.
    ///
    /// # Errors
    /// [`LabelError`] for every other text, also for one that would only need to be normalised.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        let (kind, name) = text.split_once(':').ok_or(LabelError::UnknownKind)?;
        match kind {
            "account" => AccountId::parse(name).map(Self::Account),
            "handle" => Handle::parse(name).map(Self::Handle),
            "phone" => Phone::parse(name).map(Self::Phone),
            _ => Err(LabelError::UnknownKind),
        }
    }

    /// The whole label, with its kind: `account:123`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Account(id) => id.label(),
            Self::Handle(handle) => handle.label(),
            Self::Phone(phone) => phone.label(),
        }
    }

    /// The label without its kind: `123`.
    pub fn name(&self) -> &str {
        match self {
            Self::Account(id) => id.as_str(),
            Self::Handle(handle) => handle.as_str(),
            Self::Phone(phone) => phone.as_str(),
        }
    }

    /// The bytes that akd is given: UTF-8 of [`Label::as_str`].
    pub fn as_bytes(&self) -> &[u8] {
        self.as_str().as_bytes()
    }

    /// What kind of name this is.
    pub fn kind(&self) -> LabelKind {
        match self {
            Self::Account(_) => LabelKind::Account,
            Self::Handle(_) => LabelKind::Handle,
            Self::Phone(_) => LabelKind::Phone,
        }
    }

    /// The account id, if this is one.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Account(id) => Some(id),
            Self::Handle(_) | Self::Phone(_) => None,
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::parse(text)
    }
}

impl From<AccountId> for Label {
    fn from(id: AccountId) -> Self {
        Self::Account(id)
    }
}

impl From<Handle> for Label {
    fn from(handle: Handle) -> Self {
        Self::Handle(handle)
    }
}

impl From<Phone> for Label {
    fn from(phone: Phone) -> Self {
        Self::Phone(phone)
    }
}

/// The label that the server publishes to fill an epoch without user updates: `padding:` and 64 hex digits.
///
/// It is no [`Label`]: nobody can ask for it or write to it.
pub fn padding(random: &[u8; 32]) -> String {
    format!("padding:{}", hex::encode(random))
}

/// The parts that the three kinds share: one text with prefix, read with and without it.
macro_rules! label_text {
    ($name:ident, $prefix:literal) => {
        impl $name {
            /// What stands before the name in the label.
            pub(super) const PREFIX: &'static str = $prefix;

            /// The name without its kind.
            pub fn as_str(&self) -> &str {
                self.0.strip_prefix(Self::PREFIX).unwrap_or_default()
            }

            /// The whole label, with its kind.
            pub fn label(&self) -> &str {
                &self.0
            }

            fn accept(name: &str) -> Self {
                Self(format!("{}{name}", Self::PREFIX))
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl core::str::FromStr for $name {
            type Err = super::LabelError;

            fn from_str(name: &str) -> Result<Self, super::LabelError> {
                Self::parse(name)
            }
        }
    };
}
use label_text;
