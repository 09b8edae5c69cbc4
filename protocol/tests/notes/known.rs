//! Published and independently computed facts.

use ed25519_dalek::SigningKey;
use keyglass_protocol::note::{
    Checkpoint, MlDsa44Key, Note, SignatureLine, SignedCheckpoint, VerifierKey, cosign, cosign_ml_dsa_44,
    cosignature_message, ml_dsa_44_message, sign_note,
};
use keyglass_protocol::quantity::Seconds;
use serde_json::Value;

use super::{json, testdata};

fn known(name: &str) -> Value {
    json(&testdata("known").join(name))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn bytes32(value: &Value, field: &str) -> [u8; 32] {
    hex::decode(text(value, field)).unwrap().try_into().unwrap()
}

#[test]
fn the_example_of_signed_note_verifies() {
    let fact = known("signed_note.json");
    let key: VerifierKey = text(&fact, "vkey").parse().unwrap();
    assert_eq!(key.to_string(), text(&fact, "vkey"));
    let line = SignatureLine::parse_line(text(&fact, "signature_line")).unwrap();
    let note = Note::new(text(&fact, "text"), vec![line]).unwrap();
    assert_eq!(note.verify(&key), Ok(()));
    let expected = format!("{}\n{}\n", text(&fact, "text"), text(&fact, "signature_line"));
    assert_eq!(note.to_bytes(), expected.as_bytes());
}

#[test]
fn a_seed_gives_the_known_vkey() {
    let fact = known("vkey_from_seed.json");
    let key = SigningKey::from_bytes(&bytes32(&fact, "ed25519_seed"));
    let vkey = VerifierKey::new_ed25519(text(&fact, "name"), key.verifying_key().as_bytes()).unwrap();
    assert_eq!(vkey.to_string(), text(&fact, "vkey"));
    assert_eq!(sign_note(text(&fact, "name"), &key, "x\n").key_id, vkey.key_id());
}

#[test]
fn the_ml_dsa_message_has_the_known_bytes() {
    let fact = known("ml_dsa_44_message.json");
    let checkpoint = Checkpoint::parse_text(text(&fact, "checkpoint")).unwrap();
    let time = Seconds::new(fact["time"].as_u64().unwrap());
    let message = ml_dsa_44_message(text(&fact, "cosigner_name"), time, &checkpoint).unwrap();
    assert_eq!(hex::encode(&message), text(&fact, "message"));
    assert_eq!(Some(message.len() as u64), fact["bytes"].as_u64());
}

#[test]
fn the_cosignature_v1_message_has_the_known_bytes() {
    let fact = known("cosignature_v1_message.json");
    let time = Seconds::new(fact["time"].as_u64().unwrap());
    let message = cosignature_message(time, text(&fact, "checkpoint"));
    assert_eq!(message, text(&fact, "message").as_bytes());
}

#[test]
fn cosignatures_are_stable_and_verify() {
    let fact = known("cosignatures.json");
    let log: VerifierKey = text(&fact, "log_vkey").parse().unwrap();
    let signed = SignedCheckpoint::open(text(&fact, "checkpoint").as_bytes(), &log).unwrap();
    let (ed, pq) = (&fact["ed25519"], &fact["ml_dsa_44"]);
    let ed_key: VerifierKey = text(ed, "vkey").parse().unwrap();
    let pq_key: VerifierKey = text(pq, "vkey").parse().unwrap();
    let time = Seconds::new(ed["time"].as_u64().unwrap());
    let private = SigningKey::from_bytes(&bytes32(ed, "seed"));
    let ed_line = cosign(ed_key.name(), &private, signed.note().text(), time);
    assert_eq!(ed_line.to_line(), text(ed, "line"));
    let private = MlDsa44Key::from_seed(&bytes32(pq, "seed"));
    let checkpoint = signed.checkpoint();
    let pq_line = cosign_ml_dsa_44(
        pq_key.name(),
        &private,
        checkpoint,
        time,
        &bytes32(pq, "randomness"),
    )
    .unwrap();
    assert_eq!(pq_line.to_line(), text(pq, "line"));
    assert_eq!(private.public_key().as_slice(), pq_key.public_key());
    let both = signed.with_cosignature(&ed_key, ed_line).unwrap();
    let both = both.with_cosignature(&pq_key, pq_line).unwrap();
    assert_eq!(both.cosignature(&ed_key), Ok(Some(time)));
    assert_eq!(both.cosignature(&pq_key), Ok(Some(time)));
}
