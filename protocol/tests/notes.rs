//! Notes, keys, checkpoints, cosignatures, policies and proof files, against files in `testdata/note`.
//!
//! Each file breaks one rule: `input` is refused with exactly `reason`; with the fields of `fixed` in
//! place it is accepted and prints again to the same bytes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

#[path = "notes/behaviour.rs"]
mod behaviour;
#[path = "notes/known.rs"]
mod known;
#[path = "notes/policies.rs"]
mod policies;
#[path = "notes/round_trips.rs"]
mod round_trips;
#[path = "notes/second_opinion.rs"]
mod second_opinion;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use keyglass_protocol::note::{
    AddCheckpoint, Checkpoint, Note, NoteError, Policy, PolicyFlaw, SignatureLine, SignedCheckpoint,
    TlogProof, VerifierKey, parse_lines,
};
use serde_json::Value;

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/note")
        .join(name)
}

fn json(path: &PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn vectors() -> Vec<(String, Value)> {
    let files = fs::read_dir(testdata(""))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = files
        .filter(|path| path.is_file())
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                json(&path),
            )
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Text, or `{"hex": ..}`, or pieces `[[text, times], ..]`.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Object(object) => hex::decode(object["hex"].as_str().unwrap()).unwrap(),
        pieces => pieces
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|piece| {
                let times = usize::try_from(piece[1].as_u64().unwrap()).unwrap();
                piece[0].as_str().unwrap().repeat(times).into_bytes()
            })
            .collect(),
    }
}

/// Runs a check and gives what it prints again, or the reason of the refusal.
fn run(vector: &Value) -> Result<Vec<u8>, &'static str> {
    let input = bytes(&vector["input"]);
    let text = || String::from_utf8(input.clone()).unwrap();
    let key = |field: &str| -> VerifierKey { vector[field].as_str().unwrap().parse().unwrap() };
    let check = vector["check"].as_str().unwrap();
    if check == "policy" {
        // People write policies: only the printed form is canonical.
        let policy: Policy = text()
            .parse()
            .map_err(|e: keyglass_protocol::note::PolicyError| e.reason())?;
        assert_eq!(policy.to_string().parse(), Ok(policy.clone()));
        return Ok(input);
    }
    let again = || -> Result<Vec<u8>, NoteError> {
        match check {
            "vkey" => text()
                .parse::<VerifierKey>()
                .map(|key| key.to_string().into_bytes()),
            "line" => SignatureLine::parse_line(&text()).map(|line| line.to_line().into_bytes()),
            "lines" => {
                let lines = parse_lines(&input)?;
                Ok(lines
                    .iter()
                    .map(|line| line.to_line() + "\n")
                    .collect::<String>()
                    .into_bytes())
            }
            "note" => Note::parse(&input).map(|note| note.to_bytes()),
            "verify" => {
                let note = Note::parse(&input)?;
                note.verify(&key("key"))?;
                Ok(note.to_bytes())
            }
            "checkpoint" => {
                Checkpoint::parse_text(&text()).map(|checkpoint| checkpoint.to_text().into_bytes())
            }
            "open" => SignedCheckpoint::open(&input, &key("log")).map(|signed| signed.note().to_bytes()),
            "cosignature" => {
                let signed = SignedCheckpoint::open(&input, &key("log"))?;
                assert!(signed.cosignature(&key("key"))?.is_some());
                Ok(signed.note().to_bytes())
            }
            "proof" => TlogProof::parse(&input).map(|proof| proof.to_bytes()),
            "add_checkpoint" => AddCheckpoint::parse(&input).map(|body| body.to_bytes()),
            other => panic!("unknown check {other}"),
        }
    };
    again().map_err(|error| error.reason())
}

fn fixed(vector: &Value) -> Value {
    let mut good = vector.clone();
    good["input"] = vector["fixed"].clone();
    for (name, instead) in [("log", "fixed_log"), ("key", "fixed_key")] {
        if let Some(value) = vector.get(instead) {
            good[name] = value.clone();
        }
    }
    good
}

#[test]
fn every_flaw_is_refused_for_exactly_its_reason() {
    for (name, vector) in vectors() {
        let expected = vector["reason"].as_str().unwrap();
        assert_eq!(run(&vector).err(), Some(expected), "{name}");
    }
}

#[test]
fn without_its_flaw_every_vector_is_accepted_and_printed_again() {
    for (name, vector) in vectors() {
        let good = fixed(&vector);
        assert!(
            run(&good).as_ref() == Ok(&bytes(&good["input"])),
            "{name}: {:?}",
            run(&good).err()
        );
    }
}

#[test]
fn every_rule_has_a_vector() {
    let covered: BTreeSet<String> = vectors()
        .into_iter()
        .map(|(_, vector)| vector["reason"].as_str().unwrap().to_owned())
        .collect();
    let rules = NoteError::ALL.iter().map(NoteError::reason);
    let rules = rules.chain(PolicyFlaw::ALL.iter().map(PolicyFlaw::reason));
    // `note-text` is about making a note, not about reading one; tested in `behaviour`.
    let missing: Vec<&str> = rules
        .filter(|rule| *rule != "note-text" && !covered.contains(*rule))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn reasons_are_unique() {
    let all: Vec<&str> = NoteError::ALL
        .iter()
        .map(NoteError::reason)
        .chain(PolicyFlaw::ALL.iter().map(PolicyFlaw::reason))
        .collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}
