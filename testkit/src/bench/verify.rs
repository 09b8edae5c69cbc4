//! Verification beside akd's, on the same bytes in the same run: audit proofs, lookups and single VRF proofs.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use akd::WhatsAppV1Configuration as Config;
use akd::configuration::Configuration as _;
use akd::ecvrf::{HardCodedAkdVRF, Output, Proof, VRFKeyStorage as _, VRFPublicKey};
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::{AkdLabel, AkdValue, AzksParallelismConfig, Directory, LookupProof, VersionFreshness};
use anyhow::{Context as _, Result, anyhow, ensure};
use keyglass_protocol::quantity::{Epoch, KeyVersion, RootHash};
use keyglass_protocol::tree::{
    Freshness, Hashing, StepPart, TreeHead, VrfPublicKey, Work, verify_append_only_in_parts, verify_lookup,
    verify_vrf,
};
use protobuf::Message as _;
use serde::Deserialize;

use super::{Spent, median, spent};

/// An audit proof and the step that it is about, as `akd-baseline`'s `audit make` stores them.
pub struct Step {
    proof: Vec<u8>,
    epoch: Epoch,
    previous: RootHash,
    root: RootHash,
}

#[derive(Deserialize)]
struct StepFile {
    epoch: u64,
    previous_root: String,
    root: String,
}

/// What akd said about its verifications.
#[derive(Deserialize)]
struct Akd {
    runs: Vec<AkdRun>,
    peak_bytes: u64,
}

#[derive(Deserialize)]
struct AkdRun {
    decode_cpu: f64,
    verify_wall: f64,
    verify_cpu: f64,
}

impl Step {
    /// Reads a proof and, beside it, its step.
    pub fn read(path: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".json");
        let step: StepFile = serde_json::from_slice(&fs::read(PathBuf::from(name))?)?;
        Ok(Self {
            proof: fs::read(path)?,
            epoch: Epoch::new(step.epoch),
            previous: step.previous_root.parse()?,
            root: step.root.parse()?,
        })
    }

    /// Length of the proof.
    pub fn bytes(&self) -> usize {
        self.proof.len()
    }

    /// Verifies it, its parts on threads of their own.
    pub fn verify(&self, hashing: Hashing, threads: usize) -> Result<u64> {
        let parts = NonZeroUsize::new(threads).context("no threads")?;
        let work = Work { parts, hashing };
        let run = |parts: &mut [StepPart<'_>]| {
            thread::scope(|scope| {
                if let [first, others @ ..] = parts {
                    for part in others {
                        scope.spawn(|| part.work());
                    }
                    first.work();
                }
            });
        };
        let step =
            verify_append_only_in_parts(&self.proof, self.epoch, &self.previous, &self.root, work, run)?;
        Ok(step.inserted())
    }
}

/// Most memory that this process had so far, as Linux says it.
pub fn peak_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| text.trim().strip_suffix("kB"));
    Ok(kib.context("no VmHWM")?.trim().parse::<u64>()? * 1024)
}

/// Verifies the proof at `path` with akd and in all of our ways, in turn, and prints a table.
pub fn audit(path: &Path, baseline: &Path, runs: usize) -> Result<()> {
    let step = Step::read(path)?;
    let ways = [
        ("one by one, 1 thread", Hashing::OneByOne, 1),
        ("one by one, 2 threads", Hashing::OneByOne, 2),
        ("many at once, 1 thread", Hashing::ManyAtOnce, 1),
        ("many at once, 2 threads", Hashing::ManyAtOnce, 2),
    ];
    let (mut akd, mut ours) = (Vec::new(), vec![Vec::new(); ways.len()]);
    for _ in 0..runs {
        akd.push(akd_verifies(path, baseline)?);
        for ((_, hashing, threads), spents) in ways.iter().zip(&mut ours) {
            let (took, inserted) = spent(|| step.verify(*hashing, *threads));
            ensure!(inserted? > 0, "nothing inserted");
            spents.push(took);
        }
    }
    let of = |get: fn(&AkdRun) -> f64| median(akd.iter().flat_map(|a| &a.runs).map(get).collect());
    let (decode, wall, cpu) = (of(|r| r.decode_cpu), of(|r| r.verify_wall), of(|r| r.verify_cpu));
    println!(
        "audit proof of {} bytes, median of {runs} rounds; akd decodes in {:.1} ms CPU, which is not counted for it",
        step.proof.len(),
        decode * 1e3
    );
    println!("| verified by | wall | CPU | CPU, akd = 1 |");
    println!("|---|---|---|---|");
    println!(
        "| akd `audit_verify` | {:.1} ms | {:.1} ms | 1 |",
        wall * 1e3,
        cpu * 1e3
    );
    for ((name, ..), spents) in ways.iter().zip(&ours) {
        let (w, c) = medians(spents);
        println!(
            "| {name} | {:.1} ms | {:.1} ms | 1/{:.1} |",
            w * 1e3,
            c * 1e3,
            cpu / c
        );
    }
    let peak = akd.iter().map(|a| a.peak_bytes).max().unwrap_or_default();
    println!("akd's whole process: {peak} bytes at most");
    Ok(())
}

