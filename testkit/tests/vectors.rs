//! The committed vectors are the ones that the code makes: a changed byte is a changed protocol.

#![allow(clippy::unwrap_used, reason = "tests")]

use keyglass_testkit::vectors;

#[test]
fn committed_vectors_are_made_again_to_the_byte() {
    let made = vectors::all();
    assert!(made.len() > 80, "only {}", made.len());
    let changed: Vec<_> = made
        .iter()
        .filter(|v| {
            std::fs::read_to_string(vectors::folder().join(&v.path))
                .ok()
                .as_ref()
                != Some(&v.text)
        })
        .map(|v| v.path.display().to_string())
        .collect();
    assert!(
        changed.is_empty(),
        "run `cargo run -p keyglass-testkit --bin vectors`: {changed:?}"
    );
}
