//! Histories of accounts that break exactly one rule.

use serde_json::{Value, json};

use super::Case;
use super::accounts::{at_version, delayed, erased, imported, pinned};
use crate::kit::account::*;
use crate::kit::history::{account_case, leaf_time};
use crate::kit::*;

pub fn cases() -> Vec<Case> {
    [
        malformed(),
        bad_keys(),
        limits(),
        firsts(),
        links(),
        signatures(),
        notices(),
        delays(),
        closings(),
        platform(),
        shapes(),
        blanks(),
    ]
    .concat()
}

/// A history of one first record with this flaw.
fn first(name: &'static str, about: &str, reason: &'static str, flaw: impl FnOnce(&mut RawAccount)) -> Case {
    (
        name,
        account_case(about, &[RawAccount::first().with(flaw)]),
        Err(reason),
    )
}

/// A history of a first record and one that follows it.
fn second(name: &'static str, about: &str, reason: &'static str, next: RawAccount) -> Case {
    (
        name,
        account_case(about, &[RawAccount::first(), next]),
        Err(reason),
    )
}

fn cut(mut case: Value, bytes: usize) -> Value {
    let record = case["entries"][0]["record"].as_str().unwrap();
    let kept = record.len() - 2 * bytes;
    case["entries"][0]["record"] = record[..kept].into();
    case
}

fn malformed() -> Vec<Case> {
    let whole = account_case("one byte is missing", &[RawAccount::first()]);
    vec![
        ("account-truncated", cut(whole, 1), Err("truncated")),
        first(
            "account-trailing-byte",
            "one byte too many",
            "trailing-bytes",
            |r| r.tail = vec![0],
        ),
        first("account-magic", "the magic of an alias", "bad-magic", |r| {
            r.magic = *b"KGH1"
        }),
        first("account-kind", "kind 7", "unknown-kind", |r| r.kind = 7),
        first("account-kind-zero", "kind 0", "unknown-kind", |r| r.kind = 0),
        first(
            "account-origin",
            "no name of a log has a plus sign",
            "record-origin-invalid",
            |r| {
                r.origin = b"keyglass.example+log".to_vec();
            },
        ),
        first("account-origin-not-utf8", "invalid UTF-8", "not-utf8", |r| {
            r.origin = vec![0xff]
        }),
        first(
            "account-label-not-canonical",
            "a space in the id",
            "account-character",
            |r| {
                r.label = b"account:1 3".to_vec();
            },
        ),
        first(
            "account-label-kind",
            "a handle has no account record",
            "record-label-kind",
            |r| {
                r.label = b"handle:alice".to_vec();
            },
        ),
        first(
            "account-version-zero",
            "versions begin at 1",
            "version-zero",
            |r| r.version = 0,
        ),
        first(
            "account-device-uses-none",
            "a device without a use",
            "device-uses",
            |r| r.devices[0].uses = 0,
        ),
        first(
            "account-device-uses-unknown",
            "an unknown use",
            "device-uses",
            |r| r.devices[0].uses = 4,
        ),
        first("account-device-twice", "one id twice", "device-order", |r| {
            r.devices = vec![device(7), device(7)]
        }),
        first("account-device-order", "descending ids", "device-order", |r| {
            r.devices = vec![device(8), device(7)]
        }),
        first("account-role-unknown", "role 5", "unknown-kind", |r| {
            r.signers[0].0 = 5
        }),
        first("account-role-twice", "one role twice", "signature-order", |r| {
            r.signers = vec![(1, ALICE, Spoil::No), (1, ALICE, Spoil::No)];
        }),
        first("account-role-order", "descending roles", "signature-order", |r| {
            r.signers = vec![(4, RECOVERY, Spoil::No), (1, ALICE, Spoil::No)];
        }),
    ]
}

