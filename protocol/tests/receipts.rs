//! Receipts: exact text, signature, id, and what the commitment opens to.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod kit;

use keyglass_protocol::note::{Note, VerifierKey, sign_note};
use keyglass_protocol::quantity::{Commitment, ConfigHash, LeafLabel, Millis, Nonce};
use keyglass_protocol::receipt::{Receipt, ReceiptError, ReceiptId, SignedReceipt};
use keyglass_protocol::tree::commitment;
use kit::{key, public, vectors};
use proptest::prelude::*;
use serde_json::{Value, json};

const NAME: &str = "golden.example/receipts";
const SEED: u8 = 0x24;

fn vkey() -> VerifierKey {
    VerifierKey::new_ed25519(NAME, &public(SEED)).unwrap()
}

fn golden() -> Receipt {
    Receipt {
        origin: "golden.example/log".parse().unwrap(),
        config: ConfigHash::new([0x41; 32]),
        leaf_label: LeafLabel::new([0x42; 32]),
        commitment: commitment(b"record", &Nonce::new([0x43; 32])),
        accepted: Millis::new(1_700_000_000_123),
        deadline: Millis::new(1_700_000_060_123),
    }
}

/// A note with this text, signed by the receipt key.
fn signed(text: &str) -> Vec<u8> {
    Note::new(text, vec![sign_note(NAME, &key(SEED), text)])
        .unwrap()
        .to_bytes()
}

fn golden_text() -> String {
    let (a, b) = ("41".repeat(32), "42".repeat(32));
    let c = golden().commitment;
    format!("keyglass/receipt/v1\ngolden.example/log\n{a}\n{b}\n{c}\n1700000000123\n1700000060123\n")
}

fn flaws() -> Vec<(&'static str, String, &'static str)> {
    let text = golden_text();
    let line = |n: usize, to: &str| {
        let mut lines: Vec<_> = text.lines().collect();
        lines[n] = to;
        lines.join("\n") + "\n"
    };
    let sign = |text: String| String::from_utf8(signed(&text)).unwrap();
    let good = sign(text.clone());
    let other = Note::new(&text, vec![sign_note(NAME, &key(0x66), &text)]).unwrap();
    vec![
        ("header", sign(line(0, "keyglass/receipt/v2")), "receipt-header"),
        ("origin", sign(line(1, "a b")), "receipt-origin-invalid"),
        ("config-upper-case", sign(line(2, &"AB".repeat(32))), "bad-hex"),
        ("leaf-label-short", sign(line(3, "42")), "bad-hex"),
        ("commitment-base64", sign(line(4, "Q0NDQw==")), "bad-hex"),
        (
            "accepted-leading-zero",
            sign(line(5, "01700000000123")),
            "bad-decimal",
        ),
        ("accepted-sign", sign(line(5, "+1700000000123")), "bad-decimal"),
        ("deadline-text", sign(line(6, "soon")), "bad-decimal"),
        (
            "deadline-first",
            sign(line(6, "1700000000122")),
            "receipt-deadline-first",
        ),
        (
            "line-missing",
            sign(text.replace("1700000060123\n", "")),
            "receipt-lines",
        ),
        ("line-too-many", sign(format!("{text}extra\n")), "receipt-lines"),
        (
            "other-key",
            String::from_utf8(other.to_bytes()).unwrap(),
            "signature-missing",
        ),
        (
            "changed",
            good.replacen("1700000060123", "1700000060124", 1),
            "signature-bad",
        ),
    ]
}

#[test]
fn the_vectors_are_frozen_and_hold() {
    let note = golden().sign(NAME, &key(SEED)).unwrap();
    let good = json!({
        "vkey": vkey().to_string(),
        "seed": hex::encode([SEED; 32]),
        "text": golden().to_text(),
        "note": String::from_utf8(note.note().to_bytes()).unwrap(),
        "id": golden().id().to_string(),
        "record": hex::encode(b"record"),
        "nonce": hex::encode([0x43; 32]),
    });
    let bad = flaws().into_iter().map(|(name, note, reason)| {
        (
            name.to_owned(),
            json!({"vkey": vkey().to_string(), "note": note, "reason": reason}),
        )
    });
    let all: Vec<(String, Value)> = [("golden".to_owned(), good)].into_iter().chain(bad).collect();
    vectors::demand("receipt", "", &all);
    for (name, case) in vectors::read("receipt", "") {
        let key: VerifierKey = vectors::text(&case, "vkey").parse().unwrap();
        match (
            SignedReceipt::open(vectors::text(&case, "note").as_bytes(), &key),
            case["reason"].as_str(),
        ) {
            (Ok(receipt), None) => assert_eq!(
                receipt.receipt().to_text(),
                vectors::text(&case, "text"),
                "{name}"
            ),
            (Err(e), Some(reason)) => assert_eq!(e.reason(), reason, "{name}: {e}"),
            (got, expected) => panic!("{name}: {got:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn the_text_is_the_documented_one() {
    assert_eq!(golden().to_text(), golden_text());
    assert_eq!(Receipt::parse_text(&golden_text()), Ok(golden()));
    assert_eq!(golden().id().as_bytes(), &kit::sha256(golden_text().as_bytes()));
    let id = golden().id();
    assert_eq!(id.to_string().parse::<ReceiptId>(), Ok(id));
    assert_eq!(ReceiptId::new(*id.as_bytes()), id);
    assert_eq!(
        Receipt::parse_text(golden_text().trim_end()),
        Err(ReceiptError::Lines)
    );
}

#[test]
fn only_the_record_opens_the_commitment() {
    let receipt = golden();
    let nonce = Nonce::new([0x43; 32]);
    assert_eq!(receipt.check_opening(&nonce, b"record"), Ok(()));
    assert_eq!(
        receipt.check_opening(&nonce, b"other"),
        Err(ReceiptError::OtherRecord)
    );
    assert_eq!(
        receipt.check_opening(&Nonce::new([0x44; 32]), b"record"),
        Err(ReceiptError::OtherRecord)
    );
}

#[test]
fn a_receipt_that_cannot_be_read_is_not_signed() {
    let mut backwards = golden();
    backwards.deadline = Millis::new(backwards.accepted.get() - 1);
    assert_eq!(backwards.sign(NAME, &key(SEED)), Err(ReceiptError::DeadlineFirst));
}

proptest! {
    #[test]
    fn receipts_survive_the_round_trip(a: [u8; 32], b: [u8; 32], c: [u8; 32], accepted: u64, wait in 0..=86_400_000u64) {
        let receipt = Receipt {
            config: ConfigHash::new(a),
            leaf_label: LeafLabel::new(b),
            commitment: Commitment::new(c),
            accepted: Millis::new(accepted),
            deadline: Millis::new(accepted).plus(wait),
            ..golden()
        };
        let note = receipt.sign(NAME, &key(SEED)).unwrap().note().to_bytes();
        let opened = SignedReceipt::open(&note, &vkey()).unwrap();
        prop_assert_eq!(opened.receipt(), &receipt);
    }

    #[test]
    fn arbitrary_notes_never_panic(text in "\\PC{0,300}", at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        prop_assert!(SignedReceipt::open(text.as_bytes(), &vkey()).is_err());
        prop_assert!(Receipt::parse_text(&text).is_err());
        let mut note = signed(&golden_text());
        let i = at.index(note.len());
        if note[i] != byte {
            note[i] = byte;
            prop_assert!(SignedReceipt::open(&note, &vkey()).is_err());
        }
    }
}
