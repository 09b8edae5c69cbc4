//! Hostile clients for longer than CI has: `cargo xtask long hostile [SECONDS] [SEED]`.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use keyglass_testkit::hostile::{Plan, run};

/// Most that the server may grow by.
const MAX_GROWTH: u64 = 64 << 20;

/// Attacks a server in every way at once and prints what it answered and how much it grew.
#[derive(Parser)]
struct Cli {
    /// How long
    #[arg(default_value_t = 60)]
    seconds: u64,
    /// Decides who does what
    #[arg(default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let plan = Plan {
        time: Duration::from_secs(cli.seconds),
        clients: 16,
        standing: 500,
        seed: cli.seed,
    };
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program lies in a folder")?;
    let report = run(&plan, &folder.join("keyglass-server"));
    println!("{report}");
    ensure!(report.failures() == 0, "the server failed");
    ensure!(
        report.growth() <= MAX_GROWTH,
        "the server grew by more than 64 MiB"
    );
    Ok(())
}
