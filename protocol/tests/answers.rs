//! Golden answers: the true ones are believed, each false one is refused with the rule that it breaks.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{SeenHead, SignedEpoch, TimeBounds, Trust, VerifiedEpoch};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, ProtoMessage as _};
use keyglass_protocol::quantity::{KeyVersion, LogSize, Millis};
use keyglass_protocol::record::{AccountRecord, AliasRecord};
use keyglass_protocol::verify::{self, AuthorisedAccount, AuthorisedAlias, Found, Pinned, Refusal};
use serde_json::Value;

struct Case {
    name: String,
    reason: Option<String>,
    label: Label,
    trust: Trust,
    seen: SeenHead,
    now: Millis,
    /// In the order in which they are asked for: the lookup, the alias's history, those of its holders.
    answers: Vec<Answer>,
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
        answers: serde_json::from_value(v["answers"].clone()).unwrap(),
    }
}

/// What a client does, as the crate page tells it.
fn check(c: &Case) -> Result<Found, Refusal> {
    let mut asking = Asking::of(c);
    let (epoch, answer) = asking.next()?;
    let found = verify::lookup(&epoch, &c.trust, &c.label, answer)?;
    match &found {
        Found::Absent => {}
        Found::Account(shown) => authorise(c, &epoch, shown.record(), answer)?.matches(shown)?,
        Found::Released(shown) => asking.alias(None)?.matches(shown)?,
        Found::Alias { alias, account } => {
            let held = authorise(c, &epoch, account.record(), answer)?;
            held.matches(account)?;
            asking.alias(Some(held))?.matches(alias)?;
        }
    }
    Ok(found)
}

struct Asking<'c> {
    case: &'c Case,
    left: std::slice::Iter<'c, Answer>,
    seen: SeenHead,
}

impl<'c> Asking<'c> {
    fn of(case: &'c Case) -> Self {
        Self {
            case,
            left: case.answers.iter(),
            seen: case.seen,
        }
    }

    /// The next answer, its head held against the one before.
    fn next(&mut self) -> Result<(VerifiedEpoch, &'c Answer), Refusal> {
        let answer = self
            .left
            .next()
            .expect("the vector holds every answer that is needed");
        let epoch = SignedEpoch::of_answer(answer)?.verify(&self.case.trust, self.case.now)?;
        epoch.extends(&self.seen, answer.consistency_proof.as_ref())?;
        epoch.standing().check(false)?;
        self.seen = epoch.head();
        Ok((epoch, answer))
    }

    /// Every version of the alias was signed by the accounts that it names.
    fn alias(&mut self, held: Option<AuthorisedAccount>) -> Result<AuthorisedAlias, Refusal> {
        let trust = &self.case.trust;
        let (epoch, answer) = self.next()?;
        let history = verify::history(&epoch, trust, &self.case.label, KeyVersion::FIRST, answer)?;
        let mut accounts: BTreeMap<_, _> = held
            .into_iter()
            .map(|a| (a.newest().account.clone(), a))
            .collect();
        for value in history.versions().iter().filter_map(|v| v.value()) {
            let record = AliasRecord::decode(value)?;
            let Some(holder) = record.holder.as_ref().map(|h| &h.account) else {
                continue;
            };
            if !accounts.contains_key(holder) {
                let (epoch, answer) = self.next()?;
                let label = Label::Account(holder.clone());
                let account = verify::history(&epoch, trust, &label, KeyVersion::FIRST, answer)?;
                let account = verify::authorise_account(trust, &account, Pinned::Nothing)?;
                accounts.insert(holder.clone(), account);
            }
        }
        verify::authorise_alias(trust, &history, Pinned::Nothing, &accounts)
    }
}

fn authorise(
    c: &Case,
    epoch: &VerifiedEpoch,
    shown: &AccountRecord,
    answer: &Answer,
) -> Result<AuthorisedAccount, Refusal> {
    let history = verify::history(epoch, &c.trust, &shown.label(), KeyVersion::FIRST, answer)?;
    verify::authorise_account(&c.trust, &history, Pinned::Nothing)
}

