//! The server from outside: real databases, real ports, time that is handed in.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod access;
mod artefacts;
mod backup;
mod bad_input;
mod common;
mod configuration;
mod cosigning;
mod documented;
mod erasure;
mod hostile;
mod import;
mod imported;
mod kinds;
mod lease;
mod limits;
mod migration;
mod program;
mod publisher_cycle;
mod publisher_faults;
mod reads;
mod replica;
mod restored_backup;
mod stolen_copy;
mod submission;
mod token;
mod verify_store;
