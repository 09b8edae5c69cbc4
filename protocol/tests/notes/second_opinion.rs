//! Another implementation reads our notes, and we read its.

use ed25519_dalek::SigningKey;
use keyglass_protocol::codec::base64_encode;
use keyglass_protocol::note::{
    Checkpoint, KeyId, KeyKind, Note, Origin, SignedCheckpoint, VerifierKey, cosign, sign_note,
};
use keyglass_protocol::quantity::{LogHash, LogSize, Seconds};
use proptest::prelude::*;
use signed_note::{Signature, StandardSigner, StandardVerifier, VerifierList};

const LOG: &str = "kt.example/log1";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn vkey() -> VerifierKey {
    VerifierKey::new_ed25519(LOG, key().verifying_key().as_bytes()).unwrap()
}

fn their_keys() -> VerifierList {
    VerifierList::new(vec![Box::new(
        StandardVerifier::new(&vkey().to_string()).unwrap(),
    )])
}

fn checkpoint(size: u64) -> Checkpoint {
    Checkpoint {
        origin: Origin::new(LOG).unwrap(),
        size: LogSize::new(size),
        root: LogHash::new([9; 32]),
    }
}

#[test]
fn they_verify_our_notes() {
    let text = checkpoint(5).to_text();
    let witness = cosign(
        "w.test",
        &SigningKey::from_bytes(&[2; 32]),
        &text,
        Seconds::new(7),
    );
    let note = Note::new(&text, vec![sign_note(LOG, &key(), &text), witness]).unwrap();
    let theirs = signed_note::Note::from_bytes(&note.to_bytes()).unwrap();
    let (verified, unverified) = theirs.verify(&their_keys()).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 1));
    assert_eq!(theirs.to_bytes(), note.to_bytes());
    let parsed = tlog_tiles::Checkpoint::from_bytes(theirs.text()).unwrap();
    assert_eq!(
        (parsed.origin(), parsed.size(), parsed.hash().0),
        (LOG, 5, [9; 32])
    );
    assert_eq!(parsed.to_bytes(), text.as_bytes());
}

#[test]
fn we_verify_their_notes() {
    let id = KeyId::derive(LOG, KeyKind::Ed25519, key().verifying_key().as_bytes());
    let private = base64_encode(&[&[1][..], &key().to_bytes()].concat());
    let signer = StandardSigner::new(&format!("PRIVATE+KEY+{LOG}+{id}+{private}")).unwrap();
    let text = checkpoint(6).to_text();
    let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
    theirs.add_sigs(&[&signer]).unwrap();
    let opened = SignedCheckpoint::open(&theirs.to_bytes(), &vkey()).unwrap();
    assert_eq!(opened.checkpoint(), &checkpoint(6));
}

#[test]
fn they_refuse_what_we_refuse() {
    let text = checkpoint(5).to_text();
    let mut line = sign_note(LOG, &key(), &text);
    line.signature[3] ^= 1;
    let note = Note::new(&text, vec![line]).unwrap();
    assert_eq!(note.verify(&vkey()).unwrap_err().reason(), "signature-bad");
    let theirs = signed_note::Note::from_bytes(&note.to_bytes()).unwrap();
    assert!(theirs.verify(&their_keys()).is_err());
}

proptest! {
    #[test]
    fn lines_are_the_same_to_both(name in "[a-z./]{1,20}", id: u32, signature in proptest::collection::vec(any::<u8>(), 1..80)) {
        let theirs = Signature::new(name.clone(), id, signature.clone()).unwrap();
        let printed = String::from_utf8(theirs.to_bytes()).unwrap();
        let ours = keyglass_protocol::note::SignatureLine::parse_line(printed.trim_end_matches('\n')).unwrap();
        prop_assert_eq!((&ours.name, ours.key_id, &ours.signature), (&name, KeyId(id.to_be_bytes()), &signature));
        prop_assert!(Signature::from_bytes(ours.to_line().as_bytes()).is_ok());
    }
}
