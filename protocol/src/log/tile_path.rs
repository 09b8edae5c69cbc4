//! Paths of tiles: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]` (tlog-tiles).

use core::fmt;
use core::str::FromStr;

use super::error::LogError;
use super::tile::TILE_WIDTH;

/// Last level that a path can name.
const MAX_LEVEL: u8 = 63;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TileKind {
    /// Hashes of this tile level, 0..=63; level 0 are leaf hashes.
    Hashes(u8),
    /// The entries under the tile of level 0 with the same index.
    Entries,
}

/// Path of a tile below the log's prefix, without leading slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u16,
}

impl TilePath {
    /// A path of its parts; width 256 is a full tile.
    ///
    /// # Errors
    /// [`LogError::TileLevel`] above 63, [`LogError::TileWidth`] unless 1..=256.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Result<Self, LogError> {
        if matches!(kind, TileKind::Hashes(level) if level > MAX_LEVEL) {
            return Err(LogError::TileLevel);
        }
        if !(1..=TILE_WIDTH).contains(&width) {
            return Err(LogError::TileWidth);
        }
        Ok(Self { kind, index, width })
    }

    /// What the tile holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Index of the tile on its level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Hashes or entries in it, 1..=256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile has fewer than 256 hashes or entries.
    pub fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        write_index(f, self.index)?;
        if self.is_partial() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for TilePath {
    type Err = LogError;

    fn from_str(path: &str) -> Result<Self, LogError> {
        let rest = path.strip_prefix("tile/").ok_or(LogError::TilePrefix)?;
        let (kind, rest) = rest.split_once('/').ok_or(LogError::TilePrefix)?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(canonical(level).ok_or(LogError::TileLevel)?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => {
                let width = canonical(width).filter(|w| *w < TILE_WIDTH);
                (index, width.ok_or(LogError::TileWidth)?)
            }
            None => (rest, TILE_WIDTH),
        };
        let tile = Self::new(kind, parse_index(index)?, width)?;
        // Catches every other spelling of an index, such as `x000/001`.
        if tile.to_string() == path {
            Ok(tile)
        } else {
            Err(LogError::TileIndex)
        }
    }
}

/// A decimal number without sign or leading zeros.
fn canonical<T: FromStr + ToString>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

fn write_index(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    let rest = index / 1000;
    if rest > 0 {
        write_leading(f, rest)?;
    }
    write!(f, "{:03}", index % 1000)
}

/// The groups before the last, each with its `x`; at most 6.
fn write_leading(f: &mut fmt::Formatter<'_>, index: u64) -> fmt::Result {
    if index >= 1000 {
        write_leading(f, index / 1000)?;
    }
    write!(f, "x{:03}/", index % 1000)
}

/// Reads the digits; the caller compares the printed path.
fn parse_index(text: &str) -> Result<u64, LogError> {
    text.split('/').try_fold(0_u64, |index, group| {
        let group: u64 = group
            .strip_prefix('x')
            .unwrap_or(group)
            .parse()
            .map_err(|_| LogError::TileIndex)?;
        let index = index.checked_mul(1000).and_then(|index| index.checked_add(group));
        index.ok_or(LogError::TileIndex)
    })
}
