//! Checkpoints: origin, size and root of a log (tlog-checkpoint), and the log's signature over them.

use super::cosignature;
use super::error::NoteError;
use super::key::VerifierKey;
use super::line::SignatureLine;
use super::name::Origin;
use super::signed::Note;
use super::text;
use crate::quantity::{LogHash, LogSize, Seconds};

/// `<origin>\n<size>\n<base64 root>\n`. Extension lines are refused: what counts stands in the leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: Origin,
    /// Number of leaves.
    pub size: LogSize,
    /// RFC 6962 root over them.
    pub root: LogHash,
}

impl Checkpoint {
    /// Parses the text of a checkpoint note.
    ///
    /// # Errors
    /// [`NoteError::CheckpointTruncated`], [`NoteError::CheckpointExtension`],
    /// [`NoteError::CheckpointSize`], [`NoteError::CheckpointRoot`] or a broken rule of the origin.
    pub fn parse_text(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let mut next = || lines.next().ok_or(NoteError::CheckpointTruncated);
        let (origin, size, root, end) = (next()?, next()?, next()?, next()?);
        if !end.is_empty() || lines.next().is_some() {
            return Err(NoteError::CheckpointExtension);
        }
        Ok(Self {
            origin: Origin::new(origin)?,
            size: text::decimal(size)
                .map(LogSize::new)
                .ok_or(NoteError::CheckpointSize)?,
            root: text::hash(root).ok_or(NoteError::CheckpointRoot)?,
        })
    }

    /// The text that is signed.
    pub fn to_text(&self) -> String {
        let mut out = format!("{}\n{}\n", self.origin, self.size);
        text::put_hash(&mut out, &self.root);
        out
    }
}

/// A checkpoint note whose log signature was verified. Only [`SignedCheckpoint::open`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    note: Note,
    checkpoint: Checkpoint,
}

impl SignedCheckpoint {
    /// Parses a checkpoint note and verifies the signature of its log, whose key's name is the origin.
    ///
    /// # Errors
    /// Whatever [`Note::parse`] and [`Checkpoint::parse_text`] refuse; [`NoteError::OriginMismatch`];
    /// whatever [`Note::verify`] refuses.
    pub fn open(bytes: &[u8], log: &VerifierKey) -> Result<Self, NoteError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Checkpoint::parse_text(note.text())?;
        if checkpoint.origin != *log.origin() {
            return Err(NoteError::OriginMismatch);
        }
        note.verify(log)?;
        Ok(Self { note, checkpoint })
    }

    /// What the log signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The whole note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The same checkpoint with one more cosignature, which must be a good one of this key.
    ///
    /// # Errors
    /// [`NoteError::KeyKind`] if the key does not cosign; [`NoteError::SignatureMissing`] if the line is not
    /// this key's; a broken rule of the cosignature; as [`Note::with_line`].
    pub fn with_cosignature(&self, key: &VerifierKey, line: SignatureLine) -> Result<Self, NoteError> {
        if !key.claims(&line) {
            return Err(NoteError::SignatureMissing);
        }
        cosignature::verify(key, &line, &self.note, &self.checkpoint)?;
        Ok(Self {
            note: self.note.with_line(line)?,
            checkpoint: self.checkpoint.clone(),
        })
    }

    /// When this key cosigned the checkpoint; the newest time if it did so more than once.
    ///
    /// `None` if no line claims to be this key's. Every line that does must verify. A line with time 0
    /// states nothing about the newest size (tlog-cosignature) and does not count.
    ///
    /// # Errors
    /// [`NoteError::KeyKind`] if the key does not cosign; [`NoteError::SignatureLength`],
    /// [`NoteError::CosignatureTime`] or [`NoteError::SignatureBad`] for a bad line of this key.
    pub fn cosignature(&self, key: &VerifierKey) -> Result<Option<Seconds>, NoteError> {
        if !key.kind().cosigns() {
            return Err(NoteError::KeyKind);
        }
        let mut newest = None;
        for line in self.note.signatures().iter().filter(|line| key.claims(line)) {
            let time = cosignature::verify(key, line, &self.note, &self.checkpoint)?;
            newest = newest.max((time != Seconds::default()).then_some(time));
        }
        Ok(newest)
    }
}
