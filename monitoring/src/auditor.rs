//! The metrics of `keyglass-auditor`. Every series carries the origin of the log it is about, which comes from
//! the auditor's own configuration.

use std::time::Duration;

use prometheus::{GaugeVec, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec};

use crate::{MonitoringError, Registry};

/// One epoch's proof is checked in milliseconds; a very large one takes minutes.
const VERIFY_BUCKETS: &[f64] = &[
    0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0,
];

/// Why the directory could not be read. None of these is ever an accusation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchError {
    /// No connection, or it broke.
    Network,
    /// Too slow.
    Timeout,
    /// An HTTP status other than the expected one.
    Status,
    /// More bytes than the rules allow.
    TooLarge,
}

impl FetchError {
    const ALL: [Self; 4] = [Self::Network, Self::Timeout, Self::Status, Self::TooLarge];

    /// Value of the label `kind`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::TooLarge => "too-large",
        }
    }
}

/// What the auditor tells about itself; one [`DirectoryMetrics`] per directory it follows.
#[derive(Clone, Debug)]
pub struct AuditorMetrics {
    verified_epoch: IntGaugeVec,
    signed_size: IntGaugeVec,
    lag: IntGaugeVec,
    checked: GaugeVec,
    signed: GaugeVec,
    verify: HistogramVec,
    refusals: IntCounterVec,
    latched: IntGaugeVec,
    fetch_errors: IntCounterVec,
    peers: GaugeVec,
    hook_failures: IntCounter,
}

impl AuditorMetrics {
    /// Registers every metric of the auditor.
    ///
    /// # Errors
    /// A name is taken: the set was registered before.
    pub fn register(registry: &Registry) -> Result<Self, MonitoringError> {
        let directory = &["directory"];
        Ok(Self {
            verified_epoch: registry.int_gauge_vec(
                "keyglass_auditor_verified_epoch",
                "Newest epoch whose leaf and audit proof were checked and stored.",
                directory,
            )?,
            signed_size: registry.int_gauge_vec(
                "keyglass_auditor_signed_size",
                "Log size of the newest checkpoint that the auditor cosigned.",
                directory,
            )?,
            lag: registry.int_gauge_vec(
                "keyglass_auditor_lag_epochs",
                "Epochs that the directory has signed and the auditor has not yet verified.",
                directory,
            )?,
            checked: registry.gauge_vec(
                "keyglass_auditor_last_checked_timestamp_seconds",
                "When the directory's head was last fetched and found good, Unix time.",
                directory,
            )?,
            signed: registry.gauge_vec(
                "keyglass_auditor_last_signed_timestamp_seconds",
                "Time in the auditor's newest cosignature, Unix time.",
                directory,
            )?,
            verify: registry.histogram_vec(
                "keyglass_auditor_verify_seconds",
                "Time to check one epoch, download excluded.",
                directory,
                VERIFY_BUCKETS,
            )?,
            refusals: registry.counter_vec(
                "keyglass_auditor_refusals_total",
                "Checkpoints and epochs refused, by the broken rule.",
                &["directory", "reason"],
            )?,
            latched: registry.int_gauge_vec(
                "keyglass_auditor_evidence_latched",
                "1 while evidence against the directory keeps the auditor from cosigning, else 0.",
                directory,
            )?,
            fetch_errors: registry.counter_vec(
                "keyglass_auditor_fetch_errors_total",
                "Failed fetches from the directory, by kind.",
                &["directory", "kind"],
            )?,
            peers: registry.gauge_vec(
                "keyglass_auditor_peer_last_seen_timestamp_seconds",
                "When a peer's head was last fetched and compared, Unix time; 0 if never.",
                &["directory", "peer"],
            )?,
            hook_failures: registry.counter(
                "keyglass_auditor_hook_failures_total",
                "Attempts to tell the owner of evidence that failed.",
            )?,
        })
    }

    /// An attempt to tell the owner of evidence failed.
    pub fn hook_failed(&self) {
        self.hook_failures.inc();
    }

    /// The series of one directory, named by its log's origin, all present from the start.
    #[must_use]
    pub fn directory(&self, origin: &str) -> DirectoryMetrics {
        let directory = DirectoryMetrics {
            metrics: self.clone(),
            origin: origin.to_owned(),
        };
        directory.latched(false);
        directory.lag(0);
        for vector in [&self.checked, &self.signed] {
            vector.with_label_values(&[origin]).set(0.0);
        }
        for kind in FetchError::ALL {
            directory.fetch_errors(kind);
        }
        directory
    }
}

