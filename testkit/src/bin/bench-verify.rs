//! `cargo xtask bench-verify`: what verification costs, beside akd's on the same bytes in the same run.
//!
//! `akd-baseline` makes the audit proof and verifies it with akd's default features; lookups are made here by akd.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use keyglass_protocol::tree::Hashing;
use keyglass_testkit::bench::verify;

/// Verification beside akd's.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// One audit proof: time, CPU, and memory of akd.
    Audit {
        /// The program `audit` of testkit/akd-baseline.
        #[arg(long)]
        baseline: PathBuf,
        /// The proof; made if it is not there, which takes 5 GB of memory and some minutes for 1,000,000 accounts.
        #[arg(long)]
        proof: PathBuf,
        /// Accounts in the directory before the step.
        #[arg(long, default_value_t = 1_000_000)]
        accounts: u32,
        /// New accounts in the step.
        #[arg(long, default_value_t = 10_000)]
        batch: u32,
        /// Rounds; the median is printed.
        #[arg(long, default_value_t = 7)]
        runs: usize,
    },
    /// Lookups and VRF proofs.
    Client {
        /// Accounts in the directory.
        #[arg(long, default_value_t = 10_000)]
        accounts: u32,
        /// Rounds; the median is printed.
        #[arg(long, default_value_t = 7)]
        runs: usize,
    },
    /// Verifies a proof once and says how much memory the process had at most; without one, what it has anyway.
    Memory {
        /// The proof.
        proof: Option<PathBuf>,
        /// Threads.
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
}

fn main() -> Result<()> {
    match Options::parse().command {
        What::Audit {
            baseline,
            proof,
            accounts,
            batch,
            runs,
        } => {
            if !proof.exists() {
                let status = Command::new(&baseline)
                    .args(["make", "--accounts", &accounts.to_string()])
                    .args(["--batch", &batch.to_string()])
                    .arg(&proof)
                    .status()
                    .with_context(|| format!("starting {}", baseline.display()))?;
                ensure!(status.success(), "akd makes no proof");
            }
            verify::audit(&proof, &baseline, runs)
        }
        What::Client { accounts, runs } => verify::client(accounts, runs),
        What::Memory { proof, threads } => {
            let bytes = match proof {
                Some(path) => {
                    let step = verify::Step::read(&path)?;
                    ensure!(step.verify(Hashing::ManyAtOnce, threads)? > 0, "nothing inserted");
                    step.bytes()
                }
                None => 0,
            };
            println!(
                "proof of {bytes} bytes; at most {} bytes of memory",
                verify::peak_bytes()?
            );
            Ok(())
        }
    }
}
