//! Primaries die, sequencers die, stand still and are cut off, while clients publish. Afterwards everything is verified from
//! outside, over HTTP, with `protocol` only: one history, and nothing acknowledged is lost.

mod cuts;
mod deaths;
mod pair;
mod refusals;
mod silences;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use keyglass_server::publisher::Step;

pub use cuts::cuts;
pub use deaths::deaths;
pub use refusals::refusals;
pub use silences::silences;

use crate::kill::Seen;

/// How long a takeover may take.
pub const LIMIT: Duration = Duration::from_secs(15);

/// How long a lease lasts, and how often it is renewed, as settings are written.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long.
    pub ttl: &'static str,
    /// How often.
    pub renew: &'static str,
}

impl Terms {
    /// Those of the server when nothing is set.
    pub const DEFAULT: Self = Self {
        ttl: "6s",
        renew: "2s",
    };
    /// Short ones, for a test that has little time.
    pub const SHORT: Self = Self {
        ttl: "1500ms",
        renew: "300ms",
    };
}

/// One time that another sequencer went on.
#[derive(Debug, Clone)]
pub struct Takeover {
    /// What had happened.
    pub after: String,
    /// Time until the other one was ready.
    pub took: Duration,
}

/// What was done and found.
#[derive(Debug)]
pub struct Report {
    /// Every takeover.
    pub takeovers: Vec<Takeover>,
    /// What the outside observer found.
    pub seen: Seen,
    /// How long all of it took.
    pub took: Duration,
}

impl Report {
    /// The slowest takeover.
    pub fn slowest(&self) -> Duration {
        self.takeovers
            .iter()
            .map(|one| one.took)
            .max()
            .unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Takeover { after, took } in &self.takeovers {
            writeln!(
                f,
                "{:>6.2}  s until another sequencer was ready, after {after}",
                took.as_secs_f32()
            )?;
        }
        write!(f, "{}", self.seen)?;
        writeln!(f, "{:>5.0}  seconds in all", self.took.as_secs_f32())
    }
}

/// Everything in turn, and what was found as soon as it is: `cargo xtask long failover`.
///
/// # Panics
/// Anything does not hold.
pub fn all(program: &Path, mut tell: impl FnMut(&str)) {
    let steps: Vec<Step> = Step::ALL
        .into_iter()
        .filter(|step| *step != Step::TreeCreated)
        .collect();
    let mut check = |report: Report| {
        tell(&report.to_string());
        assert!(report.slowest() < LIMIT, "a takeover took too long");
    };
    check(deaths(&steps, Terms::DEFAULT, program));
    check(silences(Terms::DEFAULT, program));
    check(cuts(Terms::DEFAULT, program));
    let refused = refusals(Terms::SHORT, program);
    tell(&format!("refused to sign: {}\n", refused.join(", ")));
}
