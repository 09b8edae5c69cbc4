//! The place of a sequencer: its data folder, which one process has at a time, and the name under which it holds the lease.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::LeaseError;
use crate::keys::Random;

/// File in the data folder: locked while a process runs there, and the name under which it took the lease last.
const FILE: &str = "sequencer.lock";
/// Longest name that is read.
const MAX_NAME: u64 = 64;

/// A data folder that this process has for itself.
#[derive(Debug)]
pub struct Place {
    file: Mutex<File>,
    holder: String,
    former: Option<String>,
}

impl Place {
    /// Takes the folder, which is made if need be, and a new random name.
    ///
    /// # Errors
    /// [`LeaseError::PlaceHeld`] while another process has it.
    pub fn open(data_dir: &Path, random: &dyn Random) -> Result<Self, LeaseError> {
        std::fs::create_dir_all(data_dir)?;
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(data_dir.join(FILE))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LeaseError::PlaceHeld),
            Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut former = String::new();
        Read::by_ref(&mut file)
            .take(MAX_NAME)
            .read_to_string(&mut former)?;
        let mut bytes = [0; 8];
        random.fill(&mut bytes)?;
        Ok(Self {
            file: Mutex::new(file),
            holder: hex::encode(bytes),
            former: Some(former.trim().to_owned()).filter(|name| !name.is_empty()),
        })
    }

    /// The name of this process.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// The name of the process that took the lease here before. It has ended: its lock is gone.
    pub fn former(&self) -> Option<&str> {
        self.former.as_deref()
    }

    /// Notes that the lease is held under the new name. If it is lost the next process here waits for the lease to end.
    pub(super) fn remember(&self) -> Result<(), LeaseError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(self.holder.as_bytes())?;
        file.set_len(u64::try_from(self.holder.len()).unwrap_or_default())?;
        Ok(file.sync_data()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::keys::SystemRandom;

    #[test]
    fn one_process_has_the_folder_and_knows_the_name_before() {
        let dir = tempfile::tempdir().unwrap();
        let first = Place::open(dir.path(), &SystemRandom).unwrap();
        assert_eq!((first.holder().len(), first.former()), (16, None));
        let second = Place::open(dir.path(), &SystemRandom);
        assert_eq!(second.unwrap_err().reason(), "data-folder-held");
        first.remember().unwrap();
        let name = first.holder().to_owned();
        drop(first);
        let next = Place::open(dir.path(), &SystemRandom).unwrap();
        assert_eq!(next.former(), Some(name.as_str()));
        assert_ne!(next.holder(), name);
    }
}
