//! Takes every check of a crate away, one at a time: `cargo xtask long mutants [--of CRATE] [FILTER]`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Parser;
use keyglass_testkit::mutants::{self, Of};

/// Takes every check of a crate away, one at a time, and demands that a test fails.
#[derive(Parser)]
struct Cli {
    /// Only checks in files whose path below the crate's `src` contains this
    #[arg(default_value = "")]
    filter: String,
    /// The crate
    #[arg(long, default_value = "protocol")]
    of: Of,
    /// How many checks are away at a time, each in processes of their own
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Where to work; a folder of its own for each crate, unless this says otherwise
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let folder = cli
        .folder
        .unwrap_or_else(|| target.join(format!("mutants-of-{:?}", cli.of).to_lowercase()));
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let report = mutants::run(&folder, cli.of, &cli.filter, cli.jobs, &mut |line| {
        println!("{line}")
    })?;
    println!("{report}");
    Ok(())
}
