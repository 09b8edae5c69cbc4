//! How fast an auditor catches up: `cargo xtask long catch-up [EPOCHS] [--each N] [--auditor PROGRAM]`.
//!
//! A directory in memory with many small epochs is served over HTTP. The real auditor begins at epoch 0, on one core and
//! then on two, and is asked for its size until it has signed the last one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use keyglass_auditor::clock::{Clock as _, SystemClock};
use keyglass_testkit::audited::{World, site};
use keyglass_testkit::http::Http;
use keyglass_testkit::process::{Process, built, free_ports, poll};
use serde_json::Value;

/// Longest for one catch-up.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Between two epochs, in ms.
const STEP_MS: u64 = 10;
/// What Linux counts CPU time in, per second.
const TICKS: f64 = 100.0;

/// Lets an auditor catch up with many epochs.
#[derive(Parser)]
struct Cli {
    /// Epochs
    #[arg(default_value_t = 2000)]
    epochs: u64,
    /// New accounts in each
    #[arg(long, default_value_t = 5)]
    each: u64,
    /// The program `keyglass-auditor`; built if it is not named
    #[arg(long)]
    auditor: Option<PathBuf>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let auditor = cli.auditor.clone().unwrap_or_else(|| built("keyglass-auditor"));
    let runtime = tokio::runtime::Runtime::new()?;
    let start = SystemClock.now().get() - cli.epochs * STEP_MS - 60_000;
    let mut world = runtime.block_on(World::starting_at(start, STEP_MS));
    for _ in 0..cli.epochs {
        let staged = runtime.block_on(world.stage(cli.each));
        world.put(&staged);
    }
    world.sign();
    println!(
        "{} epochs with {} new accounts each are served",
        cli.epochs, cli.each
    );
    let base = site::serve(world.source.clone());
    for cores in ["0", "0,1"] {
        catch_up(&auditor, cores, &base, &world)?;
    }
    Ok(())
}

/// One catch-up on these cores, from an empty folder.
fn catch_up(auditor: &Path, cores: &str, base: &str, world: &World) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let [port, _] = free_ports();
    let (listen, data) = (format!("127.0.0.1:{port}"), dir.path().join("auditor"));
    let arguments: Vec<String> = [
        "-c",
        cores,
        &auditor.to_string_lossy(),
        "run",
        "--directory",
        base,
        "--log-vkey",
        &world.log_key().to_string(),
        "--listen",
        &listen,
        "--data-dir",
        &data.to_string_lossy(),
        "--log-filter",
        "warn",
    ]
    .map(str::to_owned)
    .into();
    let begun = Instant::now();
    let mut process = Process::start(Path::new("taskset"), &arguments, &dir.path().join("log"));
    let http = Http::local(port);
    let last = world.size().get();
    poll("the last epoch", PATIENCE, || {
        assert!(process.ended().is_none(), "ended{}", process.last_words());
        let (_, body) = http.get("/readyz").ok()?;
        let standing: Value = serde_json::from_slice(&body).ok()?;
        let signed = standing.pointer("/logs/0/signed_size").and_then(Value::as_u64);
        (signed == Some(last)).then_some(())
    });
    let took = begun.elapsed().as_secs_f64();
    let (cpu, peak) = (cpu_seconds(process.id())?, peak_mib(process.id())?);
    let epochs = f64::from(u32::try_from(last - 1)?);
    println!(
        "cores {cores:<3}  {took:6.1} s  {:6.0} epochs/s  {cpu:6.1} s of CPU  {:.2} ms each  {peak} MiB at most",
        epochs / took,
        cpu * 1000.0 / epochs
    );
    process.kill();
    Ok(())
}

/// User and system time of a process.
fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name before may contain spaces.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// Most resident memory of a process so far.
fn peak_mib(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| text.trim().strip_suffix("kB"));
    Ok(kib.context("no VmHWM")?.trim().parse::<u64>()? / 1024)
}
