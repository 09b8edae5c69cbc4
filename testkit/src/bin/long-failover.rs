//! Loses machines for longer than CI does: `cargo xtask long failover`.

use anyhow::Result;
use clap::Parser;
use keyglass_testkit::failover::all;
use keyglass_testkit::process::built_beside;

/// Kills the primary inside every publishing step, pauses and cuts off sequencers, under load, and verifies everything.
#[derive(Parser)]
struct Cli {}

fn main() -> Result<()> {
    let Cli {} = Cli::parse();
    all(&built_beside("faulty-server")?, |found| print!("{found}"));
    Ok(())
}
