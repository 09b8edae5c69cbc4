//! What is fuzzed: every decoder and every verifier of `protocol`, each with what must hold whatever comes.
//!
//! `cargo +nightly fuzz run TARGET` searches; `cargo test` runs each on the committed vectors and on random changes
//! of them, with a stable compiler; `cargo run --bin TARGET FILE...` replays what was found.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a fuzz target stops loudly"
)]

mod decode;
mod seeds;
mod verify;

pub use seeds::seeds;

/// A target: its name, and what it does with any bytes at all.
pub type Target = (&'static str, fn(&[u8]));

/// All of them; each has a file of its name in `fuzz_targets`.
pub const TARGETS: &[Target] = &[
    ("account_record", decode::account_record),
    ("add_checkpoint", decode::add_checkpoint),
    ("alias_record", decode::alias_record),
    ("answer", verify::answer),
    ("answer_protobuf", decode::answer_protobuf),
    ("append_only", verify::append_only),
    ("absence", verify::absence),
    ("base64", decode::base64),
    ("call_binding", decode::call_binding),
    ("config", decode::config),
    ("consistency", verify::consistency),
    ("entries", decode::entries),
    ("evidence", verify::evidence),
    ("history", verify::history),
    ("inclusion", verify::inclusion),
    ("label", decode::label),
    ("leaf", decode::leaf),
    ("lookup", verify::lookup),
    ("note", decode::note),
    ("policy", decode::policy),
    ("receipt", decode::receipt),
    ("safety_number_qr", decode::safety_number_qr),
    ("tile_path", decode::tile_path),
    ("tlog_proof", decode::tlog_proof),
    ("vkey", decode::vkey),
    ("vrf", verify::vrf),
];

/// Runs a target by its name.
///
/// # Panics
/// There is none of this name, or what must hold does not.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|(n, _)| *n == name);
    target.unwrap_or_else(|| panic!("no target {name}")).1(data);
}

/// Runs a target on the files named on the command line.
pub fn replay(name: &str) {
    for file in std::env::args_os().skip(1) {
        run(name, &std::fs::read(&file).unwrap());
        println!("{}: nothing wrong", file.display());
    }
}
