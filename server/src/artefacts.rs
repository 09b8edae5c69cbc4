//! What is immutable, as files laid out as their URLs, so that any file server, object store or CDN can serve them.
//!
//! Audit proofs, tiles, entry bundles and configuration documents never change and are durable before a checkpoint
//! names them. `log/checkpoint` is replaced as a whole when readers move. Partial tiles are removed once the next full
//! tile of their level is there, as tlog-tiles allows.

use std::io;
use std::path::{Path, PathBuf};

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log::{TileKind, TilePath, tiles};
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogSize, RootHash};
use keyglass_schema::{Store, StoreError};

use crate::files;
use crate::tiles;

/// Name of one audit proof: the step into an epoch, from one root to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditName {
    /// The epoch that the step leads into.
    pub epoch: Epoch,
    /// The tree's root before.
    pub previous_root: RootHash,
    /// The tree's root after.
    pub root: RootHash,
}

impl AuditName {
    /// The proof that a leaf states.
    pub fn of(leaf: &Leaf) -> Self {
        Self {
            epoch: leaf.epoch,
            previous_root: leaf.previous_root,
            root: leaf.root,
        }
    }
}

/// The folder of artefacts.
#[derive(Debug, Clone)]
pub struct Artefacts(PathBuf);

impl Artefacts {
    /// Opens the folder, making it if need be.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir.join("log").join("audit"))?;
        Ok(Self(dir.to_owned()))
    }

    /// Where one audit proof lies.
    pub fn audit_path(&self, name: &AuditName) -> PathBuf {
        let mut path = self.0.join("log").join("audit");
        path.extend([
            name.epoch.to_string(),
            name.previous_root.to_string(),
            name.root.to_string(),
        ]);
        path
    }

    /// Stores an audit proof durably. Blocking.
    ///
    /// # Errors
    /// Writing or syncing failed.
    pub fn put_audit(&self, name: &AuditName, proof: &[u8]) -> io::Result<()> {
        self.replace(&self.audit_path(name), proof)
    }

    /// Stores every tile and entry bundle that a log of size `to` has and one of size `from` had not. Blocking.
    ///
    /// # Errors
    /// Reading the log, writing or syncing failed.
    pub fn put_log(&self, store: &Store, from: LogSize, to: LogSize) -> io::Result<()> {
        for tile in tiles(from, to) {
            self.put_tile(store, &tile)?;
            if tile.kind() == TileKind::Hashes(0) {
                let entries = TilePath::new(TileKind::Entries, tile.index(), tile.width());
                self.put_tile(store, &entries.map_err(io::Error::other)?)?;
            }
        }
        Ok(())
    }

    fn put_tile(&self, store: &Store, tile: &TilePath) -> io::Result<()> {
        let path = self.tile_path(tile);
        if path.exists() {
            return Ok(());
        }
        self.replace(&path, &tiles::read(store, tile).map_err(unreadable)?)?;
        match tile.index().checked_sub(1) {
            Some(before) if !tile.is_partial() => self.remove_partial(tile.kind(), before),
            _ => Ok(()),
        }
    }

    /// Removes the partial tiles beside a full one.
    fn remove_partial(&self, kind: TileKind, index: u64) -> io::Result<()> {
        let full = TilePath::new(kind, index, keyglass_protocol::log::TILE_WIDTH);
        let folder = self
            .tile_path(&full.map_err(io::Error::other)?)
            .with_extension("p");
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Where a tile or entry bundle lies.
    pub fn tile_path(&self, tile: &TilePath) -> PathBuf {
        self.0.join("log").join(tile.to_string())
    }

    /// Stores a configuration document. Blocking.
    ///
    /// # Errors
    /// Writing or syncing failed.
    pub fn put_config(&self, hash: &ConfigHash, document: &[u8]) -> io::Result<()> {
        let path = self.0.join("v1").join("config").join(hash.to_string());
        if path.exists() {
            return Ok(());
        }
        self.replace(&path, document)
    }

    /// Replaces the readers' checkpoint. Blocking.
    ///
    /// # Errors
    /// Writing or syncing failed.
    pub fn put_checkpoint(&self, note: &[u8]) -> io::Result<()> {
        self.replace(&self.0.join("log").join("checkpoint"), note)
    }

    /// Writes a file and the folders above it, durably.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            self.make(folder)?;
        }
        files::replace(path, bytes, files::PUBLIC)
    }

    /// Makes a folder below ours, and its entry and those above it durable.
    fn make(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent().filter(|above| above.starts_with(&self.0)) {
            self.make(above)?;
        }
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => files::sync_parent(folder),
        }
    }

    /// Reads an audit proof. Blocking.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub fn audit(&self, name: &AuditName) -> io::Result<Vec<u8>> {
        std::fs::read(self.audit_path(name))
    }
}

