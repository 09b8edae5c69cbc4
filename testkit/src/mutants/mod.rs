//! Takes every check of a crate away, one at a time, and demands that a test fails.
//!
//! The workspace is copied and each check gets a switch, so that it is compiled once and not once per check. Which test
//! reaches which switch is traced first; then each check is switched off and only the tests that reach it run.

mod accepted;
mod build;
mod edit;
mod find;
mod run;

use std::fmt;
use std::path::Path;

use anyhow::{Result, ensure};

use accepted::Accepted;
pub use find::Mutant;
use run::Noticed;

/// The crate whose checks are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Of {
    /// `protocol`.
    Protocol,
    /// `auditor`.
    Auditor,
}

impl Of {
    fn folder(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Auditor => "auditor",
        }
    }

    fn accepted(self) -> &'static [Accepted] {
        match self {
            Self::Protocol => accepted::IN_PROTOCOL,
            Self::Auditor => accepted::IN_AUDITOR,
        }
    }
}

/// What became of the checks.
#[derive(Debug, Default)]
pub struct Report {
    /// Checks that were taken away.
    pub tried: usize,
    /// A test failed or did not end.
    pub killed: usize,
    /// No test failed, and it is known why.
    pub accepted: Vec<String>,
    /// No test failed.
    pub survived: Vec<String>,
    /// Reasons for which no check survived any more.
    pub unused: Vec<&'static str>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.accepted {
            writeln!(f, "accepted  {line}")?;
        }
        for line in &self.survived {
            writeln!(f, "SURVIVED  {line}")?;
        }
        for line in &self.unused {
            writeln!(f, "UNUSED    {line}")?;
        }
        write!(
            f,
            "{} checks taken away: {} noticed by a test, {} accepted, {} survived, {} reasons unused",
            self.tried,
            self.killed,
            self.accepted.len(),
            self.survived.len(),
            self.unused.len()
        )
    }
}

/// Takes away each check of a crate whose file contains `filter`, working below `folder`, `jobs` at a time. There may be
/// several filters, separated by commas, which are done one after the other.
///
/// # Errors
/// The crate does not build, its tests fail as they are, a check survives without a reason, or a reason is unused.
pub fn run(folder: &Path, of: Of, filter: &str, jobs: usize, say: &mut dyn FnMut(&str)) -> Result<Report> {
    let known = of.accepted();
    let (mutants, tests) = build::build(folder, of)?;
    say(&format!(
        "{} checks, {} test programs",
        mutants.len(),
        tests.len()
    ));
    let traced = run::trace(folder, &tests, jobs)?;
    say(&format!(
        "{} tests reach {} checks",
        traced.tests(),
        traced.reached()
    ));
    let chosen = in_order(&mutants, filter);
    let mut report = Report::default();
    let mut used = vec![false; known.len()];
    std::thread::scope(|scope| {
        let numbers = chosen.iter().map(|(number, _)| *number).collect();
        for (place, noticed) in traced.try_all(scope, numbers, jobs) {
            let mutant = chosen[place].1;
            report.tried += 1;
            let fate = report.note(mutant, noticed, known, &mut used);
            say(&format!("{} of {}: {fate}", report.tried, chosen.len()));
        }
    });
    report.accepted.sort();
    report.survived.sort();
    report.unused = known
        .iter()
        .zip(used)
        .filter(|(a, used)| !used && filter.split(',').any(|f| a.file.contains(f)))
        .map(|(a, _)| a.why)
        .collect();
    ensure!(report.survived.is_empty() && report.unused.is_empty(), "{report}");
    Ok(report)
}

impl Report {
    /// Takes down what became of a check, and says it.
    fn note(
        &mut self,
        mutant: &Mutant,
        noticed: Option<Noticed>,
        known: &[Accepted],
        used: &mut [bool],
    ) -> String {
        if let Some(Noticed { test, stopped }) = noticed {
            self.killed += 1;
            let how = if stopped { "did not end" } else { "failed" };
            return format!("{mutant}: {test} {how}");
        }
        match accepted::reason(known, mutant) {
            Some(index) => {
                used[index] = true;
                self.accepted.push(format!("{mutant} ({})", known[index].why));
                format!("accepted {mutant}")
            }
            None => {
                self.survived.push(mutant.to_string());
                format!("SURVIVED {mutant}")
            }
        }
    }
}

/// The checks that the filters name, with their numbers, each once.
fn in_order<'a>(mutants: &'a [Mutant], filter: &str) -> Vec<(usize, &'a Mutant)> {
    let mut rest: Vec<_> = mutants.iter().enumerate().collect();
    let mut chosen = Vec::new();
    for part in filter.split(',') {
        let (now, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, m)| m.file.contains(part));
        chosen.extend(now);
        rest = later;
    }
    chosen
}
