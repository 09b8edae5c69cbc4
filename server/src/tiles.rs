//! The bytes of tiles and entry bundles (tlog-tiles), for HTTP and for files.

use keyglass_protocol::log::{TILE_WIDTH, TileKind, TilePath, bundle_entries};
use keyglass_protocol::quantity::Epoch;
use keyglass_schema::{Store, StoreError};

/// The bytes of a tile or bundle that the log has. Blocking.
///
/// # Errors
/// [`StoreError`] if the database fails or the log is shorter.
pub(crate) fn read(store: &Store, tile: &TilePath) -> Result<Vec<u8>, StoreError> {
    match tile.kind() {
        TileKind::Hashes(level) => {
            let hashes = store.tile_hashes(level, tile.index(), tile.width())?;
            Ok(hashes.iter().flat_map(|h| *h.as_bytes()).collect())
        }
        TileKind::Entries => {
            let first = tile.index().saturating_mul(u64::from(TILE_WIDTH));
            let leaves = store.leaves(Epoch::new(first), usize::from(tile.width()))?;
            let shorter = || StoreError::SizeUnknown { size: first };
            if leaves.len() != usize::from(tile.width()) {
                return Err(shorter());
            }
            let entries: Vec<Vec<u8>> = leaves.iter().map(|l| l.encode()).collect();
            let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
            bundle_entries(&entries).map_err(|_| shorter())
        }
    }
}
