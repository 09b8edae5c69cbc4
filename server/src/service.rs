//! What the publisher and the request handlers share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use keyglass_monitoring::{HoldState, ServerMetrics};
use keyglass_protocol::quantity::{LogSize, Millis};
use keyglass_schema::Store;
use tokio::sync::Notify;

use crate::artefacts::Artefacts;
use crate::clock::Clock;
use crate::configuration::Configuration;
use crate::cosigners::Cosigners;
use crate::directory::{HeadCell, ProofSource};
use crate::journal::Journal;
use crate::keys::{Keys, Vrf};
use crate::lease::Held;
use crate::replicas::Replicas;
use crate::settings::Settings;

/// What a process needs to answer questions. No key in it signs anything.
pub struct Reads {
    /// The settings.
    pub settings: Settings,
    /// The database.
    pub store: Store,
    /// What proofs are made from.
    pub source: ProofSource,
    /// The folder of immutable artefacts.
    pub artefacts: Artefacts,
    /// The source of times.
    pub clock: Arc<dyn Clock>,
    /// What is measured.
    pub metrics: ServerMetrics,
    /// Where readers stand.
    pub head: HeadCell,
    /// The newest signed checkpoint.
    pub pending: PendingCell,
}

impl Reads {
    /// Where no reader stands yet.
    pub(crate) fn new(
        settings: Settings,
        vrf: &Vrf,
        store: Store,
        artefacts: Artefacts,
        metrics: ServerMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (proofs, answers) = (settings.proof_cache.get(), settings.answer_cache.get());
        Self {
            source: ProofSource::new(&store, vrf, proofs, answers),
            metrics,
            head: HeadCell::default(),
            pending: PendingCell::default(),
            settings,
            store,
            artefacts,
            clock,
        }
    }
}

/// One directory: its store, its keys, where its readers stand.
///
/// Dereferences to what it answers questions with.
pub struct Service {
    /// What questions are answered with.
    pub reads: Arc<Reads>,
    /// The keys.
    pub keys: Keys,
    /// The configuration documents of the log.
    pub config: Configuration,
    /// The journal of batches.
    pub journal: Journal,
    /// Who cosigns.
    pub cosigners: Cosigners,
    /// Set after readers moved without the quorum because the settings say so.
    pub degraded: AtomicBool,
    /// Set while an import runs: what is in its file must not be taken from clients as well.
    pub importing: AtomicBool,
    /// Until when this process may answer and promise.
    pub lease: Arc<Held>,
    /// Whether what a commit survives is enough for a promise.
    pub promises: Arc<AtomicBool>,
    /// The replicas that serve, and how far they are.
    pub replicas: Arc<Replicas>,
    /// Wakes the publisher: there is an update, a cosignature or an acknowledgement of a replica.
    pub wake: Notify,
}

impl core::ops::Deref for Service {
    type Target = Reads;

    fn deref(&self) -> &Reads {
        &self.reads
    }
}

/// The newest checkpoint that the log key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Its size.
    pub size: LogSize,
    /// Time of its last leaf: since then the quorum is awaited.
    pub since: Millis,
}

/// The cell that the publisher writes when it has signed.
#[derive(Debug, Default)]
pub struct PendingCell(RwLock<Option<Pending>>);

impl PendingCell {
    /// The newest signed checkpoint; `None` before the first.
    pub fn get(&self) -> Option<Pending> {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its size; 0 before the first.
    pub fn size(&self) -> LogSize {
        self.get().map(|p| p.size).unwrap_or_default()
    }

    pub(crate) fn set(&self, pending: Pending) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(pending);
    }
}

impl Reads {
    /// Size that readers stand on; 0 before the first epoch is complete.
    pub fn head_size(&self) -> LogSize {
        self.head.get().map(|h| h.size).unwrap_or_default()
    }

    /// How long the quorum has been awaited, in ms; `None` if readers stand on the newest signed checkpoint.
    pub fn waited(&self) -> Option<u64> {
        let pending = self.pending.get()?;
        (pending.size > self.head_size()).then(|| self.clock.now().since(pending.since))
    }
}

impl Service {
    /// Whether a promise would be kept by whoever takes over.
    pub fn may_promise(&self) -> bool {
        self.promises.load(Ordering::Relaxed) && self.lease.is_held(std::time::Instant::now())
    }

    /// Whether no new promise may be given: the quorum is late, or an import runs.
    pub fn holding(&self) -> bool {
        self.quorum_is_late() || self.importing.load(Ordering::Relaxed)
    }

    fn quorum_is_late(&self) -> bool {
        self.waited()
            .is_some_and(|ms| u128::from(ms) > self.settings.quorum_late.as_millis())
    }

    /// What publishing is doing about its quorum.
    pub fn hold_state(&self) -> HoldState {
        if self.quorum_is_late() {
            HoldState::Holding
        } else if self.degraded.load(Ordering::Relaxed) {
            HoldState::Degraded
        } else {
            HoldState::None
        }
    }
}
