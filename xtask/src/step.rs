//! Named steps: one line each with its duration, the full output only when it fails.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

/// Where a step writes; shown if it fails, kept under `target/xtask` in any case.
pub(crate) struct Log {
    file: File,
    root: PathBuf,
}

impl Log {
    fn create(root: &Path, path: &Path) -> Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            root: root.to_owned(),
        })
    }

    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<()> {
        Ok(writeln!(self.file, "{}", text.as_ref())?)
    }

    /// Runs a command in the workspace; its output goes to the log.
    pub(crate) fn command(&mut self, program: &str, arguments: &[&str]) -> Result<()> {
        self.command_with(program, arguments, &[])
    }

    /// The same, with variables of the environment.
    pub(crate) fn command_with(
        &mut self,
        program: &str,
        arguments: &[&str],
        variables: &[(&str, &Path)],
    ) -> Result<()> {
        let shown = format!("{program} {}", arguments.join(" "));
        self.line(format!("$ {shown}"))?;
        let status = quiet(program, arguments, &self.root)
            .envs(variables.iter().copied())
            .stdout(self.file.try_clone()?)
            .stderr(self.file.try_clone()?)
            .status()
            .with_context(|| format!("{program} could not be started"))?;
        ensure!(status.success(), "`{shown}` ended with {status}");
        Ok(())
    }

    /// Runs a command and returns what it wrote to stdout.
    pub(crate) fn output(&mut self, program: &str, arguments: &[&str]) -> Result<String> {
        let shown = format!("{program} {}", arguments.join(" "));
        let output = quiet(program, arguments, &self.root)
            .stderr(self.file.try_clone()?)
            .output()
            .with_context(|| format!("{program} could not be started"))?;
        ensure!(output.status.success(), "`{shown}` ended with {}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn quiet(program: &str, arguments: &[&str], root: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null())
        .env("CARGO_TERM_COLOR", "never");
    command
}

/// Runs steps one after the other, goes on after a failure, and sums up.
pub(crate) struct Steps {
    root: PathBuf,
    started: Instant,
    passed: usize,
    failed: Vec<String>,
    tests: u64,
}

impl Steps {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            started: Instant::now(),
            passed: 0,
            failed: Vec::new(),
            tests: 0,
        }
    }

    /// Runs one step; whether it passed.
    pub(crate) fn run(&mut self, name: &str, step: impl FnOnce(&mut Log) -> Result<()>) -> Result<bool> {
        Ok(self.logged(name, step)?.is_some())
    }

    /// Runs a step that runs tests: prints the runner's closing lines and demands that any test ran at all.
    pub(crate) fn tests(&mut self, name: &str, step: impl FnOnce(&mut Log) -> Result<()>) -> Result<()> {
        if let Some(path) = self.logged(name, step)? {
            let text = fs::read_to_string(path)?;
            for line in text
                .lines()
                .filter(|line| passed_tests(line).is_some_and(|count| count > 0))
            {
                println!("     {}", line.trim());
                self.tests += passed_tests(line).unwrap_or(0);
            }
        }
        Ok(())
    }

    fn logged(&mut self, name: &str, step: impl FnOnce(&mut Log) -> Result<()>) -> Result<Option<PathBuf>> {
        let folder = self.root.join("target").join("xtask");
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.log", name.replace(' ', "-")));
        let mut log = Log::create(&self.root, &path)?;
        print!("{name:<28} ");
        std::io::stdout().flush()?;
        let begun = Instant::now();
        let outcome = step(&mut log);
        let seconds = begun.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => {
                println!("ok     {seconds:>7.1} s");
                self.passed += 1;
                Ok(Some(path))
            }
            Err(error) => {
                println!("FAILED {seconds:>7.1} s");
                println!("{}", fs::read_to_string(&path)?);
                println!("{name}: {error:#}\n");
                self.failed.push(name.to_owned());
                Ok(None)
            }
        }
    }

    /// The last line; an error unless every step passed and tests ran.
    pub(crate) fn finish(self) -> Result<()> {
        let seconds = self.started.elapsed().as_secs_f64();
        if !self.failed.is_empty() {
            bail!(
                "{} of {} steps failed in {seconds:.0} s: {}",
                self.failed.len(),
                self.passed + self.failed.len(),
                self.failed.join(", ")
            );
        }
        ensure!(self.tests > 0, "no test ran");
        println!(
            "\nall {} steps passed, {} tests passed, {seconds:.0} s",
            self.passed, self.tests
        );
        Ok(())
    }
}

/// How many tests passed, if this is a closing line of `cargo nextest` or `cargo test`.
fn passed_tests(line: &str) -> Option<u64> {
    let line = line.trim();
    if !line.starts_with("Summary [") && !line.starts_with("test result: ok.") {
        return None;
    }
    line.split_once(" passed")?.0.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::passed_tests;

    #[test]
    fn closing_lines_of_both_runners_are_counted() {
        assert_eq!(
            passed_tests("     Summary [   0.5s] 21 tests run: 21 passed, 0 skipped"),
            Some(21)
        );
        assert_eq!(
            passed_tests("test result: ok. 14 passed; 0 failed; 0 ignored"),
            Some(14)
        );
        assert_eq!(passed_tests("test result: FAILED. 14 passed; 1 failed"), None);
        assert_eq!(passed_tests("test quantity::tests::passed ... ok"), None);
    }
}
