//! The leaf: golden bytes, each rule broken alone (files in `testdata/leaf`), round trips.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::fs;
use std::path::PathBuf;

use keyglass_protocol::epoch::{Leaf, LeafError};
use keyglass_protocol::quantity::{AuditHash, ConfigHash, Epoch, Millis, RootHash};
use keyglass_protocol::tree::empty_root;
use proptest::prelude::*;
use serde_json::Value;

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/leaf")
        .join(name)
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn vectors() -> Vec<(String, Value)> {
    let files = fs::read_dir(testdata(""))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.is_file())
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                json(path),
            )
        })
        .collect()
}

fn decode(value: &Value) -> Result<Leaf, LeafError> {
    let bytes = hex::decode(value.as_str().unwrap()).unwrap();
    let leaf = Leaf::decode(&bytes)?;
    assert_eq!(leaf.encode(), bytes);
    Ok(leaf)
}

fn run(vector: &Value) -> Result<(), LeafError> {
    if vector["check"] == "successor" {
        let previous = decode(&vector["previous"]).unwrap();
        return Leaf::check_successor(&previous, &decode(&vector["next"]).unwrap());
    }
    decode(&vector["leaf"]).map(|_| ())
}

#[test]
fn every_flaw_is_refused_for_exactly_its_reason() {
    let all = vectors();
    assert_eq!(all.len(), 16);
    for (name, vector) in all {
        let reason = run(&vector).err().map(|error| error.reason());
        assert_eq!(reason, vector["reason"].as_str(), "{name}");
    }
}

#[test]
fn without_its_flaw_every_vector_is_accepted() {
    for (name, vector) in vectors() {
        let mut good = vector.clone();
        for (field, value) in vector["fixed"].as_object().unwrap() {
            good[field] = value.clone();
        }
        assert_eq!(run(&good), Ok(()), "{name}");
    }
}

#[test]
fn the_golden_leaf_has_these_bytes_and_this_hash() {
    let fact = json(testdata("known/leaf.json"));
    let number = |field: &str| fact[field].as_u64().unwrap();
    let text = |field: &str| fact[field].as_str().unwrap();
    let leaf = Leaf {
        epoch: Epoch::new(number("epoch")),
        time: Millis::new(number("time")),
        previous_root: text("previous_root").parse().unwrap(),
        root: text("root").parse().unwrap(),
        config: text("config").parse().unwrap(),
        inserted: number("inserted"),
        audit_hash: text("audit_hash").parse().unwrap(),
        audit_length: number("audit_length"),
    };
    assert_eq!(hex::encode(leaf.encode()), text("leaf"));
    assert_eq!(leaf.encode().len(), Leaf::LEN);
    assert_eq!(leaf.hash().to_string(), text("leaf_hash"));
    assert_eq!(decode(&fact["leaf"]), Ok(leaf));
}

#[test]
fn nothing_follows_the_last_epoch() {
    let leaf = decode(&json(testdata("known/leaf.json"))["leaf"]).unwrap();
    let last = Leaf {
        epoch: Epoch::new(u64::MAX),
        ..leaf
    };
    for epoch in [Epoch::ZERO, last.epoch] {
        let next = Leaf {
            epoch,
            time: last.time.plus(1),
            previous_root: last.root,
            ..last
        };
        let refused = Leaf::check_successor(&last, &next).unwrap_err();
        assert_eq!(refused.reason(), "epoch-skipped");
    }
}

proptest! {
    #[test]
    fn leaves(epoch: u64, time: u64, roots: [[u8; 32]; 2], config: [u8; 32], audit: [u8; 32], counts in any::<(u64, u64)>()) {
        let first = epoch == 0;
        let leaf = Leaf {
            epoch: Epoch::new(epoch),
            time: Millis::new(time),
            previous_root: if first { RootHash::ZERO } else { RootHash::new(roots[0]) },
            root: if first { empty_root() } else { RootHash::new(roots[1]) },
            config: ConfigHash::new(config),
            inserted: if first { 0 } else { counts.0.max(1) },
            audit_hash: if first { AuditHash::ZERO } else { AuditHash::new(audit) },
            audit_length: if first { 0 } else { counts.1.clamp(1, 64 << 20) },
        };
        prop_assert_eq!(Leaf::decode(&leaf.encode()), Ok(leaf));
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), magic: bool) {
        if magic {
            bytes.resize(Leaf::LEN, 0);
            bytes[..4].copy_from_slice(b"KGE1");
        }
        if let Ok(leaf) = Leaf::decode(&bytes) {
            prop_assert_eq!(leaf.encode(), bytes);
        }
    }
}
