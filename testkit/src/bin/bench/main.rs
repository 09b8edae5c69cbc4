//! `cargo xtask bench`: our code and plain akd on the same work in the same run, as a table of ratios.
//!
//! Ours writes to SQLite with durable commits; plain akd works in memory with its default features, in a program
//! of its own (`testkit/akd-baseline`, because cargo would otherwise switch its features on for us too). The two
//! take turns; each row is the median of the rounds, and the ratio of the medians. Machines are noisy: nothing
//! here passes or fails, a row only says whether it reached what it is meant to reach.

mod open_loop;
mod ours;
mod served;
mod table;

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use cpu_time::ProcessTime;
use serde::Deserialize;

/// Our code beside plain akd, as ratios.
#[derive(Parser)]
struct Options {
    /// Accounts in the directory before anything is measured.
    #[arg(long, default_value_t = 20_000)]
    accounts: u32,
    /// New accounts, and then updates, in one measured publish.
    #[arg(long, default_value_t = 2_000)]
    batch: u32,
    /// Lookups to measure.
    #[arg(long, default_value_t = 500)]
    lookups: u32,
    /// Versions of the history to measure.
    #[arg(long, default_value_t = 100)]
    versions: u32,
    /// Bytes of every value.
    #[arg(long, default_value_t = 300)]
    value_bytes: u32,
    /// Rounds; the median is printed.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The database instead of SQLite: `postgres://…`, empty. For one round.
    #[arg(long)]
    database: Option<String>,
    /// Leave the whole server with its HTTP side out.
    #[arg(long)]
    no_server: bool,
    /// Measure the latency under an open load too: more than two minutes a round.
    #[arg(long)]
    open_loop: bool,
    /// The program of testkit/akd-baseline.
    #[arg(long)]
    baseline: PathBuf,
}

/// Seconds of one piece of work.
#[derive(Clone, Copy, Default, Deserialize)]
struct Spent {
    wall: f64,
    cpu: f64,
}

impl Spent {
    fn per(self, count: f64) -> Self {
        Self {
            wall: self.wall / count,
            cpu: self.cpu / count,
        }
    }
}

/// What one program measured in one round. What only one of the two does is 0 in the other.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Report {
    fill: Spent,
    publish_new: Spent,
    publish_updates: Spent,
    lookup: Spent,
    lookup_again: Spent,
    lookup_verify: Spent,
    history: Spent,
    audit_make: Spent,
    audit_verify: Spent,
    lookup_proof_bytes: f64,
    audit_proof_bytes: f64,
    disk_per_account: f64,
    served: served::Served,
    open_loop: open_loop::OpenLoop,
}

struct Meter(Instant, ProcessTime);

impl Meter {
    fn start() -> Self {
        Self(Instant::now(), ProcessTime::now())
    }

    fn stop(self) -> Spent {
        Spent {
            wall: self.0.elapsed().as_secs_f64(),
            cpu: self.1.elapsed().as_secs_f64(),
        }
    }
}

fn main() -> Result<()> {
    let o = Options::parse();
    ensure!(
        o.accounts > 1 && o.batch > 0 && o.lookups > 0 && o.rounds > 0 && o.versions > 0,
        "all counts must be at least 1"
    );
    ensure!(
        o.database.is_none() || o.rounds == 1,
        "each round needs an empty database: --database goes with --rounds 1"
    );
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for round in 1..=o.rounds {
        eprintln!("round {round} of {}: keyglass, then plain akd", o.rounds);
        ours.push(round_of_ours(&o)?);
        plain.push(baseline(&o)?);
    }
    table::print(&o, &ours, &plain);
    Ok(())
}

fn round_of_ours(o: &Options) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut report = runtime.block_on(ours::measure(o, folder.path()))?;
    drop(runtime);
    if o.database.is_none() {
        let bytes = std::fs::metadata(folder.path().join("keyglass.sqlite"))?.len();
        let accounts = f64::from(o.accounts.saturating_add(o.batch));
        // What the measured updates added is counted as well.
        report.disk_per_account = f64::from(u32::try_from(bytes >> 10)?) * 1024.0 / accounts;
    }
    if !o.no_server {
        report.served = served::measure(o, folder.path())?;
    }
    if o.open_loop {
        // It leans on the machine most; what was measured before it must not be lost with it.
        report.open_loop = open_loop::measure(o, folder.path()).unwrap_or_else(|error| {
            eprintln!("the open load was not measured: {error:#}");
            open_loop::OpenLoop::UNMEASURED
        });
    }
    Ok(report)
}

fn baseline(o: &Options) -> Result<Report> {
    let mut command = Command::new(&o.baseline);
    for (name, value) in [
        ("--accounts", o.accounts),
        ("--batch", o.batch),
        ("--lookups", o.lookups),
        ("--versions", o.versions),
        ("--value-bytes", o.value_bytes),
    ] {
        command.args([name, &value.to_string()]);
    }
    let output = command
        .output()
        .with_context(|| format!("starting {}", o.baseline.display()))?;
    ensure!(
        output.status.success(),
        "plain akd failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}
