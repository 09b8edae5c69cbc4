//! Log lines: on stderr, plain or JSON, filtered by level and module.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::MonitoringError;

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line per event.
    #[default]
    Plain,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = MonitoringError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            other => Err(MonitoringError::LogFormat(other.to_owned())),
        }
    }
}

/// Sends `tracing` events of this process to stderr; stdout stays free for data.
///
/// `filter` is a comma-separated list of `[module=]level`, for example `info` or
/// `warn,keyglass_server=debug`. Colours appear only on a terminal and only if `colour` allows them
/// (callers pass `false` when `NO_COLOR` is set).
///
/// # Errors
/// The filter does not parse, or logging was set up before.
pub fn init_logging(format: LogFormat, filter: &str, colour: bool) -> Result<(), MonitoringError> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parse_filter(filter)?)
        .with_ansi(colour && std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let outcome = match format {
        LogFormat::Plain => builder.finish().try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .finish()
            .try_init(),
    };
    outcome.map_err(|_| MonitoringError::LoggingAlreadySet)
}

fn parse_filter(filter: &str) -> Result<EnvFilter, MonitoringError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|error| MonitoringError::LogFilter {
            filter: filter.to_owned(),
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_filter_is_checked_before_it_is_used() {
        assert_eq!(
            parse_filter("warn,keyglass_server=debug").unwrap().to_string(),
            "keyglass_server=debug,warn"
        );
        assert_eq!(
            parse_filter("keyglass_server=loud").unwrap_err().reason(),
            "log-filter"
        );
    }

    #[test]
    fn formats_have_exact_names() {
        assert_eq!("json".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert_eq!("JSON".parse::<LogFormat>().unwrap_err().reason(), "log-format");
    }

    #[test]
    fn logging_is_set_up_once() {
        init_logging(LogFormat::Plain, "error", false).unwrap();
        assert_eq!(
            init_logging(LogFormat::Json, "error", false)
                .unwrap_err()
                .reason(),
            "logging-already-set"
        );
    }
}
