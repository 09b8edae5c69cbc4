//! A directory in memory: what a test publishes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{EpochSource, Trouble};

/// Files by path, and what was handed in.
#[derive(Debug, Default)]
pub struct MemorySource {
    files: Mutex<HashMap<String, Vec<u8>>>,
    handed_in: Mutex<Vec<Vec<u8>>>,
}

impl MemorySource {
    /// Publishes `bytes` at `path`, in place of what was there.
    pub fn put(&self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        locked(&self.files).insert(path.into(), bytes.into());
    }

    /// Takes the file at `path` away.
    pub fn remove(&self, path: &str) {
        locked(&self.files).remove(path);
    }

    /// The file at `path`.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        locked(&self.files).get(path).cloned()
    }

    /// Takes a cosigned checkpoint that was handed in.
    pub fn take(&self, note: Vec<u8>) {
        locked(&self.handed_in).push(note);
    }

    /// The cosigned checkpoints handed in so far, oldest first.
    pub fn handed_in(&self) -> Vec<Vec<u8>> {
        locked(&self.handed_in).clone()
    }
}

/// The data stays valid whatever a panicking thread did with it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl EpochSource for MemorySource {
    async fn get(&self, path: &str, max: u64) -> Result<Vec<u8>, Trouble> {
        let files = locked(&self.files);
        let bytes = files.get(path).ok_or_else(|| Trouble::Status {
            status: 404,
            path: path.to_owned(),
        })?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= max) {
            Ok(bytes.clone())
        } else {
            Err(Trouble::TooLarge {
                path: path.to_owned(),
                max,
            })
        }
    }

    async fn hand_in(&self, note: &[u8]) -> Result<(), Trouble> {
        self.take(note.to_vec());
        Ok(())
    }
}
