//! Which replicas serve, and how far each of them is: the sequencer begins no epoch that would leave one of them two behind.
//!
//! A replica acknowledges the epoch that it stands on, again and again. It stops serving by itself once its last
//! acknowledgement is older than the lease; it counts from before it was sent, the sequencer from when it came, so the
//! replica is always the first to give up. Whoever has given up is not waited for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyglass_protocol::quantity::Epoch;
use thiserror::Error;

/// Most replicas that are waited for at once: the admin port is not public, but a mistake there shall not fill the memory.
const MAX_REPLICAS: usize = 1_000;
/// Longest name of a replica in bytes.
const MAX_ID: usize = 64;

/// Why an acknowledgement does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AckError {
    /// The name is empty, longer than 64 bytes, or has other characters than letters, digits, `.`, `-` and `_`.
    #[error("a replica's name is 1 to 64 letters, digits, '.', '-' or '_'")]
    Id,
    /// More replicas than a sequencer waits for.
    #[error("more than {MAX_REPLICAS} replicas")]
    TooMany,
    /// The lease does not say yet that there are replicas: whoever takes over would not wait for them.
    #[error("the first acknowledgement is noted in the lease first: ask again")]
    NotYet,
}

impl AckError {
    /// Stable kebab-case name.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Id => "replica-id",
            Self::TooMany => "too-many-replicas",
            Self::NotYet => "replicas-not-noted",
        }
    }
}

/// A reader that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Its name; `None`: readers that may have been there before this process was.
    pub replica: Option<String>,
    /// When it has given up at the latest.
    pub until: Instant,
}

/// What the metrics say about the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Replicas whose lease runs.
    pub alive: usize,
    /// Epochs that the slowest of them is behind.
    pub most_behind: u64,
}

/// The acknowledgements of a sequencer's replicas. Times are handed in.
#[derive(Debug)]
pub struct Replicas {
    lease: Duration,
    known: Mutex<Known>,
    /// Whether any replica ever acknowledged to this process.
    any: AtomicBool,
    /// Whether the next sequencer would know that.
    noted: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    acks: BTreeMap<String, Ack>,
    /// Until when readers may serve that this process has not heard of.
    strangers: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Ack {
    epoch: Epoch,
    until: Instant,
}

impl Replicas {
    /// Replicas that give up `lease` after their last acknowledgement.
    pub fn new(lease: Duration) -> Self {
        Self {
            lease,
            known: Mutex::default(),
            any: AtomicBool::new(false),
            noted: AtomicBool::new(true),
        }
    }

    /// Replica `id` stands on `epoch`, at `now`.
    ///
    /// # Errors
    /// [`AckError`]; then the replica is not waited for, and must not serve.
    pub fn ack(&self, id: &str, epoch: Epoch, now: Instant) -> Result<(), AckError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(allowed) {
            return Err(AckError::Id);
        }
        self.any.store(true, Ordering::SeqCst);
        if !self.noted.load(Ordering::SeqCst) {
            return Err(AckError::NotYet);
        }
        let mut known = self.known();
        known.forget(now);
        if known.acks.len() >= MAX_REPLICAS && !known.acks.contains_key(id) {
            return Err(AckError::TooMany);
        }
        let until = later(now, self.lease);
        known.acks.insert(id.to_owned(), Ack { epoch, until });
        Ok(())
    }

    /// Whether any replica ever acknowledged to this process.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    /// From here on acknowledgements count only while `noted`: the next sequencer must know that there are replicas.
    pub fn note(&self, noted: bool) {
        self.noted.store(noted, Ordering::SeqCst);
    }

    /// This process has just taken over at `now`: readers may be about that acknowledged to another one, for `patience` or
    /// for the lease of a replica, whichever is longer.
    pub fn expect_strangers(&self, patience: Duration, now: Instant) {
        self.known().strangers = Some(later(now, patience.max(self.lease)));
    }

    /// A reader that serves and may not stand on `epoch` yet; `None`: the epoch after it may be begun.
    pub fn behind(&self, epoch: Epoch, now: Instant) -> Option<Behind> {
        let mut known = self.known();
        known.forget(now);
        if let Some(until) = known.strangers {
            return Some(Behind { replica: None, until });
        }
        let mut acks = known.acks.iter();
        acks.find(|(_, ack)| ack.epoch < epoch).map(|(id, ack)| Behind {
            replica: Some(id.clone()),
            until: ack.until,
        })
    }