fn bad_keys() -> Vec<Case> {
    let low = bytes32(ED25519_LOW_ORDER);
    let none = bytes32(ED25519_NOT_A_POINT);
    vec![
        first(
            "account-identity-low-order",
            "anybody can sign for it",
            "ed25519-key-low-order",
            |r| r.identity = low,
        ),
        first(
            "account-identity-not-canonical",
            "y is not reduced",
            "ed25519-key-not-canonical",
            |r| {
                r.identity = ed25519_not_canonical();
            },
        ),
        first(
            "account-identity-not-a-point",
            "no point",
            "ed25519-key-not-a-point",
            |r| r.identity = none,
        ),
        first(
            "account-device-key-low-order",
            "signing key",
            "ed25519-key-low-order",
            |r| r.devices[0].signing = low,
        ),
        first(
            "account-device-dh-low-order",
            "shared secrets are zero",
            "x25519-key-low-order",
            |r| {
                r.devices[0].dh = bytes32(X25519_LOW_ORDER);
            },
        ),
        first(
            "account-device-dh-high-bit",
            "highest bit set",
            "x25519-key-not-canonical",
            |r| {
                r.devices[0].dh = bytes32(X25519_HIGH_BIT);
            },
        ),
        first(
            "account-device-dh-not-reduced",
            "2^255 - 10",
            "x25519-key-not-canonical",
            |r| {
                r.devices[0].dh = bytes32(X25519_NOT_REDUCED);
            },
        ),
    ]
}

fn limits() -> Vec<Case> {
    let many = |n: u32| (1..=n).map(device).collect::<Vec<_>>();
    let large = |r: &mut RawAccount| {
        r.devices = many(16);
        r.devices.iter_mut().for_each(|d| d.opaque = vec![5; 1000]);
    };
    let mut few = account_case(
        "the directory allows one device",
        &[RawAccount::first().with(|r| r.devices = many(2))],
    );
    few["rules"]["limits"]["devices"] = json!(1);
    let mut short = account_case("the directory allows 200 bytes", &[RawAccount::first()]);
    short["rules"]["limits"]["record_bytes"] = json!(200);
    let at = at_version(1000);
    let last = at_version(1024);
    vec![
        first(
            "account-record-too-long",
            "more than 16 KiB",
            "record-too-long",
            large,
        ),
        ("account-record-beyond-directory", short, Err("record-too-long")),
        first(
            "account-too-many-devices",
            "65 devices",
            "too-many-devices",
            |r| r.devices = many(65),
        ),
        ("account-devices-beyond-directory", few, Err("too-many-devices")),
        first("account-opaque-too-long", "1,025 opaque bytes", "too-long", |r| {
            r.devices[0].opaque = vec![1; 1025]
        }),
        first("account-extension-too-long", "4,097 bytes", "too-long", |r| {
            r.extension = vec![1; 4097]
        }),
        first(
            "account-delay-too-long",
            "30 days and a second",
            "recovery-delay-too-long",
            |r| r.delay = 2_592_001,
        ),
        (
            "account-owner-version-limit",
            pinned(
                "an owner's version 1,001 that answers no notice",
                &[at.clone(), at.then()],
            ),
            Err("version-limit"),
        ),
        (
            "account-reserved-version-limit",
            pinned("version 1,025", &[last.clone(), last.notice([1; 32])]),
            Err("version-limit"),
        ),
    ]
}

fn firsts() -> Vec<Case> {
    let not_a_first = |kind| move |r: &mut RawAccount| r.kind = kind;
    let mut continued = account_case(
        "only an imported record continues the earlier log",
        &[RawAccount::first().with(|r| r.previous = [7; 32])],
    );
    continued["rules"]["predecessor"] = json!(true);
    vec![
        first(
            "account-owner-first",
            "an owner's version 1",
            "not-a-first-record",
            not_a_first(OWNER),
        ),
        first(
            "account-recovery-first",
            "a recovery as version 1",
            "not-a-first-record",
            |r| {
                r.kind = RECOVERED;
                r.signers.push((4, RECOVERY, Spoil::No));
            },
        ),
        first(
            "account-notice-first",
            "a notice as version 1",
            "not-a-first-record",
            |r| {
                r.kind = NOTICE;
                r.signers = vec![(4, RECOVERY, Spoil::No)];
            },
        ),
        first(
            "account-closed-first",
            "a closing as version 1",
            "not-a-first-record",
            |r| {
                r.kind = CLOSED;
                r.devices.clear();
            },
        ),
        first(
            "account-created-previous",
            "nothing comes before version 1",
            "previous-hash",
            |r| r.previous = [7; 32],
        ),
        ("account-created-predecessor", continued, Err("previous-hash")),
        (
            "account-imported-previous",
            account_case(
                "there is no earlier log",
                &[imported().with(|r| r.previous = [7; 32])],
            ),
            Err("previous-hash"),
        ),
        first(
            "account-other-origin",
            "made for another directory",
            "record-other-origin",
            |r| {
                r.origin = b"keyglass.example/other".to_vec();
            },
        ),
        first(
            "account-other-label",
            "made for another account",
            "record-other-label",
            |r| {
                r.label = b"account:124".to_vec();
            },
        ),
        first(
            "account-announcement",
            "only a notice announces",
            "announcement-outside-notice",
            |r| {
                r.announced = announce(ALICE_2);
            },
        ),
    ]
}

