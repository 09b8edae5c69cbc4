//! Leaves and proofs of the epoch log, made from its public tiles (C2SP tlog-tiles).
//!
//! Nothing here is trusted: what is made from wrong tiles does not verify.

use std::cell::RefCell;
use std::collections::HashMap;

use keyglass_protocol::log::{
    self, ProveError, SubtreeHashes, SubtreePlace, TILE_WIDTH, TileKind, TilePath, subtree_in_tile,
    tile_width, unbundle_entries,
};
use keyglass_protocol::message::{B64, ConsistencyProof, EpochProof};
use keyglass_protocol::quantity::{LogHash, LogSize};

use crate::exit::Exit;
use crate::http::{Http, Received};
use crate::report::Failure;

/// The tiles of a log of one size.
pub(crate) struct Tiles<'h> {
    http: &'h Http,
    size: LogSize,
    kept: RefCell<HashMap<TilePath, Vec<LogHash>>>,
}

impl<'h> Tiles<'h> {
    /// The tiles that a log of this size has.
    pub(crate) fn new(http: &'h Http, size: LogSize) -> Self {
        Self {
            http,
            size,
            kept: RefCell::default(),
        }
    }

    /// A leaf and its inclusion proof.
    pub(crate) fn epoch_proof(&self, index: u64) -> Result<EpochProof, Failure> {
        let width = self.width(0, index / u64::from(TILE_WIDTH))?;
        let path = TilePath::new(TileKind::Entries, index / u64::from(TILE_WIDTH), width).map_err(wrong)?;
        let received = self.get(&path)?;
        // A full bundle may stand where a partial one was.
        let width = if received.was_full { TILE_WIDTH } else { width };
        let entries = unbundle_entries(&received.body, width).map_err(wrong)?;
        let place = usize::try_from(index % u64::from(TILE_WIDTH)).unwrap_or(usize::MAX);
        let leaf = entries
            .get(place)
            .ok_or_else(|| wrong("the bundle is too short"))?;
        let proof = log::inclusion_proof(self, index, self.size).map_err(prove)?;
        Ok(EpochProof {
            index,
            leaf: B64(leaf.to_vec()),
            inclusion_proof: hashes(&proof),
        })
    }

    /// That the log of size `from` is a prefix of this one.
    pub(crate) fn consistency(&self, from: LogSize) -> Result<ConsistencyProof, Failure> {
        let proof = log::consistency_proof(self, from, self.size).map_err(prove)?;
        Ok(ConsistencyProof {
            from: from.get(),
            hashes: hashes(&proof),
        })
    }

    /// Root of this log when it had this size.
    pub(crate) fn root(&self, at: LogSize) -> Result<LogHash, Failure> {
        log::root(self, at)
    }

    fn width(&self, level: u8, index: u64) -> Result<u16, Failure> {
        tile_width(level, index, self.size).ok_or_else(|| wrong("the log is not that long"))
    }

    fn tile(&self, level: u8, index: u64) -> Result<Vec<LogHash>, Failure> {
        let width = self.width(level, index)?;
        let path = TilePath::new(TileKind::Hashes(level), index, width).map_err(wrong)?;
        if let Some(tile) = self.kept.borrow().get(&path) {
            return Ok(tile.clone());
        }
        let received = self.get(&path)?;
        let (chunks, rest) = received.body.as_chunks::<32>();
        let tile: Vec<LogHash> = chunks
            .iter()
            .take(width.into())
            .map(|c| LogHash::new(*c))
            .collect();
        if !rest.is_empty() || tile.len() != usize::from(width) {
            return Err(wrong("a tile has another length than its path says"));
        }
        self.kept.borrow_mut().insert(path, tile.clone());
        Ok(tile)
    }

    /// A partial tile may be gone once the full one is there.
    fn get(&self, path: &TilePath) -> Result<TileBytes, Failure> {
        let received = self.http.get(&format!("/log/{path}"))?;
        if received.status == 404 && path.is_partial() {
            let full = TilePath::new(path.kind(), path.index(), TILE_WIDTH).map_err(wrong)?;
            return Ok(TileBytes {
                body: self.ok(self.http.get(&format!("/log/{full}"))?)?,
                was_full: true,
            });
        }
        Ok(TileBytes {
            body: self.ok(received)?,
            was_full: false,
        })
    }

    fn ok(&self, received: Received) -> Result<Vec<u8>, Failure> {
        if received.status == 200 {
            Ok(received.body)
        } else {
            Err(self.http.unexpected(&received))
        }
    }
}

struct TileBytes {
    body: Vec<u8>,
    was_full: bool,
}

impl SubtreeHashes for Tiles<'_> {
    type Error = Failure;

    fn subtree(&self, level: u8, index: u64) -> Result<LogHash, Failure> {
        let place = SubtreePlace::of(level, index).map_err(wrong)?;
        let tile = self.tile(place.tile_level, place.tile_index)?;
        subtree_in_tile(&tile, level, index).map_err(wrong)
    }
}

fn hashes(proof: &[LogHash]) -> Vec<B64> {
    proof.iter().map(|h| B64(h.as_bytes().to_vec())).collect()
}

fn prove(error: ProveError<Failure>) -> Failure {
    match error {
        ProveError::OutOfRange => wrong("the log is not that long"),
        ProveError::Source(failure) => failure,
    }
}

fn wrong(why: impl ToString) -> Failure {
    Failure::new(
        Exit::Malformed,
        "bad-tile",
        format!("the log's tiles are malformed: {}", why.to_string()),
    )
    .meaning("the directory, a cache or a proxy in between gives wrong bytes")
    .next("try again, or another address of the directory with --directory URL")
}
