//! Where the database is.

use core::fmt;
use core::str::FromStr;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// `sqlite://path` or `postgres://…` (also `postgresql://…`). `Debug` and `Display` leave out everything that
/// may be a password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file; its directory must exist.
    Sqlite(PathBuf),
    /// A libpq connection URI.
    Postgres(String),
}

impl DatabaseUrl {
    /// A SQLite database in this file.
    pub fn sqlite(path: &Path) -> Self {
        Self::Sqlite(path.to_path_buf())
    }
}

impl FromStr for DatabaseUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            return match path {
                // Every connection would get a database of its own.
                "" | ":memory:" => Err(StoreError::BadUrl),
                path => Ok(Self::Sqlite(PathBuf::from(path))),
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        Err(StoreError::BadUrl)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_urls_are_refused() {
        for bad in [
            "",
            "sqlite://",
            "sqlite://:memory:",
            "mysql://x",
            "/tmp/x",
            "file:x",
        ] {
            assert!(bad.parse::<DatabaseUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_are_not_printed() {
        let url = "postgres://u:secret@h/d".parse::<DatabaseUrl>();
        assert_eq!(
            url.map(|u| format!("{u} {u:?}")).ok(),
            Some("postgres://… postgres://…".to_owned())
        );
    }
}
