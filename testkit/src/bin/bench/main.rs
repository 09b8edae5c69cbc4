//! `cargo xtask bench`: our code and plain akd on the same work in the same run, as a table of ratios.
//!
//! Ours writes to SQLite with durable commits; plain akd works in memory with its default features, in a program
//! of its own (`testkit/akd-baseline`, because cargo would otherwise switch its features on for us too). The two
//! take turns; each row is the median of the rounds, and the ratio of the medians. Machines are noisy: nothing
//! here passes or fails.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use akd::storage::StorageManager;
use akd::{AkdLabel, AkdValue, AzksParallelismConfig, Directory, EpochHash, WhatsAppV1Configuration};
use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use cpu_time::ProcessTime;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::LookupProof;
use keyglass_protocol::quantity::{Epoch, KeyVersion, RootHash};
use keyglass_protocol::tree::{self, Marker, TreeHead, VrfPublicKey};
use keyglass_schema::{DatabaseUrl, Store, StoreKeys, TreeStore};
use keyglass_server::directory::Prover;
use keyglass_server::keys::{SystemRandom, Vrf};
use keyglass_server::settings::Settings;
use protobuf::Message as _;
use serde::Deserialize;

/// Our code beside plain akd, as ratios.
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
    /// Bytes of every value.
    #[arg(long, default_value_t = 300)]
    value_bytes: u32,
    /// Rounds; the median is printed.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The program of testkit/akd-baseline.
    #[arg(long)]
    baseline: PathBuf,
}

/// Seconds of one piece of work.
#[derive(Clone, Copy, Deserialize)]
struct Spent {
    wall: f64,
    cpu: f64,
}

/// What one program measured in one round.
#[derive(Clone, Deserialize)]
struct Report {
    publish_new: Spent,
    publish_updates: Spent,
    lookup: Spent,
    lookup_verify: Spent,
    audit_make: Spent,
    audit_verify: Spent,
    lookup_proof_bytes: u32,
    audit_proof_bytes: u32,
}

struct Meter(Instant, ProcessTime);

impl Meter {
    fn start() -> Self {
        Self(Instant::now(), ProcessTime::now())
    }

    fn stop(self) -> Spent {
        Spent {
            wall: self.0.elapsed().as_secs_f64(),
            cpu: self.1.elapsed().as_secs_f64(),
        }
    }
}

fn main() -> Result<()> {
    let o = Options::parse();
    ensure!(
        o.accounts > 1 && o.batch > 0 && o.lookups > 0 && o.rounds > 0,
        "all counts must be at least 1"
    );
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for round in 1..=o.rounds {
        eprintln!("round {round} of {}: keyglass, then plain akd", o.rounds);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        ours.push(runtime.block_on(measure(&o))?);
        plain.push(baseline(&o)?);
    }
    print_table(&o, &ours, &plain);
    Ok(())
}

