//! Signed notes: a text, a blank line, signature lines.

use ed25519_dalek::{Signer as _, SigningKey};

use super::error::NoteError;
use super::key::{KeyId, KeyKind, VerifierKey, verify_ed25519};
use super::line::{SignatureLine, parse_lines};

/// Longest note in bytes: 64 ML-DSA-44 lines of about 3.5 kB, and a text.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;
/// Most signature lines of a note.
pub const MAX_SIGNATURES: usize = 64;

/// A note whose form is right. Nothing about its signatures is known until they are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// Parses a note of at most [`MAX_NOTE_BYTES`] with 1..=[`MAX_SIGNATURES`] signature lines.
    ///
    /// # Errors
    /// The first broken rule: size, UTF-8, control characters, blank line, signature lines.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::NoteTooLarge);
        }
        let all = core::str::from_utf8(bytes).map_err(|_| NoteError::NoteNotUtf8)?;
        if all.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::NoteControlCharacter);
        }
        // The LAST blank line: the text may contain others.
        let (text, lines) = all.rsplit_once("\n\n").ok_or(NoteError::NoteBlankLine)?;
        Ok(Self {
            text: format!("{text}\n"),
            signatures: parse_lines(lines.as_bytes())?,
        })
    }

    /// A note of a text and its signature lines.
    ///
    /// # Errors
    /// [`NoteError::NoteText`] if the text does not end with a newline or the lines would be read as
    /// something else; and whatever [`Note::parse`] refuses.
    pub fn new(text: &str, signatures: Vec<SignatureLine>) -> Result<Self, NoteError> {
        let note = Self {
            text: text.to_owned(),
            signatures,
        };
        let parsed = Self::parse(&note.to_bytes())?;
        if parsed != note {
            return Err(NoteError::NoteText);
        }
        Ok(note)
    }

    /// The text that is signed, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order; unverified.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// The note with one more line at its end; unchanged if the very same line is there already.
    ///
    /// # Errors
    /// [`NoteError::NoteTooManySignatures`], [`NoteError::NoteTooLarge`] or a broken rule of the line.
    pub fn with_line(&self, line: SignatureLine) -> Result<Self, NoteError> {
        if self.signatures.contains(&line) {
            return Ok(self.clone());
        }
        let mut signatures = self.signatures.clone();
        signatures.push(line);
        Self::new(&self.text, signatures)
    }

    /// The bytes of the note; [`Note::parse`] gives the same note again.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{}\n", self.text);
        for line in &self.signatures {
            out.push_str(&line.to_line());
            out.push('\n');
        }
        out.into_bytes()
    }

    /// Demands that this Ed25519 key (type 0x01) signed the text.
    ///
    /// Lines of other keys are ignored. Every line with this name and key ID must verify: one bad line of
    /// a known key rejects the whole note.
    ///
    /// # Errors
    /// [`NoteError::KeyKind`], [`NoteError::SignatureMissing`], [`NoteError::SignatureLength`] or
    /// [`NoteError::SignatureBad`].
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        if key.kind() != KeyKind::Ed25519 {
            return Err(NoteError::KeyKind);
        }
        let mut signed = false;
        for line in self.signatures.iter().filter(|line| key.claims(line)) {
            verify_ed25519(key, self.text.as_bytes(), &line.signature)?;
            signed = true;
        }
        if signed {
            Ok(())
        } else {
            Err(NoteError::SignatureMissing)
        }
    }
}

/// Signs a text, which must end with a newline, with plain Ed25519 (type 0x01).
pub fn sign_note(name: &str, key: &SigningKey, text: &str) -> SignatureLine {
    SignatureLine {
        name: name.to_owned(),
        key_id: KeyId::derive(name, KeyKind::Ed25519, key.verifying_key().as_bytes()),
        signature: key.sign(text.as_bytes()).to_bytes().to_vec(),
    }
}
