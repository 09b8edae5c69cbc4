//! From the verified size to a new checkpoint.

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log;
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::auditor::{AuditorStoreError, NamedConfig, Node, Step, Verified};

use super::sign::ToSign;
use super::{Follower, blocking};
use crate::moments::Moment;
use crate::place::text;
use crate::refusal::{Refusal, Stop};
use crate::source::{Damage, LEAVES_PER_TILE};
use crate::window::{Tile, View, Window};

/// Leaves of one tile that were verified, and what is recorded of them.
pub(super) struct Advance {
    from: LogSize,
    to: LogSize,
    root: LogHash,
    leaves: Vec<Vec<u8>>,
    nodes: Vec<Node>,
    configs: Vec<NamedConfig>,
}

impl Follower {
    /// Verifies everything below the checkpoint, and signs it.
    pub(super) async fn reach(&mut self, head: &SignedCheckpoint) -> Result<(), Stop> {
        let verified = self.verified().await?;
        if head.checkpoint().size > verified.size {
            return self.verify_up_to(head, verified).await;
        }
        // Verified in a round that ended before it signed.
        self.demand_prefix(head).await?;
        self.demand_pinned(&[]).await?;
        self.sign_again(head).await
    }

    async fn verify_up_to(&mut self, head: &SignedCheckpoint, verified: Verified) -> Result<(), Stop> {
        let target = head.checkpoint().size;
        self.load_config().await?;
        let window = self.window(head, &verified).await?;
        let note = text(&self.bare(head)?);
        let mut at = verified.size;
        let mut before: Option<Tile> = None;
        let mut newest = self.newest_leaf(at).await?;
        let mut kept = false;
        for index in window.tiles() {
            let tile = window.tile(&*self.parts.source, index).await?;
            let view = window.view(&tile, before.as_ref());
            while at.get() < tile.end().min(target.get()) {
                self.progress(at, target);
                let checked = self.check_leaves(&note, &view, &tile, at, newest).await;
                newest = checked.newest;
                let to = checked.to;
                self.demand_own(head, &view, at, to).await?;
                self.parts.moments.reached(Moment::Verified);
                let step = Advance {
                    from: at,
                    to,
                    root: view.root_at(to)?,
                    leaves: (at.get()..to.get())
                        .filter_map(|leaf| tile.entry(leaf).cloned())
                        .collect(),
                    nodes: view.completed(at.get(), to.get())?,
                    configs: checked.configs,
                };
                // What was verified before a leaf that was refused stays verified.
                let done = checked.stop.is_none() && to == target;
                let signing = if done {
                    Some(self.ready_to_sign(head, &step.configs).await?)
                } else {
                    // What is verified in part is held against this head, should the log get another past meanwhile.
                    if !kept {
                        self.compare_head(head).await?;
                        kept = true;
                    }
                    None
                };
                self.store(step, signing).await?;
                checked.stop.map_or(Ok(()), Err)?;
                at = to;
            }
            before = Some(tile);
        }
        self.parts.metrics.lag(0);
        Ok(())
    }

    /// How far a catch-up is. What is done is committed in small steps, so it goes on from there after a stop.
    fn progress(&self, at: LogSize, target: LogSize) {
        let left = target.get().saturating_sub(at.get());
        self.parts.metrics.lag(left);
        if left > LEAVES_PER_TILE {
            tracing::info!(
                origin = self.shared.origin(),
                verified = at.get(),
                of = target.get(),
                "catching up"
            );
        }
    }

    /// A signature of ours beyond what was verified (its database was lost) must be over this log.
    async fn demand_own(
        &self,
        head: &SignedCheckpoint,
        view: &View<'_>,
        from: LogSize,
        to: LogSize,
    ) -> Result<(), Stop> {
        let Some(own) = self.signed().await? else {
            return Ok(());
        };
        if own.size <= from || own.size > to || view.root_at(own.size)? == own.root {
            return Ok(());
        }
        let claim = self.disowned(&own.note, own.size, head, view)?;
        Err(Stop::contradiction(
            "fork",
            "another-root-at-its-size",
            Some(claim),
        ))
    }

