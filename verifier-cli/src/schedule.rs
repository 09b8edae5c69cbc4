//! When `monitor --watch` looks again.

use std::time::Duration;

/// Shortest pause after a failure.
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// The pauses between two rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    every: Duration,
    failures: u32,
}

impl Schedule {
    /// A round every so often.
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, failures: 0 }
    }

    /// The pause after a round; `chance` is a random number that is handed in.
    ///
    /// A tenth sooner or later, so that many devices do not come at once. After a failed round sooner, then doubling.
    pub(crate) fn pause(&mut self, reached: bool, chance: u16) -> Duration {
        self.failures = if reached {
            0
        } else {
            self.failures.saturating_add(1)
        };
        let pause = match self.failures {
            0 => self.every,
            n => FIRST_RETRY
                .saturating_mul(2_u32.saturating_pow(n.saturating_sub(1)))
                .min(self.every),
        };
        pause.mul_f64(0.9 + 0.2 * f64::from(chance) / f64::from(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_sooner_or_later() {
        let mut schedule = Schedule::new(Duration::from_secs(1000));
        assert_eq!(schedule.pause(true, 0), Duration::from_secs(900));
        assert_eq!(schedule.pause(true, u16::MAX), Duration::from_secs(1100));
    }

    #[test]
    fn failures_are_retried_sooner_and_ever_later() {
        let mut schedule = Schedule::new(Duration::from_secs(100));
        let mut next = |reached| schedule.pause(reached, u16::MAX / 2).as_secs_f64().round();
        assert_eq!([next(false), next(false), next(false)], [30.0, 60.0, 100.0]);
        assert_eq!([next(true), next(false)], [100.0, 30.0]);
    }
}
