//! Names of keys, which are also the origins of logs.

use core::fmt;
use core::str::FromStr;

use super::error::NoteError;

/// Longest name of a known key in bytes (it must fit a u8 length).
pub const MAX_NAME_BYTES: usize = 255;

/// A valid key name: not empty, no Unicode white space, no `+`, nothing below U+0020 (signed-note).
///
/// A line of an unknown key may have any such name; a known key's is stricter ([`Origin`]).
pub(super) fn check_name(name: &str) -> Result<(), NoteError> {
    if name.is_empty() {
        return Err(NoteError::NameEmpty);
    }
    if name.chars().any(|c| c == '+' || c < ' ' || c.is_whitespace()) {
        return Err(NoteError::NameForbiddenCharacter);
    }
    Ok(())
}

/// Name of a log, and of any known key: a valid key name without control characters, 1..=255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Takes a name.
    ///
    /// # Errors
    /// [`NoteError::NameEmpty`], [`NoteError::NameForbiddenCharacter`] or [`NoteError::NameTooLong`].
    pub fn new(name: &str) -> Result<Self, NoteError> {
        check_name(name)?;
        if name.chars().any(char::is_control) {
            return Err(NoteError::NameForbiddenCharacter);
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(NoteError::NameTooLong);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = NoteError;

    fn from_str(name: &str) -> Result<Self, NoteError> {
        Self::new(name)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
