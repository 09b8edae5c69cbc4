//! Appending to the journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogSize};
use keyglass_schema::StoreKeys;

use super::read::files;
use super::{Batch, EXTENSION, Entry, JournalError, MAGIC, MAX_ENTRY, place};
use crate::files as durable;

/// From this length on, the next batch begins a new file. 64 MiB.
const FILE_LENGTH: u64 = 64 << 20;

/// The journal of the one publisher.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    keys: StoreKeys,
    file: Mutex<Option<OpenFile>>,
}

/// The file that is being appended to.
#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    number: u64,
    entries: u64,
    length: u64,
    config: Option<ConfigHash>,
}

impl Journal {
    /// The journal in `dir`, which is made if need be. The first entry begins a new file.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn open(dir: &Path, keys: StoreKeys) -> Result<Self, JournalError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| io_error(dir, error))?;
        Ok(Self {
            dir: dir.to_owned(),
            keys,
            file: Mutex::new(None),
        })
    }

    /// Enters the batch of an epoch, durably. Blocking.
    ///
    /// # Errors
    /// [`JournalError`]; then it may be there or not, and the next entry begins a new file.
    pub fn batch(&self, epoch: Epoch, batch: Batch) -> Result<(), JournalError> {
        self.append(&[Entry::Batch(epoch, batch)], true)
    }

    /// Enters a leaf, with the configuration document that it names unless the file has it, durably. Blocking.
    ///
    /// # Errors
    /// As [`Self::batch`].
    pub fn leaf(&self, leaf: &Leaf, document: &[u8]) -> Result<(), JournalError> {
        let known = self.with_file(|file| file.and_then(|f| f.config));
        let mut entries = Vec::with_capacity(2);
        if known != Some(leaf.config) {
            entries.push(Entry::Config(leaf.epoch, document.to_vec()));
        }
        entries.push(Entry::Leaf(*leaf));
        self.append(&entries, true)?;
        self.with_file(|file| {
            if let Some(file) = file {
                file.config = Some(leaf.config);
            }
        });
        Ok(())
    }

    /// Enters a signed checkpoint. It may get lost: it can be signed again.
    ///
    /// # Errors
    /// As [`Self::batch`].
    pub fn checkpoint(&self, size: LogSize, note: &[u8]) -> Result<(), JournalError> {
        self.append(&[Entry::Checkpoint(size, note.to_vec())], false)
    }

    fn with_file<T>(&self, work: impl FnOnce(Option<&mut OpenFile>) -> T) -> T {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        work(file.as_mut())
    }

    fn append(&self, entries: &[Entry], durable: bool) -> Result<(), JournalError> {
        let mut held = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // What a failed write left behind is not known: the file is not touched again.
        let mut file = match held.take().filter(|f| f.length < FILE_LENGTH) {
            Some(file) => file,
            None => OpenFile::begin(&self.dir)?,
        };
        for entry in entries {
            file.append(&self.keys, entry)?;
        }
        if durable {
            file.file
                .sync_data()
                .map_err(|error| io_error(&file.path, error))?;
        }
        *held = Some(file);
        Ok(())
    }
}

impl OpenFile {
    /// A new file after all others.
    fn begin(dir: &Path) -> Result<Self, JournalError> {
        let number = files(dir)?
            .last()
            .map_or(1, |(number, _)| number.saturating_add(1));
        let path = dir.join(format!("{number:010}.{EXTENSION}"));
        let io = |error| io_error(&path, error);
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(durable::SECRET)
            .open(&path)
            .map_err(io)?;
        file.write_all(MAGIC).map_err(io)?;
        durable::sync_parent(&path).map_err(io)?;
        Ok(Self {
            file,
            number,
            entries: 0,
            length: 0,
            config: None,
            path,
        })
    }

    /// u32 length, sealed entry.
    fn append(&mut self, keys: &StoreKeys, entry: &Entry) -> Result<(), JournalError> {
        let malformed = JournalError::Malformed {
            path: self.path.clone(),
            entry: self.entries.saturating_add(1),
        };
        let text = entry.encode().map_err(|_| malformed)?;
        let sealed = keys.seal_journal(&place(self.number, self.entries), &text)?;
        let length = u32::try_from(sealed.len())
            .ok()
            .filter(|_| sealed.len() <= MAX_ENTRY)
            .ok_or(JournalError::TooLong(sealed.len()))?;
        let bytes = [length.to_be_bytes().as_slice(), &sealed].concat();
        self.file
            .write_all(&bytes)
            .map_err(|error| io_error(&self.path, error))?;
        self.entries = self.entries.saturating_add(1);
        self.length = self.length.saturating_add(u64::from(length));
        Ok(())
    }
}

pub(super) fn io_error(path: &Path, error: io::Error) -> JournalError {
    JournalError::Io {
        path: path.to_owned(),
        error,
    }
}
