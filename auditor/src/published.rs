//! The newest published cosignature of a log, in a file of its own beside the database.
//!
//! The database is what people restore from a backup. If it then remembers less than this file, or than what
//! others have seen from this auditor, it is an old copy, and nothing is signed from it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use keyglass_protocol::note::MAX_NOTE_BYTES;
use sha2::{Digest as _, Sha256};

use crate::durable::{self, Readers};

/// Directory of these files in the data directory.
pub const PUBLISHED_DIR: &str = "published";

fn path(data_dir: &Path, origin: &str) -> PathBuf {
    let name = hex::encode(Sha256::digest(origin.as_bytes()));
    data_dir.join(PUBLISHED_DIR).join(format!("{name}.checkpoint"))
}

/// Replaces the file, durably: whole or not at all.
///
/// # Errors
/// The directory or file cannot be written.
pub fn keep(data_dir: &Path, origin: &str, note: &[u8]) -> io::Result<()> {
    fs::create_dir_all(data_dir.join(PUBLISHED_DIR))
        .and_then(|()| durable::write(&path(data_dir, origin), note, Readers::All))
}

/// The note that was published last; `None` if nothing was.
///
/// # Errors
/// The file cannot be read.
pub fn read(data_dir: &Path, origin: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path(data_dir, origin)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(u64::try_from(MAX_NOTE_BYTES).unwrap_or(u64::MAX))
        .read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_newest_is_read_and_an_unfinished_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path(), "log.example").unwrap(), None);
        keep(dir.path(), "log.example", b"one").unwrap();
        keep(dir.path(), "log.example", b"two").unwrap();
        keep(dir.path(), "other.example/1", b"three").unwrap();
        fs::write(path(dir.path(), "log.example").with_extension("unfinished"), b"x").unwrap();
        assert_eq!(
            read(dir.path(), "log.example").unwrap().as_deref(),
            Some(b"two".as_slice())
        );
    }

    #[test]
    fn what_cannot_be_read_or_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(path(dir.path(), "log.example")).unwrap();
        read(dir.path(), "log.example").unwrap_err();
        keep(dir.path(), "log.example", b"one").unwrap_err();
    }
}
