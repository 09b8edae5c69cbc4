//! Kills the auditor for longer than CI does: `cargo xtask long kill-auditor [EACH_MOMENT] [RANDOM] [SEED]`.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use keyglass_testkit::audited::kill::{Plan, run};

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
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program lies in a folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--locked",
        "--quiet",
        "-p",
        "keyglass-testkit",
        "--bin",
        "faulty-auditor",
    ]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    ensure!(build.status()?.success(), "faulty-auditor does not build");
    print!("{}", run(&plan, &folder.join("faulty-auditor")));
    Ok(())
}
