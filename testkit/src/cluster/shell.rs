//! A shell as the user who may run Postgres, which lives no longer than its owner.
//!
//! It is told by its standard input what to do. When that closes, because the [`Shell`] was dropped or the process ended,
//! panicked or was killed, it stops every server that it started and removes the directory.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use keyglass_schema::test_database::give_to_unprivileged;

/// $1: directory of everything. `pids` are the servers that run.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
pids=''
while read -r line; do
    eval "$line" >>"$1/log" 2>&1 </dev/null
    echo $?
done
for pid in $pids; do kill -CONT $pid; kill -QUIT $pid; done 2>/dev/null
wait
rm -rf "$1"
"#;

pub(super) struct Shell {
    child: Child,
    told: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
    dir: PathBuf,
}

impl Shell {
    /// A shell in a new directory.
    pub(super) fn start() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("keyglass-cluster-")
            .tempdir()
            .unwrap()
            .keep();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", SCRIPT, "sh"])
            .arg(&dir)
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        give_to_unprivileged(&mut shell, &dir).unwrap_or_else(|why| panic!("{why}"));
        let mut child = shell.spawn().unwrap();
        Self {
            told: child.stdin.take(),
            says: BufReader::new(child.stdout.take().unwrap()),
            child,
            dir,
        }
    }

    /// Where it works.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs one line and waits for its end.
    ///
    /// # Panics
    /// It fails; with the end of the log.
    pub(super) fn run(&mut self, line: &str) {
        writeln!(self.told.as_mut().unwrap(), "{line}").unwrap();
        let mut code = String::new();
        self.says.read_line(&mut code).unwrap();
        if code.trim() != "0" {
            let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(20)..];
            panic!("{line}\nended with {}\n{}", code.trim(), tail.join("\n"));
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.told.take());
        let _gone = self.child.wait();
        let _gone = std::fs::remove_dir_all(&self.dir);
    }
}
