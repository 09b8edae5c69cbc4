#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

#[test]
fn defaults_need_no_settings() {
    let s = Settings::resolve(Layer::default()).unwrap();
    assert_eq!(s.listen.to_string(), "127.0.0.1:8600");
    assert_eq!(s.admin_listen.to_string(), "127.0.0.1:8601");
    assert_eq!(s.database.to_string(), "sqlite://keyglass-data/keyglass.sqlite");
    assert_eq!(s.guard, PathBuf::from("keyglass-data/guard"));
    assert_eq!(
        (s.epoch_interval, s.merge_delay),
        (Duration::from_secs(1), Duration::from_secs(60))
    );
    assert_eq!(s.quorum, QuorumSetting::Majority);
    // As the help says.
    assert_eq!(s.sqlite_cache, PageCache::new(Memory::mib(64).get()));
    assert_eq!(s.replica_lease, Duration::from_secs(20));
}

#[test]
fn every_unusable_value_is_named() {
    let layer = Layer::default;
    let cases = [
        (
            "role",
            Layer {
                role: Some("reader".into()),
                ..layer()
            },
        ),
        (
            "database",
            Layer {
                database: Some("mysql://x".into()),
                ..layer()
            },
        ),
        (
            "guard",
            Layer {
                guard: Some("postgres://x".into()),
                ..layer()
            },
        ),
        (
            "max_batch",
            Layer {
                max_batch: Some(0),
                ..layer()
            },
        ),
        (
            "merge_delay",
            Layer {
                merge_delay: Some("1500ms".parse().unwrap()),
                ..layer()
            },
        ),
        (
            "sqlite_cache",
            Layer {
                sqlite_cache: Some("1023KiB".parse().unwrap()),
                ..layer()
            },
        ),
        (
            "request_timeout",
            Layer {
                request_timeout: Some("10s".parse().unwrap()),
                ..layer()
            },
        ),
        (
            "quorum_late",
            Layer {
                quorum_late: Some("1h".parse().unwrap()),
                ..layer()
            },
        ),
        (
            "quorum",
            Layer {
                quorum: Some("1".into()),
                ..layer()
            },
        ),
        (
            "after_quorum_timeout",
            Layer {
                after_quorum_timeout: Some("give up".into()),
                ..layer()
            },
        ),
        (
            "phone_lookups",
            Layer {
                phone_lookups: Some("nobody".into()),
                ..layer()
            },
        ),
        (
            "trusted_proxy",
            Layer {
                trusted_proxy: Some(vec!["10.0.0.0/33".into()]),
                ..layer()
            },
        ),
        (
            "rate_limit",
            Layer {
                rate_limit: Some(1_000_001),
                ..layer()
            },
        ),
        (
            "rate_burst",
            Layer {
                rate_burst: Some(499),
                ..layer()
            },
        ),
        (
            "lease_ttl",
            Layer {
                lease_ttl: Some(Period(Duration::from_millis(299))),
                ..layer()
            },
        ),
        (
            "lease_renew",
            Layer {
                lease_renew: Some(Period(Duration::from_millis(2_001))),
                ..layer()
            },
        ),
        (
            "replica_lease",
            Layer {
                replica_lease: Some(Period(Duration::ZERO)),
                ..layer()
            },
        ),
        (
            "promotions",
            Layer {
                promotions: Some("any".into()),
                ..layer()
            },
        ),
        (
            "require_synchronous",
            Layer {
                require_synchronous: Some(true),
                ..layer()
            },
        ),
        (
            "log_format",
            Layer {
                log_format: Some("xml".into()),
                ..layer()
            },
        ),
    ];
    for (expected, layer) in cases {
        match Settings::resolve(layer) {
            Err(SettingsError::Value { name, .. }) => assert_eq!(name, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn a_quorum_is_a_number_or_a_file() {
    assert_eq!(quorum(Some("0".into())), QuorumSetting::Count(0));
    assert_eq!(
        quorum(Some("policy.txt".into())),
        QuorumSetting::Policy("policy.txt".into())
    );
}
