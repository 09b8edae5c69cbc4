//! Epochs: the leaf of each in the epoch log, and what is demanded of it.

pub mod leaf;

pub use leaf::{Leaf, LeafError};
