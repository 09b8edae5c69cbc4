//! Small pieces that the text formats share.

use super::error::NoteError;
use crate::codec;
use crate::quantity::LogHash;

/// Most hashes in an inclusion or consistency proof of a log with up to 2^63 leaves.
pub const MAX_PROOF_HASHES: usize = 63;

/// A decimal number without sign or leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// The base64 of exactly 32 bytes.
pub(super) fn hash(text: &str) -> Option<LogHash> {
    let bytes = codec::base64_decode(text).ok()?;
    LogHash::try_from(bytes.as_slice()).ok()
}

/// Lines of a proof, one hash each.
pub(super) fn hashes<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<LogHash>, NoteError> {
    let mut found = Vec::new();
    for line in lines {
        if found.len() == MAX_PROOF_HASHES {
            return Err(NoteError::ProofTooLong);
        }
        found.push(hash(line).ok_or(NoteError::ProofHash)?);
    }
    Ok(found)
}

/// Appends a hash as a line.
pub(super) fn put_hash(out: &mut String, hash: &LogHash) {
    out.push_str(&codec::base64_encode(hash.as_bytes()));
    out.push('\n');
}

/// Splits `<lines>\n\n<checkpoint>` at the FIRST blank line: head without its last newline, and the rest.
pub(super) fn split_head(bytes: &[u8], limit: usize) -> Result<(&str, &[u8]), NoteError> {
    if bytes.len() > limit {
        return Err(NoteError::FileTooLarge);
    }
    let at = bytes
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .ok_or(NoteError::FileBlankLine)?;
    let (head, rest) = bytes.split_at(at);
    let head = core::str::from_utf8(head).map_err(|_| NoteError::FileNotUtf8)?;
    Ok((head, rest.get(2..).unwrap_or_default()))
}
