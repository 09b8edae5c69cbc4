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
    /// A key in a token cannot be used.
    #[error("{path}: {why}")]
    Token {
        /// The file that names it.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The token holds another key than the one that was pinned.
    #[error("{path}: the token holds the key {found}, expected {expected}")]
    OtherKey {
        /// The file that names it.
        path: PathBuf,
        /// The pinned key.
        expected: String,
        /// The one in the token.
        found: String,
    },
    /// A key is in a file and in a token.
    #[error("{0}: the same key is named by a .pkcs11 file as well; one of them has to go")]
    Twice(PathBuf),
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
            Self::Token { .. } => "key-token",
            Self::OtherKey { .. } => "key-changed",
            Self::Twice(_) => "key-twice",
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

/// Why a key did not sign. Nothing was signed; it may work the next time.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The token did not answer with a signature.
    #[error("the token did not sign with {key}: {why}")]
    Token {
        /// Name of the key.
        key: String,
        /// What it answered.
        why: String,
    },
    /// The token answered with a signature that does not verify.
    #[error("the token answered with a signature of another key than {key}")]
    Wrong {
        /// Name of the key.
        key: String,
    },
}

impl SignError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Token { .. } => "token-did-not-sign",
            Self::Wrong { .. } => "token-signed-wrong",
        }
    }
}
