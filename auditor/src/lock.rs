//! One process per data directory: two would sign side by side.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

/// Held as long as the auditor runs; the operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct DataDir {
    _lock: File,
}

impl DataDir {
    /// Makes the directory if it is missing, and takes its lock.
    ///
    /// # Errors
    /// The directory cannot be made or written, or another process holds it
    /// ([`io::ErrorKind::WouldBlock`]).
    pub fn open(dir: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        let lock = fs::create_dir_all(dir).and_then(|()| options.open(dir.join("lock")))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "another auditor runs on this data directory",
            )),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_second_holder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let held = DataDir::open(dir.path()).unwrap();
        assert_eq!(
            DataDir::open(dir.path()).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(held);
        DataDir::open(dir.path()).unwrap();
    }
}
