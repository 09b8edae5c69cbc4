//! A program under test: started, listened to, killed, never left behind.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// A child process. It is killed and waited for when this is dropped, also while a test panics.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Process {
    /// Starts `program`. Its stderr is appended to `log`; its stdin stays open as long as this lives.
    pub fn start(program: &Path, arguments: &[String], log: &Path) -> Self {
        let stderr = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _nobody_listens = sender.send(line);
            }
        });
        Self {
            child,
            lines,
            log: log.to_owned(),
        }
    }

    /// Waits until it prints a line for which `wanted` answers something.
    ///
    /// # Panics
    /// It ends before, or `limit` passes; with the end of its log.
    pub fn wait_for<T>(&mut self, limit: Duration, wanted: impl Fn(&str) -> Option<T>) -> T {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(found) = wanted(&line) {
                        return found;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the line did not come within {limit:?}{}", self.last_words())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended with {:?}{}", self.child.wait(), self.last_words())
                }
            }
        }
    }

    /// The same, for a little while only; `None` if no such line came.
    ///
    /// # Panics
    /// It ends before, without such a line.
    pub fn try_wait_for<T>(&mut self, limit: Duration, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    if let Some(found) = wanted(&line) {
                        return Some(found);
                    }
                }
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended with {:?}{}", self.child.wait(), self.last_words())
                }
            }
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// SIGSTOP: it stands still, and knows nothing of it afterwards.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// SIGCONT, after [`Self::pause`].
    pub fn wake(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let told = Command::new("kill")
            .args(["-s", name, &self.id().to_string()])
            .status();
        assert!(told.unwrap().success(), "kill -s {name}");
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// It had ended by itself before.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(
            status.signal(),
            Some(9),
            "ended by itself: {status}{}",
            self.last_words()
        );
    }

    /// The end of its log, for an error message.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(20)..];
        format!("; the end of {}:\n{}", self.log.display(), tail.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// A command that inherits none of our settings from the environment.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("KEYGLASS_") {
            command.env_remove(variable);
        }
    }
    command
}

/// One of the programs of the workspace, built. Cargo does not build those of other packages for a test, so they are
/// built here, unless `TESTKIT_PROGRAMS` names the folder in which they have just been built.
pub fn built(program: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| std::env::var_os("TESTKIT_PROGRAMS").map_or_else(build_programs, PathBuf::from))
        .join(program)
}

/// All in one command, the one of `cargo xtask up`: with other packages named, cargo compiles the dependencies anew.
fn build_programs() -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--locked", "--quiet"])
        .args(
            ["keyglass-server", "keyglass-auditor", "keyglass"]
                .map(|name| ["-p", name])
                .concat(),
        )
        .args((!cfg!(debug_assertions)).then_some("--release"))
        .status()
        .unwrap();
    assert!(status.success(), "the programs do not build");
    // <target>/<profile>/deps/<this test>, or <target>/<profile>/<this program>
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap();
    if folder.ends_with("deps") {
        return folder.parent().map(Path::to_owned).unwrap();
    }
    folder.to_owned()
}

/// Builds one of the testkit's own programs, for another of them; answers where it is. They lie beside each other. In the
/// folder that `TESTKIT_PROGRAMS` names it has just been built.
///
/// # Errors
/// It does not build.
pub fn built_beside(program: &str) -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("TESTKIT_PROGRAMS") {
        return Ok(PathBuf::from(folder).join(program));
    }
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program lies in a folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--locked",
        "--quiet",
        "-p",
        "keyglass-testkit",
        "--bin",
        program,
    ]);
    build.args((!cfg!(debug_assertions)).then_some("--release"));
    ensure!(build.status()?.success(), "{program} does not build");
    Ok(folder.join(program))
}

/// Asks `probe` again and again until it answers something, at most for `limit`.
///
/// # Panics
/// `limit` passes.
pub fn poll<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Two free ports below those that systems hand out by themselves: nothing takes them while the server is down.
pub fn free_ports() -> [u16; 2] {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let step = || NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // Tests run in parallel, each in a process of its own.
    let base = (std::process::id() % 2_000) as u16 * 10 + 10_000;
    let mut free = (0..2_000).map(|_| base.wrapping_add(step()) % 20_000 + 10_000);
    let mut take = || {
        free.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .unwrap()
    };
    [take(), take()]
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn cat(dir: &tempfile::TempDir) -> Process {
        Process::start(Path::new("cat"), &[], &dir.path().join("log"))
    }

    #[test]
    fn nothing_is_left_behind_by_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let process = cat(&dir);
        let entry = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(entry.exists());
        let panicked = std::thread::spawn(move || {
            let _held = process;
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert!(!entry.exists());
    }

    #[test]
    #[should_panic = "ended by itself"]
    fn a_program_that_ended_by_itself_was_not_killed() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = cat(&dir);
        drop(process.child.stdin.take());
        poll("its end", Duration::from_secs(10), || process.ended());
        process.kill();
    }
}
