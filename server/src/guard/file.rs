//! A guard in a file that the process locks: beside SQLite.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use keyglass_protocol::quantity::LogSize;

use super::{Guard, GuardError, Guarded};
use crate::files;

/// First line of a guard file.
const MAGIC: &str = "keyglass-guard/v1";

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

    /// What is in the guard's file, for somebody who does not hold it.
    pub(crate) fn peek(path: &Path, origin: &str) -> Result<Option<Guarded>, GuardError> {
        match std::fs::read_to_string(path) {
            Ok(text) => parse(path, origin, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(GuardError::Malformed(path.to_owned()))
            }
            Err(error) => Err(GuardError::Io {
                path: path.to_owned(),
                error,
            }),
        }
    }
}

fn parse(path: &Path, expected: &str, text: &str) -> Result<Guarded, GuardError> {
    let malformed = || GuardError::Malformed(path.to_owned());
    let mut lines = text.strip_suffix('\n').ok_or_else(malformed)?.split('\n');
    if lines.next() != Some(MAGIC) {
        return Err(malformed());
    }
    let origin = lines.next().ok_or_else(malformed)?;
    if origin != expected {
        return Err(GuardError::OtherOrigin {
            expected: expected.to_owned(),
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

impl Guard for FileGuard {
    fn read(&self) -> Result<Option<Guarded>, GuardError> {
        Self::peek(&self.path, &self.origin)
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
    use keyglass_protocol::quantity::LogHash;

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
