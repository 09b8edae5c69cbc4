//! Our side in this process: publishing as the server does it, and the kernels.

use std::path::Path;
use std::sync::Arc;

use akd::storage::StorageManager;
use akd::{AkdLabel, AkdValue, AzksParallelismConfig, Directory, EpochHash, WhatsAppV1Configuration};
use anyhow::Result;
use keyglass_monitoring::Registry;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::LookupProof;
use keyglass_protocol::quantity::{Epoch, KeyVersion, RootHash};
use keyglass_protocol::tree::{self, Marker, TreeHead, VrfPublicKey};
use keyglass_schema::TreeStore;
use keyglass_server::clock::SystemClock;
use keyglass_server::directory::{ProofSource, Prover};
use keyglass_server::guard::FileGuard;
use keyglass_server::keys::{SystemRandom, Vrf};
use keyglass_server::publisher::{Asker, NoSteps, Publisher};
use keyglass_server::service::Service;
use keyglass_server::settings::{Layer, Settings};
use keyglass_server::{bootstrap, server};
use keyglass_testkit::world::ORIGIN;

use crate::{Meter, Options, Report};

/// Accounts of one epoch while the directory is filled.
const FILL: usize = 10_000;

type Tree = Directory<WhatsAppV1Configuration, TreeStore, Vrf>;

/// A whole directory, whose publisher is driven by hand.
struct Ours {
    service: Arc<Service>,
    publisher: Publisher,
    tree: Tree,
    store: TreeStore,
    head: EpochHash,
}

impl Ours {
    async fn new(o: &Options, folder: &Path) -> Result<Self> {
        let mut layer = Layer {
            data_dir: Some(folder.to_owned()),
            origin: Some(ORIGIN.to_owned()),
            ..Layer::default()
        };
        layer.database.clone_from(&o.database);
        let settings = Settings::resolve(layer)?;
        let keys = bootstrap::keys(&settings, &SystemRandom)?;
        let guard = FileGuard::open(&settings.guard, keys.origin())?;
        let registry = Registry::new("bench", "0")?;
        let service = Arc::new(server::open(settings, keys, Arc::new(SystemClock), &registry)?);
        let mut publisher = Publisher::new(
            Arc::clone(&service),
            Box::new(guard),
            Arc::new(NoSteps),
            Asker::new()?,
        );
        publisher.start().await?;
        publisher.advance().await?;
        let store = service.store.tree();
        let storage = StorageManager::new_no_cache(store.clone());
        let vrf = service.keys.vrf.clone();
        let tree = Directory::new(storage, vrf, AzksParallelismConfig::default()).await?;
        let head = tree.get_epoch_hash().await?;
        Ok(Self {
            service,
            publisher,
            tree,
            store,
            head,
        })
    }

    /// What the publisher's step `tree` does with updates: one durable transaction.
    async fn publish(&mut self, batch: Vec<(AkdLabel, AkdValue)>) -> Result<()> {
        self.store.arm(Epoch::new(self.head.epoch()));
        self.head = self.tree.publish(batch).await?;
        Ok(())
    }

    /// The same with first versions, as which it knows them.
    async fn publish_new(&mut self, batch: Vec<(AkdLabel, AkdValue)>) -> Result<()> {
        let new = batch.iter().map(|(label, _)| label.0.clone()).collect();
        self.store.arm_for_new(Epoch::new(self.head.epoch()), new);
        self.head = self.tree.publish(batch).await?;
        Ok(())
    }

    /// Everything after it: leaf, audit proof, self-check, guard, signature, readers.
    async fn complete(&mut self) -> Result<()> {
        self.publisher.advance().await?;
        Ok(())
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(self.head.epoch())
    }

    fn root(&self) -> RootHash {
        RootHash::new(self.head.hash())
    }

    /// Proves with nothing kept yet.
    async fn prover(&self) -> Result<Prover> {
        let source = ProofSource::new(&self.service.store, &self.service.keys.vrf, 64 << 20, 0);
        Ok(Prover::new(&source, self.epoch(), self.root()).await?)
    }
}

/// The account of a number.
pub(crate) fn label(i: u32) -> Label {
    Label::parse(&format!("account:{i:010}")).unwrap_or_else(|e| unreachable!("ten digits are an id: {e}"))
}

/// Accounts of the second half, spread over the tree: version 1, and not looked up by anything else.
pub(crate) fn asked(o: &Options) -> Vec<u32> {
    let half = o.accounts / 2;
    let step = (half / o.lookups).max(1);
    let all = (0..o.lookups).map(|i| half.saturating_add(i.saturating_mul(step)));
    all.filter(|i| *i < o.accounts).collect()
}

