//! Proving, ours beside akd's in memory: `cargo bench -p keyglass-server`.
//!
//! A small directory, so that it starts at once; `cargo xtask bench` measures large ones.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use akd::ecvrf::HardCodedAkdVRF;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::storage::{Database, StorageManager};
use akd::{AkdLabel, AkdValue, AzksParallelismConfig, EpochHash, HistoryParams, WhatsAppV1Configuration};
use divan::Bencher;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion, RootHash};
use keyglass_schema::Store;
use keyglass_server::bootstrap;
use keyglass_server::directory::{ProofSource, Prover};
use keyglass_server::keys::{SystemRandom, Vrf};
use keyglass_server::settings::Settings;
use tempfile::TempDir;
use tokio::runtime::Runtime;

type Directory<D, V> = akd::Directory<WhatsAppV1Configuration, D, V>;

/// Accounts. The first has all versions of the history, the last thousand come in the step that is audited.
const ACCOUNTS: u32 = 6_000;
const STEP: u32 = 1_000;
const VERSIONS: u32 = 100;
/// Memory for proofs that were made. Bytes.
const KEPT: u64 = 64 << 20;

fn main() {
    divan::main();
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static OURS: LazyLock<Ours> = LazyLock::new(|| RUNTIME.block_on(Ours::new()));
static AKD: LazyLock<(Directory<AsyncInMemoryDatabase, HardCodedAkdVRF>, EpochHash)> = LazyLock::new(|| {
    RUNTIME.block_on(async {
        let directory = directory(AsyncInMemoryDatabase::new(), HardCodedAkdVRF).await;
        let step = fill(&directory).await;
        (directory, step)
    })
});

struct Ours {
    store: Store,
    prover: Prover,
    step: EpochHash,
    _folder: TempDir,
}

impl Ours {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::local(folder.path()).unwrap();
        let keys = bootstrap::keys(&settings, &SystemRandom).unwrap();
        let store = bootstrap::open_store(&settings, &keys).unwrap();
        let vrf: Vrf = keys.vrf;
        let directory = directory(store.tree(), vrf.clone()).await;
        let step = fill(&directory).await;
        let source = ProofSource::new(&store, &vrf, KEPT, 0);
        let (epoch, root) = (Epoch::new(step.epoch()), RootHash::new(step.hash()));
        Self {
            prover: Prover::new(&source, epoch, root).await.unwrap(),
            store,
            step,
            _folder: folder,
        }
    }
}

async fn directory<D: Database + 'static, V: akd::ecvrf::VRFKeyStorage>(
    database: D,
    vrf: V,
) -> Directory<D, V> {
    let storage = StorageManager::new_no_cache(database);
    Directory::new(storage, vrf, AzksParallelismConfig::default())
        .await
        .unwrap()
}

/// Publishes everything; the last epoch is the step that is audited.
async fn fill<D: Database + 'static, V: akd::ecvrf::VRFKeyStorage>(directory: &Directory<D, V>) -> EpochHash {
    let batch = |from: u32, to: u32, version: u32| {
        let value = |i: u32| [i, version].map(u32::to_be_bytes).concat().repeat(37);
        let entry = |i| (AkdLabel(label(i).as_bytes().to_vec()), AkdValue(value(i)));
        (from..to).map(entry).collect()
    };
    directory.publish(batch(0, ACCOUNTS - STEP, 1)).await.unwrap();
    for version in 2..=VERSIONS {
        directory.publish(batch(0, 1, version)).await.unwrap();
    }
    directory
        .publish(batch(ACCOUNTS - STEP, ACCOUNTS, 1))
        .await
        .unwrap()
}

fn label(i: u32) -> Label {
    Label::parse(&format!("account:{i:010}")).unwrap()
}

/// Accounts one after the other, so that none comes twice.
fn next() -> Label {
    static ASKED: AtomicU32 = AtomicU32::new(1);
    label(ASKED.fetch_add(1, Ordering::Relaxed) % ACCOUNTS)
}

/// One proof of version 1.
mod lookup {
    use super::*;

    #[divan::bench]
    fn akd(bencher: Bencher<'_, '_>) {
        let (directory, _) = &*AKD;
        let label = || AkdLabel(label(77).as_bytes().to_vec());
        bencher
            .with_inputs(label)
            .bench_values(|label| RUNTIME.block_on(directory.lookup(label)).unwrap());
    }

    #[divan::bench(sample_count = 500, sample_size = 1)]
    fn keyglass_never_seen(bencher: Bencher<'_, '_>) {
        let ours = &*OURS;
        bencher
            .with_inputs(next)
            .bench_values(|label| RUNTIME.block_on(ours.prover.lookup(&label)).unwrap());
    }

    #[divan::bench]
    fn keyglass_seen_before(bencher: Bencher<'_, '_>) {
        let (ours, label) = (&*OURS, label(77));
        RUNTIME.block_on(ours.prover.lookup(&label)).unwrap();
        bencher.bench(|| {
            RUNTIME
                .block_on(ours.prover.lookup(divan::black_box(&label)))
                .unwrap()
        });
    }
}

/// All versions of one account, asked for before.
mod history {
    use super::*;

    #[divan::bench]
    fn akd(bencher: Bencher<'_, '_>) {
        let (directory, _) = &*AKD;
        let label = AkdLabel(label(0).as_bytes().to_vec());
        bencher.bench(|| {
            RUNTIME
                .block_on(directory.key_history(&label, HistoryParams::Complete))
                .unwrap()
        });
    }

    #[divan::bench]
    fn keyglass(bencher: Bencher<'_, '_>) {
        let (ours, label) = (&*OURS, label(0));
        let history = || {
            RUNTIME
                .block_on(ours.prover.history(&label, KeyVersion::FIRST))
                .unwrap()
        };
        divan::black_box(history());
        bencher.bench(history);
    }
}

/// The audit proof of the last epoch.
mod audit_proof {
    use super::*;

    #[divan::bench]
    fn akd(bencher: Bencher<'_, '_>) {
        let (directory, step) = &*AKD;
        let after = step.epoch();
        bencher.bench(|| RUNTIME.block_on(directory.audit(after - 1, after)).unwrap());
    }

    #[divan::bench]
    fn keyglass(bencher: Bencher<'_, '_>) {
        let ours = &*OURS;
        let tree = ours.store.tree_at(Epoch::new(ours.step.epoch())).unwrap();
        bencher.bench(|| tree.append_proof());
    }
}
