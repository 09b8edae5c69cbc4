//! Telephone numbers.

use super::{LabelError, label_text};

/// A telephone number in E.164: `+` and 2 to 15 digits, the first not 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

label_text!(Phone, "phone:");

impl Phone {
    /// Reads a number without its prefix, with its `+`.
    ///
    /// # Errors
    /// [`LabelError`] naming the rule that is broken.
    pub fn parse(name: &str) -> Result<Self, LabelError> {
        if name.is_empty() {
            return Err(LabelError::Empty);
        }
        let digits = name.strip_prefix('+').ok_or(LabelError::PhoneWithoutPlus)?;
        if !(2..=15).contains(&digits.len()) {
            return Err(LabelError::PhoneLength { found: digits.len() });
        }
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(LabelError::PhoneCharacter);
        }
        if digits.starts_with('0') {
            return Err(LabelError::PhoneLeadingZero);
        }
        Ok(Self::accept(name))
    }
}
