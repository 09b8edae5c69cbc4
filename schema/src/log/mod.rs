//! The epoch log: leaves, subtree hashes, checkpoints, cosignatures, the readers' head, configuration documents.

mod checkpoints;
mod configs;
mod head;
mod leaves;
mod subtrees;

pub use checkpoints::Cosignature;
