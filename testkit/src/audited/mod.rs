//! A directory in memory, made with akd itself, that can tell the truth and lie; and an auditor that follows it.

pub mod faults;
pub mod kill;
pub mod lies;
pub mod long;
mod rig;
pub mod site;
mod world;

pub use rig::{ManualClock, Rig, Watched, auditor_keys, consistency, watched};
pub use world::{ORIGIN, START, Staged, World, config_values, heartbeat, note, signing_key, vkey};
