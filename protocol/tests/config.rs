//! Configuration documents: exact bytes, every flaw by its name, and what may change.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod kit;

use keyglass_protocol::codec::base64_encode;
use keyglass_protocol::config::*;
use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogHash, LogSize, RootHash};
use keyglass_protocol::record::{AccountRecord, Limits, check_first};
use kit::account::RawAccount;
use kit::{IMPORT, Spoil, public, vectors};
use proptest::prelude::*;
use serde_json::{Value, json};

const ORIGIN: &str = "golden.example/log";

fn ed25519(name: &str, seed: u8) -> VerifierKey {
    VerifierKey::new_ed25519(name, &public(seed)).unwrap()
}

/// Every field set and every value distinct.
fn golden() -> ConfigValues {
    ConfigValues {
        origin: ORIGIN.parse().unwrap(),
        vrf_public_key: public(0x21),
        log_vkey: ed25519(ORIGIN, 0x22),
        heartbeat_vkey: VerifierKey::new_cosignature("golden.example/heartbeat", &public(0x23)).unwrap(),
        receipt_vkey: ed25519("golden.example/receipts", 0x24),
        import_vkey: Some(ed25519("golden.example/import", 0x25)),
        import_closed_after_epoch: Some(Epoch::new(1001)),
        recovery_vkey: Some(ed25519("golden.example/recovery", 0x26)),
        merge_delay_seconds: 61,
        limits: Limits {
            record_bytes: 16_383,
            devices: 63,
            owner_versions: 999,
            versions: 1023,
            recovery_delay: 2_591_999,
        },
        previous_config_sha256: Some(ConfigHash::new([0x27; 32])),
        predecessor: Some(Predecessor {
            origin: "golden.example/old".parse().unwrap(),
            log_vkey: ed25519("golden.example/old", 0x28),
            vrf_public_key: public(0x29),
            size: LogSize::new(4242),
            log_root: LogHash::new([0x2a; 32]),
            akd_root: RootHash::new([0x2b; 32]),
        }),
        successor: Some(Successor {
            origin: "golden.example/new".parse().unwrap(),
            log_vkey: ed25519("golden.example/new", 0x2c),
        }),
    }
}

/// Only what must be there.
fn smallest() -> ConfigValues {
    ConfigValues {
        import_vkey: None,
        import_closed_after_epoch: None,
        recovery_vkey: None,
        limits: Limits::default(),
        previous_config_sha256: None,
        predecessor: None,
        successor: None,
        ..golden()
    }
}

/// The golden document's JSON, independent of how the library writes it.
fn golden_json() -> Value {
    let b = base64_encode;
    json!({
        "origin": ORIGIN,
        "akd_configuration": "WhatsAppV1",
        "vrf_public_key": b(&public(0x21)),
        "log_vkey": golden().log_vkey.to_string(),
        "heartbeat_vkey": golden().heartbeat_vkey.to_string(),
        "receipt_vkey": golden().receipt_vkey.to_string(),
        "import_vkey": golden().import_vkey.unwrap().to_string(),
        "import_closed_after_epoch": 1001,
        "recovery_vkey": golden().recovery_vkey.unwrap().to_string(),
        "merge_delay_seconds": 61,
        "limits": {"record_bytes": 16383, "devices": 63, "owner_versions": 999, "versions": 1023, "recovery_delay_seconds": 2591999},
        "previous_config_sha256": b(&[0x27; 32]),
        "predecessor": {
            "origin": "golden.example/old",
            "log_vkey": ed25519("golden.example/old", 0x28).to_string(),
            "vrf_public_key": b(&public(0x29)),
            "size": 4242,
            "log_root": b(&[0x2a; 32]),
            "akd_root": b(&[0x2b; 32]),
        },
        "successor": {"origin": "golden.example/new", "log_vkey": ed25519("golden.example/new", 0x2c).to_string()},
    })
}

fn flaw(change: impl FnOnce(&mut Value)) -> String {
    let mut value = golden_json();
    change(&mut value);
    value.to_string()
}

/// Sets a field, also inside another: `limits.devices`.
fn set(path: &str, to: Value) -> String {
    flaw(|v| {
        let place = path.split('.').fold(v, |v, name| &mut v[name]);
        assert!(!place.is_null(), "{path}");
        *place = to;
    })
}

