//! Backups of the database: taken while the server runs, brought back into an empty place.
//!
//! A backup is a folder with the database in one file and a manifest. It holds no key and no guard: those are kept
//! elsewhere on purpose. SQLite is copied by SQLite itself (`VACUUM INTO`), Postgres by `pg_dump` and `pg_restore`.

mod manifest;
mod postgres;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use keyglass_protocol::quantity::LogSize;
use keyglass_schema::{DatabaseUrl, StoreError, StoreKeys};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

pub use manifest::{Kind, Manifest};

use crate::bootstrap::open_store;
use crate::files;
use crate::guard::{self, GuardError};
use crate::journal::{self, Entry, JournalError, Reader};
use crate::keys::Keys;
use crate::settings::Settings;

/// Name of the manifest in a backup.
const MANIFEST: &str = "manifest.json";

/// Why there is no backup, or it is not brought back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Reading or writing failed.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The folder exists: a backup is never written over.
    #[error("{0}: exists already; a backup gets a folder of its own")]
    Exists(PathBuf),
    /// The manifest is missing or malformed.
    #[error("{path}: {why}")]
    Manifest {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The backup is of another log.
    #[error("the backup is of the log {found}, not of {expected}")]
    OtherOrigin {
        /// This log.
        expected: String,
        /// The log of the backup.
        found: String,
    },
    /// The backup is of another kind of database.
    #[error("the backup is of {found}, the database setting names {expected}")]
    OtherKind {
        /// The kind in the settings.
        expected: Kind,
        /// The kind in the manifest.
        found: Kind,
    },
    /// The copy is not the one that the manifest describes.
    #[error("{0}: not the bytes that were backed up")]
    Damaged(PathBuf),
    /// There is a database where this one should go.
    #[error("there is a database already: move it away, or name an empty one with --database")]
    InUse,
    /// A tool of Postgres failed or is missing.
    #[error("{tool}: {why}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// What it said.
        why: String,
    },
    /// The database failed.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The guard cannot be read, or another process holds it.
    #[error("{0}")]
    Guard(#[from] GuardError),
    /// The journal cannot be read.
    #[error("{0}")]
    Journal(#[from] JournalError),
}

impl BackupError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "backup-io",
            Self::Exists(_) => "backup-exists",
            Self::Manifest { .. } => "backup-manifest",
            Self::OtherOrigin { .. } => "other-origin",
            Self::OtherKind { .. } => "backup-other-database",
            Self::Damaged(_) => "backup-damaged",
            Self::InUse => "database-in-use",
            Self::Tool { .. } => "postgres-tool",
            Self::Store(StoreError::WrongKey) => "wrong-storage-key",
            Self::Store(_) => "store",
            Self::Guard(e) => e.reason(),
            Self::Journal(e) => e.reason(),
        }
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> BackupError + '_ {
    move |error| BackupError::Io {
        path: path.to_owned(),
        error,
    }
}

/// Copies the database of a directory, which may be running, into the new folder `dir`. Blocking.
///
/// # Errors
/// [`BackupError`]; then there is no folder of this name.
pub fn take(settings: &Settings, keys: &Keys, dir: &Path) -> Result<Manifest, BackupError> {
    if dir.exists() {
        return Err(BackupError::Exists(dir.to_owned()));
    }
    let beside = dir.with_extension("partial");
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(at(&beside))?;
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&beside);
    made.map_err(at(&beside))?;
    let store = open_store(settings, keys)?;
    // Before the copy is made: the backup holds at least this.
    let size = store
        .newest_checkpoint()?
        .map(|(size, _)| size)
        .unwrap_or_default();
    let kind = Kind::of(&settings.database);
    let copy = beside.join(kind.file());
    match &settings.database {
        DatabaseUrl::Sqlite(_) => store.copy_to(&copy)?,
        DatabaseUrl::Postgres(url) => postgres::dump(url, &copy)?,
    }
    File::open(&copy).and_then(|f| f.sync_all()).map_err(at(&copy))?;
    let (sha256, length) = digest(&copy)?;
    let manifest = Manifest {
        schema: manifest::SCHEMA,
        origin: keys.origin().to_owned(),
        database: kind,
        size: size.get(),
        sha256,
        length,
    };
    let path = beside.join(MANIFEST);
    files::replace(&path, manifest.to_json().as_bytes(), files::SECRET).map_err(at(&path))?;
    fs::rename(&beside, dir).map_err(at(dir))?;
    files::sync_parent(dir).map_err(at(dir))?;
    Ok(manifest)
}

