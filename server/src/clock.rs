//! Where times come from: handed in, never read inside the service.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use keyglass_protocol::quantity::Millis;

/// A source of wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Millis;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock that only moves when it is told to, for tests and demonstrations.
#[derive(Debug)]
pub struct ManualClock(Mutex<Millis>);

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: Millis) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves it on by `ms` milliseconds. It cannot go back.
    pub fn advance(&self, ms: u64) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = now.plus(ms);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_still() {
        let clock = ManualClock::new(Millis::new(5));
        assert_eq!((clock.now(), clock.now()), (Millis::new(5), Millis::new(5)));
        clock.advance(7);
        assert_eq!(clock.now(), Millis::new(12));
    }

    #[test]
    fn the_system_clock_is_past_2020() {
        assert!(SystemClock.now() > Millis::new(1_577_836_800_000));
    }
}