fn links() -> Vec<Case> {
    let one = RawAccount::first();
    vec![
        second(
            "account-previous-hash",
            "another previous record",
            "previous-hash",
            one.then().with(|r| r.previous[0] ^= 1),
        ),
        second(
            "account-created-again",
            "created a second time",
            "only-a-first-record",
            one.then().with(|r| r.kind = CREATED),
        ),
        second(
            "account-imported-again",
            "imported as version 2",
            "only-a-first-record",
            one.then().with(|r| {
                r.kind = IMPORTED;
                r.signers = vec![(3, IMPORT, Spoil::No)];
            }),
        ),
        second(
            "account-owner-announces",
            "only a notice announces",
            "announcement-outside-notice",
            one.then().with(|r| r.announced = announce(ALICE_2)),
        ),
        second(
            "account-successor-other-origin",
            "made elsewhere",
            "record-other-origin",
            one.then().with(|r| {
                r.origin = b"keyglass.example/other".to_vec();
            }),
        ),
        second(
            "account-record-version",
            "its version is not the entry's",
            "record-version",
            one.then().with(|r| r.version = 3),
        ),
    ]
}

fn signatures() -> Vec<Case> {
    let one = RawAccount::first();
    let spoil = |r: &RawAccount, i: usize, s: Spoil| r.with(|r| r.signers[i].2 = s);
    let roles = "wrong-signature-roles";
    let bad = "bad-record-signature";
    vec![
        first("account-created-unsigned", "no signature", roles, |r| {
            r.signers.clear()
        }),
        first(
            "account-created-two-roles",
            "one signature too many",
            roles,
            |r| r.signers.push((4, RECOVERY, Spoil::No)),
        ),
        first("account-created-wrong-key", "signed by Mallory", bad, |r| {
            r.signers[0].1 = MALLORY
        }),
        first("account-created-malleable-signature", "s + L", bad, |r| {
            r.signers[0].2 = Spoil::AddGroupOrder
        }),
        first(
            "account-created-alias-context",
            "signed as an alias record",
            bad,
            |r| {
                r.context = "keyglass/alias-record/v1\0";
            },
        ),
        second(
            "account-owner-wrong-key",
            "the platform cannot sign for Alice",
            bad,
            one.then().with(|r| r.signers[0].1 = MALLORY),
        ),
        second(
            "account-owner-recovery-key",
            "the recovery key alone",
            roles,
            one.then().with(|r| {
                r.signers = vec![(4, RECOVERY, Spoil::No)];
            }),
        ),
        second(
            "account-owner-two-roles",
            "the key did not change",
            roles,
            one.then().with(|r| {
                r.signers = vec![(1, ALICE, Spoil::No), (2, ALICE, Spoil::No)];
            }),
        ),
        second(
            "account-owner-missing-role",
            "the previous key did not agree",
            roles,
            one.rotated().with(|r| {
                r.signers.pop();
            }),
        ),
        second(
            "account-owner-missing-new-key",
            "the new key did not sign",
            roles,
            one.rotated().with(|r| {
                r.signers.remove(0);
            }),
        ),
        second(
            "account-owner-bad-new-key",
            "spoiled",
            bad,
            spoil(&one.rotated(), 0, Spoil::FlipBit),
        ),
        second(
            "account-owner-bad-previous-key",
            "spoiled",
            bad,
            spoil(&one.rotated(), 1, Spoil::FlipBit),
        ),
        second(
            "account-notice-by-owner",
            "only the recovery key announces",
            roles,
            one.notice([1; 32]).with(|r| {
                r.signers = vec![(1, ALICE, Spoil::No)];
            }),
        ),
        second(
            "account-notice-bad-signature",
            "spoiled",
            bad,
            spoil(&one.notice([1; 32]), 0, Spoil::FlipBit),
        ),
        second(
            "account-recovery-without-platform",
            "the new key alone",
            roles,
            one.recovery().with(|r| {
                r.signers.pop();
            }),
        ),
        second(
            "account-recovery-without-owner",
            "the recovery key alone",
            roles,
            one.recovery().with(|r| {
                r.signers.remove(0);
            }),
        ),
        second(
            "account-recovery-bad-identity",
            "spoiled",
            bad,
            spoil(&one.recovery(), 0, Spoil::FlipBit),
        ),
        second(
            "account-recovery-bad-recovery",
            "spoiled",
            bad,
            spoil(&one.recovery(), 1, Spoil::FlipBit),
        ),
        second(
            "account-closed-two-roles",
            "owner or platform, not both",
            roles,
            one.closed().with(|r| {
                r.signers.push((4, RECOVERY, Spoil::No));
            }),
        ),
        second(
            "account-closed-bad-signature",
            "spoiled",
            bad,
            spoil(&one.closed(), 0, Spoil::FlipBit),
        ),
        second(
            "account-closed-by-platform-bad-signature",
            "spoiled",
            bad,
            spoil(&one.closed_by_platform(), 0, Spoil::FlipBit),
        ),
    ]
}