fn flaws() -> Vec<(&'static str, String, &'static str)> {
    let whole = golden_json().to_string();
    let low = base64_encode(&kit::bytes32(kit::ED25519_LOW_ORDER));
    let twice = |name: &str, seed| set(name, json!(ed25519("twice", seed).to_string()));
    vec![
        ("empty", String::new(), "config-malformed"),
        ("not-json", "configuration".into(), "config-malformed"),
        ("array", "[]".into(), "config-malformed"),
        ("trailing", format!("{whole} {{}}"), "config-malformed"),
        ("deep", "[".repeat(10_000), "config-malformed"),
        (
            "number-as-text",
            set("merge_delay_seconds", json!("61")),
            "config-malformed",
        ),
        (
            "negative",
            set("merge_delay_seconds", json!(-1)),
            "config-malformed",
        ),
        ("fraction", set("limits.devices", json!(1.5)), "config-malformed"),
        ("key-null", set("log_vkey", Value::Null), "config-malformed"),
        (
            "unknown-field",
            flaw(|v| v["quorum"] = json!(1)),
            "config-unknown-field",
        ),
        (
            "unknown-field-in-limits",
            flaw(|v| v["limits"]["x"] = json!(1)),
            "config-unknown-field",
        ),
        (
            "unknown-field-in-predecessor",
            flaw(|v| v["predecessor"]["x"] = json!(1)),
            "config-unknown-field",
        ),
        (
            "unknown-field-in-successor",
            flaw(|v| v["successor"]["x"] = json!(1)),
            "config-unknown-field",
        ),
        (
            "duplicate-field",
            whole.replacen('{', "{\"origin\":\"evil\",", 1),
            "config-duplicate-field",
        ),
        (
            "duplicate-field-in-limits",
            whole.replacen("\"limits\":{", "\"limits\":{\"devices\":1,", 1),
            "config-duplicate-field",
        ),
        (
            "origin",
            set("origin", json!("golden.example log")),
            "config-origin-invalid",
        ),
        (
            "predecessor-origin",
            set("predecessor.origin", json!("a+b")),
            "config-origin-invalid",
        ),
        (
            "akd-configuration",
            set("akd_configuration", json!("ExperimentalConfiguration")),
            "config-akd-configuration",
        ),
        (
            "log-vkey",
            set("log_vkey", json!("nonsense")),
            "config-verifier-key",
        ),
        (
            "heartbeat-vkey",
            set("heartbeat_vkey", json!("nonsense")),
            "config-verifier-key",
        ),
        (
            "log-vkey-kind",
            set(
                "log_vkey",
                json!(
                    VerifierKey::new_cosignature(ORIGIN, &public(0x22))
                        .unwrap()
                        .to_string()
                ),
            ),
            "config-key-kind",
        ),
        (
            "heartbeat-vkey-kind",
            set("heartbeat_vkey", json!(ed25519("hb", 0x23).to_string())),
            "config-key-kind",
        ),
        (
            "receipt-vkey-kind",
            set(
                "receipt_vkey",
                json!(
                    VerifierKey::new_cosignature("r", &public(0x24))
                        .unwrap()
                        .to_string()
                ),
            ),
            "config-key-kind",
        ),
        (
            "import-vkey-kind",
            set(
                "import_vkey",
                json!(
                    VerifierKey::new_cosignature("i", &public(0x25))
                        .unwrap()
                        .to_string()
                ),
            ),
            "config-key-kind",
        ),
        (
            "recovery-vkey-kind",
            set(
                "recovery_vkey",
                json!(
                    VerifierKey::new_cosignature("r", &public(0x26))
                        .unwrap()
                        .to_string()
                ),
            ),
            "config-key-kind",
        ),
        (
            "log-vkey-name",
            set("log_vkey", json!(ed25519("other.example/log", 0x22).to_string())),
            "config-log-key-name",
        ),
        (
            "predecessor-vkey-name",
            set("predecessor.log_vkey", json!(ed25519("other", 0x28).to_string())),
            "config-log-key-name",
        ),
        (
            "successor-vkey-name",
            set("successor.log_vkey", json!(ed25519("other", 0x2c).to_string())),
            "config-log-key-name",
        ),
        (
            "receipt-key-is-log-key",
            twice("receipt_vkey", 0x22),
            "config-key-twice",
        ),
        (
            "import-key-is-receipt-key",
            twice("import_vkey", 0x24),
            "config-key-twice",
        ),
        (
            "recovery-key-is-import-key",
            twice("recovery_vkey", 0x25),
            "config-key-twice",
        ),
        (
            "recovery-key-is-heartbeat-key",
            twice("recovery_vkey", 0x23),
            "config-key-twice",
        ),
        (
            "receipt-key-is-vrf-key",
            twice("receipt_vkey", 0x21),
            "config-key-twice",
        ),
        (
            "vrf-key-low-order",
            set("vrf_public_key", json!(low)),
            "config-vrf-key",
        ),
        (
            "predecessor-vrf-key-low-order",
            set("predecessor.vrf_public_key", json!(low)),
            "config-vrf-key",
        ),
        (
            "vrf-key-hex",
            set("vrf_public_key", json!(hex::encode(public(0x21)))),
            "config-bytes",
        ),
        (
            "previous-short",
            set("previous_config_sha256", json!(base64_encode(&[1; 31]))),
            "config-bytes",
        ),
        (
            "predecessor-log-root-short",
            set("predecessor.log_root", json!("")),
            "config-bytes",
        ),
        (
            "predecessor-akd-root-short",
            set("predecessor.akd_root", json!("AA==")),
            "config-bytes",
        ),
        (
            "predecessor-empty",
            set("predecessor.size", json!(0)),
            "config-predecessor-empty",
        ),
        (
            "merge-delay-zero",
            set("merge_delay_seconds", json!(0)),
            "config-merge-delay",
        ),
        (
            "merge-delay-too-long",
            set("merge_delay_seconds", json!(86_401)),
            "config-merge-delay",
        ),
        (
            "limit-record-bytes",
            set("limits.record_bytes", json!(16_385)),
            "config-limit",
        ),
        (
            "limit-record-bytes-zero",
            set("limits.record_bytes", json!(0)),
            "config-limit",
        ),
        ("limit-devices", set("limits.devices", json!(65)), "config-limit"),
        (
            "limit-devices-zero",
            set("limits.devices", json!(0)),
            "config-limit",
        ),
        (
            "limit-owner-versions",
            set("limits.owner_versions", json!(1001)),
            "config-limit",
        ),
        (
            "limit-owner-versions-zero",
            set("limits.owner_versions", json!(0)),
            "config-limit",
        ),
        (
            "limit-versions",
            set("limits.versions", json!(1025)),
            "config-limit",
        ),
        (
            "limit-versions-below-owner",
            set("limits.versions", json!(998)),
            "config-limit",
        ),
        (
            "limit-recovery-delay",
            set("limits.recovery_delay_seconds", json!(2_592_001)),
            "config-limit",
        ),
        (
            "limit-recovery-delay-huge",
            set("limits.recovery_delay_seconds", json!(1u64 << 40)),
            "config-limit",
        ),
    ]
}

