//! Who may change a key: histories as vectors, one for everything allowed and one for every rule that is broken.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cloned_ref_to_slice_refs,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[path = "authorisation/account_flaws.rs"]
mod account_flaws;
#[path = "authorisation/accounts.rs"]
mod accounts;
#[path = "authorisation/alias_flaws.rs"]
mod alias_flaws;
#[path = "authorisation/aliases.rs"]
mod aliases;
mod kit;

use keyglass_protocol::record::{RecordError, RecordErrorClass};
use kit::{history, vectors};
use serde_json::Value;

/// A vector: name of the file, the history, and what a verifier says (`Ok`: state, `Err`: reason).
type Case = (&'static str, Value, Result<&'static str, &'static str>);

fn finish((name, mut case, expected): Case) -> (String, Value) {
    match expected {
        Ok(state) => case["verdict"] = state.into(),
        Err(reason) => case["reason"] = reason.into(),
    }
    (name.to_owned(), case)
}

fn freeze(prefix: &str, cases: Vec<Case>) {
    let made: Vec<_> = cases.into_iter().map(finish).collect();
    for (name, _) in &made {
        assert!(name.starts_with(prefix), "{name}");
    }
    vectors::demand("record", prefix, &made);
}

#[test]
fn the_vectors_of_histories_are_frozen() {
    freeze(
        "account-",
        accounts::cases()
            .into_iter()
            .chain(account_flaws::cases())
            .collect(),
    );
    freeze(
        "alias-",
        aliases::cases().into_iter().chain(alias_flaws::cases()).collect(),
    );
}

/// What another implementation would do: nothing but the files.
#[test]
fn every_history_gets_exactly_its_verdict() {
    let (mut seen, mut wrong) = ((0, 0), Vec::new());
    for (name, case) in ["account-", "alias-"]
        .iter()
        .flat_map(|p| vectors::read("record", p))
    {
        match (
            history::verdict(&case),
            case["verdict"].as_str(),
            case["reason"].as_str(),
        ) {
            (Ok(state), Some(expected), None) if state == expected => seen.0 += 1,
            (Err(error), None, Some(reason)) if error.reason() == reason => seen.1 += 1,
            (got, verdict, reason) => wrong.push(format!("{name}: {got:?}, expected {verdict:?} {reason:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.0 >= 25 && seen.1 >= 120, "{seen:?}");
}

/// The classes that a server turns into statuses, by the vectors' reasons.
#[test]
fn reasons_have_their_class() {
    let class = |name: &str| {
        let case = vectors::read_one("record", name);
        history::verdict(&case).unwrap_err().class()
    };
    assert_eq!(class("account-identity-low-order"), RecordErrorClass::Malformed);
    assert_eq!(class("account-truncated"), RecordErrorClass::Malformed);
    assert_eq!(class("account-label-not-canonical"), RecordErrorClass::Malformed);
    assert_eq!(
        class("account-created-malleable-signature"),
        RecordErrorClass::BadSignature
    );
    assert_eq!(class("account-owner-wrong-key"), RecordErrorClass::BadSignature);
    assert_eq!(class("account-notice-changes-devices"), RecordErrorClass::Rule);
    assert_eq!(class("account-owner-missing-role"), RecordErrorClass::Rule);
    assert_eq!(class("alias-account-absent"), RecordErrorClass::Rule);
    assert_eq!(class("account-owner-version-limit"), RecordErrorClass::Limit);
    assert_eq!(class("account-record-too-long"), RecordErrorClass::Limit);
    assert_eq!(
        class("account-recovery-leaf-time-missing"),
        RecordErrorClass::Unproven
    );
    assert_eq!(class("alias-account-erased"), RecordErrorClass::Unproven);
}

/// A notice copies the record below it, except that it is no closing: by itself it would revive a closed account.
#[test]
fn a_notice_is_no_pin() {
    let first = kit::account::RawAccount::first();
    let notice = first.closed().notice([7; 32]);
    let case = accounts::pinned("a notice above a closing, pinned", &[notice]);
    assert_eq!(history::verdict(&case).unwrap_err(), RecordError::PinnedNotice);
    assert_eq!(RecordError::PinnedNotice.class(), RecordErrorClass::Unproven);
}