fn unreadable(error: StoreError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use keyglass_protocol::log::tile_width;
    use keyglass_protocol::quantity::{AuditHash, Millis};
    use keyglass_schema::{DatabaseUrl, StoreKeys};

    /// A log of any leaves: what stands in them does not matter here.
    fn log(dir: &Path) -> Store {
        let url = DatabaseUrl::sqlite(&dir.join("db"));
        Store::open(&url, StoreKeys::from_secret(&[1; 32])).unwrap()
    }

    fn grow(store: &Store, index: u64) {
        let audited = index > 0;
        let root = |index: u64| match index {
            0 => keyglass_protocol::tree::empty_root(),
            _ => RootHash::new([1; 32]),
        };
        store
            .stage_leaf(&Leaf {
                epoch: Epoch::new(index),
                time: Millis::new(index + 1),
                previous_root: index.checked_sub(1).map_or(RootHash::ZERO, root),
                root: root(index),
                config: ConfigHash::new([2; 32]),
                inserted: u64::from(audited),
                audit_hash: AuditHash::new([u8::from(audited); 32]),
                audit_length: u64::from(audited),
            })
            .unwrap();
    }

    #[test]
    fn every_tile_of_a_log_is_there_and_old_parts_of_full_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (store, artefacts) = (log(dir.path()), Artefacts::open(&dir.path().join("a")).unwrap());
        let other = Artefacts::open(&dir.path().join("b")).unwrap();
        // By 26 leaves at a time: a publisher that was busy, and quicker here.
        for from in (0..520).step_by(26) {
            (from..from + 26).for_each(|index| grow(&store, index));
            let (from, to) = (LogSize::new(from), LogSize::new(from + 26));
            artefacts.put_log(&store, from, to).unwrap();
        }
        let size = LogSize::new(520);
        other.put_log(&store, LogSize::ZERO, size).unwrap();
        let kinds = [
            (TileKind::Entries, 0, 3),
            (TileKind::Hashes(0), 0, 3),
            (TileKind::Hashes(1), 1, 1),
        ];
        for (kind, level, count) in kinds {
            for index in 0..count {
                let width = tile_width(level, index, size).unwrap();
                let tile = TilePath::new(kind, index, width).unwrap();
                let bytes = tiles::read(&store, &tile).unwrap();
                for folder in [&artefacts, &other] {
                    assert_eq!(std::fs::read(folder.tile_path(&tile)).unwrap(), bytes, "{tile}");
                }
            }
        }
        let partial = |index: u64| artefacts.0.join(format!("log/tile/0/{index:03}.p"));
        assert!(!partial(0).exists(), "the next full tile is there");
        assert!(partial(1).is_dir() && partial(2).is_dir());
    }

    #[test]
    fn a_proof_lies_where_its_url_says() {
        let dir = tempfile::tempdir().unwrap();
        let artefacts = Artefacts::open(dir.path()).unwrap();
        let name = AuditName {
            epoch: Epoch::new(7),
            previous_root: RootHash::new([0xaa; 32]),
            root: RootHash::new([0xbb; 32]),
        };
        artefacts.put_audit(&name, b"first").unwrap();
        artefacts.put_audit(&name, b"again").unwrap();
        assert_eq!(artefacts.audit(&name).unwrap(), b"again");
        let expected = format!("log/audit/7/{}/{}", "aa".repeat(32), "bb".repeat(32));
        assert!(dir.path().join(expected).is_file());
    }
}
