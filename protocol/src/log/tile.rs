//! Tiles (tlog-tiles): 256 hashes of one level, 8 levels of the tree apart; and bundles of entries.

use super::error::LogError;
use super::hash::node_hash;
use super::tile_path::{TileKind, TilePath};
use crate::codec::Reader;
use crate::quantity::{LogHash, LogSize};

/// Hashes or entries in a full tile.
pub const TILE_WIDTH: u16 = 256;

/// Levels of a tree that one tile spans.
const TILE_HEIGHT: u8 = 8;

/// Hashes on tile level `level` in a log of `size` leaves.
fn hashes_on(level: u8, size: LogSize) -> u64 {
    let shift = u32::from(level).saturating_mul(u32::from(TILE_HEIGHT));
    size.get().checked_shr(shift).unwrap_or(0)
}

/// Number of full tiles on a level of a log of this size.
pub fn full_tiles(level: u8, size: LogSize) -> u64 {
    hashes_on(level, size) / u64::from(TILE_WIDTH)
}

/// Width of the partial tile on a level: 0 if there is none.
pub fn partial_width(level: u8, size: LogSize) -> u16 {
    // Below 256, so it always fits.
    u16::try_from(hashes_on(level, size) % u64::from(TILE_WIDTH)).unwrap_or(0)
}

/// Number of tile levels that a log of this size has; 0 if it is empty.
pub fn tile_levels(size: LogSize) -> u8 {
    (0..=TILE_HEIGHT)
        .find(|level| hashes_on(*level, size) == 0)
        .unwrap_or(TILE_HEIGHT)
}

/// Width of tile `index` on a level of a log of this size: 1..=256, or `None` if there is no such tile.
pub fn tile_width(level: u8, index: u64, size: LogSize) -> Option<u16> {
    let full = full_tiles(level, size);
    if index < full {
        return Some(TILE_WIDTH);
    }
    let partial = partial_width(level, size);
    (index == full && partial > 0).then_some(partial)
}

/// Tiles of hashes that a log of size `to` has and one of size `from` had not, by level and index.
///
/// A partial tile that grew is among them, with its new width.
pub fn tiles(from: LogSize, to: LogSize) -> impl Iterator<Item = TilePath> {
    (0..tile_levels(to)).flat_map(move |level| {
        let first = full_tiles(level, from);
        let grew = hashes_on(level, from) < hashes_on(level, to);
        let end = hashes_on(level, to).div_ceil(u64::from(TILE_WIDTH));
        (first..end).filter(move |_| grew).filter_map(move |index| {
            TilePath::new(TileKind::Hashes(level), index, tile_width(level, index, to)?).ok()
        })
    })
}

/// Where the hash of a complete subtree is found in the tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubtreePlace {
    /// Level of the tile.
    pub tile_level: u8,
    /// Index of the tile on its level.
    pub tile_index: u64,
    /// First hash of the tile that lies under the subtree, 0..=255.
    pub first: u8,
    /// How many hashes of the tile lie under it: 1, 2, 4, … 128.
    pub count: u8,
}

impl SubtreePlace {
    /// The place of the subtree of 2^`level` leaves with this index.
    ///
    /// # Errors
    /// [`LogError::IndexBeyondSize`] if it begins beyond leaf 2^64 - 1.
    pub fn of(level: u8, index: u64) -> Result<Self, LogError> {
        let inner = level % TILE_HEIGHT;
        let count = 1_u8 << inner;
        let first = index
            .checked_mul(u64::from(count))
            .ok_or(LogError::IndexBeyondSize)?;
        let [.., low] = first.to_be_bytes();
        Ok(Self {
            tile_level: level / TILE_HEIGHT,
            tile_index: first >> TILE_HEIGHT,
            first: low,
            count,
        })
    }
}

/// Hash of the complete subtree of 2^`level` leaves with this index, from the hashes of its tile.
///
/// # Errors
/// [`LogError::TileTooNarrow`] if the tile does not reach so far; [`LogError::IndexBeyondSize`].
pub fn subtree_in_tile(tile: &[LogHash], level: u8, index: u64) -> Result<LogHash, LogError> {
    let place = SubtreePlace::of(level, index)?;
    let first = usize::from(place.first);
    let hashes = tile
        .get(first..first + usize::from(place.count))
        .ok_or(LogError::TileTooNarrow)?;
    subtree_root(hashes)
}

/// Root over a power of two of hashes; of a full tile: its hash on the level above.
///
/// # Errors
/// [`LogError::NotComplete`] for any other number of hashes.
pub fn subtree_root(hashes: &[LogHash]) -> Result<LogHash, LogError> {
    if !hashes.len().is_power_of_two() {
        return Err(LogError::NotComplete);
    }
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[left, right]| node_hash(left, right))
            .collect();
    }
    row.first().copied().ok_or(LogError::NotComplete)
}

/// The bytes of an entry bundle: each entry with its u16 length before it.
///
/// # Errors
/// [`LogError::BundleWidth`] unless there are 1..=256 entries; [`LogError::EntryTooLong`].
pub fn bundle_entries(entries: &[&[u8]]) -> Result<Vec<u8>, LogError> {
    if entries.is_empty() || entries.len() > usize::from(TILE_WIDTH) {
        return Err(LogError::BundleWidth);
    }
    let mut out = Vec::new();
    for entry in entries {
        let len = u16::try_from(entry.len()).map_err(|_| LogError::EntryTooLong)?;
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(entry);
    }
    Ok(out)
}

/// The entries of a bundle that must have exactly `width` of them.
///
/// # Errors
/// [`LogError::BundleTruncated`] or [`LogError::BundleWidth`].
pub fn unbundle_entries(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, LogError> {
    let mut reader = Reader::new(bundle);
    let mut entries = Vec::new();
    while reader.remaining() > 0 {
        if entries.len() == usize::from(width) {
            return Err(LogError::BundleWidth);
        }
        let entry = reader.bytes16(usize::from(u16::MAX));
        entries.push(entry.map_err(|_| LogError::BundleTruncated)?);
    }
    if entries.len() != usize::from(width) {
        return Err(LogError::BundleWidth);
    }
    Ok(entries)
}
