//! Starting from a trusted checkpoint instead of epoch 0.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log::{SubtreePlace, leaf_hash, subtree_in_tile, subtree_root, tile_width};
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::auditor::{NamedConfig, Node, Start};

use super::advance::log_peaks;
use super::{Follower, blocking};
use crate::refusal::{Refusal, Stop};
use crate::source::{self, Damage, LEAVES_PER_TILE};

/// What is named where no single tile is to blame.
const TILES: &str = "/log/tile";

impl Follower {
    /// Takes the pinned starting checkpoint on trust, if there is one and nothing was verified yet.
    pub(super) async fn start(&mut self) -> Result<(), Stop> {
        let Some(note) = self.pins.from_checkpoint.clone() else {
            return Ok(());
        };
        if self.verified().await?.size != LogSize::ZERO {
            return Ok(());
        }
        let trusted = SignedCheckpoint::open(&note, &self.pins.log_key)?;
        let (size, root) = (trusted.checkpoint().size, trusted.checkpoint().root);
        let Some(last) = size.last_epoch() else {
            return Err(Refusal::Start("it is empty").into());
        };
        if self.signed().await?.is_some_and(|signed| signed.size < size) {
            let why =
                "this auditor has signed a smaller size before: start from that one or from the beginning";
            return Err(Refusal::Start(why).into());
        }
        let nodes = self.fetch_peaks(size).await?;
        let leaf_bytes = self.fetch_leaf(last.get(), size).await?;
        let joined = nodes.iter().rev().map(|node| node.hash);
        let joined = joined.reduce(|right, left| keyglass_protocol::log::node_hash(&left, &right));
        if joined != Some(root) {
            return Err(Damage::StartRoot.at(TILES).into());
        }
        self.check_last(&nodes, last.get(), &leaf_bytes).await?;
        let leaf = Leaf::decode(&leaf_bytes).map_err(|_| Refusal::Start("its last leaf is malformed"))?;
        if leaf.epoch != last {
            return Err(Refusal::Start("its last leaf states another epoch").into());
        }
        let bytes = source::config(&*self.parts.source, &leaf.config).await?;
        let refused = |error| Refusal::Config {
            epoch: leaf.epoch,
            error,
        };
        let document = ConfigDocument::parse(&bytes).map_err(refused)?;
        document.check_log(&self.pins.log_key).map_err(refused)?;
        let config = NamedConfig {
            hash: leaf.config,
            bytes,
            first: leaf.epoch,
        };
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || {
            let (note, leaf) = (note.as_slice(), leaf_bytes.as_slice());
            store.start_from(
                id,
                &Start {
                    size,
                    root,
                    note,
                    leaf,
                    nodes: &nodes,
                    config: &config,
                },
            )
        })
        .await?;
        self.config = Some(document);
        self.shared.start(size);
        tracing::info!(
            origin = self.shared.origin(),
            size = size.get(),
            "starting from a trusted checkpoint"
        );
        Ok(())
    }

    async fn fetch_peaks(&self, size: LogSize) -> Result<Vec<Node>, Stop> {
        let mut tiles: HashMap<(u8, u64), Vec<LogHash>> = HashMap::new();
        let mut nodes = Vec::new();
        for (level, index) in log_peaks(size.get()) {
            let wrong = |_| Damage::HashCount.at(TILES);
            let place = SubtreePlace::of(level, index).map_err(wrong)?;
            let key = (place.tile_level, place.tile_index);
            let tile = match tiles.entry(key) {
                Entry::Occupied(held) => held.into_mut(),
                Entry::Vacant(place) => {
                    let width = tile_width(key.0, key.1, size).unwrap_or(1);
                    place.insert(source::hash_tile(&*self.parts.source, key.0, key.1, width).await?)
                }
            };
            nodes.push(Node {
                level,
                index,
                hash: subtree_in_tile(tile, level, index).map_err(wrong)?,
            });
        }
        Ok(nodes)
    }

    async fn fetch_leaf(&self, index: u64, size: LogSize) -> Result<Vec<u8>, Stop> {
        let tile = index / LEAVES_PER_TILE;
        let width = tile_width(0, tile, size).unwrap_or(1);
        let entries = source::entries(&*self.parts.source, tile, width).await?;
        entries
            .into_iter()
            .next_back()
            .ok_or_else(|| Damage::EntryCount.at(TILES).into())
    }

    /// The leaf is the last one under the last peak: hash by hash up the right edge.
    async fn check_last(&self, nodes: &[Node], index: u64, leaf: &[u8]) -> Result<(), Stop> {
        let Some(peak) = nodes.last() else {
            return Err(Damage::NoTile.at(TILES).into());
        };
        let size = LogSize::new(index.saturating_add(1));
        let (mut hash, mut at) = (leaf_hash(leaf), index);
        for level in 0..8 {
            let tile = at / LEAVES_PER_TILE;
            let width = tile_width(level, tile, size).unwrap_or(1);
            let hashes = source::hash_tile(&*self.parts.source, level, tile, width).await?;
            if hashes.last() != Some(&hash) {
                return Err(Damage::StartLeaf.at(TILES).into());
            }
            if peak.level < 8 * (level + 1) {
                let under = subtree_in_tile(&hashes, peak.level, peak.index);
                return if under == Ok(peak.hash) {
                    Ok(())
                } else {
                    Err(Damage::TileTwice.at(TILES).into())
                };
            }
            hash = subtree_root(&hashes).map_err(|_| Damage::HashCount.at(TILES))?;
            at = tile;
        }
        Err(Damage::NoTile.at(TILES).into())
    }
}
