//! The golden vectors of `protocol/testdata` that need a whole directory to be made: answers, evidence, moves.
//!
//! They are committed; a test makes them again and compares. A change of any byte is a change of the protocol.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::lies::{self, Class, Scene};
use crate::world::World;

/// One file: where it belongs below `protocol/testdata`, and its text.
pub struct Vector {
    /// Path below `protocol/testdata`.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// All of them.
pub fn all() -> Vec<Vector> {
    let honest = [
        "account:alice",
        "account:bob",
        "account:nobody",
        "handle:alice",
        "handle:old",
    ];
    let mut vectors: Vec<Vector> = honest
        .iter()
        .map(|label| {
            let name = format!("honest_{}", label.replace(':', "_"));
            vector("answer", &name, &answer_file(&Scene::new(), label, None))
        })
        .collect();
    for lie in lies::all().iter().filter(|l| is_about_an_answer(l.class)) {
        let mut scene = Scene::new();
        scene.told = Some((lie.tell)(&mut scene));
        let name = lie.name.replace('-', "_").replace('\'', "");
        vectors.push(vector(
            "answer",
            &name,
            &answer_file(&scene, lie.label, Some(lie.reason)),
        ));
    }
    for case in crate::evidence::all() {
        let log = World::new(2).keys.log_vkey().to_string();
        let file = json!({
            "log_vkey": log, "finding": case.finding, "reason": case.reason, "evidence": case.evidence,
        });
        vectors.push(vector("evidence", case.name, &file));
    }
    for (name, file) in crate::migration::all() {
        vectors.push(vector("migration", name, &file));
    }
    vectors
}

/// Where `protocol/testdata` is.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/testdata")
}

/// Whether the answers alone show the lie: not the configuration that goes with them, nor the bytes that they come in.
fn is_about_an_answer(class: Class) -> bool {
    !matches!(class, Class::Configuration | Class::Encoding)
}

fn answer_file(scene: &Scene, label: &str, reason: Option<&str>) -> Value {
    json!({
        "reason": reason,
        "label": label,
        "log_vkey": scene.world.keys.log_vkey().to_string(),
        "config": String::from_utf8(scene.world.config.bytes().to_vec()).unwrap(),
        "policy": scene.world.policy().to_string(),
        "seen": {"size": scene.seen.size.get(), "root": scene.seen.root.to_string()},
        "now_ms": scene.world.time().get(),
        "answers": scene.answers(label),
    })
}

fn vector(topic: &str, name: &str, file: &Value) -> Vector {
    let mut text = serde_json::to_string_pretty(file).unwrap();
    text.push('\n');
    Vector {
        path: Path::new(topic).join(format!("{name}.json")),
        text,
    }
}
