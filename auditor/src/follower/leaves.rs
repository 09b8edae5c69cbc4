//! The rules of leaves, one leaf after the other.

use std::time::Duration;

use keyglass_protocol::config::{ConfigDocument, ConfigError};
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogSize};
use keyglass_schema::auditor::NamedConfig;

use super::{Follower, blocking};
use crate::place::Place;
use crate::refusal::{Refusal, Stop};
use crate::source;
use crate::steps::{BadStep, verify_steps};
use crate::window::{Tile, View};

/// How far ahead of the clock a leaf's time may be, in ms.
const MAX_AHEAD: u64 = 60_000;
/// How far before our last cosignature of a smaller log a leaf's time may be, in ms.
const MAX_BEHIND: u64 = 3_600_000;

/// Most leaves between two commits: what a crash during a long catch-up can cost.
const LEAVES_PER_COMMIT: u64 = 64;

/// How far the leaves of a tile are good.
pub(super) struct Checked {
    /// Size of the log up to the last good leaf.
    pub(super) to: LogSize,
    /// The last good leaf.
    pub(super) newest: Option<Leaf>,
    /// Configuration documents that appeared.
    pub(super) configs: Vec<NamedConfig>,
    /// Why it went no further.
    pub(super) stop: Option<Stop>,
}

impl Follower {
    /// Checks some leaves of a tile under the head of `note` from `at` on; `newest` is the leaf before. What leaves say is checked one after
    /// the other, then the steps that they state side by side; the first flaw in the log's order counts.
    pub(super) async fn check_leaves(
        &mut self,
        note: &str,
        view: &View<'_>,
        tile: &Tile,
        at: LogSize,
        newest: Option<Leaf>,
    ) -> Checked {
        let end = tile.end().min(at.get().saturating_add(LEAVES_PER_COMMIT));
        let mut good = Vec::new();
        let mut configs = Vec::new();
        let place = |index| Place {
            note,
            view,
            tile,
            index,
        };
        let mut stop = None;
        for index in at.get()..end {
            let previous = good.last().copied().or(newest);
            match self.check_leaf(&place(index), previous, &mut configs).await {
                Ok(leaf) => good.push(leaf),
                Err(flaw) => {
                    stop = Some(flaw);
                    break;
                }
            }
        }
        if let Err((leaf, bad)) = self.check_steps(&good).await {
            let keep = usize::try_from(leaf.epoch.get().saturating_sub(at.get())).unwrap_or(usize::MAX);
            good.truncate(keep);
            stop = Some(place(leaf.epoch.get()).judge(leaf.epoch, bad));
        }
        let count = u64::try_from(good.len()).unwrap_or(u64::MAX);
        let to = LogSize::new(at.get().saturating_add(count));
        configs.retain(|config| config.first.get() < to.get());
        Checked {
            to,
            newest: good.last().copied().or(newest),
            configs,
            stop,
        }
    }

    /// The first leaf whose step is bad.
    async fn check_steps(&self, leaves: &[Leaf]) -> Result<(), (Leaf, BadStep)> {
        let steps = match leaves.split_first() {
            Some((first, rest)) if first.epoch == Epoch::ZERO => {
                self.parts.metrics.verified(0, Duration::ZERO);
                rest
            }
            _ => leaves,
        };
        let verified = |leaf: &Leaf, elapsed| self.parts.metrics.verified(leaf.epoch.get(), elapsed);
        verify_steps(&self.parts.source, steps, self.options.limits, verified).await
    }

    async fn check_leaf(
        &mut self,
        place: &Place<'_>,
        previous: Option<Leaf>,
        configs: &mut Vec<NamedConfig>,
    ) -> Result<Leaf, Stop> {
        let leaf = place.decode()?;
        if let Some(previous) = &previous {
            Leaf::check_successor(previous, &leaf).map_err(|e| place.bad_pair(e.reason(), &[]))?;
            self.check_not_ended(place, &leaf)?;
        }
        self.check_time(&leaf).await?;
        if let Some(new) = self.check_config(place, &leaf).await? {
            configs.push(new);
        }
        Ok(leaf)
    }

