//! What the auditor signs and publishes, read by code that is not ours.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use keyglass_protocol::note::{
    Checkpoint, MlDsa44Key, Note, SignatureLine, SignedCheckpoint, VerifierKey, cosign_ml_dsa_44,
    ml_dsa_44_message, sign_note,
};
use keyglass_protocol::quantity::{LogHash, LogSize, Seconds};
use keyglass_testkit::audited::{Rig, World, auditor_keys, signing_key, vkey};
use serde_json::Value;
use sha2::Digest as _;
use signed_note::{StandardVerifier, VerifierList};

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn bytes32(value: &Value, field: &str) -> [u8; 32] {
    hex::decode(text(value, field)).unwrap().try_into().unwrap()
}

/// The vector was made by dilithium-py, an implementation of FIPS 204 in Python.
#[test]
fn an_independent_ml_dsa_44_agrees() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/ml_dsa_44.json");
    let facts: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (name, origin) = (text(&facts, "name"), text(&facts, "origin"));
    let key = MlDsa44Key::from_seed(&bytes32(&facts, "seed"));
    assert_eq!(
        hex::encode(sha2::Sha256::digest(key.public_key())),
        text(&facts, "public_key_sha256")
    );
    let verifier = VerifierKey::new_ml_dsa_44(name, key.public_key()).unwrap();
    assert_eq!(verifier, auditor_keys(0).verifiers()[1]);
    let mut deterministic = 0;
    for case in facts["cases"].as_array().unwrap() {
        let checkpoint = Checkpoint {
            origin: vkey(origin, 10).origin().clone(),
            size: LogSize::new(case["size"].as_u64().unwrap()),
            root: LogHash::new(bytes32(case, "root")),
        };
        let time = Seconds::new(case["time"].as_u64().unwrap());
        let message = ml_dsa_44_message(name, time, &checkpoint).unwrap();
        assert_eq!(hex::encode(message), text(case, "message"));
        // Theirs is accepted by us.
        let theirs = SignatureLine::parse_line(text(case, "line")).unwrap();
        let log = checkpoint.to_text();
        let note = Note::new(&log, vec![sign_note(origin, &signing_key(10), &log)]).unwrap();
        let signed = SignedCheckpoint::open(&note.to_bytes(), &vkey(origin, 10)).unwrap();
        let both = signed.with_cosignature(&verifier, theirs.clone()).unwrap();
        assert_eq!(both.cosignature(&verifier), Ok(Some(time)));
        // Ours is theirs, byte by byte, where no randomness is involved.
        if case["deterministic"].as_bool().unwrap() {
            let ours = cosign_ml_dsa_44(name, &key, &checkpoint, time, &[0; 32]).unwrap();
            assert_eq!(ours, theirs);
            deterministic += 1;
        }
    }
    assert_eq!(deterministic, 2);
}

#[tokio::test]
async fn other_tools_read_what_an_auditor_publishes() {
    let mut world = World::new().await;
    world.publish(3).await;
    let mut rig = Rig::new(&world).await;
    rig.signs(2).await;
    let published = rig.follower.shared().published().unwrap().note;
    let note = signed_note::Note::from_bytes(&published).unwrap();
    let verifier = StandardVerifier::new(&world.log_key().to_string()).unwrap();
    let (verified, unknown) = note.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), unknown.len()), (1, 2));
    assert!(unknown.iter().all(|line| line.name() == "auditor0.example"));
    let checkpoint = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(checkpoint.origin(), "log.example/1");
    assert_eq!(checkpoint.size(), 2);
    assert_eq!(checkpoint.hash().0, *world.root().as_bytes());
    // cosignature/v1, computed here from the specification's text.
    let line = Note::parse(&published).unwrap().signatures()[1].clone();
    let (time, signature) = line.signature.split_first_chunk::<8>().unwrap();
    let mut message = format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time)).into_bytes();
    message.extend_from_slice(note.text());
    let key = ed25519_dalek::VerifyingKey::from_bytes(rig.keys.verifier().ed25519().unwrap()).unwrap();
    let signature = ed25519_dalek::Signature::from_slice(signature).unwrap();
    key.verify_strict(&message, &signature).unwrap();
}