fn notices() -> Vec<Case> {
    let one = RawAccount::first();
    let notice = |flaw: fn(&mut RawAccount)| one.notice(announce(ALICE_2)).with(flaw);
    let reason = "notice-changes-record";
    vec![
        second(
            "account-notice-changes-identity",
            "the key already",
            reason,
            notice(|r| r.identity = public(ALICE_2)),
        ),
        second(
            "account-notice-changes-delay",
            "the delay",
            reason,
            notice(|r| r.delay = 1),
        ),
        second(
            "account-notice-changes-devices",
            "a ghost device",
            reason,
            notice(|r| r.devices.push(device(9))),
        ),
        second(
            "account-notice-changes-extension",
            "the extension",
            reason,
            notice(|r| r.extension.clear()),
        ),
    ]
}

fn three(
    name: &'static str,
    about: &str,
    reason: &'static str,
    notice: &RawAccount,
    last: RawAccount,
) -> Case {
    (
        name,
        account_case(about, &[delayed(), notice.clone(), last]),
        Err(reason),
    )
}

fn delays() -> Vec<Case> {
    let one = delayed();
    let key = one.notice(announce(ALICE_2));
    let end = one.notice([0; 32]);
    let allowed = account_case("", &[one.clone(), key.clone(), key.recovery()]);
    let with = |about: &str, entry: usize, time: Value| {
        let mut case = allowed.clone();
        case["about"] = about.into();
        case["entries"][entry]["time"] = time;
        case
    };
    let mut early_end = account_case(
        "a millisecond too early",
        &[one.clone(), end.clone(), end.closed_by_platform()],
    );
    early_end["entries"][2]["time"] = json!(leaf_time(30) - 1);
    let mut lowered = account_case(
        "the delay that counts is the one before the recovery",
        &[one.clone(), key.clone(), key.recovery().with(|r| r.delay = 0)],
    );
    lowered["entries"][2]["time"] = json!(leaf_time(30) - 1);
    let idle = RawAccount::first().notice(announce(BOB));
    vec![
        (
            "account-recovery-too-early",
            with("a millisecond too early", 2, json!(leaf_time(30) - 1)),
            Err("recovery-too-early"),
        ),
        (
            "account-recovery-time-backwards",
            with("the recovery's leaf is earlier", 2, json!(1)),
            Err("recovery-too-early"),
        ),
        (
            "account-recovery-lowers-delay",
            lowered,
            Err("recovery-too-early"),
        ),
        ("account-closed-too-early", early_end, Err("recovery-too-early")),
        (
            "account-recovery-leaf-time-missing",
            with("no leaf for the recovery", 2, Value::Null),
            Err("leaf-time-missing"),
        ),
        (
            "account-notice-leaf-time-missing",
            with("no leaf for the notice", 1, Value::Null),
            Err("leaf-time-missing"),
        ),
        (
            "account-recovery-notice-missing",
            account_case("no notice", &[one.clone(), one.recovery()]),
            Err("notice-missing"),
        ),
        (
            "account-closed-notice-missing",
            account_case(
                "the platform closes without a notice",
                &[one.clone(), one.closed_by_platform()],
            ),
            Err("notice-missing"),
        ),
        (
            "account-recovery-not-after-notice",
            account_case(
                "the owner answered in between",
                &[one.clone(), key.clone(), key.then(), key.then().recovery()],
            ),
            Err("notice-missing"),
        ),
        three(
            "account-recovery-other-key",
            "another key than announced",
            "not-what-was-announced",
            &key,
            {
                key.recovery().with(|r| {
                    r.identity = public(MALLORY);
                    r.signers[0].1 = MALLORY;
                })
            },
        ),
        three(
            "account-recovery-announced-closing",
            "a closing was announced",
            "not-what-was-announced",
            &end,
            end.recovery(),
        ),
        three(
            "account-closed-announced-key",
            "a key was announced",
            "not-what-was-announced",
            &key,
            key.closed_by_platform(),
        ),
        (
            "account-recovery-other-key-without-delay",
            account_case(
                "a notice binds even without a delay",
                &[RawAccount::first(), idle.clone(), idle.recovery()],
            ),
            Err("not-what-was-announced"),
        ),
    ]
}

