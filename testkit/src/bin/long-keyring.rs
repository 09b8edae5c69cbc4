//! `cargo xtask long keyring [KEYRING]`: imports Debian's developer keyring, then looks up and verifies every one.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use keyglass_testkit::keyring::developers;
use keyglass_testkit::keyring_run::run;

/// Imports real keys into a fresh directory and verifies each of them as a client does.
#[derive(Parser)]
struct Cli {
    /// The keyring (Debian package debian-keyring)
    #[arg(default_value = "/usr/share/keyrings/debian-keyring.gpg")]
    keyring: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let ring = std::fs::read(&cli.keyring).with_context(|| {
        format!(
            "{}: install the Debian package debian-keyring",
            cli.keyring.display()
        )
    })?;
    println!("{}", run(&developers(&ring)?)?);
    Ok(())
}
