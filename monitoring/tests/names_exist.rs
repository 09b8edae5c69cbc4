//! Alert rules and dashboards name only metrics and labels that the programs register, and each alert has a
//! section in the operators' handbook.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use keyglass_monitoring::{AuditorMetrics, MetricInfo, MetricKind, Registry, ReplicaMetrics, ServerMetrics};

/// Words of PromQL that are neither a metric nor a function (a function is followed by a parenthesis).
const KEYWORDS: &[&str] = &[
    "and",
    "or",
    "unless",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
];
/// Labels that Prometheus adds itself.
const SCRAPE_LABELS: &[&str] = &["job", "instance", "le"];

fn catalogue() -> Vec<MetricInfo> {
    let server = Registry::new("keyglass-server", "0").unwrap();
    ServerMetrics::register(&server).unwrap();
    ReplicaMetrics::register(&server).unwrap();
    let auditor = Registry::new("keyglass-auditor", "0").unwrap();
    AuditorMetrics::register(&auditor).unwrap();
    server
        .catalogue()
        .into_iter()
        .chain(auditor.catalogue())
        .collect()
}

/// Query name -> labels; a histogram is queried by its three derived names only.
fn queryable() -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::from([("up".to_owned(), Vec::new())]);
    for metric in catalogue() {
        let suffixes: &[&str] = match metric.kind {
            MetricKind::Histogram => &["_bucket", "_sum", "_count"],
            MetricKind::Counter | MetricKind::Gauge => &[""],
        };
        for suffix in suffixes {
            names.insert(format!("{}{suffix}", metric.name), metric.labels.clone());
        }
    }
    names
}

#[derive(Default, Debug, PartialEq)]
struct Names {
    metrics: BTreeSet<String>,
    labels: BTreeSet<String>,
}

/// The metrics and labels that a PromQL expression of our own rules mentions.
fn names(expression: &str) -> Names {
    let mut found = Names::default();
    let mut chars = expression.char_indices().peekable();
    let (mut braces, mut grouping, mut last_word) = (false, false, String::new());
    while let Some((start, c)) = chars.next() {
        match c {
            '"' => drop(chars.find(|(_, c)| *c == '"')),
            '[' => drop(chars.find(|(_, c)| *c == ']')),
            '{' => braces = true,
            '}' => braces = false,
            '(' => grouping = ["by", "without", "on", "ignoring"].contains(&last_word.as_str()),
            ')' => grouping = false,
            c if c.is_ascii_alphabetic() || c == '_' => {
                let mut end = start + c.len_utf8();
                while let Some((at, c)) =
                    chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '_' || *c == ':')
                {
                    end = at + c.len_utf8();
                }
                let word = expression[start..end].to_owned();
                let rest = expression[end..].trim_start();
                if braces || grouping {
                    found.labels.insert(word.clone());
                } else if !KEYWORDS.contains(&word.as_str()) && !rest.starts_with('(') {
                    found.metrics.insert(word.clone());
                }
                last_word = word;
                continue;
            }
            c if c.is_ascii_digit() => {
                while chars
                    .next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '.')
                    .is_some()
                {}
            }
            _ => {}
        }
        if !c.is_whitespace() {
            last_word.clear();
        }
    }
    // `sum by (le) (...)`: the aggregation is followed by its grouping, not by a parenthesis.
    found
        .metrics
        .retain(|word| !["sum", "max", "min", "avg", "count"].contains(&word.as_str()));
    found
}

fn check_expression(place: &str, expression: &str) {
    let known = queryable();
    let found = names(expression);
    assert!(!found.metrics.is_empty(), "{place}: no metric in {expression:?}");
    let mut labels: BTreeSet<&str> = SCRAPE_LABELS.iter().copied().collect();
    for metric in &found.metrics {
        let own = known
            .get(metric)
            .unwrap_or_else(|| panic!("{place}: {metric} is not a registered metric"));
        labels.extend(own.iter().map(String::as_str));
    }
    for label in &found.labels {
        assert!(
            labels.contains(label.as_str()),
            "{place}: no metric in {expression:?} has a label {label}"
        );
    }
}

struct Alert {
    name: String,
    expression: String,
    runbook: String,
}

