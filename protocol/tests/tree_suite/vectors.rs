//! Golden vectors: one file per rule in `testdata/tree/<topic>/<flaw>.json`, each breaking only
//! that rule. They are made by the code here, the same every time; `KEYGLASS_WRITE_VECTORS=1`
//! writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::akd_verdict;
use super::case::Case;
use super::{flaws_append, flaws_history, flaws_lookup, flaws_path, flaws_wire};

#[derive(Debug, Clone)]
pub struct Flaw {
    topic: &'static str,
    name: &'static str,
    reason: &'static str,
    what: &'static str,
    case: Case,
}

pub fn flaw(topic: &'static str, reason: &'static str, what: &'static str, case: Case) -> Flaw {
    Flaw {
        topic,
        name: reason,
        reason,
        what,
        case,
    }
}

impl Flaw {
    /// Under another file name than the reason's.
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    fn to_json(&self) -> Value {
        let mut json = self.case.to_json();
        json["what"] = self.what.into();
        json["reason"] = self.reason.into();
        json["akd_accepts"] = akd_verdict::accepts(&self.case).into();
        json
    }
}

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tree")
}

fn all() -> Vec<Flaw> {
    [
        flaws_path::flaws(),
        flaws_lookup::flaws(),
        flaws_history::flaws(),
        flaws_append::flaws(),
        flaws_wire::flaws(),
    ]
    .concat()
}

/// All vector files by their path below the directory, the copied forgeries apart.
fn files() -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for topic in std::fs::read_dir(directory()).unwrap() {
        let topic = topic.unwrap().path();
        for file in std::fs::read_dir(&topic).unwrap() {
            let file = file.unwrap().path();
            let name = file
                .strip_prefix(directory())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if !name.starts_with("forgeries/") {
                found.insert(
                    name,
                    serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap(),
                );
            }
        }
    }
    found
}

#[test]
fn every_vector_is_refused_with_its_reason() {
    let files = files();
    assert!(files.len() > 90, "{}", files.len());
    for (name, json) in files {
        let case = Case::from_json(&json);
        assert_eq!(case.reason(), json["reason"].as_str().unwrap(), "{name}");
        assert_eq!(
            akd_verdict::accepts(&case),
            json["akd_accepts"].as_bool().unwrap(),
            "{name}"
        );
    }
}

#[test]
fn the_files_are_what_the_code_makes() {
    let made: BTreeMap<String, Value> = all()
        .iter()
        .map(|flaw| (format!("{}/{}.json", flaw.topic, flaw.name), flaw.to_json()))
        .collect();
    assert_eq!(made.len(), all().len(), "two flaws share a file name");
    if std::env::var_os("KEYGLASS_WRITE_VECTORS").is_some() {
        for (name, json) in &made {
            let path = directory().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(json).unwrap())).unwrap();
        }
    }
    let files = files();
    assert_eq!(files.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    for (name, json) in made {
        assert_eq!(files[&name], json, "{name}");
    }
}

/// Where akd is too lenient although every hash fits. A rule that leaves this list, or enters
/// it, is news about akd.
const AKD_ACCEPTS: &[&str] = &[
    "absence/both-children-missing",
    "absence/child-is-its-parent",
    "absence/child-is-prefix",
    "absence/child-on-wrong-side",
    "absence/empty-child-value",
    "absence/path-not-at-root",
    "append-only/empty-proof",
    "append-only/label-not-minimal",
    "append-only/leaf-label-length",
    "append-only/nothing-inserted",
    "history/blank-value",
    "history/previous-unexpected",
    "history/record-epoch-above-head",
    "history/two-in-one-epoch",
    "history/version-above-epoch",
    "lookup/blank-value",
    "lookup/marker-extra",
    "lookup/marker-missing",
    "lookup/marker-of-another",
    "lookup/marker-order",
    "lookup/marker-too-long",
    "lookup/record-epoch-above-head",
    "lookup/short-nonce",
    "lookup/value-too-long",
    "lookup/version-above-epoch",
    "path/bad-direction",
    "path/bits-past-length",
    "path/direction-mismatch",
    "path/empty-child-below-root",
    "path/empty-child-value",
    "path/empty-path",
    "path/label-not-minimal",
    "path/parent-is-leaf",
    "path/parent-not-prefix",
    "path/path-not-at-root",
    "path/sibling-not-below-parent",
    "path/siblings-on-same-side",
    "path/two-siblings",
    "protobuf/protobuf-bad-wire-type",
    "protobuf/protobuf-duplicate-field",
    "protobuf/protobuf-unknown-field",
    "protobuf/protobuf-varint-not-minimal",
    "vrf/vrf-scalar",
];

#[test]
fn akd_is_too_lenient_exactly_here() {
    let lenient: BTreeSet<String> = files()
        .into_iter()
        .filter(|(_, json)| json["akd_accepts"] == true)
        .map(|(name, _)| name.trim_end_matches(".json").to_owned())
        .collect();
    let expected: BTreeSet<String> = AKD_ACCEPTS.iter().map(ToString::to_string).collect();
    assert_eq!(lenient, expected);
}
