//! The tree's verifier against the real akd: honest proofs, forgeries, mutations, golden vectors.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    unreachable_pub,
    reason = "tests"
)]

mod agreement;
mod akd_verdict;
mod case;
mod compact;
mod flaws_append;
mod flaws_history;
mod flaws_lookup;
mod flaws_path;
mod flaws_wire;
mod folding;
mod forge;
mod forgeries;
mod honest;
mod message;
mod robustness;
mod vectors;
