//! The lease of a sequencer on Postgres: one publishes, the others stand by and take over by themselves.
//!
//! What keeps a sequencer from writing after its lease is the fencing number in every transaction and in the guard, not
//! what it believes about the time. The time only decides when a stand-by may try, and until when this process answers
//! and promises ([`Held`]).

mod keeper;
mod place;
mod takeover;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use keyglass_monitoring::ServerMetrics;
use keyglass_schema::{Acquired, Fence, LeaseRow, Store, StoreError};
use thiserror::Error;

pub use keeper::{Keeper, Keeping};
pub use place::Place;
pub use takeover::{TakenOver, TakeoverError, judge, take_as_it_is, take_over};

use crate::guard::GuardError;
use crate::keys::KeyError;

/// How often a stand-by asks, at the most.
const ASK: Duration = Duration::from_secs(1);

/// Why there is no lease, or none any more.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Another process runs in this data folder.
    #[error("another process runs in this data folder")]
    PlaceHeld,
    /// The data folder cannot be used.
    #[error("the data folder: {0}")]
    Io(#[from] std::io::Error),
    /// No randomness is to be had for a name.
    #[error("{0}")]
    Name(#[from] KeyError),
    /// Another sequencer holds the lease, and this command does not wait.
    #[error("another sequencer holds the lease (fencing number {0}): stop it first")]
    Held(u64),
    /// The lease was lost, or the database failed while it was asked for.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The guard refuses.
    #[error("{0}")]
    Guard(#[from] GuardError),
    /// The database must not be gone on from.
    #[error("{0}")]
    Takeover(#[from] TakeoverError),
    /// It could not be renewed for long.
    #[error("the lease could not be renewed for {0:?}: the database does not answer")]
    Silent(Duration),
}

impl LeaseError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PlaceHeld => "data-folder-held",
            Self::Io(_) => "io",
            Self::Name(e) => e.reason(),
            Self::Held(_) => "lease-held",
            Self::Store(e @ (StoreError::Fenced { .. } | StoreError::Promoted { .. })) => e.reason(),
            Self::Store(_) => "store",
            Self::Guard(e) => e.reason(),
            Self::Takeover(e) => e.reason(),
            Self::Silent(_) => "lease-silent",
        }
    }
}

/// Until when this process may answer and promise.
#[derive(Debug, Default)]
pub struct Held(RwLock<Until>);

#[derive(Debug, Default, Clone, Copy)]
enum Until {
    /// No lease is needed: a lock keeps others out.
    #[default]
    Always,
    /// Until then.
    Time(Instant),
}

impl Held {
    /// It may until `until`, whatever was said before.
    pub fn extend(&self, until: Instant) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Until::Time(until);
    }

    /// Whether it may at `now`.
    pub fn is_held(&self, now: Instant) -> bool {
        self.overdue(now).is_none()
    }

    /// Since when it may no longer; `None` while it may.
    pub fn overdue(&self, now: Instant) -> Option<Duration> {
        match *self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Until::Always => None,
            Until::Time(until) => (now >= until).then(|| now.saturating_duration_since(until)),
        }
    }
}

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long the lease lasts without being renewed.
    pub ttl: Duration,
    /// How often it is renewed.
    pub renew: Duration,
}

/// A lease that was just taken.
#[derive(Debug)]
pub struct Taken {
    /// What every write shows.
    pub fence: Fence,
    /// The lease as it was before.
    pub before: LeaseRow,
    /// Since before it was asked for: it lasts from here.
    pub at: Instant,
}

/// Takes the lease if it is free. Blocking.
///
/// # Errors
/// [`LeaseError::Held`] if it is not; [`LeaseError::Store`].
pub fn take(store: &Store, place: &Place, terms: Terms, above: u64) -> Result<Taken, LeaseError> {
    let at = Instant::now();
    match store.acquire_lease(place.holder(), place.former(), terms.ttl, above)? {
        Acquired::Ours { fence, before } => {
            place.remember()?;
            Ok(Taken { fence, before, at })
        }
        Acquired::Held(row) => Err(LeaseError::Held(row.fence)),
    }
}

/// Waits until the lease is ours: says that it stands by, and asks again and again. A database that does not answer
/// meanwhile is waited for: it may be about to be replaced as well.
///
/// # Errors
/// [`LeaseError`] that waiting does not mend.
pub async fn wait(
    store: &Store,
    place: &Arc<Place>,
    terms: Terms,
    metrics: &ServerMetrics,
) -> Result<Taken, LeaseError> {
    let mut told = None;
    loop {
        let (asking, from) = (store.clone(), Arc::clone(place));
        let asked = tokio::task::spawn_blocking(move || take(&asking, &from, terms, 0));
        match asked.await.map_err(|_| StoreError::ThreadDied)? {
            Ok(taken) => {
                metrics.stand_by(false);
                return Ok(taken);
            }
            Err(LeaseError::Held(fence)) => {
                metrics.stand_by(true);
                if told.replace(fence) != Some(fence) {
                    tracing::info!(fence, "standing by: another sequencer holds the lease");
                }
            }
            Err(LeaseError::Store(error)) => {
                metrics.stand_by(true);
                tracing::warn!(reason = error.reason(), %error, "standing by: the lease cannot be asked for");
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(terms.renew.min(ASK)).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests")]
    use super::*;

    #[test]
    fn without_a_lease_it_may_always_and_with_one_until_it_ends() {
        let (held, now) = (Held::default(), Instant::now());
        assert!(held.is_held(now));
        let second = Duration::from_secs(1);
        held.extend(now + second);
        assert!(held.is_held(now));
        assert!(!held.is_held(now + second));
        assert_eq!(held.overdue(now + 3 * second), Some(2 * second));
        held.extend(now + 4 * second);
        assert!(held.is_held(now + 3 * second));
    }
}
