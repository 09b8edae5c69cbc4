//! Receipts: the promise that an accepted update will stand in the tree by a deadline.
//!
//! A signed note by the receipt key over
//! `keyglass/receipt/v1\n<origin>\n<config hash>\n<node label>\n<commitment>\n<accepted ms>\n<deadline ms>\n`
//! (hashes in lower-case hex, times in decimal). Its id is the SHA-256 of that text.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::error::FormatError;
use crate::note::{Note, NoteError, Origin, VerifierKey, sign_note};
use crate::quantity::{Commitment, ConfigHash, LeafLabel, Millis, Nonce, RecordHash};
use crate::tree::commitment;

const HEADER: &str = "keyglass/receipt/v1";

/// Why a receipt is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Not a signed note, or the receipt key's signature is missing or bad.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A hash or number is not in its canonical spelling.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The text does not have the seven lines of a receipt.
    #[error("the text does not have the lines of a receipt")]
    Lines,
    /// The first line is another.
    #[error("this is no receipt, or one of another version")]
    Header,
    /// The origin is not a valid key name.
    #[error("the origin is not a valid name of a log")]
    Origin,
    /// The deadline is before the time of acceptance.
    #[error("the deadline is before the time of acceptance")]
    DeadlineFirst,
    /// Nonce and record do not open the commitment.
    #[error("the receipt is for another record")]
    OtherRecord,
}

impl ReceiptError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Note(e) => e.reason(),
            Self::Format(e) => e.reason(),
            Self::Lines => "receipt-lines",
            Self::Header => "receipt-header",
            Self::Origin => "receipt-origin-invalid",
            Self::DeadlineFirst => "receipt-deadline-first",
            Self::OtherRecord => "receipt-other-record",
        }
    }
}

/// Name of a receipt: SHA-256 of its text. 32 bytes, in text 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId([u8; 32]);

impl ReceiptId {
    /// From its 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptId({self})")
    }
}

impl FromStr for ReceiptId {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        text.parse::<RecordHash>().map(|h| Self(*h.as_bytes()))
    }
}

/// What a receipt promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The directory.
    pub origin: Origin,
    /// The configuration in force when the update was accepted.
    pub config: ConfigHash,
    /// Label of the leaf that will enter the tree.
    pub leaf_label: LeafLabel,
    /// Commitment to the record in that leaf.
    pub commitment: Commitment,
    /// When the update was accepted.
    pub accepted: Millis,
    /// The first leaf later than this has the update in its tree, or the promise is broken.
    pub deadline: Millis,
}

impl Receipt {
    /// The text that is signed.
    pub fn to_text(&self) -> String {
        format!(
            "{HEADER}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.origin, self.config, self.leaf_label, self.commitment, self.accepted, self.deadline
        )
    }

    /// Reads the text, in its one spelling.
    ///
    /// # Errors
    /// [`ReceiptError`] naming what is wrong.
    pub fn parse_text(text: &str) -> Result<Self, ReceiptError> {
        let mut lines = text.strip_suffix('\n').ok_or(ReceiptError::Lines)?.split('\n');
        let mut line = || lines.next().ok_or(ReceiptError::Lines);
        if line()? != HEADER {
            return Err(ReceiptError::Header);
        }
        let receipt = Self {
            origin: line()?.parse().map_err(|_| ReceiptError::Origin)?,
            config: line()?.parse()?,
            leaf_label: line()?.parse()?,
            commitment: line()?.parse()?,
            accepted: millis(line()?)?,
            deadline: millis(line()?)?,
        };
        if lines.next().is_some() {
            return Err(ReceiptError::Lines);
        }
        if receipt.deadline < receipt.accepted {
            return Err(ReceiptError::DeadlineFirst);
        }
        Ok(receipt)
    }

    /// SHA-256 of the text.
    pub fn id(&self) -> ReceiptId {
        ReceiptId(Sha256::digest(self.to_text()).into())
    }

    /// Demands that the nonce and the record open the commitment: the promise is about this very record.
    ///
    /// # Errors
    /// [`ReceiptError::OtherRecord`].
    pub fn check_opening(&self, nonce: &Nonce, record: &[u8]) -> Result<(), ReceiptError> {
        if commitment(record, nonce) == self.commitment {
            Ok(())
        } else {
            Err(ReceiptError::OtherRecord)
        }
    }

    /// The signed note. `name` is the name in the receipt key's verifier key.
    ///
    /// # Errors
    /// [`ReceiptError`] if the deadline is first or the name is no key name.
    pub fn sign(&self, name: &str, key: &SigningKey) -> Result<SignedReceipt, ReceiptError> {
        let text = self.to_text();
        Ok(SignedReceipt {
            receipt: Self::parse_text(&text)?,
            note: Note::new(&text, vec![sign_note(name, key, &text)])?,
        })
    }
}

/// A receipt whose signature by the receipt key was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    receipt: Receipt,
    note: Note,
}

impl SignedReceipt {
    /// Reads a signed note and verifies it with the receipt key.
    ///
    /// # Errors
    /// [`ReceiptError`] naming what is wrong.
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<Self, ReceiptError> {
        let note = Note::parse(note)?;
        note.verify(key)?;
        Ok(Self {
            receipt: Receipt::parse_text(note.text())?,
            note,
        })
    }

    /// What it promises.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The signed note.
    pub fn note(&self) -> &Note {
        &self.note
    }
}

fn millis(text: &str) -> Result<Millis, FormatError> {
    let number: u64 = text.parse().map_err(|_| FormatError::BadDecimal)?;
    if number.to_string() == text {
        Ok(Millis::new(number))
    } else {
        Err(FormatError::BadDecimal)
    }
}
