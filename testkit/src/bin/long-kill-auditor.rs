//! Kills the auditor for longer than CI does: `cargo xtask long kill-auditor [EACH_MOMENT] [RANDOM] [SEED]`.

use anyhow::Result;
use clap::Parser;
use keyglass_testkit::audited::kill::{Plan, run};
use keyglass_testkit::process::built_beside;

/// Kills the auditor between every two writes and at random moments, and verifies everything.
#[derive(Parser)]
struct Cli {
    /// Times at each moment
    #[arg(default_value_t = 25)]
    each_moment: u32,
    /// Times at a random moment
    #[arg(default_value_t = 200)]
    random: u32,
    /// Decides the random moments
    #[arg(default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let plan = Plan {
        each_moment: cli.each_moment,
        random: cli.random,
        seed: cli.seed,
    };
    print!("{}", run(&plan, &built_beside("faulty-auditor")?));
    Ok(())
}
