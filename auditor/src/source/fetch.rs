//! What is fetched, by its path, with the number of bytes that is acceptable for it.

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log::{TILE_WIDTH, TileKind, TilePath, unbundle_entries};
use keyglass_protocol::note::MAX_NOTE_BYTES;
use keyglass_protocol::quantity::{AuditHash, ConfigHash, LogHash};
use sha2::{Digest as _, Sha256};

use super::{Damage, EpochSource, Trouble};

/// Leaves under one tile.
pub const LEAVES_PER_TILE: u64 = 256;
/// Longest entry that is read. A leaf has 164 bytes; a longer one is worth reading as evidence only.
pub const MAX_ENTRY_BYTES: u64 = 1024;
/// Longest configuration document.
pub const MAX_CONFIG_BYTES: u64 = 64 << 10;
/// Longest checkpoint note: [`MAX_NOTE_BYTES`].
pub const MAX_CHECKPOINT_BYTES: u64 = 256 << 10;
const _: () = assert!(MAX_NOTE_BYTES == 256 << 10, "the two limits are the same");

/// Bytes of one hash in a tile.
const HASH_BYTES: u64 = 32;

/// The newest signed checkpoint.
///
/// # Errors
/// [`Trouble`] from the source.
pub async fn pending(source: &dyn EpochSource) -> Result<Vec<u8>, Trouble> {
    source.get("/log/pending", MAX_CHECKPOINT_BYTES).await
}

/// The readers' checkpoint.
///
/// # Errors
/// [`Trouble`] from the source.
pub async fn checkpoint(source: &dyn EpochSource) -> Result<Vec<u8>, Trouble> {
    source.get("/log/checkpoint", MAX_CHECKPOINT_BYTES).await
}

/// The first `width` entries under tile `index`.
///
/// A log may drop a partial tile once the full one exists, so that is asked for instead.
///
/// # Errors
/// [`Trouble`] from the source, or if there is another number of entries.
pub async fn entries(source: &dyn EpochSource, index: u64, width: u16) -> Result<Vec<Vec<u8>>, Trouble> {
    let (bundle, width_found, path) =
        tile(source, TileKind::Entries, index, width, 2 + MAX_ENTRY_BYTES).await?;
    let entries = unbundle_entries(&bundle, width_found).map_err(|_| Damage::EntryCount.at(path))?;
    Ok(entries
        .into_iter()
        .take(usize::from(width))
        .map(<[u8]>::to_vec)
        .collect())
}

/// The first `width` hashes of a tile.
///
/// # Errors
/// [`Trouble`] from the source, or if there is another number of hashes.
pub async fn hash_tile(
    source: &dyn EpochSource,
    level: u8,
    index: u64,
    width: u16,
) -> Result<Vec<LogHash>, Trouble> {
    let (bytes, width_found, path) = tile(source, TileKind::Hashes(level), index, width, HASH_BYTES).await?;
    // No more bytes than so many hashes have were taken.
    let (hashes, _) = bytes.as_chunks::<32>();
    if hashes.len() != usize::from(width_found) {
        return Err(Damage::HashCount.at(path));
    }
    Ok(hashes
        .iter()
        .take(usize::from(width))
        .map(|hash| LogHash::new(*hash))
        .collect())
}

/// A tile's bytes, the width that it has and its path.
async fn tile(
    source: &dyn EpochSource,
    kind: TileKind,
    index: u64,
    width: u16,
    item: u64,
) -> Result<(Vec<u8>, u16, String), Trouble> {
    let path = tile_path(kind, index, width)?;
    match source.get(&path, u64::from(width).saturating_mul(item)).await {
        Err(Trouble::Status { status: 404, .. }) if width < TILE_WIDTH => {
            let path = tile_path(kind, index, TILE_WIDTH)?;
            let bytes = source
                .get(&path, u64::from(TILE_WIDTH).saturating_mul(item))
                .await?;
            Ok((bytes, TILE_WIDTH, path))
        }
        bytes => Ok((bytes?, width, path)),
    }
}

fn tile_path(kind: TileKind, index: u64, width: u16) -> Result<String, Trouble> {
    let damaged = |_| Damage::NoTile.at("/log/tile");
    Ok(format!(
        "/log/{}",
        TilePath::new(kind, index, width).map_err(damaged)?
    ))
}

/// The configuration document of this hash.
///
/// # Errors
/// [`Trouble`] from the source, or if the bytes have another hash.
pub async fn config(source: &dyn EpochSource, hash: &ConfigHash) -> Result<Vec<u8>, Trouble> {
    let path = format!("/v1/config/{hash}");
    let bytes = source.get(&path, MAX_CONFIG_BYTES).await?;
    if ConfigHash::new(Sha256::digest(&bytes).into()) == *hash {
        Ok(bytes)
    } else {
        Err(Damage::ConfigHash.at(path))
    }
}

/// The audit proof that a leaf states; no leaf states one that is longer than any may be.
///
/// # Errors
/// [`Trouble`] from the source, or if the bytes are not those that the leaf states.
pub async fn audit_proof(source: &dyn EpochSource, leaf: &Leaf) -> Result<Vec<u8>, Trouble> {
    let path = format!("/log/audit/{}/{}/{}", leaf.epoch, leaf.previous_root, leaf.root);
    let bytes = source.get(&path, leaf.audit_length).await?;
    if u64::try_from(bytes.len()) != Ok(leaf.audit_length) {
        return Err(Damage::ProofLength.at(path));
    }
    if AuditHash::new(Sha256::digest(&bytes).into()) != leaf.audit_hash {
        return Err(Damage::ProofHash.at(path));
    }
    Ok(bytes)
}