    /// Commits the step, together with the signature's record if there is one, then signs.
    async fn store(&mut self, step: Advance, signing: Option<Result<ToSign, Refusal>>) -> Result<(), Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        let (signing, refused) = match signing {
            Some(Ok(signing)) => (Some(signing), None),
            Some(Err(refusal)) => (None, Some(refusal)),
            None => (None, None),
        };
        let signing = blocking(move || -> Result<Option<ToSign>, AuditorStoreError> {
            let record = signing.as_ref().map(ToSign::record);
            let row = Step {
                from: step.from,
                to: step.to,
                root: step.root,
                leaves: &step.leaves,
                nodes: &step.nodes,
                configs: &step.configs,
            };
            store.advance(id, &row, record.as_ref())?;
            Ok(signing)
        })
        .await?;
        self.parts.moments.reached(Moment::Stored);
        if let Some(signing) = signing {
            self.publish(&signing).await?;
        }
        refused.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// The checkpoint, ready to be signed, unless the pinned configuration was never named.
    async fn ready_to_sign(
        &self,
        head: &SignedCheckpoint,
        new: &[NamedConfig],
    ) -> Result<Result<ToSign, Refusal>, Stop> {
        match self.demand_pinned(new).await {
            Ok(()) => Ok(Ok(self.to_sign(head)?)),
            Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
            Err(stop) => Err(stop),
        }
    }

    /// Fetches the log behind the verified part. It hashes to the signed root, and continues what was verified.
    async fn window(&self, head: &SignedCheckpoint, verified: &Verified) -> Result<Window, Stop> {
        let target = head.checkpoint();
        // From the tile of the last verified leaf on, so that it is at hand.
        let first_tile = verified.size.get().saturating_sub(1) / LEAVES_PER_TILE;
        let peaks = self.peaks(first_tile.saturating_mul(LEAVES_PER_TILE)).await?;
        let source = &*self.parts.source;
        let window = Window::fetch(source, peaks, first_tile, target.size).await?;
        if window.root()? != target.root {
            // Damaged on the way, or an honest-looking tail on another past.
            self.look_for_fork(head).await?;
            return Err(Damage::LogRoot.at("/log/tile/entries").into());
        }
        if verified.size > LogSize::ZERO {
            let tile = window.tile(source, first_tile).await?;
            let view = window.view(&tile, None);
            if view.root_at(verified.size)? != verified.root {
                return Err(self.another_past(head, &window, &view, verified.size).await?);
            }
        }
        Ok(window)
    }

    /// The subtrees that make up the first `size` leaves, all of them verified.
    pub(super) async fn peaks(&self, size: u64) -> Result<Vec<Node>, Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        let places = log_peaks(size);
        blocking(move || {
            let mut nodes = Vec::with_capacity(places.len());
            for (level, index) in places {
                if let Some(hash) = store.node(id, level, index)? {
                    nodes.push(Node { level, index, hash });
                }
            }
            Ok(nodes)
        })
        .await
    }

    pub(super) async fn verified(&self) -> Result<Verified, Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || store.verified(id)).await
    }

    /// The last verified leaf.
    pub(super) async fn newest_leaf(&self, verified: LogSize) -> Result<Option<Leaf>, Stop> {
        let Some(epoch) = verified.last_epoch() else {
            return Ok(None);
        };
        let (store, id) = (self.parts.store.clone(), self.id);
        let bytes = blocking(move || store.leaf(id, epoch)).await?;
        let bytes = bytes.ok_or_else(|| Stop::Internal("the last verified leaf is not stored".to_owned()))?;
        Leaf::decode(&bytes)
            .map(Some)
            .map_err(|e| Stop::Internal(format!("stored leaf: {e}")))
    }

    /// Root of the first `size` leaves, all of them verified; `None` where the start is not known.
    pub(super) async fn stored_root(&self, size: LogSize) -> Result<Option<LogHash>, Stop> {
        let peaks = self.peaks(size.get()).await?;
        if peaks.len() != log_peaks(size.get()).len() {
            return Ok(None);
        }
        let hashes = peaks.iter().map(|peak| peak.hash);
        let root = hashes.rev().reduce(|right, left| log::node_hash(&left, &right));
        Ok(Some(root.unwrap_or_else(log::empty_root)))
    }
}

/// Level and index of the complete subtrees that make up a log, from the left.
pub(super) fn log_peaks(size: u64) -> Vec<(u8, u64)> {
    let mut places = Vec::new();
    let mut first = 0_u64;
    for level in (0..64_u8).rev() {
        if size >> level & 1 == 1 {
            places.push((level, first >> level));
            first += 1 << level;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::log_peaks;

    #[test]
    fn peaks_follow_the_bits_of_the_size() {
        assert_eq!(log_peaks(0), []);
        assert_eq!(log_peaks(1), [(0, 0)]);
        assert_eq!(log_peaks(0b1101), [(3, 0), (2, 2), (0, 12)]);
        assert_eq!(log_peaks(1 << 63), [(63, 0)]);
    }
}
