//! A schema-driven tester against real servers: `cargo xtask long schemathesis [EXAMPLES] [SECONDS]`.
//!
//! Needs Python 3 with venv, the package index once, and Postgres 14 or later.

use anyhow::{Context as _, Result};
use clap::Parser;
use keyglass_testkit::schemathesis::{Effort, run};

/// Generates requests from the description of the API, and holds every answer against it. Every operation has to give every
/// answer that is documented.
#[derive(Parser)]
struct Cli {
    /// Generated requests per operation
    #[arg(default_value_t = 50)]
    examples: u32,
    /// Longest time of the generated requests
    #[arg(default_value_t = 300)]
    seconds: u32,
}

fn main() -> Result<()> {
    let Cli { examples, seconds } = Cli::parse();
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program lies in a folder")?;
    run(
        Effort { examples, seconds },
        &folder.join("keyglass-server"),
        &folder.join("../schemathesis"),
    )
}