fn closings() -> Vec<Case> {
    let one = RawAccount::first();
    let closed = one.closed();
    let after = |next: RawAccount| {
        account_case(
            "only a notice or a recovery follows a closing",
            &[one.clone(), closed.clone(), next],
        )
    };
    vec![
        (
            "account-closed-then-owner",
            after(closed.then()),
            Err("after-closed"),
        ),
        (
            "account-closed-then-closed",
            after(closed.closed()),
            Err("after-closed"),
        ),
        second(
            "account-closed-devices",
            "devices are left",
            "closed-with-devices",
            one.closed().with(|r| r.devices = vec![device(7)]),
        ),
        second(
            "account-closed-identity",
            "the key changes",
            "closed-changes-identity",
            one.closed().with(|r| {
                r.identity = public(ALICE_2);
                r.signers = vec![(1, ALICE_2, Spoil::No)];
            }),
        ),
        second(
            "account-closed-delay",
            "the delay changes",
            "closed-changes-delay",
            one.closed().with(|r| r.delay = 5),
        ),
    ]
}

fn platform() -> Vec<Case> {
    let one = RawAccount::first();
    let change = |about: &str, records: &[RawAccount], field: &str, value: Value| {
        let mut case = account_case(about, records);
        case["rules"]["periods"][0][field] = value;
        case
    };
    let mut before = account_case("the configuration with the keys begins later", &[imported()]);
    before["rules"]["periods"][0]["from"] = json!(11);
    let no_recovery =
        |about: &str, next: RawAccount| change(about, &[one.clone(), next], "recovery_key", Value::Null);
    vec![
        (
            "account-imported-no-key",
            change("no import key", &[imported()], "import_key", Value::Null),
            Err("no-import-key"),
        ),
        ("account-imported-before-key", before, Err("no-import-key")),
        (
            "account-imported-closed",
            change(
                "an epoch too late",
                &[imported()],
                "import_closed_after",
                json!(9),
            ),
            Err("import-closed"),
        ),
        (
            "account-imported-bad-signature",
            account_case("spoiled", &[imported().with(|r| r.signers[0].2 = Spoil::FlipBit)]),
            Err("bad-record-signature"),
        ),
        (
            "account-imported-by-owner",
            account_case(
                "the import key must sign",
                &[imported().with(|r| r.signers = vec![(1, ALICE, Spoil::No)])],
            ),
            Err("wrong-signature-roles"),
        ),
        (
            "account-notice-no-key",
            no_recovery("no recovery key", one.notice([1; 32])),
            Err("no-recovery-key"),
        ),
        (
            "account-recovery-no-key",
            no_recovery("no recovery key", one.recovery()),
            Err("no-recovery-key"),
        ),
        (
            "account-closed-no-key",
            no_recovery("no recovery key", one.closed_by_platform()),
            Err("no-recovery-key"),
        ),
    ]
}

