//! Labels: canonical forms, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod kit;

use keyglass_protocol::label::{
    AccountId, HANDLE_UNICODE_VERSION, Handle, Label, LabelError, LabelKind, MAX_LABEL_BYTES, Phone, padding,
};
use kit::vectors;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Accepted: label, bytes that akd gets.
fn accepted() -> Vec<(&'static str, String)> {
    vec![
        ("ok-account", "account:123".into()),
        ("ok-account-longest", format!("account:{}", "a".repeat(128))),
        (
            "ok-account-punctuation",
            "account:!$&'()*+,-:;<=>@[\\]^_`{|}~.\"".into(),
        ),
        ("ok-account-dots", "account:...".into()),
        ("ok-handle", "handle:alice".into()),
        ("ok-handle-longest", format!("handle:{}", "a".repeat(64))),
        ("ok-handle-greek", "handle:\u{3c0}\u{3b5}\u{3c1}".into()),
        ("ok-handle-composed", "handle:caf\u{e9}".into()),
        ("ok-handle-hebrew", "handle:\u{5d0}\u{5d1}\u{5d2}".into()),
        ("ok-handle-hebrew-digits", "handle:\u{5d0}\u{5d1}1".into()),
        (
            "ok-handle-hebrew-mark-at-end",
            "handle:\u{5d0}\u{5d1}\u{5b0}".into(),
        ),
        ("ok-handle-arabic", "handle:\u{639}\u{644}\u{64a}".into()),
        ("ok-handle-han", "handle:\u{540d}\u{524d}".into()),
        (
            "ok-handle-zwnj-in-context",
            "handle:\u{915}\u{94d}\u{200c}\u{937}".into(),
        ),
        ("ok-phone", "phone:+14155550100".into()),
        ("ok-phone-shortest", "phone:+49".into()),
        ("ok-phone-longest", "phone:+123456789012345".into()),
    ]
}

fn refused() -> Vec<(&'static str, String, &'static str)> {
    let handle = |name: &str| format!("handle:{name}");
    vec![
        ("empty", String::new(), "label-unknown-kind"),
        ("no-kind", "alice".into(), "label-unknown-kind"),
        ("unknown-kind", "email:alice".into(), "label-unknown-kind"),
        ("padding", padding(&[7; 32]), "label-unknown-kind"),
        ("upper-case-kind", "Account:1".into(), "label-unknown-kind"),
        ("account-empty", "account:".into(), "label-empty"),
        (
            "account-too-long",
            format!("account:{}", "a".repeat(129)),
            "label-too-long",
        ),
        ("account-space", "account:a b".into(), "account-character"),
        ("account-nul", "account:a\0".into(), "account-character"),
        ("account-delete", "account:a\x7f".into(), "account-character"),
        ("account-not-ascii", "account:\u{e9}".into(), "account-character"),
        ("account-slash", "account:a/b".into(), "account-character"),
        ("account-question-mark", "account:a?b".into(), "account-character"),
        ("account-hash", "account:a#b".into(), "account-character"),
        ("account-percent", "account:a%20b".into(), "account-character"),
        ("account-dot", "account:.".into(), "account-dots"),
        ("account-dot-dot", "account:..".into(), "account-dots"),
        ("handle-empty", handle(""), "label-empty"),
        ("handle-too-long", handle(&"a".repeat(65)), "label-too-long"),
        (
            "handle-too-long-in-bytes",
            handle(&"\u{e9}".repeat(33)),
            "label-too-long",
        ),
        ("handle-upper-case", handle("Alice"), "handle-not-canonical"),
        ("handle-decomposed", handle("cafe\u{301}"), "handle-not-canonical"),
        (
            "handle-full-width",
            handle("\u{ff41}lice"),
            "handle-not-canonical",
        ),
        (
            "handle-cherokee-capital",
            handle("\u{13a0}"),
            "handle-not-canonical",
        ),
        ("handle-space", handle("al ice"), "handle-character"),
        ("handle-nul", handle("al\0ice"), "handle-character"),
        ("handle-emoji", handle("\u{1f600}"), "handle-character"),
        ("handle-ligature", handle("\u{fb01}sh"), "handle-character"),
        ("handle-unassigned-then", handle("\u{13f8}"), "handle-character"),
        (
            "handle-zwnj-without-context",
            handle("a\u{200c}b"),
            "handle-character",
        ),
        ("handle-soft-hyphen", handle("al\u{ad}ice"), "handle-character"),
        ("handle-bidi-lrm", handle("a\u{200e}b"), "handle-bidi-control"),
        ("handle-bidi-rlm", handle("a\u{200f}b"), "handle-bidi-control"),
        ("handle-bidi-alm", handle("a\u{61c}b"), "handle-bidi-control"),
        ("handle-bidi-lre", handle("a\u{202a}b"), "handle-bidi-control"),
        ("handle-bidi-rlo", handle("a\u{202e}b"), "handle-bidi-control"),
        ("handle-bidi-lri", handle("a\u{2066}b"), "handle-bidi-control"),
        ("handle-bidi-pdi", handle("a\u{2069}b"), "handle-bidi-control"),
        ("handle-bidi-mixed", handle("a\u{5d0}"), "handle-bidi-rule"),
        (
            "handle-bidi-latin-inside",
            handle("\u{5d0}a\u{5d1}"),
            "handle-bidi-rule",
        ),
        ("handle-bidi-digit-first", handle("1\u{5d0}"), "handle-bidi-rule"),
        (
            "handle-bidi-ends-with-hyphen",
            handle("\u{5d0}-"),
            "handle-bidi-rule",
        ),
        (
            "handle-bidi-two-kinds-of-digits",
            handle("\u{639}1\u{661}"),
            "handle-bidi-rule",
        ),
        (
            "handle-bidi-mark-inside",
            handle("\u{5d0}\u{5b0}\u{5d1}"),
            "handle-bidi-rule",
        ),
        ("phone-empty", "phone:".into(), "label-empty"),
        (
            "phone-without-plus",
            "phone:14155550100".into(),
            "phone-without-plus",
        ),
        ("phone-plus-only", "phone:+".into(), "phone-length"),
        ("phone-too-short", "phone:+1".into(), "phone-length"),
        ("phone-too-long", "phone:+1234567890123456".into(), "phone-length"),
        (
            "phone-leading-zero",
            "phone:+0123456".into(),
            "phone-leading-zero",
        ),
        ("phone-spaces", "phone:+1 415 555".into(), "phone-character"),
        (
            "phone-other-digits",
            "phone:+\u{661}\u{662}".into(),
            "phone-character",
        ),
    ]
}

