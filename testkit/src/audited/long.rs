//! An honest directory and its auditor, with a bad network between them, for a long time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use keyglass_auditor::clock::Clock as _;
use keyglass_auditor::peers::Peer;
use keyglass_auditor::refusal::Stop;
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{LogHash, LogSize};

use super::faults::{BadNetwork, Fault};
use super::{Rig, World, auditor_keys};

/// How long, and how bad.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Honest epochs.
    pub epochs: u64,
    /// One answer in this many is spoiled.
    pub one_in: u64,
    /// Decides which.
    pub seed: u64,
}

/// What happened.
#[derive(Debug, Default)]
pub struct Report {
    /// Honest epochs.
    pub epochs: u64,
    /// Rounds of the auditor.
    pub rounds: u64,
    /// Restarts of the auditor.
    pub restarts: u64,
    /// Rounds that did not sign, by their reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// What the network did.
    pub faults: BTreeMap<Fault, u64>,
    /// Checkpoints that were cosigned.
    pub signed: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>8}  honest epochs", self.epochs)?;
        writeln!(
            f,
            "{:>8}  rounds of the auditor, {} restarts",
            self.rounds, self.restarts
        )?;
        writeln!(
            f,
            "{:>8}  different checkpoints cosigned, each size with one root",
            self.signed
        )?;
        writeln!(f, "{:>8}  accusations", 0)?;
        for (fault, count) in &self.faults {
            writeln!(f, "{count:>8}  answers: {fault:?}")?;
        }
        for (reason, count) in &self.reasons {
            writeln!(f, "{count:>8}  rounds ended with: {reason}")?;
        }
        Ok(())
    }
}

/// Runs the plan.
///
/// # Panics
/// The auditor accuses anybody, signs two roots of one size, skips an epoch, or does not get through.
pub async fn run(plan: &Plan) -> Report {
    let mut world = World::new().await;
    let network = Arc::new(BadNetwork::new(world.source.clone(), plan.seed, plan.one_in));
    let peer = Peer {
        key: Some(auditor_keys(0).verifier().clone()),
        url: "http://peer.example".to_owned(),
        source: network.clone(),
    };
    let pins = Rig::pins(&world);
    let mut rig = Rig::with_keys(network.clone(), pins, auditor_keys(1), vec![peer]).await;
    let mut report = Report::default();
    let mut signed: BTreeMap<u64, LogHash> = BTreeMap::new();
    let mut random = plan.seed;
    let mut below = |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    while report.epochs < plan.epochs {
        // Sometimes several epochs pass between two rounds.
        for _ in 0..=below(3) {
            let staged = world.stage(1 + below(3)).await;
            world.put(&staged);
            report.epochs += 1;
        }
        world.sign();
        let now = world.newest.time.get() + below(30_000);
        rig.clock.set(now.max(rig.clock.now().get()));
        if below(4) == 0 {
            world.show_readers(world.newest.time.seconds().get(), Vec::new());
        }
        for _ in 0..2 {
            step(&mut rig, &world, &mut report).await;
            keep(&rig, &world, &mut signed);
        }
        if below(20) == 0 {
            rig.restart().await;
            report.restarts += 1;
        }
    }
    // When the network is good again, everything is caught up with.
    network.spoil_one_in(0);
    rig.clock.advance(60_000);
    rig.round().await.unwrap();
    rig.watch().await.unwrap();
    keep(&rig, &world, &mut signed);
    assert_eq!(rig.watched().unwrap().size, world.size().get());
    let verified = rig.store().verified(rig.log()).unwrap();
    assert_eq!((verified.start, verified.size), (LogSize::ZERO, world.size()));
    report.signed = signed.len() as u64;
    report.faults = network.seen().into_iter().collect();
    report
}

async fn step(rig: &mut Rig, world: &World, report: &mut Report) {
    report.rounds += 1;
    let round = rig.round().await.map(drop);
    let results = [round, rig.follower.watch().await];
    for stop in results.into_iter().filter_map(Result::err) {
        // A refusal accuses nobody; neither does what is missing. Nothing else may happen.
        assert!(matches!(stop, Stop::Trouble(_) | Stop::Refused(_)), "{stop}");
        *report.reasons.entry(stop.reason()).or_default() += 1;
    }
    let size = world.size();
    assert_eq!((rig.latched(), rig.evidence()), (None, None), "at size {size}");
}

/// One root per size, and it is the log's.
fn keep(rig: &Rig, world: &World, signed: &mut BTreeMap<u64, LogHash>) {
    let Some(published) = rig.follower.shared().published() else {
        return;
    };
    let open = SignedCheckpoint::open(&published.note, &world.log_key()).unwrap();
    let head = open.checkpoint();
    signed.entry(head.size.get()).or_insert_with(|| {
        assert_eq!(head.root, world.root_of(head.size.get()));
        head.root
    });
    assert_eq!(signed[&head.size.get()], head.root);
}
