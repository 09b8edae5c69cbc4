//! Golden moves from a log that ended to the one that continues it: the honest ones go through, each other one is refused
//! with the rule that it breaks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{SignedEpoch, TimeBounds, Trust, VerifiedEpoch};
use keyglass_protocol::message::{B64, EpochProof};
use keyglass_protocol::migration::{Link, MigrationError};
use keyglass_protocol::quantity::{Epoch, Millis};
use keyglass_protocol::record::{AccountRecord, AliasRecord};
use serde_json::Value;

fn document(case: &Value, field: &str) -> ConfigDocument {
    ConfigDocument::parse(case[field].as_str().unwrap().as_bytes()).unwrap()
}

/// The old log's last epoch, under the chain of its documents and with its quorum.
fn last_epoch(case: &Value) -> VerifiedEpoch {
    let text = |field: &str| case[field].as_str().unwrap();
    let mut chain = ConfigChain::start(document(case, "first_config")).unwrap();
    let from = Epoch::new(case["last_config_from"].as_u64().unwrap());
    chain.push(document(case, "last_config"), from).unwrap();
    chain.check_not_ended(from).unwrap();
    let (key, policy) = (text("log_vkey").parse().unwrap(), text("policy").parse().unwrap());
    let trust = Trust::new(key, chain, Some(policy), TimeBounds::default()).unwrap();
    let proof: EpochProof = serde_json::from_value(case["epoch"].clone()).unwrap();
    let signed = SignedEpoch::new(text("checkpoint").as_bytes(), &proof).unwrap();
    let now = Millis::new(case["now_ms"].as_u64().unwrap());
    let epoch = signed.verify(&trust, now).unwrap();
    epoch.standing().check(false).unwrap();
    epoch
}

fn record(case: &Value, field: &str) -> Vec<u8> {
    serde_json::from_value::<B64>(case[field].clone()).unwrap().0
}

fn check(case: &Value) -> Result<(), MigrationError> {
    let epoch = last_epoch(case);
    let link = Link::verify(
        &document(case, "stated_config"),
        &epoch,
        &document(case, "new_config"),
    )?;
    assert_eq!(link.predecessor().size, epoch.size());
    let (last, first) = (record(case, "last"), record(case, "first"));
    match AccountRecord::decode(&last) {
        Ok(last) => link.account(&last, &AccountRecord::decode(&first).unwrap()),
        Err(_) => link.alias(
            &AliasRecord::decode(&last).unwrap(),
            &AliasRecord::decode(&first).unwrap(),
        ),
    }
}

#[test]
fn every_vector_has_its_verdict() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/migration");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() > 20, "only {}", paths.len());
    for path in paths {
        let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let found = check(&case).map_err(|e| e.reason());
        let expected = case["reason"].as_str().map_or(Ok(()), Err);
        assert_eq!(found, expected, "{}", path.display());
    }
}
