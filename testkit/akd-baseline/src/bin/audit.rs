//! Audit proofs with plain akd, in memory and with its default features: makes one, and verifies one, as often as
//! asked, printing times and memory as JSON. `keyglass-bench` runs it beside Keyglass on the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use akd::append_only_zks::AzksParallelismConfig;
use akd::ecvrf::{VRFKeyStorage, VrfError};
use akd::local_auditing::{AuditBlob, AuditBlobName};
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::{AkdLabel, AkdValue, AppendOnlyProof, Directory, WhatsAppV1Configuration as Config};
use anyhow::{Context as _, Result, anyhow};
use clap::{Parser, Subcommand};
use cpu_time::ProcessTime;
use protobuf::Message as _;
use serde::{Deserialize, Serialize};

/// Audit proofs with plain akd.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Publishes accounts, then a batch of new ones, and stores the proof of the last step.
    Make {
        /// Accounts in the directory before the step.
        #[arg(long, default_value_t = 1_000_000)]
        accounts: u32,
        /// New accounts in the step.
        #[arg(long, default_value_t = 10_000)]
        batch: u32,
        /// Where the proof goes; the step goes beside it, with `.json` at the end.
        proof: PathBuf,
    },
    /// Verifies a stored proof.
    Verify {
        /// How often.
        #[arg(long, default_value_t = 5)]
        runs: u32,
        /// The proof.
        proof: PathBuf,
    },
}

/// The step that a proof is about.
#[derive(Serialize, Deserialize)]
struct Step {
    epoch: u64,
    previous_root: String,
    root: String,
}

/// One verification, in seconds.
#[derive(Serialize)]
struct Spent {
    decode_cpu: f64,
    verify_wall: f64,
    verify_cpu: f64,
}

#[derive(Serialize)]
struct Report {
    runs: Vec<Spent>,
    peak_bytes: u64,
}

#[derive(Clone)]
struct FixedVrf;

#[async_trait::async_trait]
impl VRFKeyStorage for FixedVrf {
    async fn retrieve(&self) -> Result<Vec<u8>, VrfError> {
        Ok(vec![7; 32])
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    match Options::parse().command {
        Command::Make {
            accounts,
            batch,
            proof,
        } => make(accounts, batch, &proof).await,
        Command::Verify { runs, proof } => verify(runs, &proof).await,
    }
}

fn accounts(from: u32, to: u32) -> Vec<(AkdLabel, AkdValue)> {
    let label = |i: u32| AkdLabel(format!("account:{i:010}").into_bytes());
    (from..to)
        .map(|i| (label(i), AkdValue(i.to_be_bytes().to_vec())))
        .collect()
}

async fn make(count: u32, batch: u32, path: &Path) -> Result<()> {
    let storage = StorageManager::new(AsyncInMemoryDatabase::new(), None, None, None);
    let directory =
        Directory::<Config, _, _>::new(storage, FixedVrf, AzksParallelismConfig::default()).await?;
    for from in (0..count).step_by(100_000) {
        directory.publish(accounts(from, (from + 100_000).min(count))).await?;
        eprintln!("{} of {count} accounts", (from + 100_000).min(count));
    }
    let before = directory.get_epoch_hash().await?;
    let after = directory.publish(accounts(count, count + batch)).await?;
    let proof = directory.audit(before.epoch(), after.epoch()).await?;
    let single = proof.proofs.first().context("the audit covers no epoch")?;
    let bytes = akd::proto::specs::types::SingleAppendOnlyProof::from(single).write_to_bytes()?;
    let step = Step {
        epoch: after.epoch(),
        previous_root: hex(&before.hash()),
        root: hex(&after.hash()),
    };
    fs::write(step_path(path), serde_json::to_vec(&step)?)?;
    Ok(fs::write(path, bytes)?)
}

async fn verify(runs: u32, path: &Path) -> Result<()> {
    let step: Step = serde_json::from_slice(&fs::read(step_path(path))?)?;
    let data = fs::read(path)?;
    let start = step.epoch.checked_sub(1).context("no step into epoch 0")?;
    let (previous_hash, current_hash) = (unhex(&step.previous_root)?, unhex(&step.root)?);
    let mut spent = Vec::new();
    for _ in 0..runs {
        let cpu = ProcessTime::now();
        let name = AuditBlobName {
            epoch: start,
            previous_hash,
            current_hash,
        };
        let blob = AuditBlob {
            name,
            data: data.clone(),
        };
        let (_, _, _, single) = blob.decode().map_err(|e| anyhow!("{e:?}"))?;
        let decode_cpu = cpu.elapsed().as_secs_f64();
        let proof = AppendOnlyProof {
            proofs: vec![single],
            epochs: vec![start],
        };
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        akd::auditor::audit_verify::<Config>(vec![previous_hash, current_hash], proof).await?;
        spent.push(Spent {
            decode_cpu,
            verify_wall: wall.elapsed().as_secs_f64(),
            verify_cpu: cpu.elapsed().as_secs_f64(),
        });
    }
    let report = Report {
        runs: spent,
        peak_bytes: peak_bytes()?,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// Most memory that this process had so far.
fn peak_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| text.trim().strip_suffix("kB")).context("no VmHWM")?;
    Ok(kib.trim().parse::<u64>()? * 1024)
}

fn step_path(proof: &Path) -> PathBuf {
    let mut name = proof.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2).context("a root has 64 digits")?, 16)?;
    }
    Ok(bytes)
}