#[test]
fn the_vectors_are_frozen_and_hold() {
    let golden = ConfigDocument::create(&golden()).unwrap();
    let small = ConfigDocument::create(&smallest()).unwrap();
    let good = [("golden", golden), ("golden-smallest", small)].map(|(name, document)| {
        let text = String::from_utf8(document.bytes().to_vec()).unwrap();
        (
            name.to_owned(),
            json!({"document": text, "hash": document.hash().to_string()}),
        )
    });
    let bad = flaws()
        .into_iter()
        .map(|(name, text, reason)| (name.to_owned(), json!({"document": text, "reason": reason})));
    let missing = golden_json()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect::<Vec<_>>();
    let missing = missing.into_iter().map(|field| {
        let text = flaw(|v| drop(v.as_object_mut().unwrap().remove(&field)));
        (
            format!("missing-{}", field.replace('_', "-")),
            json!({"document": text, "reason": "config-missing-field"}),
        )
    });
    vectors::demand(
        "config",
        "",
        &good.into_iter().chain(bad).chain(missing).collect::<Vec<_>>(),
    );
    for (name, case) in vectors::read("config", "") {
        match (
            ConfigDocument::parse(vectors::text(&case, "document").as_bytes()),
            case["reason"].as_str(),
        ) {
            (Ok(document), None) => assert_eq!(
                document.hash().to_string(),
                vectors::text(&case, "hash"),
                "{name}"
            ),
            (Err(e), Some(reason)) => assert_eq!(e.reason(), reason, "{name}: {e}"),
            (got, expected) => panic!("{name}: {got:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn values_survive_and_bytes_are_kept() {
    for values in [golden(), smallest()] {
        let document = ConfigDocument::create(&values).unwrap();
        assert_eq!(document.values(), &values);
        assert_eq!(ConfigDocument::parse(document.bytes()).unwrap(), document);
    }
    let json = golden_json().to_string();
    let compact = ConfigDocument::parse(json.as_bytes()).unwrap();
    assert_eq!(compact.values(), &golden());
    assert_eq!(compact.bytes(), json.as_bytes());
    assert_eq!(compact.hash().as_bytes(), &kit::sha256(json.as_bytes()));
    assert_ne!(compact.hash(), ConfigDocument::create(&golden()).unwrap().hash());
}

#[test]
fn a_document_has_at_most_64_kib() {
    let json = golden_json().to_string();
    let padded = |n: usize| format!("{json}{}", " ".repeat(n - json.len()));
    assert!(ConfigDocument::parse(padded(65_536).as_bytes()).is_ok());
    let long = ConfigDocument::parse(padded(65_537).as_bytes());
    assert_eq!(
        long,
        Err(ConfigError::TooLong {
            max: 65_536,
            found: 65_537
        })
    );
}

/// The golden values in a log that goes on.
fn unended() -> ConfigValues {
    ConfigValues {
        successor: None,
        ..golden()
    }
}

/// The document that names a successor is the last one, and the leaf that names it first is the last one.
#[test]
fn nothing_follows_a_successor() {
    let one = document(&unended());
    let last = next(&one, |v| v.successor = golden().successor);
    for change in [
        (|_| {}) as fn(&mut ConfigValues),
        |v| v.successor = None,
        |v| v.merge_delay_seconds = 60,
    ] {
        assert_eq!(
            last.check_successor(&next(&last, change)),
            Err(ConfigError::AfterSuccessor)
        );
    }
    let mut first = unended();
    first.previous_config_sha256 = None;
    let first = document(&first);
    let mut chain = ConfigChain::start(first.clone()).unwrap();
    assert_eq!(chain.check_not_ended(Epoch::new(1 << 40)), Ok(()));
    let last = next(&first, |v| v.successor = golden().successor);
    chain.push(last.clone(), Epoch::new(7)).unwrap();
    assert_eq!(chain.check_not_ended(Epoch::new(7)), Ok(()));
    let ended = ConfigError::AfterTheEnd {
        last: Epoch::new(7),
        found: Epoch::new(8),
    };
    assert_eq!(chain.check_not_ended(Epoch::new(8)), Err(ended));
    assert_eq!(chain.document(&last.hash()), Some(&last));
    assert_eq!(chain.document(&first.hash()), Some(&first));
    assert_eq!(chain.document(&one.hash()), None);
}

/// The statement that an operator carries from the old log to the new one is the object of the document.
#[test]
fn a_predecessor_is_read_by_itself() {
    let predecessor = golden().predecessor.unwrap();
    let text = predecessor.to_json().unwrap();
    assert_eq!(Predecessor::from_json(text.as_bytes()), Ok(predecessor));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value, golden_json()["predecessor"]);
    let flawed = |field: &str, to: Value| {
        let mut value = value.clone();
        value[field] = to;
        Predecessor::from_json(value.to_string().as_bytes()).map_err(|e| e.reason())
    };
    assert_eq!(flawed("size", json!(0)), Err("config-predecessor-empty"));
    assert_eq!(flawed("more", json!(1)), Err("config-unknown-field"));
    assert_eq!(
        flawed("origin", json!("other.example")),
        Err("config-log-key-name")
    );
    let longer = Predecessor::from_json(&[b' '; 65_537]).unwrap_err();
    assert!(matches!(longer, ConfigError::TooLong { .. }), "{longer:?}");
}

fn document(values: &ConfigValues) -> ConfigDocument {
    ConfigDocument::create(values).unwrap()
}

fn next(previous: &ConfigDocument, change: impl FnOnce(&mut ConfigValues)) -> ConfigDocument {
    let mut values = previous.values().clone();
    values.previous_config_sha256 = Some(previous.hash());
    change(&mut values);
    document(&values)
}

#[test]
fn a_document_is_about_one_log_and_the_first_follows_nothing() {
    let mut values = smallest();
    let log = values.log_vkey.clone();
    let first = document(&values);
    assert_eq!((first.check_log(&log), first.check_first(&log)), (Ok(()), Ok(())));
    let other_key = ed25519(values.origin.as_str(), 0x2d);
    let other_origin = VerifierKey::new_ed25519("other.example/log", log.ed25519().unwrap()).unwrap();
    for (log, refused) in [
        (other_key, ConfigError::LogKeyChanged),
        (other_origin, ConfigError::OriginChanged),
    ] {
        assert_eq!(first.check_log(&log), Err(refused.clone()));
        assert_eq!(first.check_first(&log), Err(refused));
    }
    values.previous_config_sha256 = Some(ConfigHash::new([1; 32]));
    let later = document(&values);
    assert_eq!(later.check_log(&log), Ok(()));
    assert_eq!(later.check_first(&log), Err(ConfigError::NotAFirst));
}

#[test]
fn what_may_change_is_reported() {
    let one = document(&unended());
    let changes = |change: fn(&mut ConfigValues)| one.check_successor(&next(&one, change)).unwrap();
    assert_eq!(changes(|_| {}), []);
    let heartbeat =
        |v: &mut ConfigValues| v.heartbeat_vkey = VerifierKey::new_cosignature("hb", &public(0x33)).unwrap();
    assert_eq!(changes(heartbeat), [ConfigChange::HeartbeatKey]);
    assert_eq!(
        changes(|v| v.receipt_vkey = ed25519("r", 0x34)),
        [ConfigChange::ReceiptKey]
    );
    assert_eq!(changes(|v| v.import_vkey = None), [ConfigChange::ImportKey]);
    assert_eq!(
        changes(|v| v.import_closed_after_epoch = None),
        [ConfigChange::ImportReopened]
    );
    assert_eq!(
        changes(|v| v.import_closed_after_epoch = Some(Epoch::new(1002))),
        [ConfigChange::ImportReopened]
    );
    assert_eq!(
        changes(|v| v.import_closed_after_epoch = Some(Epoch::new(1000))),
        [ConfigChange::ImportClosed]
    );
    assert_eq!(
        changes(|v| v.recovery_vkey = Some(ed25519("v", 0x36))),
        [ConfigChange::RecoveryKey]
    );
    assert_eq!(
        changes(|v| v.merge_delay_seconds = 60),
        [ConfigChange::MergeDelay]
    );
    assert_eq!(changes(|v| v.limits = Limits::default()), [ConfigChange::Limits]);
    assert_eq!(
        changes(|v| v.successor = golden().successor),
        [ConfigChange::Successor]
    );
    let alarms = |c: ConfigChange| c.is_key_change();
    assert!(
        [
            ConfigChange::HeartbeatKey,
            ConfigChange::ReceiptKey,
            ConfigChange::ImportKey
        ]
        .into_iter()
        .all(alarms)
    );
    assert!(
        [
            ConfigChange::ImportReopened,
            ConfigChange::RecoveryKey,
            ConfigChange::Successor
        ]
        .into_iter()
        .all(alarms)
    );
    assert!(
        ![
            ConfigChange::ImportClosed,
            ConfigChange::MergeDelay,
            ConfigChange::Limits
        ]
        .into_iter()
        .any(alarms)
    );
}

#[test]
fn what_never_changes_is_refused() {
    let one = document(&unended());
    let reason =
        |change: fn(&mut ConfigValues)| one.check_successor(&next(&one, change)).unwrap_err().reason();
    assert_eq!(
        reason(|v| v.previous_config_sha256 = Some(ConfigHash::new([1; 32]))),
        "config-previous-hash"
    );
    assert_eq!(
        reason(|v| v.previous_config_sha256 = None),
        "config-previous-hash"
    );
    let origin = |v: &mut ConfigValues| {
        v.origin = "golden.example/other".parse().unwrap();
        v.log_vkey = ed25519("golden.example/other", 0x22);
    };
    assert_eq!(reason(origin), "config-origin-changed");
    assert_eq!(
        reason(|v| v.vrf_public_key = public(0x31)),
        "config-vrf-key-changed"
    );
    assert_eq!(
        reason(|v| v.log_vkey = ed25519(ORIGIN, 0x32)),
        "config-log-key-changed"
    );
    assert_eq!(reason(|v| v.predecessor = None), "config-predecessor-changed");
    assert_eq!(reason(|v| v.limits.record_bytes -= 1), "config-limit-lowered");
    assert_eq!(reason(|v| v.limits.devices -= 1), "config-limit-lowered");
    assert_eq!(reason(|v| v.limits.owner_versions -= 1), "config-limit-lowered");
    assert_eq!(reason(|v| v.limits.versions -= 1), "config-limit-lowered");
    assert_eq!(reason(|v| v.limits.recovery_delay -= 1), "config-limit-lowered");
}

/// A chain gives each epoch the keys of its own document.
#[test]
fn rules_follow_the_chain() {
    let mut values = smallest();
    values.origin = kit::ORIGIN.parse().unwrap();
    values.log_vkey = ed25519(kit::ORIGIN, 0x22);
    let one = document(&values);
    let two = next(&one, |v| v.import_vkey = Some(ed25519("import", IMPORT)));
    let three = next(&two, |v| v.import_closed_after_epoch = Some(Epoch::new(25)));
    let mut chain = ConfigChain::start(one.clone()).unwrap();
    assert_eq!(
        chain.push(two.clone(), Epoch::new(10)),
        Ok(vec![ConfigChange::ImportKey])
    );
    assert_eq!(
        chain.push(three.clone(), Epoch::new(10)),
        Err(ConfigError::EpochOrder)
    );
    assert_eq!(
        chain.push(two.clone(), Epoch::new(20)),
        Err(ConfigError::PreviousHash)
    );
    assert_eq!(
        chain.push(three.clone(), Epoch::new(20)),
        Ok(vec![ConfigChange::ImportClosed])
    );
    assert_eq!((chain.newest(), chain.documents().len()), (&three, 3));
    assert_eq!(
        ConfigChain::start(two.clone()).unwrap_err(),
        ConfigError::NotAFirst
    );
    assert_eq!(ConfigChain::pinned(two.clone(), Epoch::new(10)).newest(), &two);

    let imported = RawAccount::first().with(|r| {
        r.kind = 2;
        r.signers = vec![(3, IMPORT, Spoil::No)];
    });
    let record = AccountRecord::decode(&imported.encode()).unwrap();
    let at = |epoch| check_first(&chain.rules(), &record, Epoch::new(epoch)).map_err(|e| e.reason());
    assert_eq!((at(9), at(10)), (Err("no-import-key"), Ok(())));
    assert_eq!((at(25), at(26)), (Ok(()), Err("import-closed")));
    let alone = |d: &ConfigDocument| check_first(&d.rules(), &record, Epoch::new(9)).map_err(|e| e.reason());
    assert_eq!((alone(&one), alone(&two)), (Err("no-import-key"), Ok(())));
    assert_eq!(chain.rules().origin().as_str(), kit::ORIGIN);
    assert_eq!(chain.rules().limits(), &Limits::default());
}

/// The predecessor in the configuration is what lets an import continue an earlier log.
#[test]
fn an_import_continues_a_predecessor_only() {
    let imported = RawAccount::first().with(|r| {
        r.kind = 2;
        r.previous = [7; 32];
        r.origin = ORIGIN.into();
        r.signers = vec![(3, 0x25, Spoil::No)];
    });
    let record = AccountRecord::decode(&imported.encode()).unwrap();
    let with = |change: fn(&mut ConfigValues)| {
        let mut values = golden();
        change(&mut values);
        check_first(&document(&values).rules(), &record, Epoch::new(1)).map_err(|e| e.reason())
    };
    assert_eq!(with(|_| {}), Ok(()));
    assert_eq!(with(|v| v.predecessor = None), Err("previous-hash"));
}

proptest! {
    #[test]
    fn arbitrary_documents_never_panic(text in ".{0,200}", at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let _ = ConfigDocument::parse(text.as_bytes());
        let mut bytes = golden_json().to_string().into_bytes();
        let i = at.index(bytes.len());
        bytes[i] = byte;
        if let Ok(document) = ConfigDocument::parse(&bytes) {
            prop_assert_eq!(document.bytes(), bytes.as_slice());
        }
    }
}
