//! Safety numbers: the published vectors bit for bit, and what must not match.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod kit;

use curve25519_dalek::montgomery::MontgomeryPoint;
use keyglass_protocol::label::AccountId;
use keyglass_protocol::record::{AccountRecord, IdentityKey};
use keyglass_protocol::safety_number::{
    AgreementKey, Fingerprint, Qr, QrVersion, SafetyNumber, SafetyNumberError,
};
use kit::account::{RawAccount, device};
use kit::{key, public, vectors};
use proptest::prelude::*;
use serde_json::{Value, json};

fn published() -> Value {
    vectors::read_one("safety_number", "published")
}

fn fingerprint(party: &Value) -> Fingerprint {
    let key = AgreementKey::from_bytes(&vectors::bytes(party, "key")).unwrap();
    Fingerprint::new(vectors::text(party, "id"), &key)
}

fn pair(case: &Value) -> (SafetyNumber, SafetyNumber) {
    let (alice, bob) = (fingerprint(&case["alice"]), fingerprint(&case["bob"]));
    (
        SafetyNumber::new(alice, bob).unwrap(),
        SafetyNumber::new(bob, alice).unwrap(),
    )
}

#[test]
fn the_published_vectors_come_out_bit_for_bit() {
    for case in published()["vectors"].as_array().unwrap() {
        let (alice, bob) = pair(case);
        assert_eq!(alice.digits(), vectors::text(case, "display"));
        assert_eq!(bob.digits(), vectors::text(case, "display"));
        for (number, version, name) in [
            (&alice, QrVersion::V1, "alice_qr_v1"),
            (&bob, QrVersion::V1, "bob_qr_v1"),
            (&alice, QrVersion::V2, "alice_qr_v2"),
            (&bob, QrVersion::V2, "bob_qr_v2"),
        ] {
            let code = number.qr(version).to_bytes();
            assert_eq!(code, vectors::bytes(case, name), "{name}");
            assert_eq!(code.len(), Qr::LEN);
        }
        for version in [QrVersion::V1, QrVersion::V2] {
            assert_eq!(alice.matches_qr(version, &bob.qr(version).to_bytes()), Ok(true));
            assert_eq!(bob.matches_qr(version, &alice.qr(version).to_bytes()), Ok(true));
        }
    }
}

#[test]
fn what_must_not_match_does_not() {
    let case = &published()["vectors"][0];
    let (alice, bob) = pair(case);
    let v2 = QrVersion::V2;
    let mut other_id = case.clone();
    other_id["alice"]["id"] = json!("+141512222222");
    let (other, to_other) = pair(&other_id);
    assert_ne!(other.digits(), alice.digits());
    assert_eq!(
        bob.matches_qr(v2, &other.qr(v2).to_bytes()),
        Ok(false),
        "another number"
    );
    assert_eq!(to_other.matches_qr(v2, &alice.qr(v2).to_bytes()), Ok(false));
    let mut other_key = case.clone();
    other_key["alice"]["key"] = json!(format!("05{}", hex::encode(kit::dh(9))));
    assert_eq!(
        bob.matches_qr(v2, &pair(&other_key).0.qr(v2).to_bytes()),
        Ok(false),
        "another key"
    );
    assert_eq!(
        alice.matches_qr(v2, &alice.qr(v2).to_bytes()),
        Ok(false),
        "one's own code"
    );
    let mismatch = alice.matches_qr(v2, &bob.qr(QrVersion::V1).to_bytes());
    assert_eq!(
        mismatch,
        Err(SafetyNumberError::VersionMismatch { ours: 2, theirs: 1 })
    );
    let mut newer = bob.qr(v2).to_bytes();
    newer[1] = 3;
    assert_eq!(
        alice.matches_qr(v2, &newer),
        Err(SafetyNumberError::VersionMismatch { ours: 2, theirs: 3 })
    );
}

