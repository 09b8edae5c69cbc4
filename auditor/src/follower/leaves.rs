//! The rules of leaves, one leaf after the other.

use std::sync::Arc;
use std::time::Instant;

use keyglass_protocol::config::{ConfigDocument, ConfigError};
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::evidence::{BadAppend, BadLeaf, Claim};
use keyglass_protocol::message::{B64, EpochProof};
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogSize};
use keyglass_protocol::tree::{self, MAX_AUDIT_PROOF_BYTES};
use keyglass_schema::auditor::NamedConfig;

use super::{Follower, blocking};
use crate::refusal::{Refusal, Stop};
use crate::source;
use crate::step::{StepError, Transition, verify_step};
use crate::window::{Tile, View};

/// How far ahead of the clock a leaf's time may be, in ms.
const MAX_AHEAD: u64 = 60_000;
/// How far before our last cosignature of a smaller log a leaf's time may be, in ms.
const MAX_BEHIND: u64 = 3_600_000;

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

/// One leaf in its log, for accusations.
struct Place<'a> {
    head: &'a SignedCheckpoint,
    view: &'a View<'a>,
    tile: &'a Tile,
    index: u64,
}

impl Follower {
    /// Checks the leaves of a tile from `at` on; `newest` is the leaf before.
    pub(super) async fn check_leaves(
        &mut self,
        head: &SignedCheckpoint,
        view: &View<'_>,
        tile: &Tile,
        at: LogSize,
        newest: Option<Leaf>,
    ) -> Checked {
        let mut checked = Checked {
            to: at,
            newest,
            configs: Vec::new(),
            stop: None,
        };
        for index in at.get()..tile.end() {
            let place = Place {
                head,
                view,
                tile,
                index,
            };
            let started = Instant::now();
            match self
                .check_leaf(&place, checked.newest, &mut checked.configs)
                .await
            {
                Ok(leaf) => {
                    checked.newest = Some(leaf);
                    checked.to = LogSize::new(index.saturating_add(1));
                    self.parts.metrics.verified(index, started.elapsed());
                }
                Err(stop) => {
                    checked.stop = Some(stop);
                    break;
                }
            }
        }
        checked
    }

    async fn check_leaf(
        &mut self,
        place: &Place<'_>,
        previous: Option<Leaf>,
        configs: &mut Vec<NamedConfig>,
    ) -> Result<Leaf, Stop> {
        let leaf = place.decode()?;
        match &previous {
            Some(previous) => {
                Leaf::check_successor(previous, &leaf).map_err(|e| place.bad_pair(e.reason(), &[]))?;
            }
            None if leaf.root != tree::empty_root() => return Err(Refusal::FirstRoot.into()),
            None => {}
        }
        self.check_time(&leaf).await?;
        if let Some(new) = self.check_config(place, &leaf).await? {
            configs.push(new);
        }
        if leaf.epoch != Epoch::ZERO {
            self.check_step(place, &leaf).await?;
        }
        Ok(leaf)
    }