/// Reads our own rule files: `alert:`, `expr:` (one line, or folded by `>-`) and `runbook:`, nothing else.
fn alerts(text: &str) -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    let mut folding = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let entry = line.trim_start().trim_start_matches("- ");
        if let Some(name) = entry.strip_prefix("alert: ") {
            alerts.push(Alert {
                name: name.to_owned(),
                expression: String::new(),
                runbook: String::new(),
            });
        } else if let Some(alert) = alerts.last_mut() {
            if folding.is_some_and(|from| indent > from) {
                alert.expression.push_str(line.trim());
                alert.expression.push(' ');
                continue;
            }
            folding = None;
            if entry == "expr: >-" {
                folding = Some(indent);
            } else if let Some(expression) = entry.strip_prefix("expr: ") {
                alert.expression = expression.to_owned();
            } else if let Some(runbook) = entry.strip_prefix("runbook: ") {
                alert.runbook = runbook.to_owned();
            }
        }
    }
    alerts
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

#[test]
fn every_alert_names_metrics_that_exist_and_a_runbook_section() {
    let handbook = fs::read_to_string(here().join("../docs/operations.md")).unwrap();
    let mut count = 0;
    for path in files(&here().join("alerts"), "yml") {
        for alert in alerts(&fs::read_to_string(&path).unwrap()) {
            check_expression(&alert.name, &alert.expression);
            assert_eq!(
                alert.runbook,
                format!("docs/operations.md#{}", alert.name.to_lowercase()),
                "{}: the runbook's anchor is the alert's name",
                alert.name
            );
            let heading = format!("### {}", alert.name);
            assert!(
                handbook.lines().any(|line| line == heading),
                "docs/operations.md has no section {heading:?}"
            );
            count += 1;
        }
    }
    assert!(
        count >= 20,
        "only {count} alerts were read: has the layout of the files changed?"
    );
}

#[test]
fn every_runbook_section_belongs_to_an_alert() {
    let handbook = fs::read_to_string(here().join("../docs/operations.md")).unwrap();
    let known: BTreeSet<String> = files(&here().join("alerts"), "yml")
        .iter()
        .flat_map(|path| alerts(&fs::read_to_string(path).unwrap()))
        .map(|alert| alert.name)
        .collect();
    for heading in handbook
        .lines()
        .filter_map(|line| line.strip_prefix("### Keyglass"))
    {
        assert!(
            known.contains(&format!("Keyglass{heading}")),
            "no alert Keyglass{heading} exists"
        );
    }
}

#[test]
fn every_alert_has_a_promtool_test_that_fires_it() {
    for path in files(&here().join("alerts"), "yml") {
        let tests = here().join("alerts/tests").join(path.file_name().unwrap());
        let tests = fs::read_to_string(&tests).unwrap();
        for alert in alerts(&fs::read_to_string(&path).unwrap()) {
            assert!(
                tests.contains(&format!("name: {} fires\n", alert.name)),
                "{} is never fired",
                alert.name
            );
        }
    }
}

#[test]
fn every_panel_names_metrics_that_exist() {
    let mut count = 0;
    for path in files(&here().join("dashboards"), "json") {
        let board: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            for target in panel["targets"].as_array().into_iter().flatten() {
                check_expression(title, target["expr"].as_str().unwrap());
                count += 1;
            }
        }
    }
    assert!(count >= 20, "only {count} expressions were read");
}

#[test]
fn every_metric_is_on_a_dashboard() {
    let boards: String = files(&here().join("dashboards"), "json")
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for metric in catalogue() {
        assert!(boards.contains(&metric.name), "{} is shown nowhere", metric.name);
    }
}

#[test]
fn every_metric_is_well_named() {
    for metric in catalogue() {
        assert!(metric.name.starts_with("keyglass_"), "{}", metric.name);
        assert_eq!(
            metric.name.ends_with("_total"),
            metric.kind == MetricKind::Counter,
            "{}",
            metric.name
        );
        assert!(
            metric.kind != MetricKind::Histogram || metric.name.ends_with("_seconds"),
            "{}",
            metric.name
        );
        assert!(
            metric.help.ends_with('.') && metric.help.len() >= 20,
            "{}: {:?}",
            metric.name,
            metric.help
        );
        assert!(metric.labels.len() <= 2, "{} has too many labels", metric.name);
    }
}

#[test]
fn the_reader_of_expressions_sees_metrics_and_labels_only() {
    let found = names(r#"sum by (le, a) (rate(m_bucket{b="x{y}", c!="d"}[5m])) / time() > 0.5 and up"#);
    assert_eq!(
        found.metrics,
        BTreeSet::from(["m_bucket", "up"].map(str::to_owned))
    );
    assert_eq!(
        found.labels,
        BTreeSet::from(["le", "a", "b", "c"].map(str::to_owned))
    );
}
