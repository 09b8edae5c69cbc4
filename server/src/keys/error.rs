//! Why a key is not used.

use std::io;
use std::path::PathBuf;

use keyglass_protocol::note::NoteError;
use thiserror::Error;

/// A key that is missing, wrong, changed or readable by others: the server does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A key file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error("{0}: others may read or write this key; its mode must be 0600")]
    Exposed(PathBuf),
    /// The file is not a private key in the form that `keygen` writes.
    #[error("{0}: not a private key file")]
    Malformed(PathBuf),
    /// The key is for another purpose or another log.
    #[error("{path}: the key is for {found}, expected {expected}")]
    OtherName {
        /// The file.
        path: PathBuf,
        /// The name that is needed here.
        expected: String,
        /// The name in the file.
        found: String,
    },
    /// A wrapped secret does not open with the wrapping key.
    #[error("{0}: does not open with this wrapping key")]
    NotOpened(PathBuf),
    /// `--origin` differs from the one that the keys were made for.
    #[error("the keys were made for the log {found}, not for {expected}")]
    OtherOrigin {
        /// The origin that was asked for.
        expected: String,
        /// The origin of the log key.
        found: String,
    },
    /// There is a folder of keys already.
    #[error("{0}: keys exist already; they are never overwritten")]
    Exist(PathBuf),
    /// The database exists and the keys do not.
    #[error("{0}: no keys, but there is a database: bring the keys of this log back")]
    MissingBesideDatabase(PathBuf),
    /// A name that cannot be one of a key.
    #[error("key name: {0}")]
    Name(#[from] NoteError),
    /// The system has no randomness to give.
    #[error("no randomness: {0}")]
    Random(String),
    /// The VRF refuses the seed.
    #[error("the VRF seed is unusable")]
    Vrf,
}

impl KeyError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "key-io",
            Self::Exposed(_) => "key-exposed",
            Self::Malformed(_) => "key-malformed",
            Self::OtherName { .. } => "key-other-name",
            Self::NotOpened(_) => "wrong-wrapping-key",
            Self::OtherOrigin { .. } => "other-origin",
            Self::Exist(_) => "keys-exist",
            Self::MissingBesideDatabase(_) => "keys-missing",
            Self::Name(e) => e.reason(),
            Self::Random(_) => "no-randomness",
            Self::Vrf => "vrf-seed",
        }
    }
}
