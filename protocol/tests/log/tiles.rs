//! Tiles: counts, paths, hashes, and the opinion of another implementation.

use keyglass_protocol::log::{
    LogError, SubtreeHashes as _, SubtreePlace, TileKind, TilePath, bundle_entries, full_tiles, leaf_hash,
    partial_width, subtree_in_tile, subtree_root, tile_levels, tile_width, tiles, unbundle_entries,
};
use keyglass_protocol::quantity::LogSize;
use proptest::prelude::*;
use tlog_tiles::Tile;

use super::{Memory, json, testdata};

#[test]
fn the_known_path_is_printed_and_read() {
    let fact = json(testdata("known/tile_path.json"));
    let index = fact["index"].as_u64().unwrap();
    let path = TilePath::new(TileKind::Hashes(3), index, 256).unwrap();
    assert_eq!(
        path.to_string(),
        format!("tile/3/{}", fact["path"].as_str().unwrap())
    );
    assert_eq!(path.to_string().parse(), Ok(path));
    assert_eq!(
        (path.kind(), path.index(), path.width()),
        (TileKind::Hashes(3), index, 256)
    );
    let entries = TilePath::new(TileKind::Entries, 7, 255).unwrap();
    assert_eq!(entries.to_string(), "tile/entries/007.p/255");
    assert!(entries.is_partial() && !path.is_partial());
}

#[test]
fn size_70000_has_the_known_tiles() {
    let fact = json(testdata("known/tiles_for_size_70000.json"));
    let size = LogSize::new(70_000);
    assert_eq!(Some(full_tiles(0, size)), fact["full_level0"].as_u64());
    assert_eq!(
        Some(u64::from(partial_width(0, size))),
        fact["partial_level0"].as_u64()
    );
    assert_eq!(Some(full_tiles(1, size)), fact["full_level1"].as_u64());
    assert_eq!(
        Some(u64::from(partial_width(1, size))),
        fact["partial_level1"].as_u64()
    );
    assert_eq!(full_tiles(2, size), 0);
    assert_eq!(
        Some(u64::from(partial_width(2, size))),
        fact["partial_level2"].as_u64()
    );
    assert_eq!(tile_levels(size), 3);
}

#[test]
fn no_empty_tiles() {
    assert_eq!(tile_levels(LogSize::ZERO), 0);
    assert_eq!(tile_width(0, 0, LogSize::ZERO), None);
    let full = LogSize::new(256);
    assert_eq!(
        (tile_width(0, 0, full), tile_width(0, 1, full)),
        (Some(256), None)
    );
    assert_eq!((tile_width(1, 0, full), tile_width(2, 0, full)), (Some(1), None));
    assert_eq!(tile_levels(LogSize::new(u64::MAX)), 8);
    assert_eq!(tile_width(9, 0, LogSize::new(u64::MAX)), None);
    assert_eq!(tile_width(0, 1, LogSize::new(300)), Some(44));
    assert_eq!(tile_width(0, 2, LogSize::new(300)), None);
}

#[test]
fn parts_out_of_range_make_no_path() {
    assert_eq!(
        TilePath::new(TileKind::Hashes(64), 0, 1),
        Err(LogError::TileLevel)
    );
    for width in [0, 257] {
        assert_eq!(
            TilePath::new(TileKind::Entries, 0, width),
            Err(LogError::TileWidth)
        );
    }
}

#[test]
fn subtrees_are_found_in_tiles() {
    let log = Memory::of(1024);
    let level0 = |index: usize| &log.0[256 * index..256 * (index + 1)];
    let level1: Vec<_> = (0..4).map(|n| subtree_root(level0(n)).unwrap()).collect();
    for level in 0..=10_u8 {
        for index in 0..(1024_u64 >> level) {
            let place = SubtreePlace::of(level, index).unwrap();
            assert_eq!(place.tile_level, level / 8);
            let tile = match place.tile_level {
                0 => level0(usize::try_from(place.tile_index).unwrap()),
                _ => &level1,
            };
            assert_eq!(
                subtree_in_tile(tile, level, index).unwrap(),
                log.subtree(level, index).unwrap()
            );
        }
    }
}