    async fn check_time(&self, leaf: &Leaf) -> Result<(), Stop> {
        let (epoch, time, now) = (leaf.epoch, leaf.time, self.parts.clock.now());
        if time > now.plus(MAX_AHEAD) {
            return Err(Refusal::LeafTimeAhead { epoch, time, now }.into());
        }
        let signed = self.signed().await?;
        // Only a leaf beyond the signed size is bound by its time; others are verified again after a loss of memory.
        let later = signed.filter(|signed| epoch.get() >= signed.size.get());
        match later.map(|signed| signed.at.millis()) {
            Some(signed) if time.plus(MAX_BEHIND) < signed => {
                Err(Refusal::LeafTimeBehind { epoch, time, signed }.into())
            }
            _ => Ok(()),
        }
    }

    /// A document that names a successor stands in the last leaf and in no other. The document in force is that of
    /// the leaf before; whether another may follow it is its own rule.
    fn check_not_ended(&self, place: &Place<'_>, leaf: &Leaf) -> Result<(), Stop> {
        let in_force = self.config.as_ref().filter(|c| c.hash() == leaf.config);
        match in_force.filter(|c| c.successor.is_some()) {
            Some(last) => Err(place.bad_pair("log-ended", &[last.bytes(), last.bytes()])),
            None => Ok(()),
        }
    }

    /// The document named by a leaf, if it is another than the leaf before named.
    async fn check_config(&mut self, place: &Place<'_>, leaf: &Leaf) -> Result<Option<NamedConfig>, Stop> {
        if self
            .config
            .as_ref()
            .is_some_and(|config| config.hash() == leaf.config)
        {
            return Ok(None);
        }
        let bytes = source::config(&*self.parts.source, &leaf.config).await?;
        let broken = |e: ConfigError| place.bad_leaf(e.reason(), &[&bytes]);
        let config = ConfigDocument::parse(&bytes).map_err(broken)?;
        match &self.config {
            Some(previous) => {
                let configs = [previous.bytes(), config.bytes()];
                let changes = previous
                    .check_successor(&config)
                    .map_err(|e| place.bad_pair(e.reason(), &configs))?;
                report(self.shared.origin(), leaf.epoch, &changes);
            }
            None => config.check_first(&self.pins.log_key).map_err(broken)?,
        }
        self.config = Some(config);
        Ok(Some(NamedConfig {
            hash: leaf.config,
            bytes,
            first: leaf.epoch,
        }))
    }

    /// Some leaf must name the pinned configuration before anything is signed.
    pub(super) async fn demand_pinned(&self, new: &[NamedConfig]) -> Result<(), Stop> {
        let Some(pinned) = self.pins.config else {
            return Ok(());
        };
        if new.iter().any(|config| config.hash == pinned) || self.stored_config(pinned).await?.is_some() {
            return Ok(());
        }
        Err(Refusal::PinnedConfigUnseen.into())
    }

    /// Takes up the document that the newest verified leaf names, as it is stored: what a round has seen and not
    /// committed is forgotten.
    pub(super) async fn load_config(&mut self) -> Result<(), Stop> {
        let Some(leaf) = self.newest_leaf(self.verified().await?.size).await? else {
            self.config = None;
            return Ok(());
        };
        if self
            .config
            .as_ref()
            .is_some_and(|config| config.hash() == leaf.config)
        {
            return Ok(());
        }
        let bytes = self.stored_config(leaf.config).await?;
        let bytes = bytes.ok_or_else(|| Stop::Internal("the configuration is not stored".to_owned()))?;
        let config = ConfigDocument::parse(&bytes);
        self.config = Some(config.map_err(|e| Stop::Internal(format!("stored configuration: {e}")))?);
        Ok(())
    }

    pub(super) async fn stored_config(&self, hash: ConfigHash) -> Result<Option<Vec<u8>>, Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || store.config(id, &hash)).await
    }
}

fn report(origin: &str, epoch: Epoch, changes: &[keyglass_protocol::config::ConfigChange]) {
    for change in changes {
        let (epoch, change, key) = (epoch.get(), change.as_str(), change.is_key_change());
        if key {
            tracing::warn!(
                origin,
                epoch,
                change,
                "the directory's configuration changed a key"
            );
        } else {
            tracing::info!(origin, epoch, change, "the directory's configuration changed");
        }
    }
}
