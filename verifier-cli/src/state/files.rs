//! Files that only their owner reads, replaced in one step.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A new content that is durable but not yet visible.
#[derive(Debug)]
pub(crate) struct Prepared {
    temporary: PathBuf,
    target: PathBuf,
}

/// Writes and flushes the new content of `target` beside it. Nothing changes for readers.
pub(crate) fn prepare(target: &Path, content: &[u8]) -> io::Result<Prepared> {
    let temporary = beside(target);
    match step(|| fs::remove_file(&temporary)) {
        // Left over from a crash: it never became visible, so nobody relies on it.
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let mut file = step(|| create_private(&temporary))?;
    step(|| file.write_all(content))?;
    step(|| file.sync_all())?;
    Ok(Prepared {
        temporary,
        target: target.to_owned(),
    })
}

impl Prepared {
    /// Makes the content visible, all at once, and durable under its name.
    pub(crate) fn commit(self) -> io::Result<()> {
        step(|| fs::rename(&self.temporary, &self.target))?;
        step(|| sync_directory(&self.target))
    }

    /// The same, unless there is a file of this name: that stays as it is.
    fn commit_new(self) -> io::Result<()> {
        match step(|| fs::hard_link(&self.temporary, &self.target)) {
            Ok(()) => {
                // What is left of it never counts.
                let _left = step(|| fs::remove_file(&self.temporary));
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let _left = step(|| fs::remove_file(&self.temporary));
                return Err(e);
            }
            // A file system without links.
            Err(e) if e.kind() == io::ErrorKind::Unsupported && !self.target.exists() => {
                step(|| fs::rename(&self.temporary, &self.target))?;
            }
            Err(e) => return Err(e),
        }
        step(|| sync_directory(&self.target))
    }
}

/// Writes a file that does not exist yet, readable by its owner only: whole, or not at all.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    prepare(path, content)?.commit_new()
}

/// Replaces a file in one step.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    prepare(path, content)?.commit()
}

/// Creates a directory that only its owner enters; an existing one is left as it is.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whether group or others may do anything with it.
#[cfg(unix)]
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::symlink_metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// Elsewhere the user's profile directory is private already.
#[cfg(not(unix))]
pub(crate) fn is_open_to_others(_: &Path) -> io::Result<bool> {
    Ok(false)
}

/// One step that touches the disk; tests let any of them fail.
#[cfg(not(test))]
fn step<T>(act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    act()
}

#[cfg(test)]
use super::faults::step;

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn beside(target: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".new");
    target.with_file_name(name)
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Directories cannot be flushed there; a rename is durable by the file system's journal.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
