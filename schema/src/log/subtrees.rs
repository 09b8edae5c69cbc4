//! Hashes of complete subtrees, every eighth level of the log: exactly what its tiles are made of.

use diesel::prelude::*;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log::{SubtreeHashes, SubtreePlace, TILE_WIDTH, subtree_root};
use keyglass_protocol::quantity::LogHash;

use crate::connection::{Tx, on_both};
use crate::error::StoreError;
use crate::number::stored;
use crate::store::Store;
use crate::tables::log_hashes;

const TABLE: &str = "log_hashes";

impl Store {
    /// The first `width` (1..=256) hashes of tile `index` on tile level `level`.
    ///
    /// # Errors
    /// [`StoreError::SubtreeIncomplete`] if the log has fewer.
    pub fn tile_hashes(&self, level: u8, index: u64, width: u16) -> Result<Vec<LogHash>, StoreError> {
        let first = index
            .checked_mul(u64::from(TILE_WIDTH))
            .ok_or(StoreError::OutOfRange("tile index"))?;
        self.database.read_one("tile_hashes", |tx| {
            hashes(tx, level, first, u64::from(width.min(TILE_WIDTH)))
        })
    }
}

impl SubtreeHashes for Store {
    type Error = StoreError;

    fn subtree(&self, level: u8, index: u64) -> Result<LogHash, StoreError> {
        let incomplete = StoreError::SubtreeIncomplete { level, index };
        let Ok(place) = SubtreePlace::of(level, index) else {
            return Err(incomplete);
        };
        let tile = place.tile_index.checked_mul(u64::from(TILE_WIDTH));
        let first = tile.and_then(|tile| tile.checked_add(u64::from(place.first)));
        let Some(first) = first else {
            return Err(incomplete);
        };
        let below = self.database.read_one("subtree", |tx| {
            hashes(tx, place.tile_level, first, u64::from(place.count))
        })?;
        subtree_root(&below).map_err(|_| incomplete)
    }
}

/// `count` hashes of a tile level from `first` on; all must exist.
fn hashes(tx: &mut Tx<'_>, level: u8, first: u64, count: u64) -> Result<Vec<LogHash>, StoreError> {
    let (from, until) = (
        stored(first, "log index")?,
        stored(first.saturating_add(count), "log index")?,
    );
    let query = || {
        log_hashes::table
            .filter(log_hashes::level.eq(i16::from(level)))
            .filter(log_hashes::idx.ge(from))
            .filter(log_hashes::idx.lt(until))
            .order(log_hashes::idx.asc())
            .select(log_hashes::hash)
    };
    let rows: Vec<Vec<u8>> = on_both!(tx, conn => query().load(conn)?);
    if u64::try_from(rows.len()).ok() != Some(count) {
        return Err(StoreError::SubtreeIncomplete {
            level: level.saturating_mul(8),
            index: first,
        });
    }
    let hash = |row: &Vec<u8>| {
        LogHash::try_from(row.as_slice()).map_err(|_| StoreError::Corrupt {
            table: TABLE,
            why: "hash length",
        })
    };
    rows.iter().map(hash).collect()
}

/// Stores a leaf's hash and those of the tiles that it completes; again for a replaced leaf.
pub(super) fn put_leaf_hash(tx: &mut Tx<'_>, leaf: &Leaf) -> Result<(), StoreError> {
    let (mut level, mut index, mut hash) = (0_u8, leaf.epoch.get(), leaf.hash());
    let width = u64::from(TILE_WIDTH);
    loop {
        put(tx, level, index, &hash)?;
        if index % width != width - 1 {
            return Ok(());
        }
        let tile = hashes(tx, level, index - (width - 1), width)?;
        hash = subtree_root(&tile).map_err(|_| StoreError::Corrupt {
            table: TABLE,
            why: "tile width",
        })?;
        level += 1;
        index /= width;
    }
}

fn put(tx: &mut Tx<'_>, level: u8, index: u64, hash: &LogHash) -> Result<(), StoreError> {
    let (level, index) = (i16::from(level), stored(index, "log index")?);
    let hash = hash.as_bytes().as_slice();
    on_both!(tx, conn => diesel::insert_into(log_hashes::table)
        .values((log_hashes::level.eq(level), log_hashes::idx.eq(index), log_hashes::hash.eq(hash)))
        .on_conflict((log_hashes::level, log_hashes::idx))
        .do_update()
        .set(log_hashes::hash.eq(hash))
        .execute(conn)?);
    Ok(())
}
