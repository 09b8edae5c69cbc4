//! Kills the server for longer than CI does: `cargo xtask long kill [EACH_STEP] [RANDOM] [SEED]`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use keyglass_testkit::kill::{Plan, run};

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
    let report = run(&plan, &server()?);
    println!("{report}");
    Ok(())
}

/// Builds the server that can stand still; it lies beside this program.
fn server() -> Result<PathBuf> {
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
        "faulty-server",
    ]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    ensure!(build.status()?.success(), "faulty-server does not build");
    Ok(folder.join("faulty-server"))
}
