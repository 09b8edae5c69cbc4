//! Vectors as files: the tests make them again and demand the same bytes.
//!
//! `KEYGLASS_WRITE_VECTORS=1` writes new files and leaves existing ones alone: a frozen vector never changes.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

fn folder(topic: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(topic)
}

/// All vectors of a topic whose file name begins so, by name.
pub fn read(topic: &str, prefix: &str) -> Vec<(String, Value)> {
    let mut found: Vec<_> = std::fs::read_dir(folder(topic))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, path)| {
            let text = std::fs::read_to_string(path).unwrap();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect();
    found.sort_by(|a: &(String, Value), b| a.0.cmp(&b.0));
    assert!(!found.is_empty(), "no vectors {topic}/{prefix}*");
    found
}

pub fn read_one(topic: &str, name: &str) -> Value {
    let path = folder(topic).join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Demands that the files of a topic with this prefix are exactly these.
pub fn demand(topic: &str, prefix: &str, made: &[(String, Value)]) {
    if std::env::var_os("KEYGLASS_WRITE_VECTORS").is_some() {
        write_missing(topic, made);
    }
    let frozen = read(topic, prefix);
    let names = |list: &[(String, Value)]| list.iter().map(|(n, _)| n.clone()).collect::<BTreeSet<_>>();
    assert_eq!(names(made).len(), made.len(), "a name stands twice");
    assert_eq!(names(&frozen), names(made), "files in testdata/{topic}");
    for (name, value) in &frozen {
        let (_, again) = made.iter().find(|(n, _)| n == name).unwrap();
        assert_eq!(value, again, "testdata/{topic}/{name}.json");
    }
}

fn write_missing(topic: &str, made: &[(String, Value)]) {
    std::fs::create_dir_all(folder(topic)).unwrap();
    for (name, value) in made {
        let path = folder(topic).join(format!("{name}.json"));
        if !path.exists() {
            std::fs::write(path, serde_json::to_string_pretty(value).unwrap() + "\n").unwrap();
        }
    }
}

pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is no text in {value}"))
}

pub fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap()
}
