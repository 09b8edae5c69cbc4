//! Renews the lease on a thread of its own, and watches what a commit survives.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use keyglass_monitoring::ServerMetrics;
use keyglass_schema::{Fence, Instance, Store, StoreError};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::takeover::{claim, is_durable};
use super::{Held, LeaseError, Terms};
use crate::clock::Clock;
use crate::guard::{Mark, SharedGuard};
use crate::replicas::Replicas;

/// After so many lengths of a lease without an answer of the database the process ends.
const SILENCE: u32 = 10;

/// What the thread works with.
pub struct Keeping {
    /// The database.
    pub store: Store,
    /// The guard, once it is claimed.
    pub guard: SharedGuard,
    /// What is held.
    pub fence: Fence,
    /// How long and how often.
    pub terms: Terms,
    /// Whether nothing is promised without a synchronous standby.
    pub require_synchronous: bool,
    /// Until when this process may answer.
    pub held: Arc<Held>,
    /// Whether it may promise: what a commit survives is enough, and the guard knows it.
    pub promises: Arc<AtomicBool>,
    /// What is measured.
    pub metrics: ServerMetrics,
    /// For the metrics.
    pub clock: Arc<dyn Clock>,
}

/// The thread that renews. Dropping it stops the thread once it has nothing under way.
pub struct Keeper {
    stop: mpsc::Sender<Tell>,
    thread: Option<JoinHandle<()>>,
    lost: Option<oneshot::Receiver<LeaseError>>,
    held: Arc<Held>,
    terms: Terms,
    store: Store,
    guard: SharedGuard,
    fence: Fence,
}

enum Tell {
    /// The guard is claimed: what it remembers.
    Claimed(Mark, Arc<Replicas>),
    Stop,
}

impl Keeper {
    /// Starts renewing what was taken.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn start(keeping: Keeping, taken_at: Instant) -> std::io::Result<Self> {
        let (stop, told) = mpsc::channel();
        let (tell_lost, lost) = oneshot::channel();
        let (held, terms) = (Arc::clone(&keeping.held), keeping.terms);
        held.extend(taken_at.checked_add(terms.ttl).unwrap_or(taken_at));
        keeping.metrics.fence(keeping.fence.number);
        let (store, fence) = (keeping.store.clone(), keeping.fence.clone());
        let guard = keeping.guard.clone();
        let thread = thread::Builder::new().name("lease".to_owned());
        let thread = thread.spawn(move || {
            if let Err(error) = keeping.renew_until(&told) {
                let _nobody_waits = tell_lost.send(error);
            }
        })?;
        Ok(Self {
            stop,
            thread: Some(thread),
            lost: Some(lost),
            held,
            terms,
            store,
            guard,
            fence,
        })
    }

    /// From here on it is also watched what a commit survives, which the guard remembers as `mark`, and noted in the lease
    /// which `replicas` there are.
    pub fn claimed(&self, mark: Mark, replicas: Arc<Replicas>) {
        let _ended = self.stop.send(Tell::Claimed(mark, replicas));
    }

    /// Waits until the lease is lost. A primary that was cut off and replaced renews it for ever; then the guard knows better,
    /// and nobody waits for one that does not answer.
    pub async fn lost(&mut self) -> LeaseError {
        let mut told = self.lost.take();
        let mut asked = self.ask_guard();
        loop {
            let silent = tokio::time::sleep(self.terms.renew);
            tokio::select! {
                error = heard(&mut told) => return error,
                () = silent => {}
            }
            match asked.try_recv() {
                Ok(error) => return error,
                Err(TryRecvError::Closed) => asked = self.ask_guard(),
                Err(TryRecvError::Empty) => {}
            }
            // The thread may wait for an answer that never comes.
            let limit = self.terms.ttl.saturating_mul(SILENCE);
            if let Some(since) = self.held.overdue(Instant::now()).filter(|since| *since > limit) {
                return LeaseError::Silent(since);
            }
        }
    }

    /// Asks once whether another sequencer has claimed the guard, on a thread that nothing waits for. Nothing is answered if
    /// none has, or the guard cannot be read.
    fn ask_guard(&self) -> oneshot::Receiver<LeaseError> {
        let (answer, asked) = oneshot::channel();
        let (guard, ours) = (self.guard.clone(), self.fence.number);
        let thread = thread::Builder::new().name("guard".to_owned());
        let started = thread.spawn(move || {
            if let Err(error) = guard.still_ours(ours) {
                let _nobody_waits = answer.send(error.into());
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "no thread to ask the guard");
        }
        asked
    }

    /// How long the lease lasts without being renewed.
    pub fn ttl(&self) -> Duration {
        self.terms.ttl
    }

    /// Stops renewing and gives the lease back. Blocking, for ever if the database says nothing.
    pub fn release(mut self) {
        let _ended = self.stop.send(Tell::Stop);
        let joined = self.thread.take().map(JoinHandle::join);
        if joined.is_some_and(|ended| ended.is_err()) {
            tracing::error!("the thread of the lease died");
        }
        self.held.extend(Instant::now());
        if let Err(error) = self.store.release_lease(&self.fence) {
            tracing::warn!(%error, "the lease is not given back: it ends by itself");
        }
    }
}

