//! `cargo xtask long` and `cargo xtask bench`: programs of the testkit, built in release mode where speed is
//! the point.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{built, cargo, root};

/// Arguments of `cargo xtask long`.
#[derive(Args)]
pub(crate) struct Long {
    /// Name of the test; without it all names are listed
    name: Option<String>,
    /// Handed on to the test
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Bench {
    /// Handed on to the benchmark
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs `testkit/src/bin/long-<name>.rs`.
pub(crate) fn long(options: &Long) -> Result<()> {
    let names = long_names()?;
    let Some(name) = &options.name else {
        println!("cargo xtask long NAME, where NAME is one of:");
        for name in names {
            println!("  {name}");
        }
        return Ok(());
    };
    ensure!(
        names.contains(name),
        "no long test {name:?}; there are: {}",
        names.join(", ")
    );
    // All programs at once, as the tests' runner builds them: with single packages named, cargo compiles their dependencies anew.
    build(&["--workspace", "--bins"])?;
    let folder = built("debug")?;
    let mut program = Command::new(folder.join(format!("long-{name}")));
    ended_well(program.env("TESTKIT_PROGRAMS", folder).args(&options.arguments))
}

/// Arguments of `cargo xtask keyring`.
#[derive(Args)]
pub(crate) struct Keyring {
    /// `FILE`, and what `--help` says
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    arguments: Vec<String>,
}

/// Runs `testkit/src/bin/keyring.rs`.
pub(crate) fn keyring(options: &Keyring) -> Result<()> {
    run(&["--bin", "keyring"], &options.arguments)
}

/// Runs `testkit/src/bin/bench.rs` beside `testkit/akd-baseline`.
pub(crate) fn bench(options: &Bench) -> Result<()> {
    let baseline = build_baseline()?;
    let mut arguments = vec!["--baseline".to_owned(), baseline.display().to_string()];
    arguments.extend_from_slice(&options.arguments);
    beside_the_server("bench", &arguments)
}

/// Runs `testkit/src/bin/bench-verify.rs`; its audit proofs come from `testkit/akd-baseline`.
pub(crate) fn bench_verify(options: &Bench) -> Result<()> {
    let mut arguments = options.arguments.clone();
    if arguments.first().is_some_and(|what| what == "audit") {
        let baseline = build_baseline()?.with_file_name("audit");
        arguments.extend(["--baseline".to_owned(), baseline.display().to_string()]);
    }
    run(&["--release", "--bin", "bench-verify"], &arguments)
}

/// Runs `testkit/src/bin/bench-import.rs`.
pub(crate) fn bench_import(options: &Bench) -> Result<()> {
    beside_the_server("bench-import", &options.arguments)
}

/// Builds the server and a benchmark that starts it from the folder that it lies in itself, and nothing else: optimising
/// takes a while for each program.
fn beside_the_server(benchmark: &str, arguments: &[String]) -> Result<()> {
    build(&[
        "--release",
        "--workspace",
        "--bin",
        "keyglass-server",
        "--bin",
        benchmark,
    ])?;
    ended_well(Command::new(built("release")?.join(benchmark)).args(arguments))
}

/// Builds plain akd in a workspace of its own, so that its default features stay there.
fn build_baseline() -> Result<PathBuf> {
    let target = root()?.join("target").join("akd-baseline");
    let status = Command::new(cargo())
        .current_dir(root()?.join("testkit").join("akd-baseline"))
        .args(["build", "--locked", "--release", "--target-dir"])
        .arg(&target)
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "plain akd does not build");
    Ok(target.join("release").join("akd-baseline"))
}

fn long_names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    let folder = root()?.join("testkit").join("src").join("bin");
    for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let bare = name.strip_suffix(".rs").unwrap_or(&name);
        names.extend(bare.strip_prefix("long-").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn build(what: &[&str]) -> Result<()> {
    let status = Command::new(cargo())
        .current_dir(root()?)
        .args(["build", "--locked"])
        .args(what)
        .status()?;
    ensure!(status.success(), "the programs do not build");
    Ok(())
}

fn run(which: &[&str], arguments: &[String]) -> Result<()> {
    let mut program = Command::new(cargo());
    program
        .args(["run", "--locked", "-p", "keyglass-testkit"])
        .args(which);
    ended_well(program.arg("--").args(arguments))
}

fn ended_well(program: &mut Command) -> Result<()> {
    let status = program.current_dir(root()?).status()?;
    ensure!(status.success(), "ended with {status}");
    Ok(())
}
