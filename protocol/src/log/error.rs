//! Errors of the log: proofs and tiles.

use thiserror::Error;

macro_rules! log_errors {
    ($($(#[$doc:meta])* $variant:ident = $reason:literal, $text:literal;)*) => {
        /// A broken rule of a log proof, a tile or a tile's path.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
        #[non_exhaustive]
        pub enum LogError {
            $($(#[$doc])* #[error($text)] $variant,)*
        }

        impl LogError {
            /// All variants, for tests that demand a vector for each.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Stable kebab-case name.
            pub fn reason(&self) -> &'static str {
                match self { $(Self::$variant => $reason,)* }
            }
        }
    };
}

log_errors! {
    /// The index is not below the size.
    IndexBeyondSize = "index-beyond-size", "the index lies beyond the log's size";
    /// The proof has fewer hashes than index and sizes demand.
    ProofTooShort = "proof-too-short", "the proof has too few hashes";
    /// The proof has more hashes than index and sizes demand.
    ProofTooLong = "proof-too-long", "the proof has too many hashes";
    /// The leaf is not under this root.
    RootMismatch = "root-mismatch", "the inclusion proof does not lead to the root";
    /// The new size is smaller than the old.
    SizeShrinks = "size-shrinks", "the new size is smaller than the old";
    /// One size, two roots: a fork.
    SameSizeOtherRoot = "same-size-other-root", "the same size has two roots";
    /// An empty log with a root other than SHA-256 of nothing.
    EmptyRoot = "empty-root", "the root of an empty log is wrong";
    /// The proof does not lead to the old root.
    OldRootMismatch = "old-root-mismatch", "the consistency proof does not lead to the old root";
    /// The proof does not lead to the new root.
    NewRootMismatch = "new-root-mismatch", "the consistency proof does not lead to the new root";
    /// A tile's level is beyond 63.
    TileLevel = "tile-level", "the tile's level is not a number up to 63";
    /// A tile's index is not written in groups of three digits, or beyond 2^64 - 1.
    TileIndex = "tile-index", "the tile's index is not written in groups of three digits";
    /// A tile's width is not 1..=256, or 256 is written out.
    TileWidth = "tile-width", "the tile's width is not 1..=255, or full";
    /// Not a path of a tile.
    TilePrefix = "tile-prefix", "the path is not that of a tile";
    /// The tile does not contain what was looked for.
    TileTooNarrow = "tile-too-narrow", "the tile does not contain the subtree";
    /// Not a power of two of hashes.
    NotComplete = "not-complete", "the hashes are not those of a complete subtree";
    /// An entry bundle ends inside an entry.
    BundleTruncated = "bundle-truncated", "the entry bundle ends inside an entry";
    /// An entry bundle has another number of entries than its width.
    BundleWidth = "bundle-width", "the entry bundle has another number of entries than its width";
    /// An entry is longer than 65,535 bytes.
    EntryTooLong = "entry-too-long", "an entry is longer than 65,535 bytes";
    /// The number of hashes of a frontier does not belong to its size.
    FrontierPeaks = "frontier-peaks", "the number of hashes does not belong to the log's size";
    /// The log cannot grow further.
    LogFull = "log-full", "the log has 2^64 - 1 leaves";
}

/// Why no proof could be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProveError<E> {
    /// Index or old size lie beyond the size.
    #[error("the index or old size lies beyond the log's size")]
    OutOfRange,
    /// The source of hashes failed.
    #[error("a hash of the log could not be read")]
    Source(#[source] E),
}
