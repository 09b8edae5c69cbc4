//! The directory server: request in, proof out; pending updates in, published epoch out.
//!
//! [`server::start`] puts the parts together. Everything secret, every time and the observer of publishing steps are handed
//! in, so that a test or another program runs the same code in its own process.

pub mod access;
mod affinity;
pub mod artefacts;
pub mod audits;
pub mod backup;
pub mod bootstrap;
pub mod clock;
pub mod configuration;
pub mod cosigners;
pub mod directory;
pub mod export;
mod files;
pub mod final_state;
pub mod guard;
pub mod guard_accept;
pub mod guard_init;
pub mod http;
pub mod import;
pub mod journal;
pub mod keys;
pub mod lease;
mod priority;
pub mod publisher;
pub mod replica;
pub mod replicas;
pub mod restore;
pub mod server;
pub mod service;
pub mod settings;
pub mod submission;
mod tiles;
pub mod verify_store;