fn medians(spents: &[Spent]) -> (f64, f64) {
    (
        median(spents.iter().map(|s| s.wall).collect()),
        median(spents.iter().map(|s| s.cpu).collect()),
    )
}

fn akd_verifies(path: &Path, baseline: &Path) -> Result<Akd> {
    let output = Command::new(baseline)
        .args(["verify", "--runs", "1"])
        .arg(path)
        .output()
        .with_context(|| format!("starting {}", baseline.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "akd refuses the proof: {said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One account's lookup, as akd has it and as bytes.
struct Asked {
    label: AkdLabel,
    proof: LookupProof,
    bytes: Vec<u8>,
}

/// Verifies version-1 lookups, and their first VRF proofs alone, with akd_core and with ours in turn, and prints a
/// table.
pub fn client(accounts: u32, runs: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let (asked, head, key) = runtime.block_on(lookups(accounts))?;
    let (root, vrf) = (RootHash::new(head.hash()), VrfPublicKey::parse(&key)?);
    let tree = TreeHead {
        epoch: Epoch::new(head.epoch()),
        root: &root,
        vrf: &vrf,
    };
    let theirs = VRFPublicKey::try_from(key.as_slice()).map_err(|e| anyhow!("{e:?}"))?;
    let (mut lookup, mut single) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for _ in 0..runs {
        let copies: Vec<_> = asked.iter().map(|a| (a.label.clone(), a.proof.clone())).collect();
        let (took, done) = spent(|| {
            copies.into_iter().try_for_each(|(label, proof)| {
                akd::client::lookup_verify::<Config>(&key, head.hash(), head.epoch(), label, proof)
                    .map(drop)
                    .map_err(|e| anyhow!("{e:?}"))
            })
        });
        done?;
        lookup.0.push(took);
        let (took, done) = spent(|| {
            asked
                .iter()
                .try_for_each(|a| verify_lookup(&tree, &a.label.0, &a.bytes, &[]).map(drop))
        });
        done?;
        lookup.1.push(took);
        let (took, done) = spent(|| asked.iter().try_for_each(|a| akd_vrf(&theirs, a)));
        done?;
        single.0.push(took);
        let (took, done) = spent(|| {
            asked.iter().try_for_each(|a| {
                let (fresh, first) = (Freshness::Fresh, KeyVersion::FIRST);
                verify_vrf(&vrf, &a.label.0, fresh, first, &a.proof.existence_vrf_proof).map(drop)
            })
        });
        done?;
        single.1.push(took);
    }
    println!(
        "{accounts} accounts, median of {runs} rounds of {} each",
        asked.len()
    );
    println!("| what, CPU | akd_core | keyglass | keyglass / akd_core |");
    println!("|---|---|---|---|");
    let count = f64::from(u32::try_from(asked.len())?);
    for (name, (theirs, ours)) in [("one VRF proof", single), ("a lookup, version 1", lookup)] {
        let (theirs, ours) = (medians(&theirs).1 / count, medians(&ours).1 / count);
        println!(
            "| {name} | {:.1} us | {:.1} us | {:.2} |",
            theirs * 1e6,
            ours * 1e6,
            ours / theirs
        );
    }
    Ok(())
}

/// Proof and leaf label, as akd_core checks them before it looks at the tree; the key is parsed already.
fn akd_vrf(key: &VRFPublicKey, asked: &Asked) -> Result<()> {
    let input = Config::get_hash_from_label_input(&asked.label, VersionFreshness::Fresh, 1);
    let proof = Proof::try_from(asked.proof.existence_vrf_proof.as_slice()).map_err(|e| anyhow!("{e:?}"))?;
    key.verify(&proof, &input).map_err(|e| anyhow!("{e:?}"))?;
    // The leaf label; akd_core keeps it to itself.
    std::hint::black_box(Output::from(&proof));
    Ok(())
}

async fn lookups(accounts: u32) -> Result<(Vec<Asked>, akd::EpochHash, [u8; 32])> {
    let storage = StorageManager::new_no_cache(AsyncInMemoryDatabase::new());
    let directory =
        Directory::<Config, _, _>::new(storage, HardCodedAkdVRF, AzksParallelismConfig::default()).await?;
    let label = |i: u32| AkdLabel(format!("account:{i:010}").into_bytes());
    let batch = (0..accounts)
        .map(|i| (label(i), AkdValue(vec![7; 300])))
        .collect();
    let head = directory.publish(batch).await?;
    let key = HardCodedAkdVRF
        .get_vrf_public_key()
        .await
        .map_err(|e| anyhow!("{e:?}"))?;
    let mut asked = Vec::new();
    for i in (0..accounts).step_by(usize::try_from(accounts / 200)?.max(1)) {
        let (proof, _) = directory.lookup(label(i)).await?;
        let bytes = akd::proto::specs::types::LookupProof::from(&proof).write_to_bytes()?;
        asked.push(Asked {
            label: label(i),
            proof,
            bytes,
        });
    }
    Ok((asked, head, *key.as_bytes()))
}