/// The error that ended the thread; never if it ended without one.
async fn heard(lost: &mut Option<oneshot::Receiver<LeaseError>>) -> LeaseError {
    if let Some(waiting) = lost {
        if let Ok(error) = waiting.await {
            return error;
        }
        *lost = None;
    }
    std::future::pending().await
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ended = self.stop.send(Tell::Stop);
    }
}

/// What is watched once the guard is claimed.
#[derive(Default)]
struct Watched {
    /// What the guard remembers.
    known: Option<Mark>,
    replicas: Option<Arc<Replicas>>,
}

impl Keeping {
    fn renew_until(&self, told: &mpsc::Receiver<Tell>) -> Result<(), LeaseError> {
        let mut watched = Watched::default();
        loop {
            match told.recv_timeout(self.terms.renew) {
                Ok(Tell::Claimed(mark, replicas)) => {
                    watched.known = Some(mark);
                    watched.replicas = Some(replicas);
                }
                Ok(Tell::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            match self.turn(&mut watched) {
                Ok(()) => {}
                Err(error) if is_lost(&error) => {
                    tracing::error!(reason = error.reason(), %error, "the lease is lost");
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(reason = error.reason(), %error, "the lease was not renewed, trying again");
                }
            }
        }
    }

    fn turn(&self, watched: &mut Watched) -> Result<(), LeaseError> {
        let replicas = watched.replicas.as_ref();
        let readers = replicas.map(|replicas| replicas.to_note(Instant::now()));
        self.renew(readers.as_ref())?;
        if let (Some(replicas), Some(readers)) = (replicas, readers) {
            replicas.noted(readers);
        }
        if watched.known.is_some() {
            let instance = self.store.instance()?;
            self.watch(&mut watched.known, &instance)?;
        }
        Ok(())
    }

    fn renew(&self, readers: Option<&BTreeSet<String>>) -> Result<(), StoreError> {
        // It lasts from before it was asked for: the database counts from later.
        let began = Instant::now();
        self.store.renew_lease(&self.fence, self.terms.ttl, readers)?;
        self.held
            .extend(began.checked_add(self.terms.ttl).unwrap_or(began));
        let now = Duration::from_millis(self.clock.now().get());
        self.metrics.lease_renewed(now.as_secs_f64());
        Ok(())
    }

    /// The guard must never remember more than holds: what is lost it is told before anything else is promised, what is
    /// gained only after a commit that waited accordingly.
    fn watch(&self, known: &mut Option<Mark>, instance: &Instance) -> Result<(), LeaseError> {
        let (Some(remembered), mark) = (known.as_ref(), Mark::of(instance)) else {
            return Ok(());
        };
        let durable = is_durable(instance);
        self.metrics.durability_weak(!durable);
        let enough = durable || !self.require_synchronous;
        if !enough {
            self.promises.store(false, Ordering::Relaxed);
        }
        if *remembered != mark {
            let weaker = remembered.weaker(&mark);
            if weaker != *remembered {
                tracing::warn!("commits wait for less than before: a promotion may not be gone on from");
                self.promises.store(false, Ordering::Relaxed);
                self.guard.claim(&claim(&self.fence, &weaker))?;
            }
            if weaker != mark {
                self.store.confirm_lease(&self.fence)?;
                self.guard.claim(&claim(&self.fence, &mark))?;
            }
            *known = Some(mark);
        }
        self.promises.store(enough, Ordering::Relaxed);
        Ok(())
    }
}

fn is_lost(error: &LeaseError) -> bool {
    match error {
        LeaseError::Store(error) => matches!(error, StoreError::Fenced { .. } | StoreError::Promoted { .. }),
        LeaseError::Guard(error) => !error.passes(),
        _ => false,
    }
}
