//! The epoch log: an RFC 6962 Merkle tree over leaves, and its tiles (tlog-tiles).
//!
//! Leaf hash SHA-256(0x00 || entry), inner hash SHA-256(0x01 || left || right). Proving needs only the
//! hashes of complete subtrees ([`SubtreeHashes`]); verifying needs nothing but the proof.

mod error;
mod frontier;
mod hash;
mod proof;
mod tile;
mod tile_path;
mod verify;

pub use error::{LogError, ProveError};
pub use frontier::Frontier;
pub use hash::{empty_root, leaf_hash, node_hash};
pub use proof::{SubtreeHashes, consistency_proof, inclusion_proof, root};
pub use tile::{
    SubtreePlace, TILE_WIDTH, bundle_entries, full_tiles, partial_width, subtree_in_tile, subtree_root,
    tile_levels, tile_width, tiles, unbundle_entries,
};
pub use tile_path::{TileKind, TilePath};
pub use verify::{verify_consistency, verify_inclusion};
