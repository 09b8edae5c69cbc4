//! Handles: PRECIS UsernameCaseMapped (RFC 8265 section 3.3), already in canonical form.

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation as _;

use super::{LabelError, label_text};

/// Unicode version whose assigned code points a handle may use.
///
/// The code points of PRECIS IdentifierClass are derived from this version; whatever Unicode assigned later is
/// refused, so a newer table of mappings or directions cannot change which handles are canonical.
pub const HANDLE_UNICODE_VERSION: (u8, u8, u8) = (6, 3, 0);

/// A handle: 1 to 64 bytes of UTF-8 that UsernameCaseMapped maps to itself.
///
/// Stricter than RFC 5893 in one point: in a handle with right-to-left characters a non-spacing mark may only
/// stand at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

label_text!(Handle, "handle:");

impl Handle {
    /// Longest handle in bytes of UTF-8, without the prefix.
    pub const MAX_BYTES: usize = 64;

    /// Reads a handle without its prefix and without `@`.
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
        if name.chars().any(is_bidi_control) {
            return Err(LabelError::BidiControl);
        }
        UsernameCaseMapped::prepare(name).map_err(|_| LabelError::HandleCharacter)?;
        // What `enforce` adds to `prepare` and can fail is the Bidi Rule alone.
        let canonical = UsernameCaseMapped::enforce(name).map_err(|_| LabelError::BidiRule)?;
        if canonical != name {
            return Err(LabelError::HandleNotCanonical);
        }
        Ok(Self::accept(name))
    }
}

/// Unicode property Bidi_Control.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
