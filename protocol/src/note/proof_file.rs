//! Offline proof files (tlog-proof): extra data, index, inclusion proof, checkpoint.

use super::error::NoteError;
use super::signed::MAX_NOTE_BYTES;
use super::text;
use crate::codec;
use crate::quantity::LogHash;

/// Longest proof file in bytes; nearly all of it may be extra data.
pub const MAX_TLOG_PROOF_BYTES: usize = 32 * 1024 * 1024;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Content of a proof file. Nothing in it is verified; the format authenticates no extra data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Data of the application; never empty in a file (an empty one is left out).
    pub extra: Option<Vec<u8>>,
    /// Index of the leaf.
    pub index: u64,
    /// Inclusion proof, the leaf's sibling first; at most 63 hashes.
    pub hashes: Vec<LogHash>,
    /// The checkpoint note, verbatim.
    pub checkpoint: Vec<u8>,
}

impl TlogProof {
    /// Parses a proof file of at most [`MAX_TLOG_PROOF_BYTES`]. The checkpoint is kept as it is.
    ///
    /// # Errors
    /// [`NoteError::FileTooLarge`], [`NoteError::FileBlankLine`], [`NoteError::FileNotUtf8`],
    /// [`NoteError::FileHeader`], [`NoteError::FileExtra`], [`NoteError::FileIndex`],
    /// [`NoteError::ProofHash`], [`NoteError::ProofTooLong`] or [`NoteError::NoteTooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let (head, checkpoint) = text::split_head(bytes, MAX_TLOG_PROOF_BYTES)?;
        if checkpoint.len() > MAX_NOTE_BYTES {
            return Err(NoteError::NoteTooLarge);
        }
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(NoteError::FileHeader);
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(parse_extra(line)?),
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(text::decimal)
            .ok_or(NoteError::FileIndex)?;
        Ok(Self {
            extra,
            index,
            hashes: text::hashes(lines)?,
            checkpoint: checkpoint.to_vec(),
        })
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{HEADER}\n");
        if let Some(extra) = self.extra.as_ref().filter(|extra| !extra.is_empty()) {
            out.push_str(&format!("extra {}\n", codec::base64_encode(extra)));
        }
        out.push_str(&format!("index {}\n", self.index));
        for hash in &self.hashes {
            text::put_hash(&mut out, hash);
        }
        out.push('\n');
        let mut out = out.into_bytes();
        out.extend_from_slice(&self.checkpoint);
        out
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, NoteError> {
    line.strip_prefix("extra ")
        .and_then(|base64| codec::base64_decode(base64).ok())
        .filter(|extra| !extra.is_empty())
        .ok_or(NoteError::FileExtra)
}
