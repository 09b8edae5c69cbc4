//! Whatever is accepted prints again to the same bytes; whatever is printed is accepted.

use keyglass_protocol::note::{
    AddCheckpoint, Checkpoint, KeyId, Note, Origin, Policy, SignatureLine, TlogProof, VerifierKey,
    parse_lines,
};
use keyglass_protocol::quantity::{LogHash, LogSize};
use proptest::collection::vec;
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    "[a-z\u{e9}\u{4e2d}0-9./_-]{1,40}"
}

fn line() -> impl Strategy<Value = SignatureLine> {
    (name(), any::<[u8; 4]>(), vec(any::<u8>(), 1..90)).prop_map(|(name, id, signature)| SignatureLine {
        name,
        key_id: KeyId(id),
        signature,
    })
}

fn hashes() -> impl Strategy<Value = Vec<LogHash>> {
    vec(any::<[u8; 32]>().prop_map(LogHash::new), 0..64)
}

/// Text made of the pieces that the formats are made of, to come near to valid input.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("\u{2014} ".to_owned()),
        Just("\n".to_owned()),
        Just("\n\n".to_owned()),
        Just(" ".to_owned()),
        Just("old 1\n".to_owned()),
        Just("index 1\n".to_owned()),
        Just("c2sp.org/tlog-proof@v1\n".to_owned()),
        Just("a AAAAAAA=\n".to_owned()),
        Just("quorum none\n".to_owned()),
        Just("witness a ".to_owned()),
        Just("kt.example/log1+79eef85e+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c".to_owned()),
        "[A-Za-z0-9+/=]{0,44}",
        any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn notes(text in "([a-z\u{4e2d} ]{0,20}\n){1,5}", lines in vec(line(), 1..8)) {
        let note = Note::new(&text, lines).unwrap();
        prop_assert_eq!(Note::parse(&note.to_bytes()), Ok(note));
    }

    #[test]
    fn checkpoints(origin in name(), size: u64, root: [u8; 32]) {
        let checkpoint = Checkpoint {
            origin: Origin::new(&origin).unwrap(),
            size: LogSize::new(size),
            root: LogHash::new(root),
        };
        prop_assert_eq!(Checkpoint::parse_text(&checkpoint.to_text()), Ok(checkpoint));
    }

    #[test]
    fn proof_files(
        extra in proptest::option::of(vec(any::<u8>(), 1..200)),
        index: u64,
        hashes in hashes(),
        checkpoint in vec(any::<u8>(), 0..200),
    ) {
        let proof = TlogProof { extra, index, hashes, checkpoint };
        prop_assert_eq!(TlogProof::parse(&proof.to_bytes()), Ok(proof));
    }

    #[test]
    fn bodies(old: u64, proof in hashes(), checkpoint in vec(any::<u8>(), 0..200)) {
        let body = AddCheckpoint { old: LogSize::new(old), proof, checkpoint };
        prop_assert_eq!(AddCheckpoint::parse(&body.to_bytes()), Ok(body));
    }

    #[test]
    fn keys(name in name(), seed: [u8; 32], cosigns: bool) {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
        let make = if cosigns { VerifierKey::new_cosignature } else { VerifierKey::new_ed25519 };
        let key = make(&name, key.as_bytes()).unwrap();
        prop_assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn whatever_is_accepted_is_canonical(bytes in prop_oneof![nearly(), vec(any::<u8>(), 0..80)]) {
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.to_bytes(), bytes.clone());
        }
        if let Ok(lines) = parse_lines(&bytes) {
            let printed: String = lines.iter().map(|line| line.to_line() + "\n").collect();
            prop_assert_eq!(printed.as_bytes(), &bytes);
        }
        if let Ok(proof) = TlogProof::parse(&bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes.clone());
        }
        if let Ok(body) = AddCheckpoint::parse(&bytes) {
            prop_assert_eq!(body.to_bytes(), bytes.clone());
        }
        if let Ok(text) = String::from_utf8(bytes) {
            if let Ok(checkpoint) = Checkpoint::parse_text(&text) {
                prop_assert_eq!(checkpoint.to_text(), text.clone());
            }
            if let Ok(key) = text.parse::<VerifierKey>() {
                prop_assert_eq!(key.to_string(), text.clone());
            }
            if let Ok(policy) = text.parse::<Policy>() {
                let printed = policy.to_string();
                prop_assert_eq!(printed.parse::<Policy>().map(|again| again.to_string()), Ok(printed));
            }
        }
    }
}
