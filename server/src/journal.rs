//! The journal of batches: everything that an epoch is made of, in append-only files outside the database.
//!
//! An old backup is brought forward with it, bit for bit ([`crate::restore`]). Each entry is sealed with the store's key
//! and bound to its place, so that a stolen journal says as little as a stolen database.
//!
//! A batch is durable here before the tree has it, and a leaf before the guard moves to it: whatever was signed can be
//! made again. Every process begins a new file, so that nothing is ever cut off or written over; the last bytes of a
//! file may be half an entry. An epoch may be entered several times (a process ended in between): the last entry counts.

mod entry;
mod read;
mod write;

use std::io;
use std::path::PathBuf;

use keyglass_schema::StoreError;
use thiserror::Error;

pub use entry::{Batch, Entry};
pub use read::{Reader, files};
pub use write::Journal;

/// Why the journal cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Reading or writing failed.
    #[error("journal {path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file does not begin as a journal does.
    #[error("{0}: not a file of a journal")]
    NotAJournal(PathBuf),
    /// An entry does not open: it was altered or moved, or belongs to another directory.
    #[error("{path}, entry {entry}: does not open: altered, moved, or sealed with another storage key")]
    NotOpened {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        entry: u64,
    },
    /// An entry opens and says nothing that a journal says.
    #[error("{path}, entry {entry}: malformed")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        entry: u64,
    },
    /// The entry cannot be sealed.
    #[error("journal: {0}")]
    Seal(#[from] StoreError),
    /// An entry is longer than a file may be.
    #[error("journal: an entry of {0} bytes is too long")]
    TooLong(usize),
}

impl JournalError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "journal-io",
            Self::NotAJournal(_) => "not-a-journal",
            Self::NotOpened { .. } => "journal-not-opened",
            Self::Malformed { .. } => "journal-malformed",
            Self::Seal(_) => "journal-seal",
            Self::TooLong(_) => "journal-too-long",
        }
    }
}

/// First bytes of every file.
const MAGIC: &[u8; 4] = b"KGJ1";
/// End of every file's name.
const EXTENSION: &str = "journal";
/// Longest entry. 1 GiB.
const MAX_ENTRY: usize = 1 << 30;

/// What an entry is bound to: number of the file, number of the entry in it.
fn place(file: u64, entry: u64) -> [u8; 16] {
    let mut place = [0; 16];
    let (first, second) = place.split_at_mut(8);
    first.copy_from_slice(&file.to_be_bytes());
    second.copy_from_slice(&entry.to_be_bytes());
    place
}