fn batch(o: &Options, from: u32, to: u32, round: u32) -> Vec<(AkdLabel, AkdValue)> {
    let value = |i: u32| {
        let start = i.to_be_bytes().into_iter().chain(round.to_be_bytes());
        let bytes = start.chain(std::iter::repeat(7));
        AkdValue(bytes.zip(0..o.value_bytes).map(|(b, _)| b).collect())
    };
    (from..to)
        .map(|i| (AkdLabel(label(i).as_bytes().to_vec()), value(i)))
        .collect()
}

/// Fills the directory in `folder` and measures all but HTTP. The folder can be served from afterwards.
pub(crate) async fn measure(o: &Options, folder: &Path) -> Result<Report> {
    let mut ours = Ours::new(o, folder).await?;
    let mut report = Report::default();
    let meter = Meter::start();
    for from in (0..o.accounts).step_by(FILL) {
        let to = from.saturating_add(u32::try_from(FILL)?).min(o.accounts);
        ours.publish_new(batch(o, from, to, 0)).await?;
        ours.complete().await?;
    }
    report.fill = meter.stop().per(f64::from(o.accounts));
    let before = ours.root();
    let last = o.accounts.saturating_add(o.batch);
    let meter = Meter::start();
    ours.publish_new(batch(o, o.accounts, last, 0)).await?;
    report.publish_new = meter.stop();
    audit(&ours, &before, &mut report)?;
    ours.complete().await?;
    let meter = Meter::start();
    ours.publish(batch(o, 0, o.batch.min(o.accounts), 1)).await?;
    report.publish_updates = meter.stop();
    ours.complete().await?;
    lookups(o, &ours, &mut report).await?;
    history(o, &mut ours, &mut report).await?;
    Ok(report)
}

fn audit(ours: &Ours, before: &RootHash, report: &mut Report) -> Result<()> {
    let meter = Meter::start();
    let proof = ours.service.store.tree_at(ours.epoch())?.append_proof().bytes;
    report.audit_make = meter.stop();
    report.audit_proof_bytes = f64::from(u32::try_from(proof.len())?);
    let meter = Meter::start();
    tree::verify_append_only(&proof, ours.epoch(), before, &ours.root())?;
    report.audit_verify = meter.stop();
    Ok(())
}

async fn lookups(o: &Options, ours: &Ours, report: &mut Report) -> Result<()> {
    let (prover, mut proofs) = (ours.prover().await?, Vec::new());
    let asked: Vec<Label> = asked(o).into_iter().map(label).collect();
    let count = f64::from(u32::try_from(asked.len())?);
    for spent in [&mut report.lookup, &mut report.lookup_again] {
        proofs.clear();
        let meter = Meter::start();
        for label in &asked {
            proofs.push(prover.lookup(label).await?);
        }
        *spent = meter.stop().per(count);
    }
    let vrf = VrfPublicKey::parse(&ours.service.keys.vrf.public_key())?;
    let head = TreeHead {
        epoch: ours.epoch(),
        root: &ours.root(),
        vrf: &vrf,
    };
    let meter = Meter::start();
    for (label, proof) in asked.iter().zip(&proofs) {
        tree::verify_lookup(&head, label.as_bytes(), &proof.proof.0, &markers(proof)?)?;
    }
    report.lookup_verify = meter.stop().per(count);
    let bytes: usize = proofs.iter().map(|p| p.proof.0.len()).sum();
    report.lookup_proof_bytes = f64::from(u32::try_from(bytes)?) / count;
    Ok(())
}

/// The complete history of account 1 with many versions, the second time that it is asked for.
async fn history(o: &Options, ours: &mut Ours, report: &mut Report) -> Result<()> {
    for version in 2..o.versions {
        ours.publish(batch(o, 1, 2, version)).await?;
        ours.complete().await?;
    }
    let prover = ours.prover().await?;
    prover.history(&label(1), KeyVersion::FIRST).await?;
    let times = 5;
    let meter = Meter::start();
    for _ in 0..times {
        prover.history(&label(1), KeyVersion::FIRST).await?;
    }
    report.history = meter.stop().per(f64::from(times));
    Ok(())
}

fn markers(proof: &LookupProof) -> Result<Vec<Marker<'_>>> {
    let marker = |m: &'_ keyglass_protocol::message::MarkerProof| KeyVersion::new(m.version);
    let versions = proof.markers.iter().map(marker).collect::<Result<Vec<_>, _>>()?;
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