/// The metrics of one followed directory. Times are handed in as seconds since 1970.
#[derive(Clone, Debug)]
pub struct DirectoryMetrics {
    metrics: AuditorMetrics,
    origin: String,
}

impl DirectoryMetrics {
    /// `epoch` was checked in `elapsed` and stored.
    pub fn verified(&self, epoch: u64, elapsed: Duration) {
        self.metrics
            .verified_epoch
            .with_label_values(&[&self.origin])
            .set(saturating(epoch));
        self.metrics
            .verify
            .with_label_values(&[&self.origin])
            .observe(elapsed.as_secs_f64());
    }

    /// The checkpoint of `size` was cosigned at `time`.
    pub fn signed(&self, size: u64, time: f64) {
        self.metrics
            .signed_size
            .with_label_values(&[&self.origin])
            .set(saturating(size));
        self.metrics.signed.with_label_values(&[&self.origin]).set(time);
    }

    /// The directory's head was fetched and found good at `time`.
    pub fn checked(&self, time: f64) {
        self.metrics.checked.with_label_values(&[&self.origin]).set(time);
    }

    /// The auditor is `epochs` behind the directory's newest signed epoch.
    pub fn lag(&self, epochs: u64) {
        self.metrics
            .lag
            .with_label_values(&[&self.origin])
            .set(saturating(epochs));
    }

    /// Something was refused because it broke the rule of this stable name.
    pub fn refused(&self, reason: &'static str) {
        self.metrics
            .refusals
            .with_label_values(&[self.origin.as_str(), reason])
            .inc();
    }

    /// Whether evidence keeps the auditor from cosigning.
    pub fn latched(&self, latched: bool) {
        self.metrics
            .latched
            .with_label_values(&[&self.origin])
            .set(i64::from(latched));
    }

    /// The head of `peer` was fetched and compared at `time`; 0 before the first time.
    pub fn peer_seen(&self, peer: &str, time: f64) {
        self.metrics
            .peers
            .with_label_values(&[self.origin.as_str(), peer])
            .set(time);
    }

    /// A fetch failed.
    pub fn fetch_failed(&self, kind: FetchError) {
        self.fetch_errors(kind).inc();
    }

    fn fetch_errors(&self, kind: FetchError) -> IntCounter {
        self.metrics
            .fetch_errors
            .with_label_values(&[self.origin.as_str(), kind.name()])
    }
}

fn saturating(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_method_moves_its_metric() {
        let registry = Registry::new("keyglass-auditor", "0").unwrap();
        let directory = AuditorMetrics::register(&registry)
            .unwrap()
            .directory("log.example");
        directory.verified(41, Duration::from_millis(3));
        directory.signed(42, 1000.0);
        directory.checked(1001.0);
        directory.lag(2);
        directory.refused("root-mismatch");
        directory.latched(true);
        directory.fetch_failed(FetchError::Timeout);
        directory.peer_seen("peer.example", 1002.0);
        directory.metrics.hook_failed();
        let text = registry.encode().unwrap();
        for line in [
            r#"keyglass_auditor_verified_epoch{directory="log.example"} 41"#,
            r#"keyglass_auditor_verify_seconds_count{directory="log.example"} 1"#,
            r#"keyglass_auditor_signed_size{directory="log.example"} 42"#,
            r#"keyglass_auditor_last_signed_timestamp_seconds{directory="log.example"} 1000"#,
            r#"keyglass_auditor_last_checked_timestamp_seconds{directory="log.example"} 1001"#,
            r#"keyglass_auditor_lag_epochs{directory="log.example"} 2"#,
            r#"keyglass_auditor_refusals_total{directory="log.example",reason="root-mismatch"} 1"#,
            r#"keyglass_auditor_evidence_latched{directory="log.example"} 1"#,
            r#"keyglass_auditor_fetch_errors_total{directory="log.example",kind="timeout"} 1"#,
            r#"keyglass_auditor_fetch_errors_total{directory="log.example",kind="network"} 0"#,
            r#"keyglass_auditor_peer_last_seen_timestamp_seconds{directory="log.example",peer="peer.example"} 1002"#,
            "keyglass_auditor_hook_failures_total 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "no line {line:?} in\n{text}"
            );
        }
    }

    #[test]
    fn an_untroubled_directory_is_not_latched() {
        let registry = Registry::new("keyglass-auditor", "0").unwrap();
        let _directory = AuditorMetrics::register(&registry)
            .unwrap()
            .directory("log.example");
        let text = registry.encode().unwrap();
        assert!(
            text.contains(r#"keyglass_auditor_evidence_latched{directory="log.example"} 0"#),
            "{text}"
        );
    }
}
