//! What the targets begin with: the bytes and texts in the committed vectors.

use std::collections::BTreeSet;
use std::path::Path;

use keyglass_protocol::codec::base64_decode;
use serde_json::Value;

/// Longest seed in bytes: what is larger teaches a fuzzer little.
const LONGEST: usize = 64 * 1024;

/// Every text in the vectors, and the bytes that it stands for as hex or base64.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = BTreeSet::new();
    folder(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/testdata"),
        &mut seeds,
    );
    seeds.into_iter().filter(|s| s.len() <= LONGEST).collect()
}

fn folder(path: &Path, seeds: &mut BTreeSet<Vec<u8>>) {
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            folder(&path, seeds);
        } else if let Ok(value) = serde_json::from_slice(&std::fs::read(&path).unwrap()) {
            walk(&value, seeds);
        }
    }
}

fn walk(value: &Value, seeds: &mut BTreeSet<Vec<u8>>) {
    match value {
        Value::String(text) => {
            seeds.insert(text.as_bytes().to_vec());
            seeds.extend(hex::decode(text).ok());
            seeds.extend(base64_decode(text).ok());
        }
        Value::Array(items) => items.iter().for_each(|v| walk(v, seeds)),
        Value::Object(fields) => {
            // An answer, an evidence file or a proof as a whole.
            seeds.insert(value.to_string().into_bytes());
            fields.values().for_each(|v| walk(v, seeds));
        }
        _ => {}
    }
}
