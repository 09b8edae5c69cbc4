//! Does with plain akd, in memory and with its default features, what `keyglass-bench` does with Keyglass, and
//! prints the times as one JSON object. `cargo xtask bench` runs both in turn and prints the ratios.

use std::time::Instant;

use akd::append_only_zks::AzksParallelismConfig;
use akd::ecvrf::{VRFKeyStorage, VrfError};
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::{AkdLabel, AkdValue, Directory, EpochHash, HistoryParams, WhatsAppV1Configuration as Config};
use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use cpu_time::ProcessTime;
use serde::Serialize;

/// Plain akd beside Keyglass: the same work, the times as JSON.
#[derive(Parser)]
struct Options {
    /// Accounts in the directory before anything is measured.
    #[arg(long, default_value_t = 10_000)]
    accounts: u32,
    /// New accounts, and then updates, in one measured publish.
    #[arg(long, default_value_t = 1_000)]
    batch: u32,
    /// Lookups to measure.
    #[arg(long, default_value_t = 500)]
    lookups: u32,
    /// Versions of the history to measure.
    #[arg(long, default_value_t = 100)]
    versions: u32,
    /// Bytes of every value.
    #[arg(long, default_value_t = 300)]
    value_bytes: usize,
}

/// Seconds of one piece of work.
#[derive(Serialize)]
struct Spent {
    wall: f64,
    cpu: f64,
}

#[derive(Serialize)]
struct Report {
    publish_new: Spent,
    publish_updates: Spent,
    lookup: Spent,
    lookup_verify: Spent,
    history: Spent,
    audit_make: Spent,
    audit_verify: Spent,
    /// Mean of all lookups.
    lookup_proof_bytes: f64,
    audit_proof_bytes: usize,
}

#[derive(Clone)]
struct FixedVrf;

#[async_trait::async_trait]
impl VRFKeyStorage for FixedVrf {
    async fn retrieve(&self) -> Result<Vec<u8>, VrfError> {
        Ok(vec![7; 32])
    }
}

type PlainDirectory = Directory<Config, AsyncInMemoryDatabase, FixedVrf>;

struct Meter {
    wall: Instant,
    cpu: ProcessTime,
}

impl Meter {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: ProcessTime::now(),
        }
    }

    fn stop(self) -> Spent {
        Spent {
            wall: self.wall.elapsed().as_secs_f64(),
            cpu: self.cpu.elapsed().as_secs_f64(),
        }
    }
}

fn label(i: u32) -> AkdLabel {
    AkdLabel(format!("account:{i:010}").into_bytes())
}

fn batch(from: u32, to: u32, round: u8, bytes: usize) -> Vec<(AkdLabel, AkdValue)> {
    let value = |i: u32| {
        let mut v = vec![round; bytes];
        v.splice(..4.min(bytes), i.to_be_bytes().into_iter().take(bytes));
        AkdValue(v)
    };
    (from..to).map(|i| (label(i), value(i))).collect()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let o = Options::parse();
    ensure!(
        o.accounts > 0 && o.batch > 0 && o.lookups > 0,
        "all counts must be at least 1"
    );
    let storage = StorageManager::new(AsyncInMemoryDatabase::new(), None, None, None);
    let directory = PlainDirectory::new(storage, FixedVrf, AzksParallelismConfig::default()).await?;
    for from in (0..o.accounts).step_by(10_000) {
        directory
            .publish(batch(from, (from + 10_000).min(o.accounts), 0, o.value_bytes))
            .await?;
    }
    println!("{}", serde_json::to_string(&measure(&directory, &o).await?)?);
    Ok(())
}

async fn measure(directory: &PlainDirectory, o: &Options) -> Result<Report> {
    let before = directory.get_epoch_hash().await?;
    let meter = Meter::start();
    let after = directory
        .publish(batch(o.accounts, o.accounts + o.batch, 0, o.value_bytes))
        .await?;
    let publish_new = meter.stop();

    let meter = Meter::start();
    let proof = directory.audit(before.epoch(), after.epoch()).await?;
    let audit_make = meter.stop();
    let audit_proof_bytes = proof_bytes(&proof)?;
    let meter = Meter::start();
    akd::auditor::audit_verify::<Config>(vec![before.hash(), after.hash()], proof).await?;
    let audit_verify = meter.stop();

    let meter = Meter::start();
    let head = directory
        .publish(batch(0, o.batch.min(o.accounts), 1, o.value_bytes))
        .await?;
    let publish_updates = meter.stop();
    let (lookup, lookup_verify, lookup_proof_bytes) = lookups(directory, o, &head).await?;
    let history = history(directory, o).await?;
    Ok(Report {
        publish_new,
        publish_updates,
        lookup,
        lookup_verify,
        history,
        audit_make,
        audit_verify,
        lookup_proof_bytes,
        audit_proof_bytes,
    })
}

/// The complete history of account 1 with many versions, the second time that it is asked for.
async fn history(directory: &PlainDirectory, o: &Options) -> Result<Spent> {
    for version in 2..o.versions {
        let mut value = vec![0; o.value_bytes.max(4)];
        value.splice(..4, version.to_be_bytes());
        directory.publish(vec![(label(1), AkdValue(value))]).await?;
    }
    directory.key_history(&label(1), HistoryParams::Complete).await?;
    let meter = Meter::start();
    directory.key_history(&label(1), HistoryParams::Complete).await?;
    Ok(meter.stop())
}

async fn lookups(directory: &PlainDirectory, o: &Options, head: &EpochHash) -> Result<(Spent, Spent, f64)> {
    let key = directory.get_public_key().await?;
    // Every n-th account of the second half: version 1, spread over the tree.
    let step = (o.accounts / 2 / o.lookups).max(1);
    let asked: Vec<u32> = (0..o.lookups)
        .map(|i| o.accounts / 2 + i * step)
        .filter(|i| *i < o.accounts)
        .collect();
    let mut proofs = Vec::new();
    let meter = Meter::start();
    for i in &asked {
        proofs.push((label(*i), directory.lookup(label(*i)).await?.0));
    }
    let made = meter.stop();
    let mut bytes = 0;
    for (_, proof) in &proofs {
        bytes += protobuf_len(proof)?;
    }
    let meter = Meter::start();
    for (label, proof) in proofs {
        akd::client::lookup_verify::<Config>(key.as_bytes(), head.hash(), head.epoch(), label, proof)
            .map_err(|e| anyhow::anyhow!("akd refuses its own proof: {e:?}"))?;
    }
    let verified = meter.stop();
    let per = |s: Spent| Spent {
        wall: s.wall / asked.len() as f64,
        cpu: s.cpu / asked.len() as f64,
    };
    Ok((per(made), per(verified), bytes as f64 / asked.len() as f64))
}

fn protobuf_len(proof: &akd::LookupProof) -> Result<usize> {
    use akd::proto::specs::types::LookupProof;
    use protobuf::Message as _;
    Ok(LookupProof::from(proof).write_to_bytes()?.len())
}

fn proof_bytes(proof: &akd::AppendOnlyProof) -> Result<usize> {
    use akd::proto::specs::types::SingleAppendOnlyProof;
    use protobuf::Message as _;
    let first = proof.proofs.first().context("the audit covers no epoch")?;
    Ok(SingleAppendOnlyProof::from(first).write_to_bytes()?.len())
}
