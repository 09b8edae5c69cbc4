//! How an answer differs from what the log states.

use thiserror::Error;

use super::Trouble;

/// What does not fit about an answer. Caches and networks do this; nobody is accused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Damage {
    /// The answer is compressed. None was asked for, and what is signed are the plain bytes.
    #[error("it is compressed")]
    Compressed,
    /// A bundle has another number of entries than its tile.
    #[error("the number of entries is another")]
    EntryCount,
    /// A tile has another number of hashes.
    #[error("the number of hashes is another")]
    HashCount,
    /// A place in the log that no tile has.
    #[error("there is no such tile")]
    NoTile,
    /// A configuration document has another hash than the leaf names.
    #[error("the document has another hash")]
    ConfigHash,
    /// An audit proof has another length than the leaf states.
    #[error("the proof has another length")]
    ProofLength,
    /// An audit proof has another hash than the leaf states.
    #[error("the proof has another hash")]
    ProofHash,
    /// The leaves do not hash to the checkpoint.
    #[error("the leaves do not hash to the checkpoint")]
    LogRoot,
    /// A tile that was fetched a second time is another one.
    #[error("the leaves are other ones than a moment ago")]
    TileTwice,
    /// The tiles do not hash to the checkpoint that verification starts from.
    #[error("the tiles do not hash to the starting checkpoint")]
    StartRoot,
    /// The last leaf under that checkpoint is another one.
    #[error("the last leaf has another hash")]
    StartLeaf,
}

impl Damage {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Compressed => "compressed",
            Self::EntryCount => "entry-count",
            Self::HashCount => "hash-count",
            Self::NoTile => "no-tile",
            Self::ConfigHash => "config-hash",
            Self::ProofLength => "proof-length",
            Self::ProofHash => "proof-hash",
            Self::LogRoot => "log-root",
            Self::TileTwice => "tile-twice",
            Self::StartRoot => "start-root",
            Self::StartLeaf => "start-leaf",
        }
    }

    /// The damage of what is at this path.
    pub(crate) fn at(self, path: impl Into<String>) -> Trouble {
        Trouble::Damaged {
            path: path.into(),
            what: self,
        }
    }
}
