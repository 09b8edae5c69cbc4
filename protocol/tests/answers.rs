//! Golden answers: the true ones are believed, each false one is refused with the rule that it breaks.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{SeenHead, SignedEpoch, TimeBounds, Trust};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, ProtoMessage as _};
use keyglass_protocol::quantity::{KeyVersion, LogSize, Millis};
use keyglass_protocol::verify::{self, Found, Pinned, Refusal};
use serde_json::Value;

struct Case {
    name: String,
    reason: Option<String>,
    label: Label,
    trust: Trust,
    seen: SeenHead,
    now: Millis,
    answer: Answer,
}

fn cases() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/answer");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|p| {
            case(
                p.file_stem().unwrap().to_str().unwrap(),
                &std::fs::read(p).unwrap(),
            )
        })
        .collect()
}

fn case(name: &str, bytes: &[u8]) -> Case {
    let v: Value = serde_json::from_slice(bytes).unwrap();
    let text = |key: &str| v[key].as_str().unwrap();
    let config = ConfigChain::start(ConfigDocument::parse(text("config").as_bytes()).unwrap()).unwrap();
    let policy = text("policy").parse().unwrap();
    let root = v["seen"]["root"].as_str().unwrap().parse().unwrap();
    Case {
        name: name.to_owned(),
        reason: v["reason"].as_str().map(str::to_owned),
        label: Label::parse(text("label")).unwrap(),
        trust: Trust::new(
            text("log_vkey").parse().unwrap(),
            config,
            Some(policy),
            TimeBounds::default(),
        )
        .unwrap(),
        seen: SeenHead {
            size: LogSize::new(v["seen"]["size"].as_u64().unwrap()),
            root,
        },
        now: Millis::new(v["now_ms"].as_u64().unwrap()),
        answer: serde_json::from_value(v["answer"].clone()).unwrap(),
    }
}

/// What a client does, as the crate page tells it.
fn check(c: &Case) -> Result<Found, Refusal> {
    let epoch = SignedEpoch::of_answer(&c.answer)?.verify(&c.trust, c.now)?;
    epoch.extends(&c.seen, c.answer.consistency_proof.as_ref())?;
    epoch.standing().check(false)?;
    let found = verify::lookup(&epoch, &c.trust, &c.label, &c.answer)?;
    if let Found::Account(account) = &found {
        authorise(c, &epoch, account)?;
    }
    if let Found::Alias { account, .. } = &found {
        authorise(c, &epoch, account)?;
    }
    Ok(found)
}

fn authorise(
    c: &Case,
    epoch: &keyglass_protocol::epoch::VerifiedEpoch,
    account: &verify::InLog<keyglass_protocol::record::AccountRecord>,
) -> Result<(), Refusal> {
    let label = account.record().label();
    let history = verify::history(epoch, &c.trust, &label, KeyVersion::FIRST, &c.answer)?;
    verify::authorise_account(&c.trust, &history, Pinned::Nothing)?.matches(account)
}

#[test]
fn each_answer_is_judged_by_the_rule_it_breaks() {
    let cases = cases();
    assert!(cases.len() > 60);
    for case in &cases {
        let reason = check(case).err().map(|r| r.reason().to_owned());
        assert_eq!(reason, case.reason, "{}", case.name);
    }
}

#[test]
fn an_answer_says_the_same_in_protobuf() {
    for case in cases() {
        let bytes = case.answer.to_protobuf();
        assert_eq!(
            Answer::from_protobuf(&bytes).unwrap(),
            case.answer,
            "{}",
            case.name
        );
    }
}

fn honest() -> Case {
    cases()
        .into_iter()
        .find(|c| c.name == "honest_account_alice")
        .unwrap()
}

#[test]
fn cosignatures_and_heartbeat_grow_old() {
    let judged = |later_ms: u64| {
        let mut case = honest();
        case.now = case.now.plus(later_ms);
        check(&case).err().map(|r| r.reason().to_owned())
    };
    assert_eq!(judged(300_000), None);
    assert_eq!(judged(301_000).as_deref(), Some("heartbeat-stale"));
    assert_eq!(judged(3_600_000).as_deref(), Some("heartbeat-stale"));
    assert_eq!(judged(3_601_000).as_deref(), Some("quorum-stale"));
}

