//! What all parties of Keyglass agree on: bytes, signatures, proofs, verdicts.
//!
//! Pure: no clock, network, disk or randomness. Everything is handed in.

pub mod call;
pub mod codec;
pub mod config;
pub mod epoch;
pub mod error;
pub mod evidence;
pub mod label;
pub mod log;
pub mod message;
pub mod note;
pub mod problem;
pub mod quantity;
pub mod receipt;
pub mod record;
pub mod safety_number;
pub mod tree;
pub mod verify;
