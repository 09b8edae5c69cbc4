//! A process that answers and never signs: it reads a hot standby, and follows the readers' head.
//!
//! In each [`Replica::turn`] it looks at the durable head, moves its own readers once its copy of the database holds that
//! epoch's tree with the signed root, and acknowledges to the sequencers where it stands. A sequencer begins no epoch that
//! would leave a replica two behind; a replica that could not acknowledge for a while, or learns that it is behind, stops
//! answering by itself ([`Fence`]).

mod error;
mod fence;
mod report;
mod token;

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyglass_monitoring::ReplicaMetrics;
use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::note::{SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::{Epoch, LogSize};
use keyglass_schema::Store;
use tokio::sync::watch;
use tokio::time::sleep;

pub use error::ReplicaError;
pub use fence::{Fence, Fenced};
pub use report::{Ack, Acknowledged, Reporter};
pub use token::{ReplicaToken, TokenFileError};

use crate::directory::{Head, LookupError};
use crate::service::{Pending, Reads};

/// Longest pause between acknowledgements: of a lease all but this is left when a sequencer dies.
const TELL: Duration = Duration::from_secs(1);

/// One replica at work.
pub struct Replica {
    reads: Arc<Reads>,
    log: VerifierKey,
    fence: Arc<Fence>,
    reporter: Reporter,
    metrics: ReplicaMetrics,
    /// Size and note of the head that readers stand on.
    note: Option<(LogSize, Vec<u8>)>,
    /// What was acknowledged last, and when.
    acknowledged: Option<(Epoch, Instant)>,
    /// Whether it answered in the turn before.
    open: bool,
}

/// What is durable, in one glance.
struct Durable {
    head: Option<(LogSize, Vec<u8>)>,
    signed: Option<Pending>,
}

impl Replica {
    /// A replica of the log whose key is `log`.
    pub fn new(
        reads: Arc<Reads>,
        log: VerifierKey,
        fence: Arc<Fence>,
        reporter: Reporter,
        metrics: ReplicaMetrics,
    ) -> Self {
        Self {
            reads,
            log,
            fence,
            reporter,
            metrics,
            note: None,
            acknowledged: None,
            open: false,
        }
    }

    /// Follows the head, then acknowledges where readers stand. What fails is tried again in the next turn; meanwhile the
    /// fence decides.
    ///
    /// # Errors
    /// [`ReplicaError`] of following.
    pub async fn turn(&mut self) -> Result<(), ReplicaError> {
        let followed = self.follow().await;
        if followed.is_ok() {
            self.report().await;
        }
        self.tell();
        followed
    }

    /// Moves readers to the durable head, if this process can prove at its epoch.
    async fn follow(&mut self) -> Result<(), ReplicaError> {
        let store = self.reads.store.clone();
        let found = crate::directory::blocking(move || durable(&store)).await?;
        if let Some(pending) = found.signed {
            self.reads.pending.set(pending);
            let epoch = pending.size.last_epoch().unwrap_or_default();
            self.reads.metrics.signed(epoch.get());
        }
        let size = found.head.as_ref().map(|(size, _)| *size).unwrap_or_default();
        if self.note.as_ref().is_some_and(|(own, _)| size < *own) {
            self.fence.database_is_behind(true);
            return Err(ReplicaError::DatabaseBehind { size });
        }
        self.fence.database_is_behind(false);
        let Some((size, note)) = found.head else {
            return Ok(());
        };
        if self
            .note
            .as_ref()
            .is_some_and(|(own, text)| (*own, text) == (size, &note))
        {
            return Ok(());
        }
        let signed = SignedCheckpoint::open(&note, &self.log)?;
        if signed.checkpoint().size != size {
            return Err(ReplicaError::OtherSize { size });
        }
        let head = match self.reads.head.get().filter(|head| head.size == size) {
            Some(head) => head.with_note(&note)?,
            None => Head::load(&self.reads.source, size, &note).await?,
        };
        self.measure(&head.leaf, &signed).await?;
        self.reads.head.set(head);
        self.note = Some((size, note));
        Ok(())
    }

    /// What operators see of the new head.
    async fn measure(&self, leaf: &Leaf, signed: &SignedCheckpoint) -> Result<(), ReplicaError> {
        let metrics = &self.reads.metrics;
        let (store, hash) = (self.reads.store.clone(), leaf.config);
        let document = crate::directory::blocking(move || store.config(&hash)).await?;
        let document = document.ok_or(LookupError::Damaged("a configuration is missing"))?;
        let document = ConfigDocument::parse(&document)?;
        if let Some(beat) = signed.cosignature(&document.heartbeat_vkey)? {
            metrics.heartbeat(seconds(beat.get().saturating_mul(1000)));
        }
        metrics.quorum_met(self.reads.pending.size() <= signed.checkpoint().size);
        metrics.flipped(leaf.epoch.get(), seconds(self.reads.clock.now().get()));
        Ok(())
    }

    /// Tells the sequencers where readers stand: at once when they moved, else often enough for the lease.
    async fn report(&mut self) {
        let Some(epoch) = self.reads.head_size().last_epoch() else {
            return;
        };
        let due = (self.fence.lease() / 5).min(TELL);
        if self
            .acknowledged
            .is_some_and(|(told, at)| told == epoch && at.elapsed() < due)
        {
            return;
        }
        let sent = Instant::now();
        if self.fence.holds_up(epoch, sent) {
            return;
        }
        let Some(newest) = self.reporter.report(epoch).await else {
            return;
        };
        self.fence.acknowledged(sent, epoch, newest);
        self.acknowledged = Some((epoch, sent));
        self.metrics.acknowledged(
            seconds(self.reads.clock.now().get()),
            newest.get().saturating_sub(epoch.get()),
        );
    }

    /// Says aloud when it begins and ceases to answer.
    fn tell(&mut self) {
        let standing = self.fence.check(Instant::now());
        self.metrics.fenced(standing.is_err());
        match standing {
            Ok(()) if !self.open => tracing::info!("this replica answers"),
            Err(why) if self.open => {
                tracing::error!(reason = why.reason(), "this replica does not answer: {why}");
            }
            _ => {}
        }
        self.open = standing.is_ok();
    }
}

fn durable(store: &Store) -> Result<Durable, LookupError> {
    let head = store.head()?;
    let size = store.newest_checkpoint()?.map(|(size, _)| size);
    let leaf = match size.and_then(LogSize::last_epoch) {
        Some(epoch) => store.leaf(epoch)?,
        None => None,
    };
    let signed = size.zip(leaf).map(|(size, leaf)| Pending {
        size,
        since: leaf.time,
    });
    Ok(Durable { head, signed })
}

fn seconds(ms: u64) -> f64 {
    core::time::Duration::from_millis(ms).as_secs_f64()
}

/// Follows until `stop` says so.
pub async fn run(mut replica: Replica, mut stop: watch::Receiver<bool>) {
    let pause = replica.reads.settings.replication.poll;
    while !*stop.borrow() {
        if let Err(error) = replica.turn().await {
            tracing::warn!(reason = error.reason(), %error, "not followed, trying again");
        }
        tokio::select! {
            () = sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}
