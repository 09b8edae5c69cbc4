//! One followed directory: fetch, verify, store, and only then sign.
//!
//! The order never varies. Leaves are looked at only after they hash to a root that carries the log's signature.
//! A leaf counts as verified only after the leaf before it. What was verified, and that a signature is about to be
//! made, is committed to disk before the signature exists. A crash at any line leaves either less than was done,
//! or exactly what was done.

mod accuse;
mod advance;
mod fork;
mod leaves;
mod push;
mod reconcile;
mod sign;
mod start;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use keyglass_monitoring::DirectoryMetrics;
use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::note::{SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::{ConfigHash, LogSize, Millis, Seconds};
use keyglass_schema::auditor::{AuditorStore, AuditorStoreError, DirectoryId};
use tokio::sync::Notify;

pub use push::PushAnswer;
pub use watch::{Compared, WATCH_INTERVAL_MS};

use crate::clock::Clock;
use crate::keys::Keys;
use crate::moments::{Moment, Moments};
use crate::peers::Peer;
use crate::refusal::{Refusal, Stop};
use crate::shared::Shared;
use crate::source::{self, EpochSource, Trouble};
use crate::steps::Limits;

/// What is pinned of a log.
#[derive(Debug, Clone)]
pub struct Pins {
    /// The log's key; its name is the origin.
    pub log_key: VerifierKey,
    /// A configuration document that some leaf must name before anything is signed.
    pub config: Option<ConfigHash>,
    /// A checkpoint note that is trusted; verification starts behind it.
    pub from_checkpoint: Option<Vec<u8>>,
}

/// How one log is followed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// An unchanged head is signed again when the last signature is this old.
    pub refresh: Duration,
    /// How much is verified at once.
    pub limits: Limits,
}

/// What is handed in to follow a log.
pub struct Parts {
    /// Where epochs come from.
    pub source: Arc<dyn EpochSource>,
    /// The auditor's database.
    pub store: AuditorStore,
    /// The auditor's keys.
    pub keys: Arc<Keys>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The log's metrics.
    pub metrics: DirectoryMetrics,
    /// Other auditors and witnesses of this log.
    pub peers: Vec<Peer>,
    /// The auditor's data directory: evidence and published checkpoints are kept in it.
    pub data_dir: PathBuf,
    /// Told of each moment at which a crash must be harmless.
    pub moments: Arc<dyn Moments>,
    /// Notified when something new is latched.
    pub alarm: Arc<Notify>,
}

/// Follows one log.
pub struct Follower {
    pins: Pins,
    options: Options,
    parts: Parts,
    id: DirectoryId,
    shared: Arc<Shared>,
    /// The document that the newest verified leaf names.
    config: Option<ConfigDocument>,
    /// Size and time of the cosignature that the directory has.
    handed_in: Option<(LogSize, Seconds)>,
    /// When the head under consideration was asked for. Nothing is signed with a later time.
    seen: Millis,
    /// Whether our memory was compared with what others have seen of us.
    reconciled: bool,
    /// When others were asked last what they have seen.
    watched: Option<Millis>,
}

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The head is the one signed last.
    Unchanged,
    /// A checkpoint was cosigned, new or again.
    Cosigned {
        /// Its size.
        size: LogSize,
    },
}

impl Follower {
    /// Takes up a log where its stored state left it.
    ///
    /// # Errors
    /// [`Stop::Store`] if the database fails, or knows the origin with another log key.
    pub async fn open(pins: Pins, options: Options, parts: Parts) -> Result<Self, Stop> {
        let (origin, vkey) = (pins.log_key.origin().to_string(), pins.log_key.to_string());
        let id = {
            let store = parts.store.clone();
            blocking(move || store.register(&origin, &vkey)).await?
        };
        let shared = Arc::new(Shared::new(&pins.log_key));
        for peer in &parts.peers {
            parts.metrics.peer_seen(peer.name(), 0.0);
        }
        let mut follower = Self {
            pins,
            options,
            parts,
            id,
            shared,
            config: None,
            handed_in: None,
            seen: Millis::default(),
            reconciled: false,
            watched: None,
        };
        follower.restore().await?;
        Ok(follower)
    }

