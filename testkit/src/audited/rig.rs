//! An auditor that follows such a directory, one round at a time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keyglass_auditor::clock::Clock;
use keyglass_auditor::evidence_files::EVIDENCE_DIR;
use keyglass_auditor::follower::{Follower, Options, Outcome, Parts, Pins, PushAnswer, WATCH_INTERVAL_MS};
use keyglass_auditor::keys::Keys;
use keyglass_auditor::moments::{Moments, Unwatched};
use keyglass_auditor::peers::Peer;
use keyglass_auditor::refusal::Stop;
use keyglass_auditor::run::DATABASE_FILE;
use keyglass_auditor::source::EpochSource;
use keyglass_auditor::steps::Limits;
use keyglass_monitoring::{AuditorMetrics, Registry};
use keyglass_protocol::evidence::{Evidence, Finding};
use keyglass_protocol::log::{Frontier, leaf_hash};
use keyglass_protocol::note::{AddCheckpoint, SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::{LogHash, LogSize, Millis, Seconds};
use keyglass_schema::auditor::{AuditorStore, DirectoryId};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::world::{START, World};

/// A clock that tests set.
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that stands at `ms`.
    pub fn at(ms: u64) -> Self {
        Self(AtomicU64::new(ms))
    }

    /// Sets it.
    pub fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::SeqCst);
    }

    /// Moves it on.
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
    /// Its data directory.
    pub dir: TempDir,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its keys.
    pub keys: Arc<Keys>,
    /// What it pins.
    pub pins: Pins,
    /// How it follows.
    pub options: Options,
    /// Its metrics.
    pub registry: Arc<Registry>,
    /// Its peers.
    pub peers: Vec<Peer>,
    /// What it is told of crashes.
    pub moments: Arc<dyn Moments>,
    /// Notified when something is latched.
    pub alarm: Arc<Notify>,
    source: Arc<dyn EpochSource>,
    metrics: AuditorMetrics,
    /// The auditor.
    pub follower: Follower,
}

/// What the auditor has cosigned.
#[derive(Debug, PartialEq, Eq)]
pub struct Watched {
    /// Size.
    pub size: u64,
    /// Root.
    pub root: LogHash,
    /// Time in the cosignatures.
    pub at: Seconds,
}

/// The keys of the auditor of this number.
pub fn auditor_keys(number: u8) -> Keys {
    let name = format!("auditor{number}.example");
    Keys::from_seeds(&name, &[21 + number; 32], &[121 + number; 32]).unwrap()
}

impl Rig {
    /// An auditor of a directory, from genesis.
    pub async fn new(world: &World) -> Self {
        Self::with(world.source.clone(), Self::pins(world)).await
    }

    /// The pins of an auditor from genesis.
    pub fn pins(world: &World) -> Pins {
        Pins {
            log_key: world.log_key(),
            config: None,
            from_checkpoint: None,
        }
    }

    /// An auditor of what `source` shows.
    pub async fn with(source: Arc<dyn EpochSource>, pins: Pins) -> Self {
        Self::with_keys(source, pins, auditor_keys(0), Vec::new()).await
    }

    /// An auditor with its keys and peers.
    pub async fn with_keys(source: Arc<dyn EpochSource>, pins: Pins, keys: Keys, peers: Vec<Peer>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START + 60_000));
        let keys = Arc::new(keys);
        let options = Options {
            refresh: Duration::from_secs(60),
            limits: Limits::for_this_machine(16 << 20),
        };
        let registry = Arc::new(Registry::new("keyglass-auditor", "0").unwrap());
        let metrics = AuditorMetrics::register(&registry).unwrap();
        let moments: Arc<dyn Moments> = Arc::new(Unwatched);
        let alarm = Arc::new(Notify::new());
        let parts = Parts {
            source: source.clone(),
            store: AuditorStore::open(&dir.path().join(DATABASE_FILE)).unwrap(),
            keys: keys.clone(),
            clock: clock.clone(),
            metrics: metrics.directory(pins.log_key.name()),
            peers: peers.clone(),
            data_dir: dir.path().to_owned(),
            moments: moments.clone(),
            alarm: alarm.clone(),
        };
        let follower = Follower::open(pins.clone(), options, parts).await.unwrap();
        Self {
            dir,
            clock,
            keys,
            pins,
            options,
            registry,
            peers,
            moments,
            alarm,
            source,
            metrics,
            follower,
        }
    }

    /// Its database.
    pub fn store(&self) -> AuditorStore {
        AuditorStore::open(&self.dir.path().join(DATABASE_FILE)).unwrap()
    }

    /// Its only log in the database.
    pub fn log(&self) -> DirectoryId {
        self.store().directories().unwrap().remove(0).1
    }

    /// Forgets everything but what is on disk.
    pub async fn restart(&mut self) {
        self.follower = self.on(self.dir.path()).await.unwrap();
    }

    /// The same auditor on another data directory.
    pub async fn on(&self, data_dir: &Path) -> Result<Follower, Stop> {
        let parts = Parts {
            source: self.source.clone(),
            store: AuditorStore::open(&data_dir.join(DATABASE_FILE)).unwrap(),
            keys: self.keys.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.directory(self.pins.log_key.name()),
            peers: self.peers.clone(),
            data_dir: data_dir.to_owned(),
            moments: self.moments.clone(),
            alarm: self.alarm.clone(),
        };
        Follower::open(self.pins.clone(), self.options, parts).await
    }

    /// Clears what is latched, as the owner would, and starts again.
    pub async fn clear(&mut self) -> usize {
        let now = self.clock.now();
        let cleared = self.store().clear_latches(self.log(), "a test", now).unwrap();
        self.restart().await;
        cleared
    }

    /// Moves the clock to the next look at what others see, and looks.
    pub async fn watch(&mut self) -> Result<(), Stop> {
        self.clock.advance(WATCH_INTERVAL_MS);
        self.follower.watch().await
    }

    /// One round.
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

    /// Pushes a checkpoint as the directory would.
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
        Some(watched(&published.note, &self.pins.log_key, &self.keys))
    }

    /// The reason of the oldest standing contradiction.
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

/// What a note with both cosignatures of an auditor says.
pub fn watched(note: &[u8], log: &VerifierKey, keys: &Keys) -> Watched {
    let open = SignedCheckpoint::open(note, log).unwrap();
    let [at, pq] = keys
        .verifiers()
        .each_ref()
        .map(|key| open.cosignature(key).unwrap().unwrap());
    assert_eq!(at, pq, "two times in one cosigner's lines");
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
