//! Runs tests: all of them once to see what they reach, then those that reach a check without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::build::Program;

/// How much longer than undisturbed a test may take before it counts as failed.
const PATIENCE: u32 = 20;
/// And at least this long.
const LEAST: Duration = Duration::from_secs(20);

/// One test with what it reaches.
struct Test {
    program: PathBuf,
    folder: PathBuf,
    name: String,
    took: Duration,
}

/// Which tests reach which checks.
pub(super) struct Traced {
    /// Quick ones first.
    tests: Vec<Test>,
    by_check: BTreeMap<usize, Vec<usize>>,
}

/// Runs every test by itself and takes down which checks it reaches.
pub(super) fn trace(folder: &Path, programs: &[Program]) -> Result<Traced> {
    let file = folder.join("trace");
    let mut tests = Vec::new();
    for program in programs {
        for name in names(program)? {
            // From an earlier run, or from the test before.
            drop(fs::remove_file(&file));
            let begun = Instant::now();
            let test = Test {
                program: program.path.clone(),
                folder: program.folder.clone(),
                name,
                took: Duration::ZERO,
            };
            let succeeds = || -> Result<bool> {
                let status = test.command().env("KEYGLASS_TRACE", &file).status()?;
                Ok(status.success())
            };
            // A machine that is very busy may disturb a test once.
            ensure!(
                succeeds()? || succeeds()?,
                "{} fails with every check in force",
                test.name
            );
            let took = begun.elapsed();
            tests.push((Test { took, ..test }, reached(&file)?));
        }
    }
    tests.sort_by_key(|(test, _)| test.took);
    let mut by_check: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, (_, reached)) in tests.iter().enumerate() {
        for check in reached {
            by_check.entry(*check).or_default().push(index);
        }
    }
    Ok(Traced {
        tests: tests.into_iter().map(|(test, _)| test).collect(),
        by_check,
    })
}

fn names(program: &Program) -> Result<Vec<String>> {
    let output = Command::new(&program.path)
        .args(["--list", "--format", "terse"])
        .output()
        .context("listing tests")?;
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect())
}

fn reached(file: &Path) -> Result<BTreeSet<usize>> {
    if !file.exists() {
        return Ok(BTreeSet::new());
    }
    let text = fs::read_to_string(file)?;
    text.lines().map(|line| Ok(line.parse()?)).collect()
}

impl Test {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.folder)
            .args(["--exact", &self.name])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Whether it fails, or does not end, without a check.
    fn fails_without(&self, check: usize) -> bool {
        let mut command = self.command();
        command.env("KEYGLASS_MUTANT", check.to_string());
        let mut child = command.spawn().expect("it was started before");
        let until = Instant::now() + LEAST.max(self.took * PATIENCE);
        loop {
            match child.try_wait().expect("it is our child") {
                Some(status) => return !status.success(),
                None if Instant::now() > until => {
                    child.kill().expect("it is our child");
                    child.wait().expect("it is our child");
                    return true;
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }
}

impl Traced {
    /// How many tests there are.
    pub(super) fn tests(&self) -> usize {
        self.tests.len()
    }

    /// How many checks any test reaches.
    pub(super) fn reached(&self) -> usize {
        self.by_check.len()
    }

    /// Whether any test fails without a check.
    pub(super) fn notices(&self, check: usize) -> bool {
        let tests = self.by_check.get(&check).map_or(&[][..], Vec::as_slice);
        tests.iter().any(|test| self.tests[*test].fails_without(check))
    }
}
