//! The auditor.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyglass_auditor::clock::Clock;
use keyglass_auditor::follower::{Follower, Options, Outcome, Parts, Pins, PushAnswer};
use keyglass_auditor::keys::Keys;
use keyglass_auditor::refusal::Stop;
use keyglass_auditor::run::{DATABASE_FILE, EVIDENCE_DIR};
use keyglass_auditor::source::EpochSource;
use keyglass_monitoring::{AuditorMetrics, Registry};
use keyglass_protocol::evidence::{Evidence, Finding};
use keyglass_protocol::log::{Frontier, leaf_hash};
use keyglass_protocol::note::{AddCheckpoint, SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::{LogHash, LogSize, Millis, Seconds};
use keyglass_schema::auditor::AuditorStore;
use tempfile::TempDir;

use super::world::{START, World};

/// A clock that tests set.
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    pub fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis::new(self.0.load(Ordering::SeqCst))
    }
}

/// An auditor with a data directory of its own.
pub struct Rig {
    pub dir: TempDir,
    pub clock: Arc<ManualClock>,
    pub keys: Arc<Keys>,
    pub pins: Pins,
    pub options: Options,
    pub registry: Arc<Registry>,
    source: Arc<dyn EpochSource>,
    metrics: AuditorMetrics,
    pub follower: Follower,
}

/// What the auditor has cosigned.
#[derive(Debug, PartialEq, Eq)]
pub struct Watched {
    pub size: u64,
    pub root: LogHash,
    pub at: Seconds,
}

impl Rig {
    pub async fn new(world: &World) -> Self {
        let pins = Pins {
            log_key: world.log_key(),
            config: None,
            from_checkpoint: None,
        };
        Self::with(world.source.clone(), pins).await
    }

    pub async fn with(source: Arc<dyn EpochSource>, pins: Pins) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock(AtomicU64::new(START + 60_000)));
        let keys = Arc::new(Keys::from_seed("auditor.example", &[21; 32]).unwrap());
        let options = Options {
            refresh: Duration::from_secs(60),
            second_opinion_max: 16 << 20,
        };
        let registry = Arc::new(Registry::new("keyglass-auditor", "0").unwrap());
        let metrics = AuditorMetrics::register(&registry).unwrap();
        let parts = Parts {
            source: source.clone(),
            store: AuditorStore::open(&dir.path().join(DATABASE_FILE)).unwrap(),
            keys: keys.clone(),
            clock: clock.clone(),
            metrics: metrics.directory(pins.log_key.name()),
            evidence: dir.path().join(EVIDENCE_DIR),
        };
        let follower = Follower::open(pins.clone(), options, parts).await.unwrap();
        Self {
            dir,
            clock,
            keys,
            pins,
            options,
            registry,
            source,
            metrics,
            follower,
        }
    }

    pub fn store(&self) -> AuditorStore {
        AuditorStore::open(&self.dir.path().join(DATABASE_FILE)).unwrap()
    }

    /// Forgets everything but what is on disk.
    pub async fn restart(&mut self) {
        let parts = Parts {
            source: self.source.clone(),
            store: self.store(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.directory(self.pins.log_key.name()),
            evidence: self.dir.path().join(EVIDENCE_DIR),
        };
        self.follower = Follower::open(self.pins.clone(), self.options, parts)
            .await
            .unwrap();
    }

    pub async fn round(&mut self) -> Result<Outcome, Stop> {
        self.follower.round().await
    }

    /// A round that must sign the checkpoint of this size.
    pub async fn signs(&mut self, size: u64) {
        let outcome = self.round().await.unwrap();
        assert_eq!(
            outcome,
            Outcome::Cosigned {
                size: LogSize::new(size)
            }
        );
        assert_eq!(self.watched().unwrap().size, size);
    }

    /// A round that must not sign, for this reason.
    pub async fn refuses(&mut self, reason: &str) {
        let before = self.watched();
        let stop = self.round().await.unwrap_err();
        assert_eq!(stop.reason(), reason, "{stop}");
        assert_eq!(self.watched(), before, "signed in spite of {reason}");
    }

    pub async fn pushes(&mut self, world: &World, old: u64, checkpoint: Vec<u8>) -> PushAnswer {
        let proof = consistency(&world.entries, old);
        let request = AddCheckpoint {
            old: LogSize::new(old),
            proof,
            checkpoint,
        };
        self.follower.pushed(&request).await
    }

    /// The newest published checkpoint, its signatures verified.
    pub fn watched(&self) -> Option<Watched> {
        let published = self.follower.shared().published()?;
        Some(watched(&published.note, &self.pins.log_key, self.keys.verifier()))
    }

    pub fn latched(&self) -> Option<String> {
        let store = self.store();
        let (_, id) = store.directories().unwrap().remove(0);
        store.latched(id).unwrap().map(|latch| latch.reason)
    }

    /// The only evidence file: it convinces a stranger of this rule.
    pub fn evidence(&self) -> Option<(String, String)> {
        let mut files: Vec<_> = std::fs::read_dir(self.dir.path().join(EVIDENCE_DIR))
            .ok()?
            .collect();
        assert_eq!(files.len(), 1);
        let path = files.remove(0).unwrap().path();
        let evidence = Evidence::parse(&std::fs::read(&path).unwrap()).unwrap();
        let Ok(Finding::Proven { reason }) = evidence.verify(&self.pins.log_key) else {
            panic!("the evidence proves nothing")
        };
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let kind = name.rsplit_once('-').unwrap().0.to_owned();
        Some((kind, reason))
    }
}

pub fn watched(note: &[u8], log: &VerifierKey, auditor: &VerifierKey) -> Watched {
    let open = SignedCheckpoint::open(note, log).unwrap();
    let at = open.cosignature(auditor).unwrap().unwrap();
    Watched {
        size: open.checkpoint().size.get(),
        root: open.checkpoint().root,
        at,
    }
}

/// Consistency proof from the first `old` entries to all.
pub fn consistency(entries: &[Vec<u8>], old: u64) -> Vec<LogHash> {
    struct Entries<'a>(&'a [Vec<u8>]);
    impl keyglass_protocol::log::SubtreeHashes for Entries<'_> {
        type Error = ();
        fn subtree(&self, level: u8, index: u64) -> Result<LogHash, ()> {
            let count = 1 << level;
            let mut frontier = Frontier::new();
            for entry in &self.0[index as usize * count..][..count] {
                frontier.push(leaf_hash(entry)).unwrap();
            }
            Ok(frontier.root())
        }
    }
    let (from, to) = (LogSize::new(old), LogSize::new(entries.len() as u64));
    keyglass_protocol::log::consistency_proof(&Entries(entries), from, to).unwrap_or_default()
}
