//! Runs tests: all of them once to see what they reach, then those that reach a check without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread::Scope;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::build::Program;

/// How much longer than undisturbed a test may take before it counts as failed.
const PATIENCE: u32 = 5;
/// And at least this much longer.
const LEAST: Duration = Duration::from_secs(20);

/// One test with what it reaches.
struct Test {
    program: PathBuf,
    folder: PathBuf,
    name: String,
    took: Duration,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Good,
    Failed,
    /// It did not end by itself.
    Stopped,
}

/// The test that noticed that a check was away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noticed {
    /// Its name.
    pub(super) test: String,
    /// It did not end, instead of failing.
    pub(super) stopped: bool,
}

/// Which tests reach which checks.
pub(super) struct Traced {
    /// Quick ones first.
    tests: Vec<Test>,
    by_check: BTreeMap<usize, Vec<usize>>,
}

/// Runs every test by itself, `jobs` at a time, and takes down which checks it reaches.
pub(super) fn trace(folder: &Path, programs: &[Program], jobs: usize) -> Result<Traced> {
    let mut tests = Vec::new();
    for program in programs {
        let named = names(program)?.into_iter().map(|name| Test {
            program: program.path.clone(),
            folder: program.folder.clone(),
            name,
            took: Duration::ZERO,
        });
        tests.extend(named);
    }
    let next = Mutex::new(tests.into_iter().enumerate());
    let traced = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let work = || -> Result<()> {
            while let Some((number, test)) = take(&next) {
                let done = trace_one(&folder.join(format!("trace{number}")), test)?;
                traced.lock().expect("adding to a list does not panic").push(done);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().expect("a test that fails is no panic here"))
    })?;
    let mut tests = traced.into_inner().expect("adding to a list does not panic");
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

/// How long a test takes, and what it reaches, which stands in `file` meanwhile.
fn trace_one(file: &Path, test: Test) -> Result<(Test, BTreeSet<usize>)> {
    // From an earlier run.
    drop(fs::remove_file(file));
    let begun = Instant::now();
    let succeeds = || -> Result<bool> {
        let status = test.command().env("MUTANT_TRACE", file).status()?;
        Ok(status.success())
    };
    // A machine that is very busy may disturb a test once.
    ensure!(
        succeeds()? || succeeds()?,
        "{} fails with every check in force",
        test.name
    );
    let took = begun.elapsed();
    let reached = reached(file)?;
    drop(fs::remove_file(file));
    Ok((Test { took, ..test }, reached))
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
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// How it ends without a check.
    fn without(&self, check: usize) -> End {
        let mut command = self.command();
        command.env("MUTANT_OFF", check.to_string());
        let mut child = command.spawn().expect("it was started before");
        let until = Instant::now() + LEAST + self.took * PATIENCE;
        loop {
            match child.try_wait().expect("it is our child") {
                Some(status) if status.success() => return End::Good,
                Some(_) => return End::Failed,
                None if Instant::now() > until => {
                    // With the programs that it started, which may not end either.
                    let group = format!("-{}", child.id());
                    let killed = Command::new("kill").args(["-KILL", "--", &group]).status();
                    assert!(killed.is_ok_and(|status| status.success()), "it is our group");
                    child.wait().expect("it is our child");
                    return End::Stopped;
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Whether it fails, or does not end, without a check. A machine that is busy may disturb it once, so it has to
    /// happen twice.
    fn notices(&self, check: usize) -> Option<Noticed> {
        if self.without(check) == End::Good {
            return None;
        }
        let again = self.without(check);
        (again != End::Good).then(|| Noticed {
            test: self.name.clone(),
            stopped: again == End::Stopped,
        })
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

    /// Takes these checks away, `jobs` of them at a time in processes of their own; tells the place of each in the
    /// list and the test that noticed it, as they come.
    pub(super) fn try_all<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        checks: Vec<usize>,
        jobs: usize,
    ) -> Receiver<(usize, Option<Noticed>)> {
        let (tell, told) = channel();
        let next = std::sync::Arc::new(Mutex::new(checks.into_iter().enumerate()));
        for _ in 0..jobs {
            let (tell, next) = (tell.clone(), next.clone());
            scope.spawn(move || {
                // Neighbours tend to be noticed by the same test.
                let mut last = None;
                while let Some((place, check)) = take(&next) {
                    let noticed = self.notice(check, &mut last);
                    if tell.send((place, noticed)).is_err() {
                        return;
                    }
                }
            });
        }
        told
    }

    /// The first test that notices that a check is away; the one that noticed the last is tried first.
    fn notice(&self, check: usize, last: &mut Option<usize>) -> Option<Noticed> {
        let reaching = self.by_check.get(&check).map_or(&[][..], Vec::as_slice);
        let first = last.filter(|test| reaching.contains(test));
        let rest = reaching.iter().copied().filter(|test| Some(*test) != first);
        first.into_iter().chain(rest).find_map(|test| {
            let noticed = self.tests[test].notices(check)?;
            *last = Some(test);
            Some(noticed)
        })
    }
}

fn take<T>(next: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    next.lock().expect("taking the next does not panic").next()
}
