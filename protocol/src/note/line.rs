//! One signature line of a note.

use super::error::NoteError;
use super::key::KeyId;
use super::name::check_name;
use super::signed::{MAX_NOTE_BYTES, MAX_SIGNATURES};
use crate::codec;

/// Em dash and space.
const PREFIX: &str = "\u{2014} ";

/// `— <name> <base64(key ID || signature)>`: a claim, verified by nobody yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Name of the key that claims to have signed.
    pub name: String,
    /// Its key ID.
    pub key_id: KeyId,
    /// The signature without the key ID; at least 1 byte. Cosignatures begin with an 8-byte time.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// Parses one line without its newline.
    ///
    /// # Errors
    /// [`NoteError::LinePrefix`], [`NoteError::LineParts`], [`NoteError::LineBase64`],
    /// [`NoteError::LineTooShort`] or a broken rule of the name.
    pub fn parse_line(line: &str) -> Result<Self, NoteError> {
        let rest = line.strip_prefix(PREFIX).ok_or(NoteError::LinePrefix)?;
        let (name, base64) = rest.split_once(' ').ok_or(NoteError::LineParts)?;
        check_name(name)?;
        let bytes = codec::base64_decode(base64).map_err(|_| NoteError::LineBase64)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>().ok_or(NoteError::LineTooShort)?;
        if signature.is_empty() {
            return Err(NoteError::LineTooShort);
        }
        Ok(Self {
            name: name.to_owned(),
            key_id: KeyId(*key_id),
            signature: signature.to_vec(),
        })
    }

    /// The line without its newline.
    pub fn to_line(&self) -> String {
        let mut bytes = self.key_id.0.to_vec();
        bytes.extend_from_slice(&self.signature);
        format!("{PREFIX}{} {}", self.name, codec::base64_encode(&bytes))
    }
}

/// Parses one or more lines, each ended by a newline: the end of a note, or a witness's answer.
///
/// # Errors
/// [`NoteError::NoteTooLarge`], [`NoteError::NoteNotUtf8`], [`NoteError::NoteUnsigned`],
/// [`NoteError::NoteFinalNewline`], [`NoteError::NoteTooManySignatures`] or a broken rule of a line.
pub fn parse_lines(bytes: &[u8]) -> Result<Vec<SignatureLine>, NoteError> {
    if bytes.len() > MAX_NOTE_BYTES {
        return Err(NoteError::NoteTooLarge);
    }
    let text = core::str::from_utf8(bytes).map_err(|_| NoteError::NoteNotUtf8)?;
    if text.is_empty() {
        return Err(NoteError::NoteUnsigned);
    }
    let text = text.strip_suffix('\n').ok_or(NoteError::NoteFinalNewline)?;
    if text.split('\n').count() > MAX_SIGNATURES {
        return Err(NoteError::NoteTooManySignatures);
    }
    text.split('\n').map(SignatureLine::parse_line).collect()
}