#[test]
fn each_answer_is_judged_by_the_rule_it_breaks() {
    let cases = cases();
    assert!(cases.len() > 130);
    for case in &cases {
        let reason = check(case).err().map(|r| r.reason().to_owned());
        assert_eq!(reason, case.reason, "{}", case.name);
    }
}

#[test]
fn an_answer_says_the_same_in_protobuf() {
    for case in cases() {
        for answer in &case.answers {
            let bytes = answer.to_protobuf();
            assert_eq!(&Answer::from_protobuf(&bytes).unwrap(), answer, "{}", case.name);
        }
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
        SignedEpoch::of_answer(&case.answers[0])
            .unwrap()
            .verify(&trust.unwrap(), case.now)
            .unwrap()
    };
    for epoch in [bare(None), bare(Some("quorum none\n"))] {
        assert!(!epoch.standing().needs_auditor());
        assert!(!epoch.standing().audited());
        assert_eq!(epoch.standing().check(false).unwrap_err().reason(), "not-audited");
        assert_eq!(epoch.standing().check(true), Ok(()));
    }
    let epoch = SignedEpoch::of_answer(&case.answers[0])
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
    let stale = SignedEpoch::of_answer(&case.answers[0])
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
    let epoch = SignedEpoch::of_answer(&bob.answers[0])
        .unwrap()
        .verify(&bob.trust, bob.now)
        .unwrap();
    let history =
        verify::history(&epoch, &bob.trust, &bob.label, KeyVersion::FIRST, &bob.answers[0]).unwrap();
    let authorised = verify::authorise_account(&bob.trust, &history, Pinned::Nothing).unwrap();
    let Found::Account(shown) = check(&alice).unwrap() else {
        panic!("alice is an account")
    };
    assert_eq!(
        authorised.matches(&shown).unwrap_err().reason(),
        "history-ends-elsewhere"
    );
}

fn named(name: &str) -> Case {
    cases().into_iter().find(|c| c.name == name).unwrap()
}

#[test]
fn a_history_of_an_alias_must_end_at_the_record_that_was_shown() {
    let (alice, old) = (named("honest_handle_alice"), named("honest_handle_old"));
    let mut asking = Asking::of(&old);
    asking.next().unwrap();
    let authorised = asking.alias(None).unwrap();
    let Found::Alias { alias, .. } = check(&alice).unwrap() else {
        panic!("the handle is held")
    };
    assert_eq!(
        authorised.matches(&alias).unwrap_err().reason(),
        "history-ends-elsewhere"
    );
}

/// What came after the head of the account's history is not known, so the alias's cannot be judged by it.
#[test]
fn an_alias_is_not_judged_by_an_older_history_of_its_holder() {
    let (handle, older) = (named("honest_handle_alice"), named("smaller_head_than_seen"));
    let answer = &older.answers[0];
    let epoch = SignedEpoch::of_answer(answer)
        .unwrap()
        .verify(&older.trust, older.now)
        .unwrap();
    let history = verify::history(&epoch, &older.trust, &older.label, KeyVersion::FIRST, answer).unwrap();
    let account = verify::authorise_account(&older.trust, &history, Pinned::Nothing).unwrap();
    let mut asking = Asking::of(&handle);
    asking.next().unwrap();
    let refused = asking.alias(Some(account)).unwrap_err();
    assert_eq!(refused.reason(), "alias-account-unproven");
}

#[test]
fn a_consistency_proof_from_another_size_shows_nothing() {
    let mut case = honest();
    case.seen.size = LogSize::new(case.seen.size.get() - 1);
    assert_eq!(check(&case).unwrap_err().reason(), "consistency-other-size");
}

#[test]
fn a_leaf_under_another_configuration_is_not_believed() {
    let case = honest();
    let mut values = case.trust.document().values().clone();
    values.merge_delay_seconds += 1;
    let other = ConfigChain::start(ConfigDocument::create(&values).unwrap()).unwrap();
    let policy = case.trust.policy().cloned();
    let trust = Trust::new(case.trust.log_key().clone(), other, policy, TimeBounds::default()).unwrap();
    let refused = SignedEpoch::of_answer(&case.answers[0])
        .unwrap()
        .verify(&trust, case.now)
        .unwrap_err();
    assert_eq!(refused.reason(), "configuration-changed");
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
