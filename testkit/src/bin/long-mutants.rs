//! Takes every check of `protocol` away, one at a time: `cargo xtask long mutants [FILTER]`.

use std::path::Path;

use anyhow::Result;
use clap::Parser;
use keyglass_testkit::mutants;

/// Takes every check of `protocol` away, one at a time, and demands that a test fails.
#[derive(Parser)]
struct Cli {
    /// Only checks in files whose path below `protocol/src` contains this
    #[arg(default_value = "")]
    filter: String,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/mutants");
    std::fs::create_dir_all(&folder)?;
    let report = mutants::run(&folder.canonicalize()?, &cli.filter, &mut |line| {
        println!("{line}")
    })?;
    println!("{report}");
    Ok(())
}
