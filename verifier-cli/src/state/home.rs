//! Where the memory lies, who may read it, and one writer at a time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files;
use super::model::State;
use super::upgrade;
use crate::report::Failure;
use crate::secret::{Passphrase, Words};

/// Longest wait for another `keyglass` to finish.
const LOCK_WAIT: Duration = Duration::from_secs(30);
/// Largest state file in bytes.
const MAX_STATE_BYTES: u64 = 256 << 20;

/// The state directory, locked for this process until dropped.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
    passphrase: Passphrase,
    _lock: File,
}

/// `$KEYGLASS_HOME`, else the platform's directory for state.
fn default_path() -> Result<PathBuf, Failure> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let path = from("KEYGLASS_HOME").or_else(|| {
        if cfg!(target_os = "macos") {
            from("HOME").map(|h| h.join("Library/Application Support/keyglass"))
        } else if cfg!(windows) {
            from("LOCALAPPDATA").map(|d| d.join("keyglass"))
        } else {
            from("XDG_STATE_HOME")
                .or_else(|| from("HOME").map(|h| h.join(".local/state")))
                .map(|d| d.join("keyglass"))
        }
    });
    path.ok_or_else(|| {
        Failure::usage("no-home", "there is no home directory to keep the memory in")
            .next("set KEYGLASS_HOME")
    })
}

impl Home {
    /// Opens the state directory, creating it if need be, and waits for other processes to leave it.
    pub(crate) fn open(waiting: &dyn Fn()) -> Result<Self, Failure> {
        Self::open_at(&default_path()?, LOCK_WAIT, waiting)
    }

    pub(super) fn open_at(path: &Path, patience: Duration, waiting: &dyn Fn()) -> Result<Self, Failure> {
        files::create_private_directory(path).map_err(|e| unusable(path, &e))?;
        demand_private(path)?;
        let lock = path.join("lock");
        let file = open_lock(&lock).map_err(|e| unusable(&lock, &e))?;
        take(&file, &lock, patience, waiting)?;
        Ok(Self {
            path: path.to_owned(),
            passphrase: Passphrase::None,
            _lock: file,
        })
    }

    /// With the passphrase of its private keys.
    pub(crate) fn with_passphrase(mut self, passphrase: Passphrase) -> Self {
        self.passphrase = passphrase;
        self
    }

    /// The passphrase of its private keys, if there is one.
    pub(crate) fn passphrase(&self) -> Option<&Words> {
        match &self.passphrase {
            Passphrase::None => None,
            Passphrase::Given(words) => Some(words),
        }
    }

    /// Reads the memory; a fresh one if there is none.
    pub(crate) fn load(&self) -> Result<State, Failure> {
        let path = self.state_file();
        match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
            Err(e) => return Err(unusable(&path, &e)),
            Ok(meta) if meta.len() > MAX_STATE_BYTES => {
                return Err(Failure::internal(
                    "state-too-large",
                    format!("{} is too large", path.display()),
                ));
            }
            Ok(_) => demand_private(&path)?,
        }
        let bytes = fs::read(&path).map_err(|e| unusable(&path, &e))?;
        upgrade::read(&bytes, &path)
    }

    /// Replaces the memory; durable when this returns.
    pub(crate) fn save(&self, state: &State) -> Result<(), Failure> {
        let path = self.state_file();
        let bytes = serde_json::to_vec_pretty(state)
            .map_err(|e| Failure::internal("state-encoding", format!("the memory cannot be written: {e}")))?;
        files::replace(&path, &bytes).map_err(|e| unusable(&path, &e))
    }

    /// A directory below this one, private like it.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        files::create_private_directory(&path).map_err(|e| unusable(&path, &e))?;
        demand_private(&path)?;
        Ok(path)
    }

    fn state_file(&self) -> PathBuf {
        self.path.join("state.json")
    }
}

/// Refuses what others could read or change: pins that somebody else writes are no pins.
pub(super) fn demand_private(path: &Path) -> Result<(), Failure> {
    if files::is_open_to_others(path).map_err(|e| unusable(path, &e))? {
        return Err(Failure::internal(
            "state-permissions",
            format!("{} is open to other users", path.display()),
        )
        .meaning("others may have read or changed what this device remembers")
        .next(format!("chmod go= {}", path.display())));
    }
    Ok(())
}

/// The state directory or a file in it cannot be used.
pub(super) fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::internal("state-io", format!("{}: {error}", path.display()))
        .next("check the disk and the permissions, or set KEYGLASS_HOME to another directory")
}

fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn take(file: &File, path: &Path, patience: Duration, waiting: &dyn Fn()) -> Result<(), Failure> {
    let start = Instant::now();
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::Error(e)) => return Err(unusable(path, &e)),
            Err(fs::TryLockError::WouldBlock) => {}
        }
        if start.elapsed() >= patience {
            return Err(
                Failure::internal("state-locked", "another keyglass holds the state directory")
                    .next("wait for it to finish, or give this one its own KEYGLASS_HOME"),
            );
        }
        if !told && start.elapsed() > Duration::from_secs(1) {
            waiting();
            told = true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::model::tests::sample;
    use super::*;

    fn open(path: &Path) -> Result<Home, Failure> {
        Home::open_at(path, Duration::ZERO, &|| {})
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let home = open(&path).unwrap();
        assert_eq!(home.load().unwrap(), State::default());
        home.save(&sample()).unwrap();
        assert_eq!(home.load().unwrap(), sample());
        drop(home);
        assert_eq!(open(&path).unwrap().load().unwrap(), sample());
    }

    #[test]
    fn a_crash_between_write_and_rename_keeps_the_old_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home");
        let home = open(&path).unwrap();
        home.save(&sample()).unwrap();
        let prepared = files::prepare(&path.join("state.json"), b"half of a new mem").unwrap();
        drop(prepared);
        assert_eq!(home.load().unwrap(), sample());
        // The left-over does not stand in the way of the next write.
        home.save(&State::default()).unwrap();
        assert_eq!(home.load().unwrap(), State::default());
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home");
        let first = open(&path).unwrap();
        assert_eq!(open(&path).unwrap_err().reason, "state-locked");
        drop(first);
        assert!(open(&path).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn private_or_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o777;
        let open_up = |p: &Path, m| fs::set_permissions(p, fs::Permissions::from_mode(m)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home");
        let home = open(&path).unwrap();
        home.save(&sample()).unwrap();
        assert_eq!(mode(&path), 0o700);
        let file = path.join("state.json");
        assert_eq!(mode(&file), 0o600);
        open_up(&file, 0o640);
        assert_eq!(home.load().unwrap_err().reason, "state-permissions");
        drop(home);
        open_up(&path, 0o750);
        assert_eq!(open(&path).unwrap_err().reason, "state-permissions");
    }
}