fn baseline(o: &Options) -> Result<Report> {
    let output = Command::new(&o.baseline)
        .args([
            "--accounts",
            &o.accounts.to_string(),
            "--batch",
            &o.batch.to_string(),
        ])
        .args([
            "--lookups",
            &o.lookups.to_string(),
            "--value-bytes",
            &o.value_bytes.to_string(),
        ])
        .output()
        .with_context(|| format!("starting {}", o.baseline.display()))?;
    ensure!(
        output.status.success(),
        "plain akd failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Our directory on SQLite in a temporary folder.
struct Ours {
    store: Store,
    vrf: Vrf,
    tree: Directory<WhatsAppV1Configuration, TreeStore, Vrf>,
    akd: TreeStore,
    head: EpochHash,
}

impl Ours {
    async fn new(folder: &std::path::Path) -> Result<Self> {
        let settings = Settings::local(folder)?;
        let keys = keyglass_server::bootstrap::keys(&settings, &SystemRandom)?;
        let url: DatabaseUrl = format!("sqlite://{}", folder.join("bench.sqlite").display()).parse()?;
        let store = Store::open(&url, StoreKeys::from_secret(keys.storage.expose()))?;
        let akd = store.tree();
        let storage = StorageManager::new_no_cache(akd.clone());
        let tree = Directory::new(storage, keys.vrf.clone(), AzksParallelismConfig::default()).await?;
        let head = tree.get_epoch_hash().await?;
        Ok(Self {
            store,
            vrf: keys.vrf,
            tree,
            akd,
            head,
        })
    }

    async fn publish(&mut self, batch: Vec<(AkdLabel, AkdValue)>) -> Result<()> {
        self.akd.arm(Epoch::new(self.head.epoch()));
        self.head = self.tree.publish(batch).await?;
        Ok(())
    }
}

fn label(i: u32) -> Label {
    Label::parse(&format!("account:{i:010}")).unwrap_or_else(|e| unreachable!("ten digits are an id: {e}"))
}

fn batch(o: &Options, from: u32, to: u32, round: u8) -> Vec<(AkdLabel, AkdValue)> {
    let value = |i: u32| {
        let bytes = i.to_be_bytes().into_iter().chain(std::iter::repeat(round));
        AkdValue(bytes.zip(0..o.value_bytes).map(|(b, _)| b).collect())
    };
    (from..to)
        .map(|i| (AkdLabel(label(i).as_bytes().to_vec()), value(i)))
        .collect()
}

async fn measure(o: &Options) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let mut ours = Ours::new(folder.path()).await?;
    for from in (0..o.accounts).step_by(10_000) {
        ours.publish(batch(o, from, (from.saturating_add(10_000)).min(o.accounts), 0))
            .await?;
    }
    let before = RootHash::new(ours.head.hash());
    let meter = Meter::start();
    ours.publish(batch(o, o.accounts, o.accounts.saturating_add(o.batch), 0))
        .await?;
    let publish_new = meter.stop();

    let epoch = ours.head.epoch();
    let meter = Meter::start();
    let proof = ours.tree.audit(epoch.saturating_sub(1), epoch).await?;
    let step = proof.proofs.first().context("the audit covers no epoch")?;
    let proof = akd::proto::specs::types::SingleAppendOnlyProof::from(step).write_to_bytes()?;
    let audit_make = meter.stop();
    let meter = Meter::start();
    tree::verify_append_only(
        &proof,
        Epoch::new(epoch),
        &before,
        &RootHash::new(ours.head.hash()),
    )?;
    let audit_verify = meter.stop();

    let meter = Meter::start();
    ours.publish(batch(o, 0, o.batch.min(o.accounts), 1)).await?;
    let publish_updates = meter.stop();
    let (lookup, lookup_verify, lookup_proof_bytes) = lookups(o, &ours).await?;
    Ok(Report {
        publish_new,
        publish_updates,
        lookup,
        lookup_verify,
        audit_make,
        audit_verify,
        lookup_proof_bytes,
        audit_proof_bytes: u32::try_from(proof.len())?,
    })
}

async fn lookups(o: &Options, ours: &Ours) -> Result<(Spent, Spent, u32)> {
    let (epoch, root) = (Epoch::new(ours.head.epoch()), RootHash::new(ours.head.hash()));
    let prover = Prover::new(&ours.store, &ours.vrf, epoch, root).await?;
    let (half, mut proofs) = (o.accounts / 2, Vec::new());
    let step = (half / o.lookups).max(1);
    let asked: Vec<Label> = (half..o.accounts)
        .step_by(usize::try_from(step)?)
        .zip(0..o.lookups)
        .map(|(i, _)| label(i))
        .collect();
    let meter = Meter::start();
    for label in &asked {
        proofs.push(prover.lookup(label).await?);
    }
    let made = meter.stop();
    let vrf = VrfPublicKey::parse(&ours.vrf.public_key())?;
    let head = TreeHead {
        epoch,
        root: &root,
        vrf: &vrf,
    };
    let meter = Meter::start();
    for (label, proof) in asked.iter().zip(&proofs) {
        tree::verify_lookup(&head, label.as_bytes(), &proof.proof.0, &markers(proof)?)?;
    }
    let verified = meter.stop();
    let count = f64::from(u32::try_from(asked.len())?);
    let per = |s: Spent| Spent {
        wall: s.wall / count,
        cpu: s.cpu / count,
    };
    let bytes = proofs.first().map(|p| p.proof.0.len()).context("no lookups")?;
    Ok((per(made), per(verified), u32::try_from(bytes)?))
}

fn markers(proof: &LookupProof) -> Result<Vec<Marker<'_>>> {
    let versions = proof
        .markers
        .iter()
        .map(|m| KeyVersion::new(m.version))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(proof
        .markers
        .iter()
        .zip(versions)
        .map(|(m, version)| Marker {
            version,
            vrf_proof: &m.vrf_proof.0,
            proof: &m.proof.0,
        })
        .collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A row: its name, what it is counted in, how many seconds make one unit, and where it stands in a report.
type Row = (&'static str, &'static str, f64, fn(&Report) -> f64);

const ROWS: &[Row] = &[
    ("publish, new accounts, wall", "ms", 1e3, |r| r.publish_new.wall),
    ("publish, new accounts, CPU", "ms", 1e3, |r| r.publish_new.cpu),
    ("publish, updates, wall", "ms", 1e3, |r| r.publish_updates.wall),
    ("publish, updates, CPU", "ms", 1e3, |r| r.publish_updates.cpu),
    ("lookup, never seen, CPU", "us", 1e6, |r| r.lookup.cpu),
    ("verify a lookup, CPU", "us", 1e6, |r| r.lookup_verify.cpu),
    ("make the audit proof, CPU", "ms", 1e3, |r| r.audit_make.cpu),
    ("verify the audit proof, CPU", "ms", 1e3, |r| r.audit_verify.cpu),
    ("lookup proof", "bytes", 1.0, |r| f64::from(r.lookup_proof_bytes)),
    ("audit proof", "bytes", 1.0, |r| f64::from(r.audit_proof_bytes)),
];

fn print_table(o: &Options, ours: &[Report], plain: &[Report]) {
    println!(
        "{} accounts, batches of {}, values of {} bytes, median of {} rounds; keyglass on SQLite, akd in memory",
        o.accounts, o.batch, o.value_bytes, o.rounds
    );
    println!("| what | keyglass | plain akd | keyglass / akd |");
    println!("|---|---|---|---|");
    for (name, unit, scale, get) in ROWS {
        let of = |reports: &[Report]| median(reports.iter().map(get).collect()) * scale;
        let (a, b) = (of(ours), of(plain));
        println!("| {name} | {a:.1} {unit} | {b:.1} {unit} | {:.2} |", a / b);
    }
}
