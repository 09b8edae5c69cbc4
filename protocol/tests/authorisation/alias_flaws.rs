//! Histories of aliases that break exactly one rule.

use serde_json::{Value, json};

use super::Case;
use super::aliases::{alice_rotates, at_version, imported, pinned};
use crate::kit::account::RawAccount;
use crate::kit::alias::*;
use crate::kit::history::{alias_case, alice, holder};
use crate::kit::*;

pub fn cases() -> Vec<Case> {
    [
        malformed(),
        forms(),
        orders(),
        signatures(),
        holders(),
        platform(),
        shapes(),
    ]
    .concat()
}

fn first(name: &'static str, about: &str, reason: &'static str, flaw: impl FnOnce(&mut RawAlias)) -> Case {
    (
        name,
        alias_case(about, &[RawAlias::first().with(flaw)]),
        Err(reason),
    )
}

fn second(name: &'static str, about: &str, reason: &'static str, next: RawAlias) -> Case {
    (name, alias_case(about, &[RawAlias::first(), next]), Err(reason))
}

fn malformed() -> Vec<Case> {
    let one = RawAlias::first();
    let low = bytes32(ED25519_LOW_ORDER);
    vec![
        first(
            "alias-trailing-byte",
            "one byte too many",
            "trailing-bytes",
            |r| r.tail = vec![0],
        ),
        first("alias-too-long", "more than 16 KiB", "record-too-long", |r| {
            r.tail = vec![0; 16 * 1024]
        }),
        first("alias-magic", "the magic of an account", "bad-magic", |r| {
            r.magic = *b"KGA1"
        }),
        first("alias-kind", "kind 6", "unknown-kind", |r| r.kind = 6),
        first("alias-origin", "a space", "record-origin-invalid", |r| {
            r.origin = b"a b".to_vec()
        }),
        first(
            "alias-label-kind",
            "an account has no alias record",
            "record-label-kind",
            |r| r.label = b"account:123".to_vec(),
        ),
        first(
            "alias-label-not-canonical",
            "an upper-case handle",
            "handle-not-canonical",
            |r| r.label = b"handle:Alice".to_vec(),
        ),
        first(
            "alias-holder-label-kind",
            "a handle holds no handle",
            "record-label-kind",
            |r| r.account = b"handle:bob".to_vec(),
        ),
        first("alias-version-zero", "versions begin at 1", "version-zero", |r| {
            r.version = 0
        }),
        first(
            "alias-holder-version-zero",
            "versions begin at 1",
            "version-zero",
            |r| r.holder_version = 0,
        ),
        first(
            "alias-holder-low-order",
            "anybody can sign for it",
            "ed25519-key-low-order",
            |r| r.holder_key = low,
        ),
        first("alias-role-twice", "one role twice", "signature-order", |r| {
            r.signers.push((1, ALICE, Spoil::No))
        }),
        second(
            "alias-previous-holder-low-order",
            "anybody can sign",
            "ed25519-key-low-order",
            one.release().with(|r| r.before_key = low),
        ),
        second(
            "alias-released-version",
            "released, with a version",
            "released-holder-not-zero",
            one.release().with(|r| r.holder_version = 1),
        ),
        second(
            "alias-released-key",
            "released, with a key",
            "released-holder-not-zero",
            one.release().with(|r| r.holder_key = public(ALICE)),
        ),
        second(
            "alias-previous-holder-no-key",
            "a version without key",
            "previous-holder-half-zero",
            one.release().with(|r| r.before_key = [0; 32]),
        ),
        second(
            "alias-previous-holder-no-version",
            "a key without version",
            "previous-holder-half-zero",
            one.release().with(|r| r.before_version = 0),
        ),
    ]
}

