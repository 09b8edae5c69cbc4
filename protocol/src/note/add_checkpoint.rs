//! Body of a witness's `add-checkpoint` request (tlog-witness).

use super::error::NoteError;
use super::signed::MAX_NOTE_BYTES;
use super::text::{self, MAX_PROOF_HASHES};
use crate::quantity::{LogHash, LogSize};

/// Longest body in bytes: the line with the old size, 63 lines of proof, a blank line and a note.
pub const MAX_ADD_CHECKPOINT_BYTES: usize = 32 + MAX_PROOF_HASHES * 45 + MAX_NOTE_BYTES;

/// "You know the log at size `old`; here is a newer checkpoint and the consistency proof."
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size that the witness is believed to have; 0 if none.
    pub old: LogSize,
    /// Consistency proof from `old` to the checkpoint (RFC 6962 section 2.1.2); at most 63 hashes.
    pub proof: Vec<LogHash>,
    /// The checkpoint note, verbatim and unverified.
    pub checkpoint: Vec<u8>,
}

impl AddCheckpoint {
    /// Parses a body of at most [`MAX_ADD_CHECKPOINT_BYTES`].
    ///
    /// # Errors
    /// [`NoteError::FileTooLarge`], [`NoteError::FileBlankLine`], [`NoteError::FileNotUtf8`],
    /// [`NoteError::OldSize`], [`NoteError::ProofHash`] or [`NoteError::ProofTooLong`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let (head, checkpoint) = text::split_head(bytes, MAX_ADD_CHECKPOINT_BYTES)?;
        let mut lines = head.split('\n');
        let old = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(text::decimal)
            .ok_or(NoteError::OldSize)?;
        Ok(Self {
            old: LogSize::new(old),
            proof: text::hashes(lines)?,
            checkpoint: checkpoint.to_vec(),
        })
    }

    /// The bytes of the body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("old {}\n", self.old);
        for hash in &self.proof {
            text::put_hash(&mut out, hash);
        }
        out.push('\n');
        let mut out = out.into_bytes();
        out.extend_from_slice(&self.checkpoint);
        out
    }
}
