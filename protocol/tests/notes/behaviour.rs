//! Making and combining notes: duplicates, unknown lines, caps, times.

use ed25519_dalek::SigningKey;
use keyglass_protocol::note::{
    Checkpoint, KeyId, KeyKind, MAX_NAME_BYTES, MAX_SIGNATURES, MlDsa44Key, Note, NoteError, Origin,
    SignatureLine, SignedCheckpoint, TlogProof, VerifierKey, cosign, cosign_ml_dsa_44, sign_note,
};
use keyglass_protocol::quantity::{LogHash, LogSize, Seconds};

const LOG: &str = "kt.example/log1";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn log_key() -> VerifierKey {
    VerifierKey::new_ed25519(LOG, key(1).verifying_key().as_bytes()).unwrap()
}

fn witness() -> VerifierKey {
    VerifierKey::new_cosignature("w.test", key(2).verifying_key().as_bytes()).unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: Origin::new(LOG).unwrap(),
        size: LogSize::new(5),
        root: LogHash::new([7; 32]),
    }
}

fn signed() -> SignedCheckpoint {
    let text = checkpoint().to_text();
    let note = Note::new(&text, vec![sign_note(LOG, &key(1), &text)]).unwrap();
    SignedCheckpoint::open(&note.to_bytes(), &log_key()).unwrap()
}

fn cosigned(seconds: u64) -> SignatureLine {
    cosign("w.test", &key(2), &checkpoint().to_text(), Seconds::new(seconds))
}

fn stranger(byte: u8) -> SignatureLine {
    SignatureLine {
        name: "stranger".to_owned(),
        key_id: KeyId([0; 4]),
        signature: vec![byte],
    }
}

#[test]
fn opening_gives_what_the_log_signed() {
    assert_eq!(signed().checkpoint(), &checkpoint());
    assert_eq!(signed().cosignature(&witness()), Ok(None));
}

#[test]
fn the_newest_cosignature_counts_in_any_order() {
    for times in [[10, 20], [20, 10]] {
        let mut both = signed();
        for time in times {
            both = both.with_cosignature(&witness(), cosigned(time)).unwrap();
        }
        assert_eq!(both.cosignature(&witness()), Ok(Some(Seconds::new(20))));
    }
}

#[test]
fn time_zero_states_no_time() {
    let zero = signed().with_cosignature(&witness(), cosigned(0)).unwrap();
    assert_eq!(zero.cosignature(&witness()), Ok(None));
    let later = zero.with_cosignature(&witness(), cosigned(9)).unwrap();
    assert_eq!(later.cosignature(&witness()), Ok(Some(Seconds::new(9))));
}

#[test]
fn only_a_good_line_of_the_key_can_be_added() {
    let other = VerifierKey::new_cosignature("other.test", key(3).verifying_key().as_bytes()).unwrap();
    assert_eq!(
        signed().with_cosignature(&other, cosigned(1)),
        Err(NoteError::SignatureMissing)
    );
    let mut bad = cosigned(1);
    bad.signature[20] ^= 1;
    assert_eq!(
        signed().with_cosignature(&witness(), bad),
        Err(NoteError::SignatureBad)
    );
    let note_line = sign_note(LOG, &key(1), &checkpoint().to_text());
    assert_eq!(
        signed().with_cosignature(&log_key(), note_line),
        Err(NoteError::KeyKind)
    );
}

#[test]
fn the_same_line_twice_is_one_line() {
    let once = signed().with_cosignature(&witness(), cosigned(1)).unwrap();
    let twice = once.with_cosignature(&witness(), cosigned(1)).unwrap();
    assert_eq!(once, twice);
    assert_eq!(twice.note().signatures().len(), 2);
}

#[test]
fn a_duplicate_of_a_good_line_in_foreign_bytes_is_harmless() {
    let mut bytes = signed()
        .with_cosignature(&witness(), cosigned(4))
        .unwrap()
        .note()
        .to_bytes();
    bytes.extend_from_slice(format!("{}\n", cosigned(4).to_line()).as_bytes());
    let twice = SignedCheckpoint::open(&bytes, &log_key()).unwrap();
    assert_eq!(twice.cosignature(&witness()), Ok(Some(Seconds::new(4))));
    assert_eq!(twice.note().signatures().len(), 3);
}