#[test]
fn the_vectors_are_frozen_and_hold() {
    let good = accepted().into_iter().map(|(name, label)| {
        let bytes = hex::encode(label.as_bytes());
        (name.to_owned(), json!({"label": label, "bytes": bytes}))
    });
    let bad = refused()
        .into_iter()
        .map(|(name, label, reason)| (name.to_owned(), json!({"label": label, "reason": reason})));
    vectors::demand("label", "", &good.chain(bad).collect::<Vec<_>>());
    let cases = vectors::read("label", "");
    for (name, case) in &cases {
        hold(name, case);
    }
    assert!(cases.len() >= 65, "{}", cases.len());
}

fn hold(name: &str, case: &Value) {
    let text = vectors::text(case, "label");
    match (Label::parse(text), case["reason"].as_str()) {
        (Ok(label), None) => {
            assert_eq!(label.as_str(), text, "{name}");
            assert_eq!(label.as_bytes(), vectors::bytes(case, "bytes"), "{name}");
        }
        (Err(e), Some(reason)) => assert_eq!(e.reason(), reason, "{name}: {e}"),
        (got, expected) => panic!("{name}: {got:?}, expected {expected:?}"),
    }
}

#[test]
fn a_label_knows_its_parts() {
    let label = Label::parse("handle:alice").unwrap();
    assert_eq!((label.kind(), label.name()), (LabelKind::Handle, "alice"));
    assert_eq!(label.account(), None);
    let label = Label::parse("phone:+49123").unwrap();
    assert_eq!((label.kind(), label.name()), (LabelKind::Phone, "+49123"));
    let id = AccountId::parse("a:b").unwrap();
    assert_eq!((id.as_str(), id.label()), ("a:b", "account:a:b"));
    assert_eq!(Label::from(id.clone()), "account:a:b".parse().unwrap());
    assert_eq!(Label::from(id.clone()).account(), Some(&id));
    assert_eq!(Phone::parse("+49").unwrap().to_string(), "+49");
    assert_eq!(Handle::parse("alice").unwrap().to_string(), "alice");
    assert_eq!(MAX_LABEL_BYTES, 136);
    assert_eq!(padding(&[0xab; 32]), format!("padding:{}", "ab".repeat(32)));
}

/// Which code points a handle may consist of was fixed by Unicode 6.3.0. Newer tables of other versions (17.0.0
/// for directions, the compiler's for lower case) must not change it: this hash is over all of them.
#[test]
fn the_repertoire_of_handles_is_pinned() {
    assert_eq!(HANDLE_UNICODE_VERSION, (6, 3, 0));
    assert_eq!(
        precis_profiles::precis_core::UNICODE_VERSION,
        HANDLE_UNICODE_VERSION,
        "identifier class"
    );
    assert_eq!(precis_profiles::UNICODE_VERSION, (17, 0, 0), "directions");
    let mut count = 0u32;
    let mut hash = Sha256::new();
    for c in '\0'..=char::MAX {
        if Handle::parse(c.encode_utf8(&mut [0; 4])).is_ok() {
            count += 1;
            hash.update(u32::from(c).to_be_bytes());
        }
    }
    assert_eq!(count, 97_998);
    let pinned = "41dfe3956f59ea6b0e1d4ca519cc960308a21a4dd982bf56561d9253ec80c36a";
    assert_eq!(hex::encode(hash.finalize()), pinned);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_its_own_canonical_form_or_refused(text in any::<String>()) {
        for label in [text.clone(), format!("account:{text}"), format!("handle:{text}"), format!("phone:{text}")] {
            if let Ok(parsed) = Label::parse(&label) {
                prop_assert_eq!(parsed.as_str(), label.as_str());
                prop_assert_eq!(format!("{}:{}", parsed.kind(), parsed.name()), label);
            }
        }
    }

    #[test]
    fn what_precis_makes_of_a_text_is_accepted(text in "\\PC{1,20}") {
        use precis_profiles::{UsernameCaseMapped, precis_core::profile::PrecisFastInvocation as _};
        if let Ok(canonical) = UsernameCaseMapped::enforce(text.as_str()) {
            let again = UsernameCaseMapped::enforce(canonical.as_ref());
            let stable = again.is_ok_and(|a| a == canonical) && canonical.len() <= Handle::MAX_BYTES;
            prop_assert_eq!(Handle::parse(&canonical).is_ok(), stable);
        }
    }
}

#[test]
fn errors_are_the_named_ones() {
    let too_long = Label::parse(&format!("handle:{}", "a".repeat(65)));
    assert_eq!(too_long, Err(LabelError::TooLong { max: 64, found: 65 }));
    assert_eq!(
        Label::parse("phone:+1"),
        Err(LabelError::PhoneLength { found: 1 })
    );
}
