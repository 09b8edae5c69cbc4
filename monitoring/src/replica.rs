//! The metrics that only a replica has. Those of answering it shares with every server.

use prometheus::{Gauge, IntGauge};

use crate::{MonitoringError, Registry};

/// What a replica tells about itself. Times are handed in as seconds since 1970.
#[derive(Debug, Clone)]
pub struct ReplicaMetrics {
    fenced: IntGauge,
    acknowledged: Gauge,
    lag: IntGauge,
}

impl ReplicaMetrics {
    /// Registers every metric of a replica.
    ///
    /// # Errors
    /// A name is taken: the set was registered before.
    pub fn register(registry: &Registry) -> Result<Self, MonitoringError> {
        let metrics = Self {
            fenced: registry.int_gauge(
                "keyglass_replica_fenced",
                "1 while this replica does not answer because no sequencer knows of it or it is behind, else 0.",
            )?,
            acknowledged: registry.gauge(
                "keyglass_replica_acknowledged_timestamp_seconds",
                "When a sequencer last took this replica's acknowledgement, Unix time; 0 before the first.",
            )?,
            lag: registry.int_gauge(
                "keyglass_replica_lag_epochs",
                "Epochs that this replica's readers were behind the sequencer's at the last acknowledgement.",
            )?,
        };
        metrics.fenced.set(1);
        Ok(metrics)
    }

    /// Whether it does not answer now.
    pub fn fenced(&self, fenced: bool) {
        self.fenced.set(i64::from(fenced));
    }

    /// A sequencer that is `lag` epochs ahead took an acknowledgement at `now`.
    pub fn acknowledged(&self, now: f64, lag: u64) {
        self.acknowledged.set(now);
        self.lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_method_moves_its_metric() {
        let registry = Registry::new("keyglass-server", "0").unwrap();
        let metrics = ReplicaMetrics::register(&registry).unwrap();
        let has = |line: &str| registry.encode().unwrap().lines().any(|found| found == line);
        assert!(has("keyglass_replica_fenced 1"));
        metrics.fenced(false);
        metrics.acknowledged(1000.5, 2);
        assert!(has("keyglass_replica_fenced 0"));
        assert!(has("keyglass_replica_acknowledged_timestamp_seconds 1000.5"));
        assert!(has("keyglass_replica_lag_epochs 2"));
    }
}
