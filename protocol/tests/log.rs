//! The log against files in `testdata/log`, exhaustively for small sizes, and against another implementation.
//!
//! Each file breaks one rule; with the fields of `fixed` in place it is accepted.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

#[path = "log/exhaustive.rs"]
mod exhaustive;
#[path = "log/tiles.rs"]
mod tiles;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::path::PathBuf;

use keyglass_protocol::log::{
    LogError, SubtreeHashes, TilePath, bundle_entries, empty_root, leaf_hash, node_hash, root,
    unbundle_entries, verify_consistency, verify_inclusion,
};
use keyglass_protocol::quantity::{LogHash, LogSize};
use serde_json::Value;

/// All leaf hashes in memory; subtrees by plain recursion.
struct Memory(Vec<LogHash>);

impl Memory {
    fn of(leaves: u64) -> Self {
        Self((0..leaves).map(|n| leaf_hash(&n.to_be_bytes())).collect())
    }
}

impl SubtreeHashes for Memory {
    type Error = Infallible;

    fn subtree(&self, level: u8, index: u64) -> Result<LogHash, Infallible> {
        if level == 0 {
            return Ok(self.0[usize::try_from(index).unwrap()]);
        }
        let left = self.subtree(level - 1, 2 * index)?;
        Ok(node_hash(&left, &self.subtree(level - 1, 2 * index + 1)?))
    }
}

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/log")
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

fn run(vector: &Value) -> Result<(), LogError> {
    let text = |field: &str| vector[field].as_str().unwrap();
    let hash = |field: &str| -> LogHash { text(field).parse().unwrap() };
    let size = |field: &str| LogSize::new(vector[field].as_u64().unwrap());
    let proof = || -> Vec<LogHash> {
        let lines = vector["proof"].as_array().unwrap();
        lines
            .iter()
            .map(|line| line.as_str().unwrap().parse().unwrap())
            .collect()
    };
    match text("check") {
        "inclusion" => {
            let index = vector["index"].as_u64().unwrap();
            verify_inclusion(&hash("leaf"), index, size("size"), &proof(), &hash("root"))
        }
        "consistency" => {
            let (from, to) = (hash("from_root"), hash("to_root"));
            verify_consistency(size("from"), &from, size("to"), &to, &proof())
        }
        "tile_path" => {
            let path: TilePath = text("path").parse()?;
            assert_eq!(path.to_string(), text("path"));
            Ok(())
        }
        "bundle" => {
            let bytes = hex::decode(text("bundle")).unwrap();
            let width = u16::try_from(vector["width"].as_u64().unwrap()).unwrap();
            let entries = unbundle_entries(&bytes, width)?;
            assert_eq!(bundle_entries(&entries), Ok(bytes.clone()));
            Ok(())
        }
        other => panic!("unknown check {other}"),
    }
}

#[test]
fn every_flaw_is_refused_for_exactly_its_reason() {
    for (name, vector) in vectors() {
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
fn every_rule_of_a_proof_or_path_has_a_vector() {
    let covered: BTreeSet<String> = vectors()
        .into_iter()
        .map(|(_, v)| v["reason"].as_str().unwrap().to_owned())
        .collect();
    // About making, not about reading: tested in `tiles` and `exhaustive`.
    let made = [
        "tile-too-narrow",
        "not-complete",
        "entry-too-long",
        "frontier-peaks",
        "log-full",
    ];
    let rules = LogError::ALL.iter().map(LogError::reason);
    let missing: Vec<&str> = rules
        .filter(|rule| !covered.contains(*rule) && !made.contains(rule))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn reasons_are_unique() {
    let all: BTreeSet<_> = LogError::ALL.iter().map(LogError::reason).collect();
    assert_eq!(all.len(), LogError::ALL.len());
}

#[test]
fn the_published_roots_are_reproduced() {
    let fact = json(testdata("known/rfc6962_roots.json"));
    let entries: Vec<Vec<u8>> = fact["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| hex::decode(entry.as_str().unwrap()).unwrap())
        .collect();
    let log = Memory(entries.iter().map(|entry| leaf_hash(entry)).collect());
    for (size, expected) in fact["roots"].as_array().unwrap().iter().enumerate() {
        let found = root(&log, LogSize::new(size as u64)).unwrap();
        assert_eq!(found.to_string(), expected.as_str().unwrap(), "size {size}");
    }
    assert_eq!(empty_root().to_string(), fact["roots"][0].as_str().unwrap());
}
