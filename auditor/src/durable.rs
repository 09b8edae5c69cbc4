//! Files that are written whole or not at all, and durably.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Held while a file is written: two who write the same one at once would spoil each other's.
static WRITING: Mutex<()> = Mutex::new(());

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whoever the directory lets in.
    All,
    /// Its owner.
    Owner,
}

/// Writes a file in place of the one that may be there. When this returns, a crash does not undo it; when it fails,
/// what was there is still there.
pub(crate) fn write(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    write_on(&mut TheDisk, path, bytes, readers)
}

/// The steps that a disk can fail at.
trait Disk {
    fn open(&mut self, options: &OpenOptions, path: &Path) -> io::Result<File> {
        options.open(path)
    }

    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
}

struct TheDisk;

impl Disk for TheDisk {}

fn write_on(disk: &mut impl Disk, path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    // Left by a crash, perhaps with other permissions.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk.open(&options(readers), &unfinished)?;
    disk.write(&mut file, bytes)?;
    disk.sync(&file)?;
    disk.rename(&unfinished, path)?;
    let dir = disk.open(OpenOptions::new().read(true), path.parent().unwrap_or(path))?;
    disk.sync(&dir)
}

fn options(readers: Readers) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    options
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Fails once, after some steps.
    struct Failing {
        after: i32,
    }

    impl Failing {
        fn step<T>(&mut self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
            self.after -= 1;
            match self.after {
                -1 => Err(io::Error::other("the disk failed")),
                _ => work(),
            }
        }
    }

    impl Disk for Failing {
        fn open(&mut self, options: &OpenOptions, path: &Path) -> io::Result<File> {
            self.step(|| options.open(path))
        }

        fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
            self.step(|| file.write_all(bytes))
        }

        fn sync(&mut self, file: &File) -> io::Result<()> {
            self.step(|| file.sync_all())
        }

        fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
            self.step(|| fs::rename(from, to))
        }
    }

    #[test]
    fn a_disk_that_fails_at_any_step_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"old", Readers::All).unwrap();
        // Open, write, sync, rename, open the directory, sync it.
        for steps in 0..6 {
            let mut disk = Failing { after: steps };
            let error = write_on(&mut disk, &path, b"new", Readers::All).unwrap_err();
            assert_eq!(error.to_string(), "the disk failed", "after {steps} steps");
            let expected: &[u8] = if steps <= 3 { b"old" } else { b"new" };
            assert_eq!(fs::read(&path).unwrap(), expected, "after {steps} steps");
            fs::write(&path, b"old").unwrap();
        }
        write_on(&mut Failing { after: 6 }, &path, b"new", Readers::All).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn many_may_write_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| write(&path, b"the same", Readers::All).unwrap()));
            }
        });
        assert_eq!(fs::read(&path).unwrap(), b"the same");
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_is_its_owners_whatever_was_left_there() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(path.with_extension("unfinished"), b"left by a crash").unwrap();
        write(&path, b"secret", Readers::Owner).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"secret");
        // What cannot be cleared away is no file of ours.
        fs::create_dir(path.with_extension("unfinished")).unwrap();
        assert_ne!(
            write(&path, b"more", Readers::Owner).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
    }
}
