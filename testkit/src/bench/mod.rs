//! What the benchmarks share.

pub mod verify;

use std::time::Instant;

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};

/// Seconds of one piece of work.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Spent {
    /// On the clock.
    pub wall: f64,
    /// Of all cores.
    pub cpu: f64,
}

/// Does `work` and says what it took.
pub fn spent<T>(work: impl FnOnce() -> T) -> (Spent, T) {
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let done = work();
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
    (Spent { wall, cpu }, done)
}

/// Middle of the values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
