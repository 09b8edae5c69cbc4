//! Histories of accounts that are allowed.

use serde_json::json;

use super::Case;
use crate::kit::account::*;
use crate::kit::history::{account_case, entries, rules};
use crate::kit::*;

/// 1 hour: exactly the time between two leaves of the vectors is 10 hours.
pub const TEN_HOURS: u32 = 36_000;

pub fn delayed() -> RawAccount {
    RawAccount::first().with(|r| r.delay = TEN_HOURS)
}

pub fn imported() -> RawAccount {
    RawAccount::first().with(|r| {
        r.kind = IMPORTED;
        r.signers = vec![(3, IMPORT, Spoil::No)];
    })
}

/// A record at version 1,000 as a pin.
pub fn at_version(version: u64) -> RawAccount {
    RawAccount::first().with(|r| {
        r.kind = OWNER;
        r.version = version;
        r.previous = [9; 32];
    })
}

/// A history that begins at a pinned record.
pub fn pinned(about: &str, records: &[RawAccount]) -> serde_json::Value {
    let mut case = account_case(about, records);
    case["pinned"] = hex::encode(records[0].encode()).into();
    case
}

/// A history whose values are missing where `None`.
pub fn erased(about: &str, records: &[Option<RawAccount>]) -> serde_json::Value {
    let records: Vec<_> = records
        .iter()
        .map(|r| r.as_ref().map(RawAccount::encode))
        .collect();
    let mut case = account_case(about, &[]);
    case["entries"] = entries(&records, 1);
    case
}

pub fn cases() -> Vec<Case> {
    [simple(), recoveries(), closings(), from_a_pin(), platform()].concat()
}

fn simple() -> Vec<Case> {
    let first = RawAccount::first();
    let more = first.then().with(|r| r.devices.push(device(8)));
    let bare = first.with(|r| {
        r.devices.clear();
        r.extension.clear();
    });
    vec![
        (
            "account-ok-created",
            account_case("version 1 of an account", &[first.clone()]),
            Ok("live"),
        ),
        (
            "account-ok-without-devices",
            account_case("no devices, no extension", &[bare]),
            Ok("live"),
        ),
        (
            "account-ok-device-added",
            account_case("the owner adds a device", &[first.clone(), more]),
            Ok("live"),
        ),
        (
            "account-ok-rotated",
            account_case(
                "the owner changes the identity key, both keys sign",
                &[first.clone(), first.rotated()],
            ),
            Ok("live"),
        ),
        (
            "account-ok-longest-delay",
            account_case("30 days", &[first.with(|r| r.delay = 2_592_000)]),
            Ok("live"),
        ),
    ]
}

fn recoveries() -> Vec<Case> {
    let (first, delayed) = (RawAccount::first(), delayed());
    let notice = delayed.notice(announce(ALICE_2));
    let free = first.notice(announce(ALICE_2));
    let recovery = notice.recovery();
    let again = notice.notice(announce(BOB));
    let to_bob = again.recovery().with(|r| {
        r.identity = public(BOB);
        r.signers[0].1 = BOB;
    });
    vec![
        (
            "account-ok-recovery",
            account_case(
                "the delay has passed to the millisecond",
                &[delayed.clone(), notice.clone(), recovery],
            ),
            Ok("live"),
        ),
        (
            "account-ok-recovery-without-delay",
            account_case(
                "the owner chose no delay: no notice is needed",
                &[first.clone(), first.recovery()],
            ),
            Ok("live"),
        ),
        (
            "account-ok-recovery-after-idle-notice",
            account_case(
                "a notice that was not needed",
                &[first, free.clone(), free.recovery()],
            ),
            Ok("live"),
        ),
        (
            "account-ok-notice-cancelled",
            account_case(
                "the owner answers the notice",
                &[delayed.clone(), notice.clone(), notice.then()],
            ),
            Ok("live"),
        ),
        (
            "account-ok-second-notice",
            account_case(
                "a second notice announces another key",
                &[delayed, notice, again, to_bob],
            ),
            Ok("live"),
        ),
    ]
}