/// Each half of a code counts.
#[test]
fn half_a_match_is_none() {
    let (alice, bob) = pair(&published()["vectors"][0]);
    for at in [6, 37, 42, 73] {
        let mut code = bob.qr(QrVersion::V2).to_bytes();
        code[at] ^= 1;
        assert_eq!(alice.matches_qr(QrVersion::V2, &code), Ok(false), "byte {at}");
    }
}

#[test]
fn codes_have_one_spelling() {
    let (alice, bob) = pair(&published()["vectors"][0]);
    let good = bob.qr(QrVersion::V2).to_bytes();
    let malformed = |code: &[u8]| {
        assert_eq!(
            alice.matches_qr(QrVersion::V2, code),
            Err(SafetyNumberError::MalformedQr),
            "{}",
            hex::encode(code)
        );
    };
    malformed(&[]);
    malformed(&good[..73]);
    malformed(&[good.as_slice(), &[0]].concat());
    for at in [0, 2, 3, 4, 5, 38, 39, 40, 41] {
        let mut code = good.clone();
        code[at] ^= 1;
        malformed(&code);
    }
    for version in [0, 128, 255] {
        let mut code = good.clone();
        code[1] = version;
        malformed(&code);
    }
}

#[test]
fn digits_are_compared_without_their_spaces() {
    let (alice, bob) = pair(&published()["vectors"][0]);
    let spoken = alice.to_string();
    assert_eq!(
        spoken,
        "30035 44776 92869 39689 28698 76765 45825 75691 62576 84344 09180 79131"
    );
    assert_eq!(bob.matches_digits(&spoken), Ok(true));
    assert_eq!(bob.matches_digits(&spoken.replace(' ', "\n")), Ok(true));
    assert_eq!(bob.matches_digits(&spoken.replacen('3', "4", 1)), Ok(false));
    for bad in [
        "",
        "12345",
        &spoken[..70],
        &format!("{spoken}1"),
        &spoken.replacen('3', "x", 1),
    ] {
        assert_eq!(bob.matches_digits(bad), Err(SafetyNumberError::Digits), "{bad}");
    }
}

#[test]
fn a_number_is_between_two() {
    let alice = fingerprint(&published()["vectors"][0]["alice"]);
    assert_eq!(
        SafetyNumber::new(alice, alice).unwrap_err(),
        SafetyNumberError::SameParty
    );
}

#[test]
fn keys_come_with_or_without_their_type() {
    let raw = kit::dh(3);
    let typed = [&[5], raw.as_slice()].concat();
    assert_eq!(AgreementKey::from_bytes(&raw), AgreementKey::from_bytes(&typed));
    assert_eq!(AgreementKey::from_bytes(&raw).unwrap().as_bytes(), &raw);
    let length = Err(SafetyNumberError::KeyLength);
    assert_eq!(AgreementKey::from_bytes(&raw[..31]), length);
    assert_eq!(AgreementKey::from_bytes(&[&[4], raw.as_slice()].concat()), length);
    assert_eq!(
        AgreementKey::from_bytes(&[typed.as_slice(), &[0]].concat()),
        length
    );
    let low = AgreementKey::from_bytes(&kit::bytes32(kit::X25519_LOW_ORDER)).unwrap_err();
    assert_eq!(low.reason(), "x25519-key-low-order");
    // A 32-byte key may begin with 05: its length decides.
    let five = (0..=255u8).map(kit::dh).find(|k| k[0] == 5);
    if let Some(five) = five {
        assert_eq!(AgreementKey::from_bytes(&five).unwrap().as_bytes(), &five);
    }
}

/// The secret that signs is the secret that agrees: RFC 7748's map, checked against the secret's own point.
#[test]
fn an_identity_becomes_its_x25519_key() {
    for seed in [1, 2, 3, 0x61] {
        let identity = IdentityKey::new(&public(seed)).unwrap();
        let secret = key(seed).to_scalar_bytes();
        let expected = MontgomeryPoint::mul_base_clamped(secret).0;
        assert_eq!(
            AgreementKey::from_identity(&identity).unwrap().as_bytes(),
            &expected
        );
    }
}

