//! A Prometheus registry that remembers what was registered.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, TextEncoder,
};

use crate::MonitoringError;

/// Content type of [`Registry::encode`].
pub const TEXT_CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// What a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only ever rises; its name ends in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts in buckets; queried as `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// One registered metric, for documentation and for the checks of alert rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricInfo {
    /// Full name, unit included.
    pub name: String,
    /// What it tells, in one sentence.
    pub help: String,
    /// What it measures.
    pub kind: MetricKind,
    /// Names of its labels.
    pub labels: Vec<String>,
}

/// The metrics of one process. Clones show the same.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: prometheus::Registry,
    catalogue: Arc<Mutex<Vec<MetricInfo>>>,
}

impl Registry {
    /// A registry that so far holds `keyglass_build_info{program, version}` = 1.
    ///
    /// # Errors
    /// Cannot happen for a fresh registry; reported rather than hidden.
    pub fn new(program: &str, version: &str) -> Result<Self, MonitoringError> {
        let registry = Self {
            inner: prometheus::Registry::new(),
            catalogue: Arc::default(),
        };
        registry
            .int_gauge_vec(
                "keyglass_build_info",
                "Always 1; its labels say which program and version runs.",
                &["program", "version"],
            )?
            .with_label_values(&[program, version])
            .set(1);
        Ok(registry)
    }

    /// All metrics in the Prometheus text format, for `GET /metrics` (see [`TEXT_CONTENT_TYPE`]).
    ///
    /// # Errors
    /// A metric could not be written.
    pub fn encode(&self) -> Result<String, MonitoringError> {
        let mut bytes = Vec::new();
        TextEncoder::new()
            .encode(&self.inner.gather(), &mut bytes)
            .map_err(MonitoringError::Encode)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Everything registered so far, in order of registration.
    #[must_use]
    pub fn catalogue(&self) -> Vec<MetricInfo> {
        self.catalogue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, MonitoringError> {
        self.register(name, help, MetricKind::Counter, &[], IntCounter::new(name, help))
    }

    pub(crate) fn counter_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, MonitoringError> {
        let metric = IntCounterVec::new(Opts::new(name, help), labels);
        self.register(name, help, MetricKind::Counter, labels, metric)
    }

    pub(crate) fn int_gauge(&self, name: &str, help: &str) -> Result<IntGauge, MonitoringError> {
        self.register(name, help, MetricKind::Gauge, &[], IntGauge::new(name, help))
    }

    pub(crate) fn int_gauge_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, MonitoringError> {
        let metric = IntGaugeVec::new(Opts::new(name, help), labels);
        self.register(name, help, MetricKind::Gauge, labels, metric)
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> Result<Gauge, MonitoringError> {
        self.register(name, help, MetricKind::Gauge, &[], Gauge::new(name, help))
    }

    pub(crate) fn gauge_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<GaugeVec, MonitoringError> {
        let metric = GaugeVec::new(Opts::new(name, help), labels);
        self.register(name, help, MetricKind::Gauge, labels, metric)
    }

    pub(crate) fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, MonitoringError> {
        let metric = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()));
        self.register(name, help, MetricKind::Histogram, &[], metric)
    }

    pub(crate) fn histogram_vec(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, MonitoringError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(
            name,
            help,
            MetricKind::Histogram,
            labels,
            HistogramVec::new(options, labels),
        )
    }

    fn register<M: Collector + Clone + 'static>(
        &self,
        name: &str,
        help: &str,
        kind: MetricKind,
        labels: &[&str],
        metric: prometheus::Result<M>,
    ) -> Result<M, MonitoringError> {
        let failed = |source| MonitoringError::Metric {
            name: name.to_owned(),
            source,
        };
        let metric = metric.map_err(failed)?;
        self.inner.register(Box::new(metric.clone())).map_err(failed)?;
        self.catalogue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(MetricInfo {
                name: name.to_owned(),
                help: help.to_owned(),
                kind,
                labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            });
        Ok(metric)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_name_is_registered_once() {
        let registry = Registry::new("test", "0").unwrap();
        registry.counter("keyglass_twice_total", "Once.").unwrap();
        let error = registry.counter("keyglass_twice_total", "Twice.").unwrap_err();
        assert_eq!(error.reason(), "metric");
        assert_eq!(
            registry.catalogue().len(),
            2,
            "a refused metric is not in the catalogue"
        );
    }

    #[test]
    fn text_carries_help_type_and_value() {
        let text = Registry::new("test", "1.2.3").unwrap().encode().unwrap();
        assert!(text.contains("# HELP keyglass_build_info Always 1"), "{text}");
        assert!(text.contains("# TYPE keyglass_build_info gauge"), "{text}");
        assert!(
            text.contains(r#"keyglass_build_info{program="test",version="1.2.3"} 1"#),
            "{text}"
        );
    }
}
