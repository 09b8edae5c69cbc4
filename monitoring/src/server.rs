//! The metrics of `keyglass-server`.

mod values;

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
};

pub use values::{HoldState, LookupOutcome, PublishStep};

use crate::labels::{Capped, MAX_ROUTES, status_class};
use crate::{MonitoringError, Registry};

/// Publishing one epoch takes from a millisecond (one update) to minutes (an import).
const PUBLISH_BUCKETS: &[f64] = &[
    0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// Requests are answered in less than a millisecond when cached; 10 s is the server's own limit.
const REQUEST_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// What the directory server tells about itself. Times are handed in as seconds since 1970.
#[derive(Debug, Clone)]
pub struct ServerMetrics {
    signed_epoch: IntGauge,
    head_epoch: IntGauge,
    head_flipped: Gauge,
    heartbeat: Gauge,
    publish: Histogram,
    publish_steps: HistogramVec,
    publish_failures: IntCounter,
    published_updates: IntCounter,
    queue_depth: IntGauge,
    oldest_pending: Gauge,
    receipts_issued: IntCounter,
    receipts_missed: IntCounter,
    receipts_overdue: IntGauge,
    lookups: IntCounterVec,
    http_requests: IntCounterVec,
    http_seconds: HistogramVec,
    problems: IntCounterVec,
    cosigner_seen: GaugeVec,
    hold: IntGaugeVec,
    quorum_met: IntGauge,
    open_registration: IntGauge,
    token_keys: IntGauge,
    token_keys_current: IntGauge,
    stand_by: IntGauge,
    fence: IntGauge,
    lease_renewed: Gauge,
    durability_weak: IntGauge,
    replicas: IntGauge,
    replica_lag: IntGauge,
    replica_waits: IntCounter,
    routes: Arc<Capped>,
}

impl ServerMetrics {
    /// Registers every metric of the server.
    ///
    /// # Errors
    /// A name is taken: the set was registered before.
    pub fn register(registry: &Registry) -> Result<Self, MonitoringError> {
        let metrics = Self {
            signed_epoch: registry
                .int_gauge("keyglass_server_signed_epoch", "Newest epoch with a checkpoint signed by the log key.")?,
            head_epoch: registry
                .int_gauge("keyglass_server_head_epoch", "Epoch that readers are answered from.")?,
            head_flipped: registry.gauge(
                "keyglass_server_head_flip_timestamp_seconds",
                "When readers last moved to a newer checkpoint or to fresher cosignatures, Unix time.",
            )?,
            heartbeat: registry.gauge(
                "keyglass_server_heartbeat_timestamp_seconds",
                "Time in the newest heartbeat cosignature, Unix time.",
            )?,
            publish: registry.histogram(
                "keyglass_server_publish_seconds",
                "Time from freezing a batch until readers see its epoch.",
                PUBLISH_BUCKETS,
            )?,
            publish_steps: registry.histogram_vec(
                "keyglass_server_publish_step_seconds",
                "Time of one publishing step.",
                &["step"],
                PUBLISH_BUCKETS,
            )?,
            publish_failures: registry.counter(
                "keyglass_server_publish_failures_total",
                "Publishing attempts that ended with an error before readers moved.",
            )?,
            published_updates: registry
                .counter("keyglass_server_published_updates_total", "Updates that readers can see.")?,
            queue_depth: registry
                .int_gauge("keyglass_server_queue_depth_updates", "Accepted updates that no epoch holds yet.")?,
            oldest_pending: registry.gauge(
                "keyglass_server_oldest_pending_timestamp_seconds",
                "When the oldest unpublished update was accepted, Unix time; 0 if there is none.",
            )?,
            receipts_issued: registry
                .counter("keyglass_server_receipts_issued_total", "Receipts given for accepted updates.")?,
            receipts_missed: registry.counter(
                "keyglass_server_receipts_missed_total",
                "Receipts whose deadline passed before their update was in the log.",
            )?,
            receipts_overdue: registry.int_gauge(
                "keyglass_server_receipts_overdue",
                "Receipts whose deadline has passed and whose update readers cannot see yet.",
            )?,
            lookups: registry.counter_vec(
                "keyglass_server_lookups_total",
                "Lookups of single labels, batch members included, by outcome.",
                &["outcome"],
            )?,
            http_requests: registry.counter_vec(
                "keyglass_server_http_requests_total",
                "Requests by route template and status class.",
                &["route", "class"],
            )?,
            http_seconds: registry.histogram_vec(
                "keyglass_server_http_request_seconds",
                "Time from a request's head to the end of its answer, by route template.",
                &["route"],
                REQUEST_BUCKETS,
            )?,
            problems: registry.counter_vec(
                "keyglass_server_problems_total",
                "Problem documents sent, by the short name of their type.",
                &["type"],
            )?,
            cosigner_seen: registry.gauge_vec(
                "keyglass_server_cosigner_last_seen_timestamp_seconds",
                "Time in the newest good cosignature of each configured cosigner, Unix time.",
                &["cosigner"],
            )?,
            hold: registry.int_gauge_vec(
                "keyglass_server_hold_state",
                "1 for the state publishing is in: none, holding (quorum late) or degraded (gone on without it).",
                &["state"],
            )?,
            quorum_met: registry.int_gauge(
                "keyglass_server_quorum_met",
                "1 if the newest signed checkpoint carries the quorum's cosignatures, else 0.",
            )?,
            open_registration: registry.int_gauge(
                "keyglass_server_open_registration",
                "1 if anybody may submit for any account because no token keys are configured, else 0.",
            )?,
            token_keys: registry
                .int_gauge("keyglass_server_token_keys", "Platform token keys in force; 0 without a key file.")?,
            token_keys_current: registry.int_gauge(
                "keyglass_server_token_keys_current",
                "0 if the token key file changed into something unusable and the old keys stay in force, else 1.",
            )?,
            stand_by: registry.int_gauge(
                "keyglass_server_stand_by",
                "1 while another sequencer holds the lease and this one waits for it, else 0.",
            )?,
            fence: registry.int_gauge(
                "keyglass_server_fence",
                "Fencing number of the lease that this sequencer holds or held last; 0 without one.",
            )?,
            lease_renewed: registry.gauge(
                "keyglass_server_lease_renewed_timestamp_seconds",
                "When the lease was last renewed, Unix time; 0 without one.",
            )?,
            durability_weak: registry.int_gauge(
                "keyglass_server_durability_weak",
                "1 if an acknowledged update can be lost with the Postgres server: no synchronous standby, or fsync is off.",
            )?,
            replicas: registry.int_gauge(
                "keyglass_server_replicas",
                "Replicas whose acknowledgements are fresh: publishing waits for them.",
            )?,
            replica_lag: registry.int_gauge(
                "keyglass_server_replica_lag_epochs",
                "Epochs that the slowest of these replicas is behind this sequencer's readers.",
            )?,
            replica_waits: registry.counter(
                "keyglass_server_replica_waits_total",
                "Times that an epoch was not begun because a replica was behind.",
            )?,
            routes: Arc::new(Capped::new(MAX_ROUTES)),
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// A counter that first appears when something goes wrong has no increase to alert on.
    fn start_at_zero(&self) {
        for outcome in LookupOutcome::ALL {
            self.lookups.with_label_values(&[outcome.name()]);
        }
        for step in PublishStep::ALL {
            self.publish_steps.with_label_values(&[step.name()]);
        }
        self.hold(HoldState::None);
        self.token_keys_current.set(1);
    }

    /// The log key signed the checkpoint of `epoch`.
    pub fn signed(&self, epoch: u64) {
        self.signed_epoch.set(saturating(epoch));
    }

    /// Readers are answered from `epoch` since `now`.
    pub fn flipped(&self, epoch: u64, now: f64) {
        self.head_epoch.set(saturating(epoch));
        self.head_flipped.set(now);
    }

    /// The heartbeat key cosigned at `time`.
    pub fn heartbeat(&self, time: f64) {
        self.heartbeat.set(time);
    }

    /// One publishing step took `elapsed`.
    pub fn publish_step(&self, step: PublishStep, elapsed: Duration) {
        self.publish_steps
            .with_label_values(&[step.name()])
            .observe(elapsed.as_secs_f64());
    }

    /// An epoch with `updates` updates reached the readers after `elapsed`.
    pub fn published(&self, updates: u64, elapsed: Duration) {
        self.publish.observe(elapsed.as_secs_f64());
        self.published_updates.inc_by(updates);
    }

    /// A publishing attempt failed.
    pub fn publish_failed(&self) {
        self.publish_failures.inc();
    }

    /// `depth` updates wait; the oldest was accepted at `oldest` (`None`: nothing waits).
    pub fn queue(&self, depth: u64, oldest: Option<f64>) {
        self.queue_depth.set(saturating(depth));
        self.oldest_pending.set(oldest.unwrap_or(0.0));
    }

    /// A receipt was given.
    pub fn receipt_issued(&self) {
        self.receipts_issued.inc();
    }

    /// `count` receipts were found past their deadline and unfulfilled.
    pub fn receipts_missed(&self, count: u64) {
        self.receipts_missed.inc_by(count);
    }

    /// `count` receipts are past their deadline now, and unfulfilled.
    pub fn overdue(&self, count: u64) {
        self.receipts_overdue.set(saturating(count));
    }

    /// One label's lookup ended.
    pub fn lookup(&self, outcome: LookupOutcome) {
        self.lookups.with_label_values(&[outcome.name()]).inc();
    }

    /// A request to `route` (the template, as `/v1/accounts/{id}`, never the path; `None` if nothing
    /// matched) was answered with `status` after `elapsed`.
    pub fn http_request(&self, route: Option<&str>, status: u16, elapsed: Duration) {
        let route = route.map_or("unmatched", |template| self.routes.admit(template));
        self.http_requests
            .with_label_values(&[route, status_class(status)])
            .inc();
        self.http_seconds
            .with_label_values(&[route])
            .observe(elapsed.as_secs_f64());
    }

    /// A problem document of this type (its stable short name) was sent.
    pub fn problem(&self, kind: &'static str) {
        self.problems.with_label_values(&[kind]).inc();
    }

    /// The configured cosigner `name` cosigned at `time`; call with 0 at start so that one who never answers
    /// is seen as well.
    pub fn cosigner_seen(&self, name: &str, time: f64) {
        self.cosigner_seen.with_label_values(&[name]).set(time);
    }

    /// Publishing is in `state` now.
    pub fn hold(&self, state: HoldState) {
        for other in HoldState::ALL {
            self.hold
                .with_label_values(&[other.name()])
                .set(i64::from(other == state));
        }
    }

    /// Whether anybody may submit for any account.
    pub fn open_registration(&self, open: bool) {
        self.open_registration.set(i64::from(open));
    }

    /// So many token keys are in force, and whether they are those of the key file as it stands now.
    pub fn token_keys(&self, count: usize, current: bool) {
        self.token_keys.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.token_keys_current.set(i64::from(current));
    }

    /// Whether this sequencer waits for the lease of another one.
    pub fn stand_by(&self, waits: bool) {
        self.stand_by.set(i64::from(waits));
    }

    /// The lease was taken under this fencing number.
    pub fn fence(&self, number: u64) {
        self.fence.set(saturating(number));
    }

    /// The lease was renewed at `now`.
    pub fn lease_renewed(&self, now: f64) {
        self.lease_renewed.set(now);
    }

    /// Whether an acknowledged update can be lost with the database's server.
    pub fn durability_weak(&self, weak: bool) {
        self.durability_weak.set(i64::from(weak));
    }

    /// So many replicas serve, the slowest of them `lag` epochs behind.
    pub fn replicas(&self, alive: usize, lag: u64) {
        self.replicas.set(i64::try_from(alive).unwrap_or(i64::MAX));
        self.replica_lag.set(saturating(lag));
    }

    /// An epoch waits for a replica.
    pub fn replica_waited(&self) {
        self.replica_waits.inc();
    }

    /// Whether the newest signed checkpoint has its quorum.
    pub fn quorum_met(&self, met: bool) {
        self.quorum_met.set(i64::from(met));
    }
}

fn saturating(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