fn record(label: &str, seed: u8, devices: &[u32]) -> AccountRecord {
    let raw = RawAccount::first().with(|r| {
        r.label = format!("account:{label}").into();
        r.identity = public(seed);
        r.devices = devices.iter().map(|id| device(*id)).collect();
    });
    AccountRecord::decode(&raw.encode()).unwrap()
}

fn of_records(local: &AccountRecord, remote: &AccountRecord) -> SafetyNumber {
    let half = |r: &AccountRecord| Fingerprint::of_account(&r.account, &r.identity).unwrap();
    SafetyNumber::new(half(local), half(remote)).unwrap()
}

/// From accounts: the id without `account:`, and the line about devices.
#[test]
fn the_vector_of_accounts_is_frozen() {
    let (alice, bob) = (record("alice-1", 0x61, &[1, 2]), record("bob-2", 0x62, &[7]));
    let number = of_records(&alice, &bob);
    let made = json!({
        "about": "two accounts with Ed25519 identities; record bytes, digits, code of the first, line about devices",
        "alice": hex::encode(alice.bytes()),
        "bob": hex::encode(bob.bytes()),
        "digits": number.digits(),
        "alice_qr_v2": hex::encode(number.qr(QrVersion::default()).to_bytes()),
        "device_line": number.device_line(&alice, &bob).unwrap().to_string(),
    });
    vectors::demand("safety_number", "accounts", &[("accounts".to_owned(), made)]);
    let plain = Fingerprint::new("alice-1", &AgreementKey::from_identity(&alice.identity).unwrap());
    let theirs = Fingerprint::of_account(&AccountId::parse("bob-2").unwrap(), &bob.identity).unwrap();
    assert_eq!(
        SafetyNumber::new(plain, theirs).unwrap().digits(),
        number.digits()
    );
}

#[test]
fn the_device_line_is_the_same_for_both_and_changes_with_either() {
    let (alice, bob) = (record("alice-1", 0x61, &[1, 2]), record("bob-2", 0x62, &[7]));
    let line = |a: &AccountRecord, b: &AccountRecord| of_records(a, b).device_line(a, b).unwrap().to_string();
    assert_eq!(line(&alice, &bob), line(&bob, &alice));
    let more = record("alice-1", 0x61, &[1, 2, 3]);
    let other = record("bob-2", 0x62, &[8]);
    assert_ne!(line(&more, &bob), line(&alice, &bob));
    assert_ne!(line(&alice, &other), line(&alice, &bob));
    assert!(line(&alice, &other).contains(" devices: "));
}

#[test]
fn the_sentence_is_the_same_for_both_and_heard_loosely() {
    let (alice, bob) = (record("alice-1", 0x61, &[1]), record("bob-2", 0x62, &[7]));
    let number = of_records(&alice, &bob);
    let sentence = number.sentence();
    assert_eq!(sentence, of_records(&bob, &alice).sentence());
    assert_eq!(
        sentence,
        "the empty violin sketched the orange jacket\n\
         the clever jacket refused the hollow cousin\n\
         the bitter pirate sold the jolly dolphin\n\
         the lucky needle refused the strange cobra"
    );
    let heard = sentence
        .to_uppercase()
        .replace("THE ", "")
        .replace('\n', ", and ");
    assert_eq!(number.matches_sentence(&heard), Ok(true));
    let other = of_records(&alice, &record("bob-2", 0x63, &[7])).sentence();
    assert_eq!(number.matches_sentence(&other), Ok(false));
    let short = sentence.rsplit_once(' ').unwrap().0;
    assert_eq!(
        number.matches_sentence(short),
        Err(SafetyNumberError::Sentence { words: 19 })
    );
}

proptest! {
    #[test]
    fn arbitrary_codes_never_panic(code in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert!(Qr::parse(&code).is_err() || Qr::parse(&code).unwrap().to_bytes() == code);
        let _ = AgreementKey::from_bytes(&code);
    }
}
