//! Kills the server for longer than CI does: `cargo xtask long kill [EACH_STEP] [RANDOM] [SEED]`.

use anyhow::Result;
use clap::Parser;
use keyglass_testkit::kill::{Plan, run};
use keyglass_testkit::process::built_beside;

/// Kills the server inside every publishing step and at random moments, under load, and verifies everything.
#[derive(Parser)]
struct Cli {
    /// Times inside each step
    #[arg(default_value_t = 25)]
    each_step: u32,
    /// Times at a random moment
    #[arg(default_value_t = 200)]
    random: u32,
    /// Decides order and moments
    #[arg(default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let plan = Plan {
        each_step: cli.each_step,
        random: cli.random,
        seed: cli.seed,
    };
    let report = run(&plan, &built_beside("faulty-server")?);
    println!("{report}");
    Ok(())
}