#[test]
fn unknown_lines_are_ignored_and_kept() {
    let note = signed().note().with_line(stranger(1)).unwrap();
    assert_eq!(note.verify(&log_key()), Ok(()));
    assert_eq!(note.signatures()[1], stranger(1));
    let opened = SignedCheckpoint::open(&note.to_bytes(), &log_key()).unwrap();
    assert_eq!(opened.note(), &note);
}

#[test]
fn a_note_takes_64_lines_and_no_more() {
    let mut note = signed().note().clone();
    for n in 1..MAX_SIGNATURES {
        note = note.with_line(stranger(u8::try_from(n).unwrap())).unwrap();
    }
    assert_eq!(note.signatures().len(), MAX_SIGNATURES);
    assert_eq!(
        note.with_line(stranger(200)),
        Err(NoteError::NoteTooManySignatures)
    );
}

#[test]
fn a_text_that_cannot_be_a_note_is_refused() {
    let line = || vec![stranger(1)];
    assert_eq!(Note::new("no newline", line()), Err(NoteError::NoteBlankLine));
    assert_eq!(
        Note::new("blank\n\nno newline", line()),
        Err(NoteError::LinePrefix)
    );
    assert_eq!(Note::new("text\n", vec![]), Err(NoteError::NoteUnsigned));
    // A name that would be read as another note: only the comparison after reading it again notices.
    let mut smuggled = stranger(1);
    smuggled.name = "a AAAAAAA=\n\n\u{2014} b".to_owned();
    assert_eq!(Note::new("text\n", vec![smuggled]), Err(NoteError::NoteText));
}

#[test]
fn the_text_ends_at_the_last_blank_line() {
    let text = "a\n\nb\n\n\n";
    let note = Note::new(text, vec![sign_note(LOG, &key(1), text)]).unwrap();
    let parsed = Note::parse(&note.to_bytes()).unwrap();
    assert_eq!(parsed.text(), text);
    assert_eq!(parsed.verify(&log_key()), Ok(()));
}

#[test]
fn randomness_changes_an_ml_dsa_signature_but_not_its_validity() {
    let pq = MlDsa44Key::from_seed(&[4; 32]);
    let vkey = VerifierKey::new_ml_dsa_44("pq.test", pq.public_key()).unwrap();
    let line =
        |random: u8| cosign_ml_dsa_44("pq.test", &pq, &checkpoint(), Seconds::new(3), &[random; 32]).unwrap();
    assert_ne!(line(1), line(2));
    for random in [1, 2] {
        let signed = signed().with_cosignature(&vkey, line(random)).unwrap();
        assert_eq!(signed.cosignature(&vkey), Ok(Some(Seconds::new(3))));
    }
    let long = "n".repeat(MAX_NAME_BYTES + 1);
    let refused = cosign_ml_dsa_44(&long, &pq, &checkpoint(), Seconds::new(3), &[0; 32]);
    assert_eq!(refused, Err(NoteError::NameTooLong));
    assert!(!format!("{pq:?}").contains("04"));
}

#[test]
fn each_kind_takes_a_key_of_its_own_length() {
    assert_eq!(
        VerifierKey::new_ml_dsa_44("n", &[0; 32]),
        Err(NoteError::VkeyLength)
    );
    let kinds = [
        KeyKind::Ed25519,
        KeyKind::CosignatureV1,
        KeyKind::MlDsa44Cosignature,
    ];
    assert_eq!(kinds.map(KeyKind::byte), [1, 4, 6]);
    assert_eq!(kinds.map(KeyKind::public_key_len), [32, 32, 1312]);
    assert_eq!(kinds.map(KeyKind::cosigns), [false, true, true]);
    assert_eq!(log_key().ed25519(), Some(key(1).verifying_key().as_bytes()));
}

#[test]
fn empty_extra_data_is_left_out() {
    let proof = |extra| TlogProof {
        extra,
        index: 0,
        hashes: vec![],
        checkpoint: b"x".to_vec(),
    };
    assert_eq!(proof(Some(vec![])).to_bytes(), proof(None).to_bytes());
}
