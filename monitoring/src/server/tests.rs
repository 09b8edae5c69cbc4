#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

fn fresh() -> (Registry, ServerMetrics) {
    let registry = Registry::new("keyglass-server", "0").unwrap();
    let metrics = ServerMetrics::register(&registry).unwrap();
    (registry, metrics)
}

#[track_caller]
fn assert_line(registry: &Registry, line: &str) {
    let text = registry.encode().unwrap();
    assert!(
        text.lines().any(|found| found == line),
        "no line {line:?} in\n{text}"
    );
}

#[test]
fn every_method_moves_its_metric() {
    let (registry, metrics) = fresh();
    metrics.signed(8);
    metrics.flipped(7, 1000.5);
    metrics.heartbeat(1001.0);
    metrics.publish_step(PublishStep::Guard, Duration::from_millis(2));
    metrics.published(3, Duration::from_millis(40));
    metrics.publish_failed();
    metrics.queue(5, Some(999.0));
    metrics.receipt_issued();
    metrics.receipts_missed(2);
    metrics.overdue(4);
    metrics.lookup(LookupOutcome::Absent);
    metrics.http_request(Some("/v1/accounts/{id}"), 404, Duration::from_millis(1));
    metrics.problem("absent");
    metrics.cosigner_seen("auditor.example", 998.0);
    metrics.quorum_met(true);
    metrics.open_registration(true);
    metrics.token_keys(3, false);
    metrics.stand_by(true);
    metrics.fence(9);
    metrics.lease_renewed(997.5);
    metrics.durability_weak(true);
    metrics.replicas(3, 1);
    metrics.replica_waited();
    for line in [
        "keyglass_server_signed_epoch 8",
        "keyglass_server_head_epoch 7",
        "keyglass_server_head_flip_timestamp_seconds 1000.5",
        "keyglass_server_heartbeat_timestamp_seconds 1001",
        r#"keyglass_server_publish_step_seconds_count{step="guard"} 1"#,
        "keyglass_server_publish_seconds_count 1",
        "keyglass_server_published_updates_total 3",
        "keyglass_server_publish_failures_total 1",
        "keyglass_server_queue_depth_updates 5",
        "keyglass_server_oldest_pending_timestamp_seconds 999",
        "keyglass_server_receipts_issued_total 1",
        "keyglass_server_receipts_missed_total 2",
        "keyglass_server_receipts_overdue 4",
        r#"keyglass_server_lookups_total{outcome="absent"} 1"#,
        r#"keyglass_server_http_requests_total{class="4xx",route="/v1/accounts/{id}"} 1"#,
        r#"keyglass_server_http_request_seconds_count{route="/v1/accounts/{id}"} 1"#,
        r#"keyglass_server_problems_total{type="absent"} 1"#,
        r#"keyglass_server_cosigner_last_seen_timestamp_seconds{cosigner="auditor.example"} 998"#,
        "keyglass_server_quorum_met 1",
        "keyglass_server_open_registration 1",
        "keyglass_server_token_keys 3",
        "keyglass_server_token_keys_current 0",
        "keyglass_server_stand_by 1",
        "keyglass_server_fence 9",
        "keyglass_server_lease_renewed_timestamp_seconds 997.5",
        "keyglass_server_durability_weak 1",
        "keyglass_server_replicas 3",
        "keyglass_server_replica_lag_epochs 1",
        "keyglass_server_replica_waits_total 1",
    ] {
        assert_line(&registry, line);
    }
}

#[test]
fn exactly_one_hold_state_is_set() {
    let (registry, metrics) = fresh();
    assert_line(&registry, r#"keyglass_server_hold_state{state="none"} 1"#);
    metrics.hold(HoldState::Holding);
    assert_line(&registry, r#"keyglass_server_hold_state{state="none"} 0"#);
    assert_line(&registry, r#"keyglass_server_hold_state{state="holding"} 1"#);
}

#[test]
fn an_empty_queue_has_no_oldest_update() {
    let (registry, metrics) = fresh();
    metrics.queue(1, Some(5.0));
    metrics.queue(0, None);
    assert_line(&registry, "keyglass_server_oldest_pending_timestamp_seconds 0");
}

#[test]
fn unknown_paths_and_too_many_routes_cost_one_series_each() {
    let (registry, metrics) = fresh();
    for number in 0..MAX_ROUTES + 10 {
        metrics.http_request(Some(&format!("/route/{number}")), 200, Duration::ZERO);
    }
    metrics.http_request(None, 404, Duration::ZERO);
    assert_line(
        &registry,
        r#"keyglass_server_http_requests_total{class="2xx",route="other"} 10"#,
    );
    assert_line(
        &registry,
        r#"keyglass_server_http_requests_total{class="4xx",route="unmatched"} 1"#,
    );
}

#[test]
fn outcomes_exist_before_the_first_lookup() {
    assert_line(&fresh().0, r#"keyglass_server_lookups_total{outcome="failed"} 0"#);
}
