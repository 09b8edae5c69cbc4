//! Files that survive a crash: written beside their place, synced, then renamed into it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Permissions of a file that holds a secret: its owner only.
pub(crate) const SECRET: u32 = 0o600;
/// Permissions of a file that anybody may read.
pub(crate) const PUBLIC: u32 = 0o644;

/// Puts `bytes` into `path` so that after a crash there is either the old file or the whole new one.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let beside = path.with_extension("partial");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_parent(path)
}

/// Writes a new file; refuses to touch one that exists.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the entry of `path` in its directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Reads a file that nobody but its owner may read or write.
///
/// `Ok(None)` if others may: the caller names the refusal.
pub(crate) fn read_secret(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Ok(None);
    }
    fs::read(path).map(Some)
}
