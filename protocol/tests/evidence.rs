//! Golden evidence files: what a stranger finds in each, with nothing but the log's key.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use keyglass_protocol::evidence::{Evidence, Finding};
use keyglass_protocol::note::VerifierKey;
use serde_json::Value;

#[test]
fn each_file_shows_what_it_claims_or_nothing() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/evidence");
    let mut wrong = Vec::new();
    let mut kinds = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let v: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let evidence = Evidence::parse(v["evidence"].to_string().as_bytes()).unwrap();
        let log: VerifierKey = v["log_vkey"].as_str().unwrap().parse().unwrap();
        let (finding, reason) = match evidence.verify(&log) {
            Ok(Finding::Proven { reason }) => ("proven", reason),
            Ok(Finding::Disputed { reason }) => ("disputed", reason),
            Err(e) => ("refused", e.reason().to_owned()),
        };
        let expected = (v["finding"].as_str().unwrap(), v["reason"].as_str().unwrap());
        if (finding, reason.as_str()) != expected {
            wrong.push(format!(
                "{}: {finding} {reason}, not {expected:?}",
                path.display()
            ));
        }
        if finding == "proven" {
            kinds.insert(v["evidence"]["kind"].as_str().unwrap().to_owned());
        }
        let again = Evidence::parse(&evidence.to_bytes().unwrap()).unwrap();
        assert_eq!(again, evidence);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all = [
        "bad-append",
        "bad-leaf",
        "bad-record",
        "broken-receipt",
        "fork",
        "freeze",
    ];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn an_unknown_schema_is_refused() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/evidence/fork.json");
    let mut v: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    v["evidence"]["schema"] = 2.into();
    let refused = Evidence::parse(v["evidence"].to_string().as_bytes()).unwrap_err();
    assert_eq!(refused.reason(), "other-schema");
}

/// Nobody could read it again.
#[test]
fn a_file_that_is_too_large_is_not_written() {
    use keyglass_protocol::evidence::MAX_EVIDENCE_BYTES;
    use keyglass_protocol::message::B64;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/evidence/fork.json");
    let v: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut evidence = Evidence::parse(v["evidence"].to_string().as_bytes()).unwrap();
    evidence.config = B64(vec![0; MAX_EVIDENCE_BYTES / 4 * 3 + 1]);
    assert_eq!(evidence.to_bytes().unwrap_err().reason(), "too-large");
    // The longest audit proof fits.
    evidence.config = B64(vec![0; keyglass_protocol::tree::MAX_AUDIT_PROOF_BYTES]);
    assert!(evidence.to_bytes().is_ok());
    let longer = vec![b' '; MAX_EVIDENCE_BYTES + 1];
    assert_eq!(Evidence::parse(&longer).unwrap_err().reason(), "too-long");
}
