//! The secret that replicas and sequencers share, so that not anybody can hold publishing up.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::files;

/// Fewest characters.
const MIN: usize = 32;
/// Most characters.
const MAX: usize = 1024;

/// A secret file that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others than the owner may read or write it.
    #[error("{0}: others may read or write this secret; its mode must be 0600")]
    Exposed(PathBuf),
    /// It is not one line of 32 to 1024 visible ASCII characters.
    #[error("{0}: must be one line of {MIN} to {MAX} visible ASCII characters")]
    Malformed(PathBuf),
}

impl TokenFileError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "replica-token-unreadable",
            Self::Exposed(_) => "replica-token-exposed",
            Self::Malformed(_) => "replica-token-malformed",
        }
    }
}

/// The shared secret. Never printed.
#[derive(Clone)]
pub struct ReplicaToken(Zeroizing<String>);

impl core::fmt::Debug for ReplicaToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ReplicaToken")
    }
}

impl ReplicaToken {
    /// Reads the file.
    ///
    /// # Errors
    /// [`TokenFileError`].
    pub fn load(path: &Path) -> Result<Self, TokenFileError> {
        let bytes = files::read_secret(path).map_err(|error| TokenFileError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        let bytes = Zeroizing::new(bytes.ok_or_else(|| TokenFileError::Exposed(path.to_owned()))?);
        let text = std::str::from_utf8(&bytes).map(str::trim_end).unwrap_or_default();
        let usable = (MIN..=MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if usable {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(TokenFileError::Malformed(path.to_owned()))
        }
    }

    /// The value of the `Authorization` header that shows it.
    pub(super) fn header(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", self.0.as_str()))
    }

    /// Whether such a header shows it. Takes as long whatever is wrong with it.
    pub fn is_shown_by(&self, header: &[u8]) -> bool {
        // Hashes are compared, so that neither length nor place of a difference is told.
        let shown = header.strip_prefix(b"Bearer ").unwrap_or_default();
        blake3::hash(shown) == blake3::hash(self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn write(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        files::create(&path, text.as_bytes(), mode).unwrap();
        (dir, path)
    }

    #[test]
    fn only_the_whole_secret_opens() {
        let (_dir, path) = write(&format!("{SECRET}\n"), 0o600);
        let token = ReplicaToken::load(&path).unwrap();
        assert!(token.is_shown_by(token.header().as_bytes()));
        assert_eq!(format!("{token:?}"), "ReplicaToken");
        let prefix = &SECRET[..31];
        for bad in [
            String::new(),
            "Bearer ".into(),
            SECRET.into(),
            format!("Bearer {prefix}"),
        ] {
            assert!(!token.is_shown_by(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn short_open_and_odd_files_are_refused() {
        for (text, mode, reason) in [
            (SECRET, 0o644, "replica-token-exposed"),
            (&SECRET[..31], 0o600, "replica-token-malformed"),
            (
                "two lines, each of them of more\nthan sixteen letters",
                0o600,
                "replica-token-malformed",
            ),
        ] {
            let (_dir, path) = write(text, mode);
            assert_eq!(ReplicaToken::load(&path).unwrap_err().reason(), reason);
        }
        let missing = ReplicaToken::load(Path::new("/nowhere/token")).unwrap_err();
        assert_eq!(missing.reason(), "replica-token-unreadable");
    }
}
