//! The part of the log that is being verified: fetched, and known to hash to the signed root, before anything in it
//! is looked at.
//!
//! Memory is one hash per 256 leaves and the leaves of one tile, however far the auditor is behind. Tiles that do
//! not fit are fetched a second time and must have the same hash then. What an accusation needs (inclusion
//! proofs of any leaf at hand) follows from what is held here: the directory cannot take it back.

use keyglass_protocol::log::{
    SubtreeHashes, TILE_WIDTH, inclusion_proof, leaf_hash, node_hash, root, subtree_in_tile, subtree_root,
    tile_width,
};
use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::auditor::Node;

use crate::source::{self, Damage, EpochSource, LEAVES_PER_TILE, Trouble};

/// log2 of the leaves under a tile.
const TILE_LEVEL: u8 = 8;

/// Some leaves of one tile, from its first.
#[derive(Debug, Clone)]
pub(crate) struct Tile {
    index: u64,
    entries: Vec<Vec<u8>>,
    hashes: Vec<LogHash>,
}

impl Tile {
    async fn fetch(source: &dyn EpochSource, index: u64, width: u16) -> Result<Self, Trouble> {
        let entries = source::entries(source, index, width).await?;
        let hashes = entries.iter().map(|entry| leaf_hash(entry)).collect();
        Ok(Self {
            index,
            entries,
            hashes,
        })
    }

    /// Index of the first leaf.
    pub(crate) fn first(&self) -> u64 {
        self.index.saturating_mul(LEAVES_PER_TILE)
    }

    /// Index after the last leaf.
    pub(crate) fn end(&self) -> u64 {
        self.first()
            .saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    /// The leaf of this index.
    pub(crate) fn entry(&self, index: u64) -> Option<&Vec<u8>> {
        let place = usize::try_from(index.checked_sub(self.first())?).ok()?;
        self.entries.get(place)
    }

    fn subtree(&self, level: u8, index: u64) -> Option<LogHash> {
        let tile = index >> TILE_LEVEL.checked_sub(level)?;
        (tile == self.index).then(|| subtree_in_tile(&self.hashes, level, index).ok())?
    }
}

/// The log of one size from some tile on.
#[derive(Debug)]
pub(crate) struct Window {
    size: LogSize,
    /// The subtrees that make up everything before the first tile.
    peaks: Vec<Node>,
    first_tile: u64,
    /// Roots of the full tiles from `first_tile` on.
    full: Vec<LogHash>,
    /// The partial tile at the end.
    partial: Option<Tile>,
    /// The full tile that was fetched last.
    recent: Option<Tile>,
}

impl Window {
    /// Fetches the log of `size` from `first_tile` on. `peaks` are the subtrees before it.
    pub(crate) async fn fetch(
        source: &dyn EpochSource,
        peaks: Vec<Node>,
        first_tile: u64,
        size: LogSize,
    ) -> Result<Self, Trouble> {
        let mut window = Self {
            size,
            peaks,
            first_tile,
            full: Vec::new(),
            partial: None,
            recent: None,
        };
        let mut index = first_tile;
        while let Some(width) = tile_width(0, index, size) {
            let tile = Tile::fetch(source, index, width).await?;
            if width == TILE_WIDTH {
                window.full.push(full_root(&tile)?);
                window.recent = Some(tile);
            } else {
                window.partial = Some(tile);
            }
            index = index.saturating_add(1);
        }
        Ok(window)
    }

    /// The whole log of `size`.
    pub(crate) async fn whole(source: &dyn EpochSource, size: LogSize) -> Result<Self, Trouble> {
        Self::fetch(source, Vec::new(), 0, size).await
    }

    /// Root of the whole.
    pub(crate) fn root(&self) -> Result<LogHash, MissingSubtree> {
        root(
            &View {
                window: self,
                tile: None,
                before: None,
            },
            self.size,
        )
    }

    /// Indexes of the tiles.
    pub(crate) fn tiles(&self) -> std::ops::Range<u64> {
        let full = u64::try_from(self.full.len()).unwrap_or(u64::MAX);
        let end = self
            .first_tile
            .saturating_add(full)
            .saturating_add(u64::from(self.partial.is_some()));
        self.first_tile..end
    }

