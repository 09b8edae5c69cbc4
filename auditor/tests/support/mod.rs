//! A directory in memory, made with akd itself, that can tell the truth and lie; and an auditor that follows it.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test file uses its part"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod rig;
mod world;

pub use rig::{ManualClock, Rig, Watched};
pub use world::{Staged, World, config_values, note, signing_key, vkey};
