//! Time is handed in.

use std::time::{SystemTime, UNIX_EPOCH};

use keyglass_protocol::quantity::Millis;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
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
