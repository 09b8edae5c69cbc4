//! A program that runs as long as we do, however we end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a program may take to finish after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Runs a program and sends it SIGTERM when our end of the pipe closes: on purpose, on a panic, or because this
/// process was killed in a way that nobody can catch. The standard library can do neither of the two by itself.
const WATCHDOG: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
(cat <&3 >/dev/null; kill -TERM "$child" 2>/dev/null) &
watcher=$!
exec 3<&-
wait "$child"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"#;

pub(super) struct Child {
    name: &'static str,
    process: std::process::Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Child {
    /// Starts `command`; what it writes goes to `<folder>/<name>.log`, stdout also to [`Child::line_before`].
    pub(super) fn start(name: &'static str, command: &Command, folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("{}", log.display()))?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", WATCHDOG, name])
            .arg(command.get_program())
            .args(command.get_args());
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(variable, value),
                None => shell.env_remove(variable),
            };
        }
        // Its own process group: Ctrl-C reaches us alone, and we stop the programs in our order.
        shell
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file.try_clone()?);
        let mut process = shell.spawn().context("sh could not be started")?;
        let stdout = process.stdout.take().context("stdout is piped")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut file = file;
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // A full disk or a reader that has gone must not stop the program.
                let _ = writeln!(file, "{line}");
                let _ = sender.send(line);
            }
        });
        Ok(Self {
            name,
            process,
            lines,
            log,
        })
    }

    /// The next line of stdout; `None` when the time is over.
    pub(super) fn line_before(&mut self, until: Instant) -> Result<Option<String>> {
        match self
            .lines
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.process.wait()?;
                bail!("{} ended with {status}{}", self.name, self.last_words())
            }
        }
    }

    /// An error if the program has ended.
    pub(super) fn must_run(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}{}", self.name, self.last_words()),
        }
    }

    /// The end of the log, for an error message.
    pub(super) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let skip = text.lines().count().saturating_sub(15);
        let tail: String = text
            .lines()
            .skip(skip)
            .map(|line| format!("\n    {line}"))
            .collect();
        format!("; the end of {}:{tail}", self.log.display())
    }

    /// SIGTERM, then waits; an error if the program did not end with 0.
    pub(super) fn stop(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        let until = Instant::now() + STOP_LIMIT;
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{} ended with {status}{}", self.name, self.last_words()),
                None if Instant::now() > until => bail!("{} does not stop{}", self.name, self.last_words()),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn start(test: &str, script: &str) -> Child {
        let folder = std::env::temp_dir().join(format!("keyglass-xtask-{}-{test}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Child::start("sample", &command, &folder).unwrap()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn a_closed_pipe_stops_the_program_with_sigterm() {
        let mut child = start(
            "term",
            "trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 0.05; done",
        );
        assert_eq!(child.line_before(soon()).unwrap().as_deref(), Some("ready"));
        child.must_run().unwrap();
        let log = child.log.clone();
        child.stop().unwrap();
        assert!(fs::read_to_string(log).unwrap().contains("stopping"));
    }

    #[test]
    fn a_program_that_fails_is_reported_with_its_last_words() {
        let mut child = start("fail", "echo 'the reason' >&2; exit 7");
        let error = child.line_before(soon()).unwrap_err().to_string();
        assert!(
            error.contains("exit status: 7") && error.contains("the reason"),
            "{error}"
        );
        assert!(child.must_run().is_err());
    }
}
