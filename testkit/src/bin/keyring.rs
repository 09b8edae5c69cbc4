//! `cargo xtask keyring FILE`: Debian's published developer keyring as lines for `keyglass-server import`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use keyglass_testkit::keyring::{ImportKey, developers};

/// Writes the Ed25519 keys of Debian's developers as import lines, signed by the import key of a directory.
#[derive(Parser)]
struct Cli {
    /// The file to write
    file: PathBuf,
    /// The directory's data folder: its import key signs the lines
    #[arg(long, default_value = "keyglass-data", value_name = "DIR")]
    data_dir: PathBuf,
    /// The keyring (Debian package debian-keyring)
    #[arg(
        long,
        default_value = "/usr/share/keyrings/debian-keyring.gpg",
        value_name = "FILE"
    )]
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
    let people = developers(&ring)?;
    let key = ImportKey::load(&cli.data_dir.join("keys").join("import.key"))?;
    let lines = people.iter().map(|p| key.lines(p)).collect::<Result<String>>()?;
    std::fs::write(&cli.file, &lines).with_context(|| cli.file.display().to_string())?;
    let primary = people.iter().filter(|p| p.primary).count();
    let named = people.iter().filter(|p| p.name.is_some()).count();
    println!(
        "{:>5}  people with an Ed25519 key, {primary} of them as their primary key",
        people.len()
    );
    println!("{named:>5}  of them with a name at debian.org");
    println!("{:>5}  lines in {}", lines.lines().count(), cli.file.display());
    Ok(())
}
