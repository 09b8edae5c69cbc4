//! Histories of aliases that are allowed.

use serde_json::json;

use super::Case;
use crate::kit::alias::*;
use crate::kit::history::{alias_case, alice, holder};
use crate::kit::*;

pub fn imported() -> RawAlias {
    RawAlias::first().with(|r| {
        r.kind = ALIAS_IMPORTED;
        r.signers = vec![(3, IMPORT, Spoil::No)];
    })
}

pub fn at_version(version: u64) -> RawAlias {
    RawAlias::first().with(|r| {
        r.version = version;
        r.previous = [9; 32];
    })
}

pub fn pinned(about: &str, records: &[RawAlias]) -> serde_json::Value {
    let mut case = alias_case(about, records);
    case["pinned"] = hex::encode(records[0].encode()).into();
    case
}

/// Alice changed her identity key in epoch 15: after the alias's first version, before its second.
pub fn alice_rotates(mut case: serde_json::Value) -> serde_json::Value {
    case["accounts"][0] = holder("account:123", &[alice(), alice().rotated()]);
    case
}

pub fn cases() -> Vec<Case> {
    let one = RawAlias::first();
    let released = one.release();
    let rotated = one.release().with(|r| {
        r.before_version = 2;
        r.before_key = public(ALICE_2);
        r.signers = vec![(2, ALICE_2, Spoil::No)];
    });
    let old_version = rotated.with(|r| r.before_version = 1);
    let phone = one.with(|r| r.label = b"phone:+14155550100".to_vec());
    let mut call = alias_case("a telephone number", &[phone]);
    call["label"] = json!("phone:+14155550100");
    let mut predecessor = alias_case(
        "continues an earlier log",
        &[imported().with(|r| r.previous = [7; 32])],
    );
    predecessor["rules"]["predecessor"] = json!(true);
    let mut same_epoch = alias_case("the account is as old as the claim", &[one.clone()]);
    same_epoch["accounts"][0]["entries"][0]["epoch"] = json!(10);
    let foreign = at_version(3).with(|r| r.signers = vec![(1, MALLORY, Spoil::No)]);
    let mut unasked = pinned("nobody asks the previous holder", &[one.clone(), one.reassign()]);
    unasked["accounts"].as_array_mut().unwrap().remove(0);
    let at = at_version(1000);
    let at_released = at.release();
    vec![
        (
            "alias-ok-claim",
            alias_case("claimed by a new holder", &[one.clone()]),
            Ok("held"),
        ),
        ("alias-ok-phone", call, Ok("held")),
        ("alias-ok-same-epoch", same_epoch, Ok("held")),
        (
            "alias-ok-release",
            alias_case("given up", &[one.clone(), released.clone()]),
            Ok("released"),
        ),
        (
            "alias-ok-claim-again",
            alias_case(
                "taken by the next",
                &[one.clone(), released.clone(), released.claim()],
            ),
            Ok("held"),
        ),
        (
            "alias-ok-transfer",
            alias_case("both sign", &[one.clone(), one.transfer()]),
            Ok("held"),
        ),
        (
            "alias-ok-reassign",
            alias_case("by the platform", &[one.clone(), one.reassign()]),
            Ok("held"),
        ),
        (
            "alias-ok-reassign-released",
            alias_case(
                "nobody held it",
                &[one.clone(), released.clone(), released.reassign()],
            ),
            Ok("held"),
        ),
        (
            "alias-ok-imported",
            alias_case("signed by the import key", &[imported()]),
            Ok("held"),
        ),
        ("alias-ok-predecessor", predecessor, Ok("held")),
        (
            "alias-ok-rotated-holder",
            alice_rotates(alias_case(
                "released with the holder's new key",
                &[one.clone(), rotated],
            )),
            Ok("released"),
        ),
        (
            "alias-ok-older-version-named",
            alice_rotates(alias_case(
                "the key counts, the version is only not newer",
                &[one.clone(), old_version],
            )),
            Ok("released"),
        ),
        (
            "alias-ok-pinned",
            pinned(
                "the pin is trusted as it is",
                &[foreign.clone(), foreign.transfer()],
            ),
            Ok("held"),
        ),
        ("alias-ok-reassign-unasked", unasked, Ok("held")),
        (
            "alias-ok-reserved-versions",
            pinned(
                "beyond 1,000: release and reassign",
                &[at, at_released.clone(), at_released.reassign()],
            ),
            Ok("held"),
        ),
    ]
}
