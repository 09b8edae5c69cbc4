//! A guard in files that several machines see: each state is a new file, and a name can be made only once.
//!
//! No lock: one that is held by a machine that stands still, or that a file server forgets, would stop a takeover or let
//! two in. Making a second name for a file (`link`) fails if the name is there, on network file systems too, so of two
//! that replace the same state one fails. The file with the largest number counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::claim::State;
use super::{FileGuard, GuardError};
use crate::files;

/// Attempts at reading while old files are removed.
const ATTEMPTS: usize = 20;

/// `guard.1`, `guard.2`, …; `guard` itself is what a server without a lease left.
pub(super) struct Versions {
    path: PathBuf,
}

impl Versions {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The newest state with its number.
    pub(super) fn newest(&self, origin: &str) -> Result<(u64, State), GuardError> {
        for _ in 0..ATTEMPTS {
            let Some(number) = self.largest()? else {
                let state = State {
                    guarded: FileGuard::peek(&self.path, origin)?,
                    claim: None,
                };
                return Ok((0, state));
            };
            let path = self.file(number);
            let text = match fs::read_to_string(&path) {
                // A newer one was made meanwhile, and this one removed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(GuardError::Malformed(path));
                }
                other => other.map_err(|error| io_error(&path, error))?,
            };
            let (found, state) = State::from_text(&text).ok_or(GuardError::Malformed(path))?;
            if found != origin {
                return Err(GuardError::OtherOrigin {
                    expected: origin.to_owned(),
                    found,
                });
            }
            return Ok((number, state));
        }
        Err(GuardError::Busy)
    }

    /// Makes the state after number `seen`; false if another was made meanwhile.
    pub(super) fn replace(&self, seen: u64, text: &[u8]) -> Result<bool, GuardError> {
        let next = seen.saturating_add(1);
        let path = self.file(next);
        let beside = self.beside();
        let made = files::create(&beside, text, files::SECRET).and_then(|()| fs::hard_link(&beside, &path));
        let _gone = fs::remove_file(&beside);
        match made {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(io_error(&path, error)),
        }
        files::sync_parent(&path).map_err(|error| io_error(&path, error))?;
        // Whoever stood still for long makes a name that was removed meanwhile: then it counts for nothing.
        if self.largest()? != Some(next) {
            return Ok(false);
        }
        self.tidy(seen);
        Ok(true)
    }

    /// Removes what is older than `before`. What stays does no harm.
    fn tidy(&self, before: u64) {
        for number in self.numbers().unwrap_or_default() {
            if number < before {
                let _gone = fs::remove_file(self.file(number));
            }
        }
    }

    fn largest(&self) -> Result<Option<u64>, GuardError> {
        let numbers = self.numbers().map_err(|error| io_error(&self.path, error))?;
        Ok(numbers.into_iter().max())
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        let Some(name) = self.path.file_name().and_then(|name| name.to_str()) else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder.unwrap_or(Path::new(".")))? {
            let file = entry?.file_name();
            let number = file
                .to_str()
                .and_then(|f| f.strip_prefix(name)?.strip_prefix('.'));
            numbers.extend(number.and_then(|n| n.parse::<u64>().ok()));
        }
        Ok(numbers)
    }

    fn file(&self, number: u64) -> PathBuf {
        self.with(&number.to_string())
    }

    /// A name that no other attempt has: processes on other machines may have the same id.
    fn beside(&self) -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut random = [0; 8];
        // Without randomness the number of the process must do: a clash only makes the attempt fail.
        let _filled = getrandom::fill(&mut random);
        let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.with(&format!("{}-{process}-{next}.partial", hex::encode(random)))
    }

    fn with(&self, end: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".");
        path.push(end);
        PathBuf::from(path)
    }
}

fn io_error(path: &Path, error: io::Error) -> GuardError {
    GuardError::Io {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::guard::{Guard as _, Guarded};
    use keyglass_protocol::quantity::{LogHash, LogSize};

    fn state(size: u64) -> State {
        let root = LogHash::new([7; 32]);
        State {
            guarded: Some(Guarded {
                size: LogSize::new(size),
                root,
            }),
            claim: None,
        }
    }

    fn text(size: u64) -> Vec<u8> {
        state(size).to_text("log.example").into_bytes()
    }

    fn files() -> (tempfile::TempDir, Versions) {
        let dir = tempfile::tempdir().unwrap();
        let files = Versions::new(&dir.path().join("guard"));
        (dir, files)
    }

    #[test]
    fn of_two_that_replace_the_same_state_one_fails() {
        let (dir, files) = files();
        assert_eq!(files.newest("log.example").unwrap(), (0, State::default()));
        assert!(files.replace(0, &text(1)).unwrap());
        assert!(!files.replace(0, &text(2)).unwrap());
        assert_eq!(files.newest("log.example").unwrap(), (1, state(1)));
        for seen in 1..9 {
            assert!(files.replace(seen, &text(seen + 1)).unwrap());
        }
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 2, "the newest and the one before");
        assert_eq!(
            files.newest("other.example").unwrap_err().reason(),
            "guard-other-origin"
        );
    }

    #[test]
    fn who_stood_still_while_many_were_made_fails() {
        let (_dir, files) = files();
        for seen in 0..9 {
            assert!(files.replace(seen, &text(seen + 1)).unwrap());
        }
        // Its number was removed meanwhile, so the name can be made again.
        assert!(!files.replace(3, &text(99)).unwrap());
        assert_eq!(files.newest("log.example").unwrap(), (9, state(9)));
        assert!(files.replace(9, &text(10)).unwrap());
    }

    #[test]
    fn many_at_once_make_one_state_each() {
        let (_dir, files) = files();
        let won: usize = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let wins = (0..25).filter(|_| {
                            let (seen, _) = files.newest("log.example").unwrap();
                            files.replace(seen, &text(seen + 1)).unwrap()
                        });
                        wins.count()
                    })
                })
                .collect();
            runs.into_iter().map(|run| run.join().unwrap()).sum()
        });
        let (number, found) = files.newest("log.example").unwrap();
        assert_eq!(found, state(number), "no state was made twice");
        assert!(
            won > 0 && u64::try_from(won).unwrap() <= number,
            "{won} of {number}"
        );
    }

    #[test]
    fn the_guard_of_a_server_without_a_lease_is_taken_over() {
        let (dir, files) = files();
        let old = FileGuard::open(&dir.path().join("guard"), "log.example").unwrap();
        old.swap(None, state(4).guarded.unwrap()).unwrap();
        assert_eq!(files.newest("log.example").unwrap(), (0, state(4)));
        assert!(files.replace(0, &text(5)).unwrap());
        assert_eq!(files.newest("log.example").unwrap(), (1, state(5)));
    }

    #[test]
    fn files_that_are_no_guard_are_refused() {
        let (dir, files) = files();
        std::fs::write(dir.path().join("guard.1"), "nothing").unwrap();
        assert_eq!(
            files.newest("log.example").unwrap_err().reason(),
            "guard-malformed"
        );
    }
}