    /// What others may see of this log.
    #[must_use]
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Fetches the newest checkpoint and does what it asks for, once; then hands in what was signed.
    ///
    /// # Errors
    /// [`Stop`] says why nothing was signed. A contradiction is stored and latched when this returns.
    pub async fn round(&mut self) -> Result<Outcome, Stop> {
        let result = self.pull().await;
        let outcome = self.settle(result).await?;
        self.hand_in().await;
        Ok(outcome)
    }

    async fn pull(&mut self) -> Result<Outcome, Stop> {
        self.refuse_latched().await?;
        self.reconcile().await?;
        self.start().await?;
        let head = self.fetch_head().await?;
        self.consider(&head).await
    }

    /// The directory's newest head. What is signed of it carries the time at which it was asked for, however long
    /// the verification takes: a cosignature says when the head was seen.
    async fn fetch_head(&mut self) -> Result<SignedCheckpoint, Stop> {
        let asked = self.parts.clock.now();
        let note = source::pending(&*self.parts.source).await?;
        self.seen = asked;
        Ok(SignedCheckpoint::open(&note, &self.pins.log_key)?)
    }

    /// Signs a head that was just fetched, if it is new or the last signature is old enough.
    async fn consider(&mut self, head: &SignedCheckpoint) -> Result<Outcome, Stop> {
        let size = head.checkpoint().size;
        self.refuse_rolled_back(head).await?;
        let outcome = match self.signed().await? {
            Some(signed) if size < signed.size => {
                self.demand_prefix(head).await?;
                return Err(Refusal::StaleHead {
                    signed: signed.size,
                    found: size,
                }
                .into());
            }
            // What was signed before a loss of memory is verified again before anything else.
            Some(signed) if size == signed.size && self.verified().await?.size >= size => {
                self.demand_prefix(head).await?;
                let age = self.parts.clock.now().since(signed.at.millis());
                if u128::from(age) < self.options.refresh.as_millis() {
                    Outcome::Unchanged
                } else {
                    self.sign_again(head).await?;
                    Outcome::Cosigned { size }
                }
            }
            _ => {
                self.reach(head).await?;
                Outcome::Cosigned { size }
            }
        };
        self.shared.checked(self.seen);
        self.parts.metrics.checked(seconds(self.seen.seconds()));
        Ok(outcome)
    }

    /// Hands the newest cosignature to the directory, unless it has it. Nothing depends on it here: whoever wants the
    /// signature can also ask for it, and a directory that does not know this auditor will not take it.
    async fn hand_in(&mut self) {
        let Some(published) = self.shared.published() else {
            return;
        };
        let newest = (published.size, published.at);
        if self.handed_in == Some(newest) {
            return;
        }
        match self.parts.source.hand_in(&published.note).await {
            Ok(()) => {
                self.handed_in = Some(newest);
                self.parts.moments.reached(Moment::HandedIn);
            }
            Err(Trouble::Status {
                status: status @ 400..500,
                ..
            }) => {
                tracing::debug!(
                    origin = self.shared.origin(),
                    status,
                    "the directory does not take the signature"
                );
                self.handed_in = Some(newest);
            }
            Err(trouble) => {
                tracing::debug!(origin = self.shared.origin(), %trouble, "the signature is not handed in yet");
                self.parts.metrics.fetch_failed(trouble.kind());
            }
        }
    }

    /// Stores a contradiction, and tells metrics and log how a round ended.
    async fn settle<T>(&mut self, result: Result<T, Stop>) -> Result<T, Stop> {
        let stop = match result {
            Ok(value) => {
                self.shared.stopped(None);
                return Ok(value);
            }
            Err(stop) => stop,
        };
        match &stop {
            Stop::Trouble(trouble) => self.parts.metrics.fetch_failed(trouble.kind()),
            other => self.parts.metrics.refused(other.reason()),
        }
        if let Stop::Contradiction(contradiction) = &stop {
            self.accuse(contradiction).await?;
        }
        self.shared.stopped(Some(&stop));
        Err(stop)
    }
}

/// Runs `work` on a thread for blocking calls.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AuditorStoreError> + Send + 'static,
) -> Result<T, Stop> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(Stop::Internal(error.to_string())),
    }
}

#[expect(
    clippy::as_conversions,
    reason = "metrics are floating point; exact for the next 285 million years"
)]
fn seconds(time: Seconds) -> f64 {
    time.get() as f64
}
