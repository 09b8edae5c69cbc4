//! What others see: the readers' head with the operator's heartbeat, peers, and heads that clients bring.
//!
//! None of this is needed to sign, and no failure of it keeps from signing. It finds forks that are shown to others
//! only, and heads that are held back from readers.

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::evidence::{Claim, Fork, Freeze};
use keyglass_protocol::note::{SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::{LogSize, Seconds};
use keyglass_schema::auditor::{Heartbeats, PeerHead};

use super::fork::proven;
use super::push::is_unsigned;
use super::{Follower, blocking, seconds};
use crate::place::text;
use crate::refusal::Stop;
use crate::source::{self, Trouble};

/// How often others are asked, in ms.
pub const WATCH_INTERVAL_MS: u64 = 10_000;

/// How a head that somebody holds compares with what was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// It is a prefix of what was verified.
    Consistent,
    /// It is larger than what was verified; it is kept, and compared then.
    Ahead,
    /// It is older than the checkpoint from which verification started: nothing is known about it here.
    Before,
    /// It is malformed.
    Malformed(&'static str),
    /// The log did not sign it.
    NotSigned(&'static str),
    /// The log signed it, and contradicts itself. The reason, and the evidence is kept.
    Contradiction(&'static str),
    /// It could not be compared now.
    Later(&'static str),
}

impl Follower {
    /// Looks at what others see, if it is time to. What cannot be reached is asked again later.
    ///
    /// # Errors
    /// [`Stop`] if something was found, or our own state failed. A contradiction is stored and latched then.
    pub async fn watch(&mut self) -> Result<(), Stop> {
        let now = self.parts.clock.now();
        let lately = self
            .watched
            .is_some_and(|last| now.since(last) < WATCH_INTERVAL_MS);
        if lately || self.shared.latched().is_some() {
            return Ok(());
        }
        self.watched = Some(now);
        match self.look_around().await {
            Ok(()) => Ok(()),
            Err(stop) => self.settle(Err(stop)).await,
        }
    }

    async fn look_around(&mut self) -> Result<(), Stop> {
        match source::checkpoint(&*self.parts.source).await {
            Ok(note) => {
                if let Ok(head) = SignedCheckpoint::open(&note, &self.pins.log_key) {
                    self.refuse_rolled_back(&head).await?;
                    self.compare_head(&head).await?;
                    self.compare_heartbeat(&head).await?;
                }
            }
            Err(Trouble::Status { .. }) => {}
            Err(trouble) => self.parts.metrics.fetch_failed(trouble.kind()),
        }
        for place in 0..self.parts.peers.len() {
            self.look_at_peer(place).await?;
        }
        self.compare_waiting().await
    }

    async fn look_at_peer(&mut self, place: usize) -> Result<(), Stop> {
        let Some(peer) = self.parts.peers.get(place).cloned() else {
            return Ok(());
        };
        let note = match peer.head(&self.shared.path_name()).await {
            Ok(Some(note)) => note,
            Ok(None) => return Ok(()),
            Err(trouble) => {
                tracing::debug!(peer = peer.name(), %trouble, "a peer does not answer");
                return Ok(());
            }
        };
        let Ok(head) = SignedCheckpoint::open(&note, &self.pins.log_key) else {
            tracing::warn!(
                peer = peer.name(),
                "a peer shows a head that the log did not sign"
            );
            return Ok(());
        };
        self.parts
            .metrics
            .peer_seen(peer.name(), seconds(self.parts.clock.now().seconds()));
        self.remember_peer(peer.key.as_ref(), &head).await?;
        self.refuse_rolled_back(&head).await?;
        self.compare_head(&head).await.map(drop)
    }

    async fn remember_peer(&self, key: Option<&VerifierKey>, head: &SignedCheckpoint) -> Result<(), Stop> {
        let Some((vkey, at)) = key.and_then(|key| Some((key.to_string(), head.cosignature(key).ok()??)))
        else {
            return Ok(());
        };
        let new = PeerHead {
            size: head.checkpoint().size,
            at,
            note: head.note().to_bytes(),
        };
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || store.set_peer_head(id, &vkey, &new)).await
    }

    /// Compares a head that somebody brought. Whoever holds a head that contradicts ours holds evidence.
    pub async fn compare(&mut self, note: &[u8]) -> Compared {
        let head = match SignedCheckpoint::open(note, &self.pins.log_key) {
            Ok(head) => head,
            Err(error) if is_unsigned(error) => return Compared::NotSigned(error.reason()),
            Err(error) => return Compared::Malformed(error.reason()),
        };
        let result = match self.compare_head(&head).await {
            Ok(compared) => return compared,
            Err(stop) => self.settle::<()>(Err(stop)).await,
        };
        match result {
            Ok(()) => Compared::Later("internal"),
            Err(Stop::Contradiction(contradiction)) => Compared::Contradiction(contradiction.reason),
            Err(other) => Compared::Later(other.reason()),
        }
    }

    pub(super) async fn compare_head(&self, head: &SignedCheckpoint) -> Result<Compared, Stop> {
        let target = head.checkpoint();
        let verified = self.verified().await?;
        if target.size <= verified.size {
            self.demand_prefix(head).await?;
            return Ok(if target.size < verified.start {
                Compared::Before
            } else {
                Compared::Consistent
            });
        }
        let (store, id) = (self.parts.store.clone(), self.id);
        let (size, root, note) = (target.size, target.root, self.bare(head)?);
        let kept = note.clone();
        match blocking(move || store.keep_head(id, size, &root, &kept)).await? {
            Some(rival) => {
                let checkpoints = [text(&rival), text(&note)];
                let claim = Claim::Fork(Fork::Checkpoints { checkpoints });
                Err(Stop::contradiction("fork", "two-roots-at-one-size", Some(claim)))
            }
            None => Ok(Compared::Ahead),
        }
    }

    /// Compares the heads that were larger than what was verified and no longer are.
    pub(super) async fn compare_waiting(&mut self) -> Result<(), Stop> {
        loop {
            let verified = self.verified().await?.size;
            let (store, id) = (self.parts.store.clone(), self.id);
            let Some(note) = blocking(move || store.waiting_head(id, verified)).await? else {
                return Ok(());
            };
            let head = SignedCheckpoint::open(&note, &self.pins.log_key)?;
            let result = self.demand_prefix(&head).await;
            // Found or not, it is done with: what it proves stands in the evidence file.
            if !matches!(result, Err(Stop::Trouble(_) | Stop::Store(_))) {
                let (store, size, root) = (
                    self.parts.store.clone(),
                    head.checkpoint().size,
                    head.checkpoint().root,
                );
                blocking(move || store.forget_head(id, size, &root)).await?;
            }
            result?;
        }
    }

    /// The operator may not stand by an old head after he stood by a newer one.
    async fn compare_heartbeat(&mut self, head: &SignedCheckpoint) -> Result<(), Stop> {
        let size = head.checkpoint().size;
        let Some((leaf, config)) = self.last_leaf(size).await? else {
            return Ok(());
        };
        let Ok(Some(at)) = head.cosignature(&config.values().heartbeat_vkey) else {
            return Ok(());
        };
        let seen = (at, head.note().to_bytes());
        let (store, id) = (self.parts.store.clone(), self.id);
        let known = blocking(move || store.heartbeats(id)).await?;
        let next = match known {
            None => Heartbeats {
                size,
                first: seen.clone(),
                last: seen,
            },
            Some(known) if size > known.size => {
                if known.last.0 > at {
                    return Err(self.freeze(&known.last.1, &seen.1, size, &leaf, &config).await?);
                }
                Heartbeats {
                    size,
                    first: seen.clone(),
                    last: seen,
                }
            }
            Some(known) if size < known.size => {
                if at > known.first.0
                    && let Some((leaf, config)) = self.last_leaf(known.size).await?
                {
                    return Err(self
                        .freeze(&seen.1, &known.first.1, known.size, &leaf, &config)
                        .await?);
                }
                return Ok(());
            }
            Some(known) => widen(known, seen),
        };
        let store = self.parts.store.clone();
        blocking(move || store.set_heartbeats(id, &next)).await
    }

    /// The last leaf of a verified size, and the configuration that it names.
    async fn last_leaf(&self, size: LogSize) -> Result<Option<(Leaf, ConfigDocument)>, Stop> {
        let Some(epoch) = size.last_epoch() else {
            return Ok(None);
        };
        if size > self.verified().await?.size {
            return Ok(None);
        }
        let Some(bytes) = self.stored_leaf(epoch.get()).await? else {
            return Ok(None);
        };
        let corrupt = |what: String| Stop::Internal(what);
        let leaf = Leaf::decode(&bytes).map_err(|e| corrupt(format!("stored leaf: {e}")))?;
        let Some(document) = self.stored_config(leaf.config).await? else {
            return Ok(None);
        };
        let config =
            ConfigDocument::parse(&document).map_err(|e| corrupt(format!("stored configuration: {e}")))?;
        Ok(Some((leaf, config)))
    }

    async fn freeze(
        &self,
        smaller: &[u8],
        larger: &[u8],
        size: LogSize,
        leaf: &Leaf,
        config: &ConfigDocument,
    ) -> Result<Stop, Stop> {
        let index = leaf.epoch.get();
        let proof = self.stored_inclusion(index, size).await?;
        let larger = text(larger);
        let epoch = proven(larger.clone(), index, leaf.encode(), &proof).epoch;
        let claim = Claim::Freeze(Freeze {
            smaller: text(smaller),
            larger,
            epoch,
        });
        let mut stop = Stop::contradiction("freeze", "heartbeat-on-older-head", Some(claim));
        if let Stop::Contradiction(contradiction) = &mut stop {
            contradiction.config = Some(config.bytes().to_vec());
        }
        Ok(stop)
    }
}

fn widen(known: Heartbeats, seen: (Seconds, Vec<u8>)) -> Heartbeats {
    Heartbeats {
        size: known.size,
        first: if seen.0 < known.first.0 {
            seen.clone()
        } else {
            known.first
        },
        last: if seen.0 > known.last.0 { seen } else { known.last },
    }
}