    /// How the replicas stand at `now`, while this process's own readers stand on `epoch`.
    pub fn standing(&self, epoch: Epoch, now: Instant) -> Standing {
        let mut known = self.known();
        known.forget(now);
        let behind = known
            .acks
            .values()
            .map(|ack| epoch.get().saturating_sub(ack.epoch.get()));
        Standing {
            alive: known.acks.len(),
            most_behind: behind.max().unwrap_or_default(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whose lease has run out has given up.
    fn forget(&mut self, now: Instant) {
        self.acks.retain(|_, ack| ack.until > now);
        self.strangers = self.strangers.filter(|until| *until > now);
    }
}

/// A time that no clock reaches counts as one that is not waited for.
fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]
    use super::*;

    const LEASE: Duration = Duration::from_secs(5);

    fn replicas() -> (Replicas, Instant) {
        (Replicas::new(LEASE), Instant::now())
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn nobody_is_waited_for_who_never_served() {
        let (replicas, now) = replicas();
        assert_eq!(replicas.behind(Epoch::new(9), now), None);
    }

    #[test]
    fn the_slowest_is_waited_for_until_it_follows_or_gives_up() {
        let (replicas, now) = replicas();
        replicas.ack("a", Epoch::new(4), now).unwrap();
        replicas.ack("b", Epoch::new(3), now).unwrap();
        assert_eq!(replicas.behind(Epoch::new(3), now), None);
        let waits = replicas.behind(Epoch::new(4), now).unwrap();
        assert_eq!((waits.replica.as_deref(), waits.until), (Some("b"), now + LEASE));
        assert_eq!(
            replicas.standing(Epoch::new(5), now),
            Standing {
                alive: 2,
                most_behind: 2
            }
        );
        replicas.ack("b", Epoch::new(4), now + seconds(1)).unwrap();
        assert_eq!(replicas.behind(Epoch::new(4), now + seconds(1)), None);
        // b goes on acknowledging an old epoch, then falls silent.
        assert!(replicas.behind(Epoch::new(5), now + seconds(5)).is_some());
        assert_eq!(replicas.behind(Epoch::new(5), now + seconds(6)), None);
    }

    #[test]
    fn an_acknowledgement_again_renews_the_lease_and_may_go_back() {
        let (replicas, now) = replicas();
        replicas.ack("a", Epoch::new(4), now).unwrap();
        // It was started again, and reads the tree anew.
        replicas.ack("a", Epoch::new(2), now + seconds(4)).unwrap();
        let waits = replicas.behind(Epoch::new(4), now + seconds(8)).unwrap();
        assert_eq!(waits.until, now + seconds(9));
    }

    #[test]
    fn readers_of_the_one_before_are_waited_for() {
        let (replicas, now) = replicas();
        replicas.expect_strangers(seconds(6), now);
        replicas.ack("a", Epoch::new(4), now).unwrap();
        let waits = replicas.behind(Epoch::new(4), now + seconds(5)).unwrap();
        assert_eq!((waits.replica, waits.until), (None, now + seconds(6)));
        assert_eq!(replicas.behind(Epoch::new(4), now + seconds(6)), None);
        replicas.expect_strangers(Duration::ZERO, now);
        assert!(replicas.behind(Epoch::new(4), now + seconds(4)).is_some());
    }

    #[test]
    fn the_first_counts_once_the_next_sequencer_would_know() {
        let (replicas, now) = replicas();
        replicas.note(false);
        assert!(!replicas.any());
        assert_eq!(replicas.ack("a", Epoch::new(4), now), Err(AckError::NotYet));
        assert!(replicas.any());
        assert_eq!(replicas.standing(Epoch::new(4), now).alive, 0);
        replicas.note(true);
        replicas.ack("a", Epoch::new(4), now).unwrap();
        assert_eq!(replicas.standing(Epoch::new(4), now).alive, 1);
    }

    #[test]
    fn odd_names_and_too_many_are_refused() {
        let (replicas, now) = replicas();
        for bad in ["", "a b", "ä", "a\"", &"x".repeat(65)] {
            assert_eq!(replicas.ack(bad, Epoch::ZERO, now), Err(AckError::Id), "{bad}");
        }
        for number in 0..MAX_REPLICAS {
            replicas.ack(&number.to_string(), Epoch::ZERO, now).unwrap();
        }
        assert_eq!(replicas.ack("more", Epoch::ZERO, now), Err(AckError::TooMany));
        replicas.ack("7", Epoch::new(1), now).unwrap();
        replicas.ack("more", Epoch::ZERO, now + LEASE).unwrap();
    }
}
