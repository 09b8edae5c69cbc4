//! Hashes of the log (RFC 6962 section 2.1).

use sha2::{Digest as _, Sha256};

use crate::quantity::LogHash;

/// Hash of an entry: SHA-256(0x00 || entry).
pub fn leaf_hash(entry: &[u8]) -> LogHash {
    LogHash::new(
        Sha256::new()
            .chain_update([0])
            .chain_update(entry)
            .finalize()
            .into(),
    )
}

/// Hash of an inner node: SHA-256(0x01 || left || right).
pub fn node_hash(left: &LogHash, right: &LogHash) -> LogHash {
    let hash = Sha256::new()
        .chain_update([1])
        .chain_update(left.as_bytes())
        .chain_update(right.as_bytes())
        .finalize();
    LogHash::new(hash.into())
}

/// Root of the empty log: SHA-256 of nothing.
pub fn empty_root() -> LogHash {
    LogHash::new(Sha256::digest([]).into())
}