/// Where a restored database stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Size of its log.
    pub size: LogSize,
    /// Size that the log key signed last, as the guard says; `None` without a guard.
    pub guard: Option<LogSize>,
}

/// Brings a backup back into an empty place. The guard is held meanwhile: no server may run. Blocking.
///
/// # Errors
/// [`BackupError`]; then the place is as empty as before.
pub fn bring_back(settings: &Settings, keys: &Keys, dir: &Path) -> Result<Standing, BackupError> {
    let manifest = Manifest::read(&dir.join(MANIFEST))?;
    if manifest.origin != keys.origin() {
        return Err(BackupError::OtherOrigin {
            expected: keys.origin().to_owned(),
            found: manifest.origin,
        });
    }
    let expected = Kind::of(&settings.database);
    if manifest.database != expected {
        return Err(BackupError::OtherKind {
            expected,
            found: manifest.database,
        });
    }
    let copy = dir.join(manifest.database.file());
    if digest(&copy)? != (manifest.sha256, manifest.length) {
        return Err(BackupError::Damaged(copy));
    }
    let data_dir = &settings.data_dir;
    fs::create_dir_all(data_dir).map_err(at(data_dir))?;
    let guard = guard::open(settings, keys.origin())?;
    if settings.database.in_use()? {
        return Err(BackupError::InUse);
    }
    match &settings.database {
        DatabaseUrl::Sqlite(path) => put_file(&copy, path)?,
        DatabaseUrl::Postgres(url) => postgres::restore(url, &copy)?,
    }
    let store = open_store(settings, keys)?;
    Ok(Standing {
        size: store.log_size()?,
        guard: guard.read()?.map(|guarded| guarded.size),
    })
}

/// Copies a file into its place, whole or not at all.
fn put_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let beside = to.with_extension("partial");
    fs::copy(from, &beside).map_err(at(&beside))?;
    File::open(&beside)
        .and_then(|f| f.sync_all())
        .map_err(at(&beside))?;
    fs::rename(&beside, to).map_err(at(to))?;
    files::sync_parent(to).map_err(at(to))
}

/// SHA-256 in hex, and length.
fn digest(path: &Path) -> Result<(String, u64), BackupError> {
    let mut file = File::open(path).map_err(at(path))?;
    let (mut hash, mut length) = (Sha256::new(), 0_u64);
    let mut chunk = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut chunk).map_err(at(path))?;
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else {
            return Ok((hex::encode(hash.finalize()), length));
        };
        hash.update(part);
        length = length.saturating_add(u64::try_from(read).unwrap_or_default());
    }
}

/// Removes the files of the journal that are not needed to bring this backup, or any later one, forward. Answers how many
/// went. What was erased from the directory is in the journal until then. Blocking.
///
/// # Errors
/// [`BackupError`]; files that were removed stay so.
pub fn prune_journal(settings: &Settings, keys: &Keys, backup: &Manifest) -> Result<usize, BackupError> {
    let store_keys = StoreKeys::from_secret(keys.storage.expose());
    let files = journal::files(&settings.journal_dir)?;
    let mut removed = 0;
    // The newest file may still be written to.
    for (number, path) in files.iter().take(files.len().saturating_sub(1)) {
        let mut reader = Reader::of(vec![(*number, path.clone())], store_keys.clone());
        while let Some(entry) = reader.entry()? {
            let covered = match &entry {
                Entry::Config(..) => true,
                other => other.epoch().get() < backup.size,
            };
            if !covered {
                return Ok(removed);
            }
        }
        fs::remove_file(path).map_err(at(path))?;
        removed += 1;
    }
    Ok(removed)
}
