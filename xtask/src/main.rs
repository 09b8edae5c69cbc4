//! `cargo xtask …`: what a developer of Keyglass runs. Kept small and quick to compile; depends on none of the
//! programs.

mod deny;
mod directions;
mod programs;
mod step;
mod test;
mod tools;
mod up;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

/// Tasks of the Keyglass workspace.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Start a directory and an independent auditor, publish sample accounts, print commands to try
    Up(up::Options),
    /// Run everything that must pass
    Test,
    /// Run a long test of the testkit by name; without a name: list them
    Long(programs::Long),
    /// Write Debian's published developer keyring as lines for `keyglass-server import`
    Keyring(programs::Keyring),
    /// Measure us beside plain akd on the same work (release build)
    Bench(programs::Bench),
    /// What verification costs, beside akd's: audit, client, memory
    BenchVerify(programs::Bench),
    /// Import accounts into an empty directory and serve them: rate, memory, disk (release build)
    BenchImport(programs::Bench),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Up(options) => up::run(&options),
        Task::Test => test::run(),
        Task::Long(options) => programs::long(&options),
        Task::Keyring(options) => programs::keyring(&options),
        Task::Bench(options) => programs::bench(&options),
        Task::BenchVerify(options) => programs::bench_verify(&options),
        Task::BenchImport(options) => programs::bench_import(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One readable sentence; a stack trace of this small program helps nobody.
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest
        .parent()
        .context("xtask lies inside the workspace")?
        .to_owned())
}

/// The folder of the programs that cargo builds in this mode, `debug` or `release`.
fn built(mode: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent);
    Ok(target
        .context("this program lies in a folder of its target folder")?
        .join(mode))
}

/// The cargo that runs us.
fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
