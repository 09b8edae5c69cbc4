//! What a backup says about itself.

use core::fmt;
use std::path::Path;

use keyglass_schema::DatabaseUrl;
use serde::{Deserialize, Serialize};

use super::BackupError;

/// Version of the manifest.
pub(super) const SCHEMA: u32 = 1;
/// Longest manifest in bytes.
const MAX_LENGTH: u64 = 1 << 16;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One file.
    Sqlite,
    /// A server's.
    Postgres,
}

impl Kind {
    /// The kind of a database.
    pub fn of(url: &DatabaseUrl) -> Self {
        match url {
            DatabaseUrl::Sqlite(_) => Self::Sqlite,
            DatabaseUrl::Postgres(_) => Self::Postgres,
        }
    }

    /// Name of the copy in a backup.
    pub fn file(self) -> &'static str {
        match self {
            Self::Sqlite => "database.sqlite",
            Self::Postgres => "database.dump",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
        })
    }
}

/// The manifest of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form: 1.
    pub schema: u32,
    /// The log.
    pub origin: String,
    /// The kind of database.
    pub database: Kind,
    /// The copy holds at least this many epochs that were signed.
    pub size: u64,
    /// SHA-256 of the copy, in hex.
    pub sha256: String,
    /// Its length in bytes.
    pub length: u64,
}

impl Manifest {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .unwrap_or_default()
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`BackupError::Manifest`] if there is none, or it is malformed or of a later version.
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        let wrong = |why: String| BackupError::Manifest {
            path: path.to_owned(),
            why,
        };
        let length = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
        if length > MAX_LENGTH {
            return Err(wrong("too long for a manifest".to_owned()));
        }
        let text = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
        let manifest: Self = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        if manifest.schema != SCHEMA {
            return Err(wrong(format!("version {} is not known", manifest.schema)));
        }
        Ok(manifest)
    }
}
