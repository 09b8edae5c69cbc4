//! Telemetry shared by `keyglass-server` and `keyglass-auditor`: structured logs on stderr and a Prometheus
//! registry with typed metric sets.
//!
//! Rules that hold for every line and every metric:
//!
//! * A directory label (`account:…`, `handle:…`, `phone:…`), a key and a token are never logged and never
//!   become a metric label. Label values come from closed sets, from the configuration (cosigner names, log
//!   origins) or are capped ([`MAX_ROUTES`]).
//! * The unit is part of a metric's name: `_seconds`, `_total`, `_epochs`. Moments are stored as
//!   `_timestamp_seconds` rather than as ages: an age that nobody updates any more stands still, a moment
//!   keeps getting older.
//! * The clock is handed in; this crate never reads it, except that `tracing` stamps log lines.
//!
//! Alert rules (`alerts/`) and dashboards (`dashboards/`) are checked against [`Registry::catalogue`] by this
//! crate's tests, so that neither can name a metric that does not exist.

mod auditor;
mod error;
mod labels;
mod logging;
mod registry;
mod replica;
mod server;

pub use auditor::{AuditorMetrics, DirectoryMetrics, FetchError};
pub use error::MonitoringError;
pub use labels::MAX_ROUTES;
pub use logging::{LogFormat, init_logging};
pub use registry::{MetricInfo, MetricKind, Registry, TEXT_CONTENT_TYPE};
pub use replica::ReplicaMetrics;
pub use server::{HoldState, LookupOutcome, PublishStep, ServerMetrics};
