//! Development only: directories that tell the truth and directories that lie, and what is needed to test with
//! them. May depend on every other crate; nothing depends on it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test tool: what cannot happen in a test should stop it loudly"
)]

pub mod audited;
pub mod bench;
pub mod client;
pub mod cluster;
pub mod evidence;
pub mod failover;
pub mod front;
pub mod honest;
pub mod hostile;
pub mod http;
pub mod keyring;
pub mod keyring_run;
pub mod kill;
pub mod liar;
pub mod lies;
pub mod migration;
pub mod mixed;
pub mod mutants;
pub mod process;
pub mod schemathesis;
pub mod thief;
pub mod tokens;
pub mod vectors;
pub mod world;