fn shapes() -> Vec<Case> {
    let (one, two) = (RawAccount::first(), RawAccount::first().then());
    let changed = |about: &str, entry: usize, field: &str, value: u64| {
        let mut case = account_case(about, &[one.clone(), two.clone()]);
        case["entries"][entry][field] = value.into();
        case
    };
    let mut gap = account_case("version 2 was left out", &[one.clone(), two.then()]);
    gap["entries"][1]["version"] = json!(3);
    let mut other_pin = pinned(
        "another first record than the pinned",
        &[one.clone(), two.clone()],
    );
    other_pin["pinned"] = hex::encode(one.with(|r| r.extension.clear()).encode()).into();
    let mut later_pin = pinned("the pinned version was left out", &[two.clone()]);
    later_pin["pinned"] = hex::encode(one.encode()).into();
    vec![
        (
            "account-history-empty",
            account_case("no entries", &[]),
            Err("history-empty"),
        ),
        (
            "account-history-begins-later",
            account_case("version 1 was left out", &[two.clone()]),
            Err("record-version"),
        ),
        ("account-history-gap", gap, Err("record-version")),
        (
            "account-history-same-epoch",
            changed("two versions in one epoch", 1, "epoch", 10),
            Err("record-epoch-order"),
        ),
        (
            "account-history-epoch-backwards",
            changed("an epoch before", 1, "epoch", 9),
            Err("record-epoch-order"),
        ),
        (
            "account-history-not-the-pin",
            other_pin,
            Err("history-not-the-pin"),
        ),
        ("account-history-after-the-pin", later_pin, Err("record-version")),
    ]
}

fn blanks() -> Vec<Case> {
    let one = RawAccount::first();
    let closed = one.closed().with(|r| r.version = 3);
    let reason = "history-blank-value";
    let spoiled = |i: usize| one.with(|r| r.signers[i].2 = Spoil::FlipBit);
    let mut pin = pinned(
        "another record at the pinned version",
        &[one.clone(), one.then(), closed.clone()],
    );
    pin["pinned"] = hex::encode(one.with(|r| r.extension.clear()).encode()).into();
    pin["entries"][1]["record"] = Value::Null;
    let mut gap = erased("version 2 was left out", &[None, Some(closed.clone())]);
    gap["entries"][1]["version"] = json!(3);
    let bad_link = one.then().with(|r| r.signers[0].1 = MALLORY);
    vec![
        (
            "account-blank-below-live",
            erased("the account is not closed", &[None, Some(one.then())]),
            Err(reason),
        ),
        (
            "account-blank-newest",
            erased("the newest value", &[Some(one.clone()), None]),
            Err(reason),
        ),
        (
            "account-blank-above-closed",
            erased(
                "nothing follows an erasure",
                &[Some(one.clone()), Some(one.closed()), None],
            ),
            Err(reason),
        ),
        (
            "account-blank-below-notice",
            erased(
                "nothing follows an erasure",
                &[None, Some(one.closed()), Some(one.closed().notice([1; 32]))],
            ),
            Err(reason),
        ),
        (
            "account-erased-bad-signature",
            erased(
                "who closed it?",
                &[None, None, Some(closed.with(|r| r.signers[0].2 = Spoil::FlipBit))],
            ),
            Err("bad-record-signature"),
        ),
        (
            "account-erased-first-bad-signature",
            erased(
                "what is left must be allowed",
                &[Some(spoiled(0)), None, Some(closed.clone())],
            ),
            Err("bad-record-signature"),
        ),
        (
            "account-erased-step-bad-signature",
            erased(
                "what is left must be allowed",
                &[
                    Some(one.clone()),
                    Some(bad_link),
                    None,
                    Some(one.closed().with(|r| r.version = 4)),
                ],
            ),
            Err("bad-record-signature"),
        ),
        (
            "account-erased-other-origin",
            erased(
                "what is left must be this directory's",
                &[
                    None,
                    Some(one.then().with(|r| r.origin = b"o".to_vec())),
                    None,
                    Some(one.closed().with(|r| r.version = 4)),
                ],
            ),
            Err("record-other-origin"),
        ),
        ("account-erased-history-gap", gap, Err("record-version")),
        (
            "account-erased-record-version",
            erased("a closing of another version", &[None, Some(closed.clone())]),
            Err("record-version"),
        ),
        ("account-erased-not-the-pin", pin, Err("history-not-the-pin")),
    ]
}