    /// A tile, from memory or fetched again.
    pub(crate) async fn tile(&self, source: &dyn EpochSource, index: u64) -> Result<Tile, Trouble> {
        let held = [&self.partial, &self.recent]
            .into_iter()
            .flatten()
            .find(|tile| tile.index == index);
        if let Some(tile) = held {
            return Ok(tile.clone());
        }
        let tile = Tile::fetch(source, index, TILE_WIDTH).await?;
        if self.full_tile(index) != Some(full_root(&tile)?) {
            return Err(Damage::TileTwice.at("/log/tile/entries"));
        }
        Ok(tile)
    }

    /// The log as seen while `tile`, and perhaps the one before it, are at hand.
    pub(crate) fn view<'a>(&'a self, tile: &'a Tile, before: Option<&'a Tile>) -> View<'a> {
        View {
            window: self,
            tile: Some(tile),
            before,
        }
    }

    fn full_tile(&self, index: u64) -> Option<LogHash> {
        let place = usize::try_from(index.checked_sub(self.first_tile)?).ok()?;
        self.full.get(place).copied()
    }
}

fn full_root(tile: &Tile) -> Result<LogHash, Trouble> {
    subtree_root(&tile.hashes).map_err(|_| Damage::EntryCount.at("/log/tile/entries"))
}

/// Hashes of complete subtrees, as far as they follow from what is held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    window: &'a Window,
    tile: Option<&'a Tile>,
    before: Option<&'a Tile>,
}

/// A subtree that does not follow from what is held: a mistake of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("subtree {index} of level {level} is not at hand")]
pub struct MissingSubtree {
    /// Its level.
    pub level: u8,
    /// Its number in the level.
    pub index: u64,
}

impl View<'_> {
    /// The tile at hand that contains this leaf.
    pub(crate) fn tile_of(&self, index: u64) -> Option<&Tile> {
        [self.tile, self.before]
            .into_iter()
            .flatten()
            .find(|tile| tile.index == index >> TILE_LEVEL)
    }

    /// Root of the first `size` leaves; the last of them must be in a tile at hand.
    pub(crate) fn root_at(&self, size: LogSize) -> Result<LogHash, MissingSubtree> {
        root(self, size)
    }

    /// Inclusion proof of a leaf of a tile at hand, in the whole log.
    pub(crate) fn inclusion(&self, index: u64) -> Option<Vec<LogHash>> {
        inclusion_proof(self, index, self.window.size).ok()
    }

    /// The subtrees of level 1 and above that the leaves `from..to` complete.
    pub(crate) fn completed(&self, from: u64, to: u64) -> Result<Vec<Node>, MissingSubtree> {
        let mut nodes = Vec::new();
        for leaf in from..to {
            let levels = u8::try_from(leaf.trailing_ones()).unwrap_or(u8::MAX);
            for level in 1..=levels {
                let index = leaf >> level;
                nodes.push(Node {
                    level,
                    index,
                    hash: self.subtree(level, index)?,
                });
            }
        }
        Ok(nodes)
    }
}

impl SubtreeHashes for View<'_> {
    type Error = MissingSubtree;

    fn subtree(&self, level: u8, index: u64) -> Result<LogHash, MissingSubtree> {
        let peak = self
            .window
            .peaks
            .iter()
            .find(|peak| peak.level == level && peak.index == index);
        if let Some(peak) = peak {
            return Ok(peak.hash);
        }
        let missing = MissingSubtree { level, index };
        if level < TILE_LEVEL {
            let held = [
                self.tile,
                self.before,
                self.window.partial.as_ref(),
                self.window.recent.as_ref(),
            ];
            return held
                .into_iter()
                .flatten()
                .find_map(|tile| tile.subtree(level, index))
                .ok_or(missing);
        }
        if level == TILE_LEVEL {
            return self.window.full_tile(index).ok_or(missing);
        }
        let left = index.checked_mul(2).ok_or(missing)?;
        let below = level - 1;
        Ok(node_hash(
            &self.subtree(below, left)?,
            &self.subtree(below, left + 1)?,
        ))
    }
}
