//! What can go wrong while telemetry is set up.

use thiserror::Error;

/// Why telemetry could not be set up or read.
#[derive(Debug, Error)]
pub enum MonitoringError {
    /// The log filter does not parse (see `tracing_subscriber::EnvFilter` for its syntax).
    #[error("log filter {filter:?}: {reason}")]
    LogFilter {
        /// The filter as it was given.
        filter: String,
        /// What the parser said.
        reason: String,
    },
    /// Logging was set up a second time in one process.
    #[error("logging is already set up in this process")]
    LoggingAlreadySet,
    /// The log format is neither `plain` nor `json`.
    #[error("log format {0:?}: expected \"plain\" or \"json\"")]
    LogFormat(String),
    /// A metric's name or labels are invalid, or its name is taken.
    #[error("metric {name}: {source}")]
    Metric {
        /// Name of the metric.
        name: String,
        /// What the metrics library said.
        source: prometheus::Error,
    },
    /// The metrics could not be written as text.
    #[error("encoding metrics: {0}")]
    Encode(prometheus::Error),
}

impl MonitoringError {
    /// Stable name of the broken rule.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::LogFilter { .. } => "log-filter",
            Self::LoggingAlreadySet => "logging-already-set",
            Self::LogFormat(_) => "log-format",
            Self::Metric { .. } => "metric",
            Self::Encode(_) => "metrics-encoding",
        }
    }
}
