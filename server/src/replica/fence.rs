//! Whether a replica may answer now.
//!
//! It may as long as a sequencer knows of it. Time counts from before an acknowledgement was sent, at the sequencer from
//! when it came: the replica is always the first to give up. A process that was stopped and wakes up finds its time over,
//! because every answer asks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keyglass_protocol::quantity::Epoch;
use thiserror::Error;

/// Why a replica does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fenced {
    /// No sequencer has taken an acknowledgement since the lease began.
    #[error("no sequencer knows where this replica stands")]
    Unacknowledged,
    /// The sequencer is more than one epoch ahead, or one for too long.
    #[error("this replica is behind")]
    Behind,
    /// This sequencer could not renew its lease: another one may publish.
    #[error("this sequencer's lease has run out")]
    Unleased,
    /// The database holds less than was answered from.
    #[error("this replica's database went back")]
    DatabaseBehind,
}

impl Fenced {
    /// Stable kebab-case name.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unacknowledged => "replica-unacknowledged",
            Self::Behind => "replica-behind",
            Self::Unleased => "lease-run-out",
            Self::DatabaseBehind => "replica-database-behind",
        }
    }
}

/// One epoch behind may a replica be for this part of the lease. It waits for a database that is slow; a lease outlasts a takeover.
const SLOW: u32 = 4;

/// The fence of one replica. Closed until the first acknowledgement.
#[derive(Debug)]
pub struct Fence {
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    behind: bool,
    /// The epoch on which readers stand while the sequencer's have moved on, and since when that is known.
    slow: Option<(Epoch, Instant)>,
    database_behind: bool,
}

impl Fence {
    /// A fence that closes `lease` after the last acknowledgement was sent.
    pub fn new(lease: Duration) -> Self {
        Self {
            lease,
            state: Mutex::default(),
        }
    }

    /// How long an acknowledgement counts.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// A sequencer took the acknowledgement of `own` that was sent at `sent`; its own readers stand on `newest`.
    pub fn acknowledged(&self, sent: Instant, own: Epoch, newest: Epoch) {
        let mut state = self.state();
        state.until = state.until.max(sent.checked_add(self.lease));
        state.behind = newest.get() > own.get().saturating_add(1);
        state.slow = match state.slow {
            _ if newest <= own => None,
            Some((epoch, since)) if epoch == own => Some((epoch, since)),
            _ => Some((own, sent)),
        };
    }

    /// Whether this replica has stood on `own`, one epoch behind, for longer than a quarter of the lease. Then it neither
    /// answers nor acknowledges, and publishing does not wait for it for ever.
    pub fn holds_up(&self, own: Epoch, now: Instant) -> bool {
        let slow = self.state().slow;
        slow.is_some_and(|(epoch, since)| epoch == own && self.is_slow(since, now))
    }

    fn is_slow(&self, since: Instant, now: Instant) -> bool {
        now.saturating_duration_since(since) > self.lease / SLOW
    }

    /// Whether the database holds less than was answered from.
    pub fn database_is_behind(&self, behind: bool) {
        self.state().database_behind = behind;
    }

    /// Whether an answer may be given at `now`.
    ///
    /// # Errors
    /// [`Fenced`].
    pub fn check(&self, now: Instant) -> Result<(), Fenced> {
        let state = self.state();
        if state.until.is_none_or(|until| now >= until) {
            Err(Fenced::Unacknowledged)
        } else if state.behind || state.slow.is_some_and(|(_, since)| self.is_slow(since, now)) {
            Err(Fenced::Behind)
        } else if state.database_behind {
            Err(Fenced::DatabaseBehind)
        } else {
            Ok(())
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "tests")]
    use super::*;

    const LEASE: Duration = Duration::from_secs(20);

    #[test]
    fn it_opens_with_an_acknowledgement_and_closes_by_itself() {
        let (fence, sent) = (Fence::new(LEASE), Instant::now());
        assert_eq!(fence.check(sent), Err(Fenced::Unacknowledged));
        fence.acknowledged(sent, Epoch::new(7), Epoch::new(7));
        let last = sent + LEASE - Duration::from_nanos(1);
        assert_eq!(fence.check(last), Ok(()));
        assert_eq!(fence.check(sent + LEASE), Err(Fenced::Unacknowledged));
        // An answer that came late does not shorten the time of a later one.
        fence.acknowledged(sent + Duration::from_secs(4), Epoch::new(7), Epoch::new(7));
        fence.acknowledged(sent, Epoch::new(7), Epoch::new(7));
        assert_eq!(fence.check(sent + Duration::from_secs(23)), Ok(()));
    }

    #[test]
    fn one_epoch_behind_is_allowed_and_two_are_not() {
        let (fence, now) = (Fence::new(LEASE), Instant::now());
        fence.acknowledged(now, Epoch::new(7), Epoch::new(8));
        assert_eq!(fence.check(now), Ok(()));
        fence.acknowledged(now, Epoch::new(7), Epoch::new(9));
        assert_eq!(fence.check(now), Err(Fenced::Behind));
        // A sequencer that has only just begun to read knows less; that is no reason.
        fence.acknowledged(now, Epoch::new(9), Epoch::new(3));
        assert_eq!(fence.check(now), Ok(()));
    }

    #[test]
    fn one_epoch_behind_for_too_long_is_not_allowed_either() {
        let (fence, now) = (Fence::new(LEASE), Instant::now());
        let second = Duration::from_secs(1);
        // It keeps pace, always one behind when it asks.
        for n in 0..10_u32 {
            let epoch = Epoch::new(u64::from(n));
            fence.acknowledged(now + second * n, epoch, Epoch::new(epoch.get() + 1));
            assert_eq!(fence.check(now + second * n), Ok(()));
        }
        // Now it stands still.
        let (own, newest) = (Epoch::new(9), Epoch::new(10));
        let since = now + second * 9;
        fence.acknowledged(since + second * 4, own, newest);
        let quarter = LEASE / SLOW;
        assert!(!fence.holds_up(own, since + quarter));
        assert_eq!(fence.check(since + quarter), Ok(()));
        assert!(fence.holds_up(own, since + quarter + second));
        assert!(!fence.holds_up(newest, since + quarter + second));
        assert_eq!(fence.check(since + quarter + second), Err(Fenced::Behind));
        fence.acknowledged(since + second * 6, newest, newest);
        assert_eq!(fence.check(since + quarter + second), Ok(()));
    }

    #[test]
    fn a_database_that_went_back_closes_it_until_it_has_caught_up() {
        let (fence, now) = (Fence::new(LEASE), Instant::now());
        fence.acknowledged(now, Epoch::new(7), Epoch::new(7));
        fence.database_is_behind(true);
        assert_eq!(fence.check(now), Err(Fenced::DatabaseBehind));
        fence.database_is_behind(false);
        assert_eq!(fence.check(now), Ok(()));
    }
}
