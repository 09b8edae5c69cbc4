//! The guard: the last size and root that the log key signed, kept outside the database and its backups.
//!
//! It moves by compare-and-swap *before* the log key signs. A database that was restored from an old backup is
//! therefore behind the guard, and the publisher refuses to sign a second history.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use keyglass_protocol::quantity::{LogHash, LogSize};
use thiserror::Error;

use crate::files;

/// First line of a guard file.
const MAGIC: &str = "keyglass-guard/v1";

/// What the log key signed last, or was about to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guarded {
    /// Size of the log.
    pub size: LogSize,
    /// Its root.
    pub root: LogHash,
}

/// Why the guard does not move.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GuardError {
    /// Reading, writing or syncing failed. Whether a swap took effect is unknown until the guard is read again.
    #[error("guard {path}: {error}")]
    Io {
        /// The guard's file.
        path: PathBuf,
        /// What failed.
        error: io::Error,
    },
    /// The file is not a guard.
    #[error("guard {0}: not a guard file")]
    Malformed(PathBuf),
    /// The guard belongs to another log.
    #[error("the guard belongs to the log {found}, not to {expected}")]
    OtherOrigin {
        /// This log.
        expected: String,
        /// The log that the guard names.
        found: String,
    },
    /// Another process holds the guard: a second sequencer on this log.
    #[error("guard {0}: held by another process")]
    Held(PathBuf),
    /// The guard is not where the swap expects it.
    #[error("the guard moved: expected {expected:?}, found {found:?}")]
    Moved {
        /// What the caller had read.
        expected: Option<Guarded>,
        /// What is there.
        found: Option<Guarded>,
    },
}

impl GuardError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "guard-io",
            Self::Malformed(_) => "guard-malformed",
            Self::OtherOrigin { .. } => "guard-other-origin",
            Self::Held(_) => "guard-held",
            Self::Moved { .. } => "guard-moved",
        }
    }
}

/// The one place that says what the log key may sign next.
pub trait Guard: Send + Sync {
    /// What was signed last; `None` if the guard was never set.
    ///
    /// # Errors
    /// The guard cannot be read.
    fn read(&self) -> Result<Option<Guarded>, GuardError>;

    /// Moves the guard from `expected` to `next`, durably.
    ///
    /// # Errors
    /// [`GuardError::Moved`] if it stands elsewhere; otherwise the outcome is unknown until it is read again.
    fn swap(&self, expected: Option<Guarded>, next: Guarded) -> Result<(), GuardError>;
}

/// A guard in a file of its own. The process that opened it keeps every other one out.
#[derive(Debug)]
pub struct FileGuard {
    path: PathBuf,
    origin: String,
    lock: Mutex<File>,
}

impl FileGuard {
    /// Opens the guard of the log `origin`; the file itself may not exist yet.
    ///
    /// # Errors
    /// [`GuardError::Held`] while another process has it open, and what reading it may answer.
    pub fn open(path: &Path, origin: &str) -> Result<Self, GuardError> {
        let io = |error| GuardError::Io {
            path: path.to_owned(),
            error,
        };
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.with_extension("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(GuardError::Held(path.to_owned())),
            Err(std::fs::TryLockError::Error(error)) => return Err(io(error)),
        }
        let guard = Self {
            path: path.to_owned(),
            origin: origin.to_owned(),
            lock: Mutex::new(lock),
        };
        guard.read()?;
        Ok(guard)
    }

    fn parse(&self, text: &str) -> Result<Guarded, GuardError> {
        let malformed = || GuardError::Malformed(self.path.clone());
        let mut lines = text.strip_suffix('\n').ok_or_else(malformed)?.split('\n');
        if lines.next() != Some(MAGIC) {
            return Err(malformed());
        }
        let origin = lines.next().ok_or_else(malformed)?;
        if origin != self.origin {
            return Err(GuardError::OtherOrigin {
                expected: self.origin.clone(),
                found: origin.to_owned(),
            });
        }
        let size = lines
            .next()
            .and_then(|l| l.parse().ok())
            .map(LogSize::new)
            .ok_or_else(malformed)?;
        let root = lines.next().and_then(|l| l.parse().ok()).ok_or_else(malformed)?;
        if lines.next().is_some() {
            return Err(malformed());
        }
        Ok(Guarded { size, root })
    }
}

impl Guard for FileGuard {
    fn read(&self) -> Result<Option<Guarded>, GuardError> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => self.parse(&text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(GuardError::Malformed(self.path.clone()))
            }
            Err(error) => Err(GuardError::Io {
                path: self.path.clone(),
                error,
            }),
        }
    }

    fn swap(&self, expected: Option<Guarded>, next: Guarded) -> Result<(), GuardError> {
        let _one_at_a_time = self
            .lock
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = self.read()?;
        if found != expected {
            return Err(GuardError::Moved { expected, found });
        }
        let text = format!("{MAGIC}\n{}\n{}\n{}\n", self.origin, next.size, next.root);
        files::replace(&self.path, text.as_bytes(), files::SECRET).map_err(|error| GuardError::Io {
            path: self.path.clone(),
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn state(size: u64) -> Guarded {
        Guarded {
            size: LogSize::new(size),
            root: LogHash::new([7; 32]),
        }
    }

    #[test]
    fn it_moves_only_from_where_the_caller_saw_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        let guard = FileGuard::open(&path, "log.example").unwrap();
        assert_eq!(guard.read().unwrap(), None);
        guard.swap(None, state(1)).unwrap();
        assert_eq!(guard.swap(None, state(2)).unwrap_err().reason(), "guard-moved");
        guard.swap(Some(state(1)), state(2)).unwrap();
        drop(guard);
        let reopened = FileGuard::open(&path, "log.example").unwrap();
        assert_eq!(reopened.read().unwrap(), Some(state(2)));
    }

    #[test]
    fn a_second_process_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        let _first = FileGuard::open(&path, "log.example").unwrap();
        assert_eq!(
            FileGuard::open(&path, "log.example").unwrap_err().reason(),
            "guard-held"
        );
    }

    #[test]
    fn files_that_are_no_guard_of_this_log_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("guard");
        FileGuard::open(&path, "log.example")
            .unwrap()
            .swap(None, state(1))
            .unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            FileGuard::open(&path, "other.example").unwrap_err().reason(),
            "guard-other-origin"
        );
        for bad in [
            good.trim_end(),
            "",
            "x\n",
            &good.replace("v1", "v2"),
            &format!("{good}more\n"),
        ] {
            std::fs::write(&path, bad).unwrap();
            assert_eq!(
                FileGuard::open(&path, "log.example").unwrap_err().reason(),
                "guard-malformed",
                "{bad}"
            );
        }
    }
}
