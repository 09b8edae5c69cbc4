//! Stable account ids, chosen by the platform.

use super::{LabelError, label_text};

/// A stable account id: 1 to 128 bytes of 0x21..=0x7E without `/ ? # %`, and not `.` or `..`.
///
/// What is left out would not survive a URL path unescaped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

label_text!(AccountId, "account:");

impl AccountId {
    /// Longest id in bytes, without the prefix.
    pub const MAX_BYTES: usize = 128;

    /// Reads an id without its prefix.
    ///
    /// # Errors
    /// [`LabelError`] naming the rule that is broken.
    pub fn parse(name: &str) -> Result<Self, LabelError> {
        if name.is_empty() {
            return Err(LabelError::Empty);
        }
        if name.len() > Self::MAX_BYTES {
            let found = name.len();
            return Err(LabelError::TooLong {
                max: Self::MAX_BYTES,
                found,
            });
        }
        if !name.bytes().all(is_allowed) {
            return Err(LabelError::AccountCharacter);
        }
        if name == "." || name == ".." {
            return Err(LabelError::AccountDots);
        }
        Ok(Self::accept(name))
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'%')
}
