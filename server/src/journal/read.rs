//! Reading the journal from its first entry to its last.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};

use keyglass_schema::StoreKeys;

use super::write::io_error;
use super::{EXTENSION, Entry, JournalError, MAGIC, MAX_ENTRY, place};

/// The files of the journal in `dir` with their numbers, ascending. None if there is no such folder.
///
/// # Errors
/// [`JournalError::Io`].
pub fn files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error(dir, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| io_error(dir, error))?.path();
        let number = path
            .file_stem()
            .and_then(|s| s.to_str())
            .and_then(|s| s.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|e| e == EXTENSION)) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// All entries of a journal, in order. One is in memory at a time.
pub struct Reader {
    keys: StoreKeys,
    waiting: VecDeque<(u64, PathBuf)>,
    open: Option<OpenFile>,
}

struct OpenFile {
    reader: BufReader<File>,
    number: u64,
    path: PathBuf,
    entries: u64,
}

impl Reader {
    /// A reader of the journal in `dir`.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn open(dir: &Path, keys: StoreKeys) -> Result<Self, JournalError> {
        Ok(Self::of(files(dir)?, keys))
    }

    /// A reader of these files.
    pub fn of(files: Vec<(u64, PathBuf)>, keys: StoreKeys) -> Self {
        Self {
            keys,
            waiting: files.into(),
            open: None,
        }
    }

    /// The next entry; `None` at the end. Half an entry at the end of a file is skipped: its writer never went on.
    ///
    /// # Errors
    /// [`JournalError`] for a file that cannot be read or an entry that does not open.
    pub fn entry(&mut self) -> Result<Option<Entry>, JournalError> {
        loop {
            if self.open.is_none() {
                let Some((number, path)) = self.waiting.pop_front() else {
                    return Ok(None);
                };
                self.open = OpenFile::open(number, path)?;
                continue;
            }
            if let Some(file) = &mut self.open {
                match file.next(&self.keys)? {
                    Some(entry) => return Ok(Some(entry)),
                    None => self.open = None,
                }
            }
        }
    }
}

impl OpenFile {
    /// `None` for a file whose writer ended before its first bytes were written.
    fn open(number: u64, path: PathBuf) -> Result<Option<Self>, JournalError> {
        let file = File::open(&path).map_err(|error| io_error(&path, error))?;
        let mut reader = BufReader::new(file);
        let mut magic = [0; 4];
        match whole(&mut reader, &mut magic) {
            Ok(true) if magic == *MAGIC => {}
            Ok(true) => return Err(JournalError::NotAJournal(path)),
            Ok(false) => return Ok(None),
            Err(error) => return Err(io_error(&path, error)),
        }
        Ok(Some(Self {
            reader,
            number,
            path,
            entries: 0,
        }))
    }

    fn next(&mut self, keys: &StoreKeys) -> Result<Option<Entry>, JournalError> {
        let mut length = [0; 4];
        if !whole(&mut self.reader, &mut length).map_err(|error| io_error(&self.path, error))? {
            return Ok(None);
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let entry = self.entries.saturating_add(1);
        if length > MAX_ENTRY {
            return Err(JournalError::Malformed {
                path: self.path.clone(),
                entry,
            });
        }
        // Read, not allocated ahead: a length that was altered costs no more than the file is long.
        let mut sealed = Vec::new();
        let limit = u64::try_from(length).unwrap_or(u64::MAX);
        let read = self.reader.by_ref().take(limit).read_to_end(&mut sealed);
        if read.map_err(|error| io_error(&self.path, error))? < length {
            return Ok(None);
        }
        let text = keys
            .open_journal(&place(self.number, self.entries), &sealed)
            .map_err(|_| JournalError::NotOpened {
                path: self.path.clone(),
                entry,
            })?;
        self.entries = entry;
        Entry::decode(&text)
            .map(Some)
            .map_err(|_| JournalError::Malformed {
                path: self.path.clone(),
                entry,
            })
    }
}

/// Fills `bytes`; false if the file ends before.
fn whole(reader: &mut BufReader<File>, bytes: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::super::{Batch, Journal};
    use super::*;
    use keyglass_protocol::quantity::Epoch;

    fn keys() -> StoreKeys {
        StoreKeys::from_secret(&[7; 32])
    }

    fn batch(byte: u8) -> Batch {
        Batch {
            values: vec![(b"account:secret-name".to_vec(), vec![byte; 40])],
            receipts: Vec::new(),
        }
    }

    fn read(dir: &Path) -> Result<Vec<Entry>, JournalError> {
        let mut reader = Reader::open(dir, keys())?;
        let mut found = Vec::new();
        while let Some(entry) = reader.entry()? {
            found.push(entry);
        }
        Ok(found)
    }

    #[test]
    fn every_process_begins_a_file_and_half_an_entry_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(&dir.path().join("none")).unwrap(), []);
        let mut expected = Vec::new();
        for epoch in 1..=3 {
            let journal = Journal::open(dir.path(), keys()).unwrap();
            for byte in [1, 2] {
                journal.batch(Epoch::new(epoch), batch(byte)).unwrap();
                expected.push(Entry::Batch(Epoch::new(epoch), batch(byte)));
            }
        }
        assert_eq!(read(dir.path()).unwrap(), expected);
        // The second process was killed while it wrote its second entry.
        let (_, path) = &files(dir.path()).unwrap()[1];
        let bytes = fs::read(path).unwrap();
        expected.remove(3);
        for length in [bytes.len() - 1, bytes.len() - 60] {
            fs::write(path, &bytes[..length]).unwrap();
            assert_eq!(read(dir.path()).unwrap(), expected);
        }
        fs::write(path, b"KG").unwrap();
        expected.remove(2);
        assert_eq!(read(dir.path()).unwrap(), expected);
    }

    #[test]
    fn what_was_altered_or_moved_does_not_open() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let journal = Journal::open(dir.path(), keys()).unwrap();
            journal.batch(Epoch::new(1), batch(1)).unwrap();
        }
        let paths: Vec<PathBuf> = files(dir.path())
            .unwrap()
            .into_iter()
            .map(|(_, path)| path)
            .collect();
        let bytes = fs::read(&paths[0]).unwrap();
        assert!(!bytes.windows(11).any(|w| w == b"secret-name"));
        let mut bad = bytes.clone();
        *bad.last_mut().unwrap() ^= 1;
        fs::write(&paths[0], &bad).unwrap();
        assert_eq!(read(dir.path()).unwrap_err().reason(), "journal-not-opened");
        fs::write(&paths[0], b"nonsense").unwrap();
        assert_eq!(read(dir.path()).unwrap_err().reason(), "not-a-journal");
        // The second file in the place of the first.
        fs::rename(&paths[1], &paths[0]).unwrap();
        assert_eq!(read(dir.path()).unwrap_err().reason(), "journal-not-opened");
        fs::write(&paths[0], &bytes).unwrap();
        assert_eq!(read(dir.path()).unwrap().len(), 1);
    }
}