fn closings() -> Vec<Case> {
    let (first, delayed) = (RawAccount::first(), delayed());
    let end = delayed.notice([0; 32]);
    let closed = first.closed();
    let closed_delayed = delayed.closed();
    let notice = closed_delayed.notice(announce(ALICE_2));
    vec![
        (
            "account-ok-closed",
            account_case("closed by the owner", &[first.clone(), closed.clone()]),
            Ok("closed"),
        ),
        (
            "account-ok-closed-by-platform",
            account_case(
                "a notice with zeros, then the delay",
                &[delayed.clone(), end.clone(), end.closed_by_platform()],
            ),
            Ok("closed"),
        ),
        (
            "account-ok-closed-by-platform-without-delay",
            account_case(
                "no delay: no notice is needed",
                &[first.clone(), first.closed_by_platform()],
            ),
            Ok("closed"),
        ),
        (
            "account-ok-closed-by-owner-under-notice",
            account_case(
                "the owner answers a notice by closing",
                &[delayed.clone(), end.clone(), end.closed()],
            ),
            Ok("closed"),
        ),
        (
            "account-ok-reopened",
            account_case(
                "a recovery follows a closing",
                &[first.clone(), closed.clone(), closed.recovery()],
            ),
            Ok("live"),
        ),
        (
            "account-ok-notice-above-closed",
            account_case(
                "announced, and still closed",
                &[delayed.clone(), closed_delayed.clone(), notice.clone()],
            ),
            Ok("closed"),
        ),
        (
            "account-ok-reopened-after-notice",
            account_case(
                "with delay",
                &[delayed, closed_delayed, notice.clone(), notice.recovery()],
            ),
            Ok("live"),
        ),
        (
            "account-ok-erased",
            erased(
                "values below the closing are gone",
                &[None, None, Some(closed.with(|r| r.version = 3))],
            ),
            Ok("erased"),
        ),
        (
            "account-ok-erased-in-part",
            erased(
                "one value is left and still allowed",
                &[Some(first.clone()), None, Some(closed.with(|r| r.version = 3))],
            ),
            Ok("erased"),
        ),
        (
            "account-ok-erased-closed-by-platform",
            erased(
                "the recovery key signed the closing",
                &[None, Some(first.closed_by_platform())],
            ),
            Ok("erased"),
        ),
    ]
}

fn from_a_pin() -> Vec<Case> {
    let at = at_version(1000);
    let notice = at.notice(announce(ALICE_2));
    let third = at_version(3).with(|r| r.signers = vec![(1, MALLORY, Spoil::No)]);
    let mut erased_pin = pinned("the pinned value itself is gone", &[at.clone(), at.closed()]);
    erased_pin["entries"][0]["record"] = serde_json::Value::Null;
    vec![
        (
            "account-ok-pinned",
            pinned(
                "the pin is trusted as it is, the next step is checked",
                &[third.clone(), third.then()],
            ),
            Ok("live"),
        ),
        (
            "account-ok-pinned-newest",
            pinned("nothing happened since", &[third]),
            Ok("live"),
        ),
        (
            "account-ok-reserved-versions",
            pinned(
                "beyond 1,000: notice, the owner's answer, notice, recovery, closing",
                &[
                    at.clone(),
                    notice.clone(),
                    notice.then(),
                    notice.then().notice(announce(ALICE_2)),
                    notice.then().notice(announce(ALICE_2)).recovery(),
                    notice
                        .then()
                        .notice(announce(ALICE_2))
                        .recovery()
                        .closed_by_platform(),
                ],
            ),
            Ok("closed"),
        ),
        ("account-ok-erased-pin", erased_pin, Ok("erased")),
    ]
}

fn platform() -> Vec<Case> {
    let (first, imported) = (RawAccount::first(), imported());
    let mut last_import = account_case("in the last epoch that is open", &[imported.clone()]);
    last_import["rules"]["periods"][0]["import_closed_after"] = json!(10);
    let mut predecessor = account_case(
        "version 1 names the final record of the earlier log",
        &[imported.with(|r| r.previous = [7; 32])],
    );
    predecessor["rules"]["predecessor"] = json!(true);
    let mut rotated = account_case(
        "the recovery key changed in epoch 20",
        &[first.clone(), first.recovery()],
    );
    rotated["entries"][1]["record"] =
        hex::encode(first.recovery().with(|r| r.signers[1].1 = MALLORY).encode()).into();
    let mut second = rules()["periods"][0].clone();
    second["from"] = json!(20);
    second["recovery_key"] = hex::encode(public(MALLORY)).into();
    rotated["rules"]["periods"]
        .as_array_mut()
        .unwrap()
        .insert(0, second);
    vec![
        (
            "account-ok-imported",
            account_case("signed by the import key", &[imported.clone()]),
            Ok("imported"),
        ),
        ("account-ok-last-import", last_import, Ok("imported")),
        ("account-ok-predecessor", predecessor, Ok("imported")),
        (
            "account-ok-imported-notice",
            account_case(
                "a notice is not the owner's",
                &[imported.clone(), imported.notice(announce(ALICE_2))],
            ),
            Ok("imported"),
        ),
        (
            "account-ok-imported-owned",
            account_case("the owner has spoken", &[imported.clone(), imported.then()]),
            Ok("live"),
        ),
        ("account-ok-recovery-key-changed", rotated, Ok("live")),
    ]
}
