//! An auditor of an honest directory behind a bad network, for longer than CI does:
//! `cargo xtask long honest-auditor [EPOCHS] [ONE_IN] [SEED]`. It must accuse nobody.

use anyhow::Result;
use clap::Parser;
use keyglass_testkit::audited::long::{Plan, run};

/// Honest epochs, network faults, and not one accusation.
#[derive(Parser)]
struct Cli {
    /// Honest epochs
    #[arg(default_value_t = 10_000)]
    epochs: u64,
    /// One answer in this many is lost, late, truncated, altered, stale or reordered
    #[arg(default_value_t = 6)]
    one_in: u64,
    /// Decides which
    #[arg(default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let plan = Plan {
        epochs: cli.epochs,
        one_in: cli.one_in,
        seed: cli.seed,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let began = std::time::Instant::now();
    let report = runtime.block_on(run(&plan));
    print!("{report}");
    println!("{:>8}  seconds", began.elapsed().as_secs());
    Ok(())
}