fn forms() -> Vec<Case> {
    let one = RawAlias::first();
    let no_holder = |r: &mut RawAlias| {
        r.account.clear();
        r.holder_version = 0;
        r.holder_key = [0; 32];
    };
    let no_previous = |r: &mut RawAlias| {
        r.before_version = 0;
        r.before_key = [0; 32];
    };
    let bare = alice().with(|r| {
        r.devices.clear();
        r.extension.clear();
    });
    let mut short = alias_case("the directory allows a byte less", &[one.clone()]);
    short["rules"]["limits"]["record_bytes"] = json!(one.encode().len() - 1);
    short["accounts"] = json!([holder("account:123", &[bare])]);
    let at = at_version(1000);
    let last = at_version(1024);
    vec![
        first(
            "alias-other-origin",
            "made for another directory",
            "record-other-origin",
            |r| r.origin = b"other".to_vec(),
        ),
        ("alias-record-beyond-directory", short, Err("record-too-long")),
        first(
            "alias-claim-without-holder",
            "claimed by nobody",
            "alias-holder",
            no_holder,
        ),
        second(
            "alias-transfer-without-holder",
            "to nobody",
            "alias-holder",
            one.transfer().with(no_holder),
        ),
        second(
            "alias-release-with-holder",
            "a release that still points",
            "alias-holder",
            one.release().with(|r| {
                r.account = b"account:123".to_vec();
                r.holder_version = 1;
                r.holder_key = public(ALICE);
            }),
        ),
        first(
            "alias-claim-with-previous-holder",
            "nobody before",
            "alias-previous-holder",
            |r| {
                r.before_version = 1;
                r.before_key = public(BOB);
            },
        ),
        second(
            "alias-release-without-previous-holder",
            "who gives it up?",
            "alias-previous-holder",
            one.release().with(no_previous),
        ),
        second(
            "alias-transfer-without-previous-holder",
            "who gives it up?",
            "alias-previous-holder",
            one.transfer().with(no_previous),
        ),
        second(
            "alias-reassign-with-previous-holder",
            "nobody gives it up",
            "alias-previous-holder",
            one.reassign().with(|r| {
                r.before_version = 1;
                r.before_key = public(ALICE);
            }),
        ),
        (
            "alias-transfer-version-limit",
            pinned("version 1,001", &[at.clone(), at.transfer()]),
            Err("version-limit"),
        ),
        (
            "alias-release-version-limit",
            pinned("version 1,025", &[last.clone(), last.release()]),
            Err("version-limit"),
        ),
    ]
}

fn orders() -> Vec<Case> {
    let one = RawAlias::first();
    let released = one.release();
    let transfer = released.transfer();
    let third =
        |about: &str, next: &RawAlias| alias_case(about, &[one.clone(), released.clone(), next.clone()]);
    let mut continued = alias_case("only an import continues", &[one.with(|r| r.previous = [7; 32])]);
    continued["rules"]["predecessor"] = json!(true);
    vec![
        first(
            "alias-release-first",
            "nobody held it",
            "not-a-first-record",
            |r| {
                *r = RawAlias {
                    version: 1,
                    previous: [0; 32],
                    ..r.release()
                }
            },
        ),
        first(
            "alias-transfer-first",
            "nobody held it",
            "not-a-first-record",
            |r| {
                *r = RawAlias {
                    version: 1,
                    previous: [0; 32],
                    ..r.transfer()
                }
            },
        ),
        first(
            "alias-reassign-first",
            "never claimed",
            "not-a-first-record",
            |r| {
                *r = RawAlias {
                    version: 1,
                    previous: [0; 32],
                    ..r.reassign()
                }
            },
        ),
        first(
            "alias-claim-previous",
            "nothing before version 1",
            "previous-hash",
            |r| r.previous = [7; 32],
        ),
        ("alias-claim-predecessor", continued, Err("previous-hash")),
        second(
            "alias-previous-hash",
            "another previous record",
            "previous-hash",
            one.transfer().with(|r| r.previous[31] ^= 1),
        ),
        second(
            "alias-claim-held",
            "somebody holds it",
            "alias-not-released",
            one.claim(),
        ),
        second(
            "alias-imported-again",
            "imported as version 2",
            "only-a-first-record",
            one.claim().with(|r| {
                r.kind = ALIAS_IMPORTED;
                r.signers = vec![(3, IMPORT, Spoil::No)];
            }),
        ),
        (
            "alias-release-released",
            third("nobody holds it", &released.release()),
            Err("alias-not-held"),
        ),
        (
            "alias-transfer-released",
            third("nobody holds it", &transfer),
            Err("alias-not-held"),
        ),
    ]
}