    async fn check_time(&self, leaf: &Leaf) -> Result<(), Stop> {
        let (epoch, time, now) = (leaf.epoch, leaf.time, self.parts.clock.now());
        if time > now.plus(MAX_AHEAD) {
            return Err(Refusal::LeafTimeAhead { epoch, time, now }.into());
        }
        // Every leaf that is checked lies beyond the signed size.
        let signed = self.signed().await?.map(|signed| signed.at.millis());
        match signed {
            Some(signed) if time.plus(MAX_BEHIND) < signed => {
                Err(Refusal::LeafTimeBehind { epoch, time, signed }.into())
            }
            _ => Ok(()),
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
        let refused = |error| Refusal::Config {
            epoch: leaf.epoch,
            error,
        };
        let config = ConfigDocument::parse(&bytes).map_err(refused)?;
        match &self.config {
            Some(previous) => {
                let configs = [previous.bytes(), config.bytes()];
                let changes = previous
                    .check_successor(&config)
                    .map_err(|e| place.bad_pair(e.reason(), &configs))?;
                report(self.shared.origin(), leaf.epoch, &changes);
            }
            None => self.check_first_config(&config).map_err(refused)?,
        }
        self.config = Some(config);
        Ok(Some(NamedConfig {
            hash: leaf.config,
            bytes,
            first: leaf.epoch,
        }))
    }

    fn check_first_config(&self, config: &ConfigDocument) -> Result<(), ConfigError> {
        self.check_identity(config)?;
        if config.previous_config_sha256.is_some() {
            Err(ConfigError::NotAFirst)
        } else {
            Ok(())
        }
    }

    /// The document is about this log.
    pub(super) fn check_identity(&self, config: &ConfigDocument) -> Result<(), ConfigError> {
        if config.origin != *self.pins.log_key.origin() {
            return Err(ConfigError::OriginChanged);
        }
        if config.log_vkey != self.pins.log_key {
            return Err(ConfigError::LogKeyChanged);
        }
        Ok(())
    }

    /// Fetches and verifies the audit proof of the step into the leaf's epoch.
    async fn check_step(&self, place: &Place<'_>, leaf: &Leaf) -> Result<(), Stop> {
        let (epoch, stated) = (leaf.epoch, leaf.audit_length);
        if usize::try_from(stated).map_or(true, |length| length > MAX_AUDIT_PROOF_BYTES) {
            return Err(Refusal::AuditProofTooLong { epoch, stated }.into());
        }
        let proof = Arc::new(source::audit_proof(&*self.parts.source, leaf).await?);
        let step = Transition {
            epoch,
            previous: leaf.previous_root,
            root: leaf.root,
        };
        match verify_step(Arc::clone(&proof), step, self.options.second_opinion_max).await {
            Ok(inserted) if inserted == leaf.inserted => Ok(()),
            Ok(_) => Err(place.bad_append("inserted-count", &proof)),
            Err(StepError::NotAppendOnly(broken)) => Err(place.bad_append(broken.reason(), &proof)),
            Err(other) => Err(Stop::of_step(epoch, other)),
        }
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

    async fn stored_config(&self, hash: ConfigHash) -> Result<Option<Vec<u8>>, Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || store.config(id, &hash)).await
    }
}

impl Place<'_> {
    fn decode(&self) -> Result<Leaf, Stop> {
        let bytes = self.tile.entry(self.index);
        let bytes = bytes.ok_or_else(|| Stop::Internal("leaf outside its tile".to_owned()))?;
        match Leaf::decode(bytes) {
            Err(broken) => Err(self.bad_leaf(broken.reason())),
            Ok(leaf) if leaf.epoch.get() != self.index => Err(self.bad_leaf("epoch-not-index")),
            Ok(leaf) => Ok(leaf),
        }
    }

    /// A leaf that is wrong by itself.
    fn bad_leaf(&self, reason: &'static str) -> Stop {
        let claim = self.proof(self.index, self.tile).map(|leaf| {
            Claim::BadLeaf(BadLeaf {
                checkpoint: self.note(),
                leaves: vec![leaf],
                configs: Vec::new(),
            })
        });
        Stop::contradiction("bad-leaf", reason, claim)
    }

    /// A leaf that may not follow the one before it.
    fn bad_pair(&self, reason: &'static str, configs: &[&[u8]]) -> Stop {
        let older = self
            .index
            .checked_sub(1)
            .and_then(|index| self.proof(index, self.view.tile_of(index)?));
        let claim = older
            .zip(self.proof(self.index, self.tile))
            .map(|(older, newer)| {
                let configs = configs.iter().map(|bytes| B64::from(*bytes)).collect();
                Claim::BadLeaf(BadLeaf {
                    checkpoint: self.note(),
                    leaves: vec![older, newer],
                    configs,
                })
            });
        Stop::contradiction("bad-leaf", reason, claim)
    }

    /// A step that is not append-only.
    fn bad_append(&self, reason: &'static str, proof: &[u8]) -> Stop {
        let claim = self.proof(self.index, self.tile).map(|epoch| {
            Claim::BadAppend(BadAppend {
                checkpoint: self.note(),
                epoch,
                audit_proof: B64::from(proof),
            })
        });
        Stop::contradiction("bad-append", reason, claim)
    }

    fn proof(&self, index: u64, tile: &Tile) -> Option<EpochProof> {
        let leaf = B64(tile.entry(index)?.clone());
        let hashes = self.view.inclusion(index)?;
        let inclusion_proof = hashes
            .iter()
            .map(|hash| B64::from(hash.as_bytes().as_slice()))
            .collect();
        Some(EpochProof {
            index,
            leaf,
            inclusion_proof,
        })
    }

    fn note(&self) -> String {
        String::from_utf8_lossy(&self.head.note().to_bytes()).into_owned()
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