#[test]
fn what_a_tile_does_not_hold_is_refused() {
    let log = Memory::of(256);
    assert_eq!(subtree_in_tile(&log.0[..3], 1, 1), Err(LogError::TileTooNarrow));
    assert_eq!(
        subtree_in_tile(&log.0, 1, u64::MAX),
        Err(LogError::IndexBeyondSize)
    );
    for count in [0, 3, 255] {
        assert_eq!(subtree_root(&log.0[..count]), Err(LogError::NotComplete));
    }
    assert_eq!(subtree_root(&log.0[..1]), Ok(log.0[0]));
}

#[test]
fn bundles_have_1_to_256_entries_of_up_to_65535_bytes() {
    assert_eq!(bundle_entries(&[b"ab", b""]).unwrap(), b"\0\x02ab\0\0");
    assert_eq!(bundle_entries(&[]), Err(LogError::BundleWidth));
    assert_eq!(
        bundle_entries(&[b"x".as_slice(); 257]),
        Err(LogError::BundleWidth)
    );
    assert!(bundle_entries(&[b"x".as_slice(); 256]).is_ok());
    let long = vec![0; 65_536];
    assert_eq!(bundle_entries(&[&long]), Err(LogError::EntryTooLong));
    assert!(bundle_entries(&[&long[1..]]).is_ok());
    // Reading stops at the width: what lies behind is not even looked at.
    assert_eq!(unbundle_entries(b"\0\x01a\0\x09b", 1), Err(LogError::BundleWidth));
}

/// Their path has the tile height between `tile` and the level, and calls entries `data`.
fn their_path(tile: &Tile) -> String {
    let path = tile.path();
    path.replacen("tile/8/data/", "tile/entries/", 1)
        .replacen("tile/8/", "tile/", 1)
}

#[test]
fn both_publish_the_same_tiles() {
    let sizes = [0, 1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_792, 70_000];
    for from in sizes {
        for to in sizes.into_iter().filter(|to| *to >= from) {
            let ours: Vec<String> = tiles(LogSize::new(from), LogSize::new(to))
                .map(|tile| tile.to_string())
                .collect();
            let theirs: Vec<String> = Tile::new_tiles(8, from, to).iter().map(their_path).collect();
            assert_eq!(ours, theirs, "{from} to {to}");
        }
    }
}

#[test]
fn both_hash_a_tile_alike() {
    let log = Memory::of(256);
    let bytes: Vec<u8> = log.0.iter().flat_map(|hash| *hash.as_bytes()).collect();
    let theirs = Tile::subtree_hash(&bytes);
    assert_eq!(subtree_root(&log.0).unwrap().as_bytes(), &theirs.0);
    assert_eq!(
        leaf_hash(b"entry").as_bytes(),
        &tlog_tiles::record_hash(b"entry").0
    );
}

proptest! {
    #[test]
    fn paths(level in 0_u8..64, index: u64, width in 1_u16..=256, entries: bool) {
        let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
        let path = TilePath::new(kind, index, width).unwrap();
        prop_assert_eq!(path.to_string().parse(), Ok(path));
        let level = if entries { 0 } else { level };
        let theirs = Tile::new(8, level, index, u32::from(width), entries);
        prop_assert_eq!(path.to_string(), their_path(&theirs));
    }

    #[test]
    fn whatever_path_is_accepted_is_canonical(path in "tile/([0-9]{1,2}|entries)/(x?[0-9]{2,4}/){0,3}[x0-9]{3,4}(\\.p/[0-9]{1,3})?") {
        if let Ok(tile) = path.parse::<TilePath>() {
            prop_assert_eq!(tile.to_string(), path);
        }
    }
}