fn signatures() -> Vec<Case> {
    let one = RawAlias::first();
    let released = one.release();
    let roles = "wrong-signature-roles";
    let bad = "bad-record-signature";
    let spoil = |r: RawAlias, i: usize| r.with(|r| r.signers[i].2 = Spoil::FlipBit);
    let keep = |r: RawAlias, i: usize| r.with(|r| r.signers = vec![r.signers[i]]);
    let third = |next: RawAlias| alias_case("taken by the next", &[one.clone(), released.clone(), next]);
    vec![
        first("alias-claim-unsigned", "no signature", roles, |r| {
            r.signers.clear()
        }),
        first("alias-claim-wrong-key", "signed by Mallory", bad, |r| {
            r.signers[0].1 = MALLORY
        }),
        first("alias-claim-malleable-signature", "s + L", bad, |r| {
            r.signers[0].2 = Spoil::AddGroupOrder
        }),
        first(
            "alias-claim-account-context",
            "signed as an account record",
            bad,
            |r| r.context = "keyglass/account-record/v1\0",
        ),
        (
            "alias-claim-again-bad-signature",
            third(spoil(released.claim(), 0)),
            Err(bad),
        ),
        second(
            "alias-release-bad-signature",
            "spoiled",
            bad,
            spoil(one.release(), 0),
        ),
        second(
            "alias-release-by-platform",
            "only the holder releases",
            roles,
            one.release().with(|r| r.signers = vec![(4, RECOVERY, Spoil::No)]),
        ),
        second(
            "alias-transfer-without-previous",
            "the holder did not agree",
            roles,
            keep(one.transfer(), 0),
        ),
        second(
            "alias-transfer-without-new",
            "the new holder did not agree",
            roles,
            keep(one.transfer(), 1),
        ),
        second("alias-transfer-bad-new", "spoiled", bad, spoil(one.transfer(), 0)),
        second(
            "alias-transfer-bad-previous",
            "spoiled",
            bad,
            spoil(one.transfer(), 1),
        ),
        second(
            "alias-reassign-without-platform",
            "the new holder alone",
            roles,
            keep(one.reassign(), 0),
        ),
        second(
            "alias-reassign-without-holder",
            "the platform alone",
            roles,
            keep(one.reassign(), 1),
        ),
        second(
            "alias-reassign-bad-holder",
            "spoiled",
            bad,
            spoil(one.reassign(), 0),
        ),
        second(
            "alias-reassign-bad-recovery",
            "spoiled",
            bad,
            spoil(one.reassign(), 1),
        ),
    ]
}