#[test]
fn a_clock_that_runs_behind_is_named() {
    let mut case = honest();
    case.now = Millis::new(case.now.get() - 60_000);
    assert_eq!(check(&case).err().map(|r| r.reason()), None);
    case.now = Millis::new(case.now.get() - 1_000);
    assert_eq!(check(&case).err().map(|r| r.reason()), Some("clock-skew"));
}

#[test]
fn without_an_auditor_nothing_is_audited() {
    let case = honest();
    let bare = |policy: Option<&str>| {
        let policy = policy.map(|p| p.parse().unwrap());
        let trust = Trust::new(
            case.trust.log_key().clone(),
            case.trust.config().clone(),
            policy,
            TimeBounds::default(),
        );
        SignedEpoch::of_answer(&case.answer)
            .unwrap()
            .verify(&trust.unwrap(), case.now)
            .unwrap()
    };
    for epoch in [bare(None), bare(Some("quorum none\n"))] {
        assert!(!epoch.standing().audited());
        assert_eq!(epoch.standing().check(false).unwrap_err().reason(), "not-audited");
        assert_eq!(epoch.standing().check(true), Ok(()));
    }
    let epoch = SignedEpoch::of_answer(&case.answer)
        .unwrap()
        .verify(&case.trust, case.now)
        .unwrap();
    assert!(epoch.standing().audited());
}

#[test]
fn pins_of_different_logs_do_not_go_together() {
    let case = honest();
    let other = "kt.example/log1+79eef85e+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    let new = |key: &str, policy: Option<&str>| {
        let policy = policy.map(|p| p.parse().unwrap());
        Trust::new(
            key.parse().unwrap(),
            case.trust.config().clone(),
            policy,
            TimeBounds::default(),
        )
        .map(|_| ())
        .map_err(|e| e.reason())
    };
    assert_eq!(new(other, None), Err("config-of-other-log"));
    let ours = case.trust.log_key().to_string();
    assert_eq!(
        new(&ours, Some(&format!("log {other}\nquorum none\n"))),
        Err("policy-of-other-log")
    );
    assert_eq!(new(&ours, Some(&format!("log {ours}\nquorum none\n"))), Ok(()));
}

#[test]
fn what_is_allowed_without_an_auditor_is_nothing_else() {
    let case = honest();
    let later = case.now.plus(3_601_000);
    let stale = SignedEpoch::of_answer(&case.answer)
        .unwrap()
        .verify(&case.trust, later)
        .unwrap();
    assert!(stale.standing().needs_auditor());
    assert!(!stale.standing().audited());
    assert_eq!(stale.standing().check(true).unwrap_err().reason(), "quorum-stale");
}

#[test]
fn a_history_must_end_at_the_record_that_was_shown() {
    let alice = honest();
    let bob = cases()
        .into_iter()
        .find(|c| c.name == "honest_account_bob")
        .unwrap();
    let epoch = SignedEpoch::of_answer(&bob.answer)
        .unwrap()
        .verify(&bob.trust, bob.now)
        .unwrap();
    let history = verify::history(&epoch, &bob.trust, &bob.label, KeyVersion::FIRST, &bob.answer).unwrap();
    let authorised = verify::authorise_account(&bob.trust, &history, Pinned::Nothing).unwrap();
    let Found::Account(shown) = check(&alice).unwrap() else {
        panic!("alice is an account")
    };
    assert_eq!(
        authorised.matches(&shown).unwrap_err().reason(),
        "history-ends-elsewhere"
    );
}

#[test]
fn nothing_is_read_beyond_its_cap() {
    use keyglass_protocol::error::FormatError;
    use keyglass_protocol::message::{MAX_ANSWER_BYTES, PutRequest, from_json};
    let long = vec![b' '; MAX_ANSWER_BYTES + 1];
    let too_long = FormatError::TooLong {
        max: MAX_ANSWER_BYTES,
        found: long.len(),
    };
    assert_eq!(from_json::<PutRequest>(&long).unwrap_err(), too_long);
    assert_eq!(PutRequest::from_protobuf(&long).unwrap_err(), too_long);
}