fn holders() -> Vec<Case> {
    let one = RawAlias::first();
    let mut late = alias_case("the account was created an epoch later", &[one.clone()]);
    late["accounts"][0]["entries"][0]["epoch"] = json!(11);
    let mut unknown = alias_case("no history of the account", &[one.clone()]);
    unknown["accounts"].as_array_mut().unwrap().remove(0);
    let mut unproven = alias_case("the account's history is pinned later", &[one.clone()]);
    let third = RawAccount {
        version: 3,
        ..alice()
    };
    unproven["accounts"][0] = json!({
        "label": "account:123",
        "pinned": hex::encode(third.encode()),
        "entries": [{"version": 3, "epoch": 11, "time": null, "record": hex::encode(third.encode())}],
    });
    let mut erased = alias_case("the account's records are gone", &[one.clone()]);
    erased["accounts"][0] = holder("account:123", &[alice(), alice().closed()]);
    erased["accounts"][0]["entries"][0]["record"] = Value::Null;
    let mut no_previous = alias_case(
        "no history of the previous holder",
        &[one.clone(), one.transfer()],
    );
    no_previous["accounts"].as_array_mut().unwrap().remove(0);
    vec![
        ("alias-account-absent", late, Err("alias-account-absent")),
        ("alias-account-unproven", unknown, Err("alias-account-unproven")),
        (
            "alias-account-unproven-epoch",
            unproven,
            Err("alias-account-unproven"),
        ),
        ("alias-account-erased", erased, Err("alias-account-erased")),
        (
            "alias-previous-account-unproven",
            no_previous,
            Err("alias-account-unproven"),
        ),
        first(
            "alias-holder-other-key",
            "Mallory's key for Alice's account",
            "alias-holder-key",
            |r| {
                r.holder_key = public(MALLORY);
                r.signers = vec![(1, MALLORY, Spoil::No)];
            },
        ),
        first(
            "alias-holder-newer-version",
            "version 2 does not exist yet",
            "alias-holder-version",
            |r| r.holder_version = 2,
        ),
        second(
            "alias-transfer-other-new-key",
            "not Bob's key",
            "alias-holder-key",
            one.transfer().with(|r| {
                r.holder_key = public(MALLORY);
                r.signers[0].1 = MALLORY;
            }),
        ),
        second(
            "alias-release-other-key",
            "Mallory gives Alice's handle away",
            "alias-holder-key",
            one.release().with(|r| {
                r.before_key = public(MALLORY);
                r.signers[0].1 = MALLORY;
            }),
        ),
        second(
            "alias-release-by-other-account",
            "Bob is not the holder",
            "alias-holder-key",
            one.release().with(|r| {
                r.before_key = public(BOB);
                r.signers[0].1 = BOB;
            }),
        ),
        second(
            "alias-release-newer-version",
            "version 2 does not exist",
            "alias-holder-version",
            one.release().with(|r| r.before_version = 2),
        ),
        (
            "alias-release-old-key",
            alice_rotates(alias_case(
                "Alice has another key since",
                &[one.clone(), one.release()],
            )),
            Err("alias-holder-key"),
        ),
    ]
}

fn platform() -> Vec<Case> {
    let one = RawAlias::first();
    let change = |about: &str, records: &[RawAlias], field: &str, value: Value| {
        let mut case = alias_case(about, records);
        case["rules"]["periods"][0][field] = value;
        case
    };
    vec![
        (
            "alias-imported-no-key",
            change("no import key", &[imported()], "import_key", Value::Null),
            Err("no-import-key"),
        ),
        (
            "alias-imported-closed",
            change(
                "an epoch too late",
                &[imported()],
                "import_closed_after",
                json!(9),
            ),
            Err("import-closed"),
        ),
        (
            "alias-imported-bad-signature",
            alias_case("spoiled", &[imported().with(|r| r.signers[0].2 = Spoil::FlipBit)]),
            Err("bad-record-signature"),
        ),
        (
            "alias-imported-previous",
            alias_case("no earlier log", &[imported().with(|r| r.previous = [7; 32])]),
            Err("previous-hash"),
        ),
        (
            "alias-reassign-no-key",
            change(
                "no recovery key",
                &[one.clone(), one.reassign()],
                "recovery_key",
                Value::Null,
            ),
            Err("no-recovery-key"),
        ),
    ]
}

fn shapes() -> Vec<Case> {
    let one = RawAlias::first();
    let mut blank = alias_case("aliases are never erased", &[one.clone(), one.release()]);
    blank["entries"][0]["record"] = Value::Null;
    let mut same_epoch = alias_case("two versions in one epoch", &[one.clone(), one.release()]);
    same_epoch["entries"][1]["epoch"] = json!(10);
    let mut pin = pinned("another first record than the pinned", &[one.clone()]);
    pin["pinned"] = hex::encode(imported().encode()).into();
    let mut label = alias_case(
        "made for another handle",
        &[one.with(|r| r.label = b"handle:alicia".to_vec())],
    );
    label["label"] = json!("handle:alice");
    vec![
        (
            "alias-history-empty",
            alias_case("no entries", &[]),
            Err("history-empty"),
        ),
        ("alias-blank-value", blank, Err("history-blank-value")),
        ("alias-history-same-epoch", same_epoch, Err("record-epoch-order")),
        ("alias-history-not-the-pin", pin, Err("history-not-the-pin")),
        ("alias-other-label", label, Err("record-other-label")),
        second(
            "alias-record-version",
            "its version is not the entry's",
            "record-version",
            one.release().with(|r| r.version = 3),
        ),
    ]
}
