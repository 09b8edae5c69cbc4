//! Two logs under one name.

use keyglass_protocol::evidence::{Claim, Fork, ProvenLeaf};
use keyglass_protocol::log::{SubtreeHashes, consistency_proof, inclusion_proof};
use keyglass_protocol::message::{B64, EpochProof};
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{Epoch, LogHash, LogSize};
use keyglass_schema::auditor::{AuditorStore, AuditorStoreError, DirectoryId};

use super::{Follower, blocking};
use crate::place::text;
use crate::refusal::Stop;
use crate::source::{Damage, LEAVES_PER_TILE};
use crate::window::{View, Window};

const KIND: &str = "fork";

impl Follower {
    /// Demands that a signed head that is not larger than what is verified is a prefix of it.
    pub(super) async fn demand_prefix(&self, head: &SignedCheckpoint) -> Result<(), Stop> {
        let target = head.checkpoint();
        let verified = self.verified().await?;
        match self.stored_root(target.size).await? {
            _ if target.size > verified.size => Ok(()),
            Some(root) if root == target.root => Ok(()),
            // Before the checkpoint that verification started from: nothing is known.
            None if target.size < verified.start => Ok(()),
            None => Err(Stop::Internal(
                "subtrees of a verified size are not stored".to_owned(),
            )),
            Some(root) => self.disown(head, root).await,
        }
    }

    /// Accuses by a head of the log that has another root at the size of `head`, which is verified to be `root`.
    async fn disown(&self, head: &SignedCheckpoint, root: LogHash) -> Result<(), Stop> {
        let size = head.checkpoint().size;
        let last = size.get().saturating_sub(1);
        let Some((over, note)) = self.checkpoint_over(last).await? else {
            // Verified and never signed: no statement of the log is at hand to hold against this one.
            self.look_for_fork(head).await?;
            return Err(Stop::contradiction(KIND, "inconsistent", None));
        };
        let head = text(&self.bare(head)?);
        if over == size {
            let checkpoints = [text(&note), head];
            let claim = Claim::Fork(Fork::Checkpoints { checkpoints });
            return Err(Stop::contradiction(KIND, "two-roots-at-one-size", Some(claim)));
        }
        let proof = self.stored_consistency(size, over).await?;
        let claim = heads(head, text(&note), &root, &proof);
        Err(Stop::contradiction(KIND, "another-root-at-its-size", Some(claim)))
    }

    /// The log under a larger head has another past than the one that was verified up to `verified`.
    pub(super) async fn another_past(
        &self,
        head: &SignedCheckpoint,
        window: &Window,
        view: &View<'_>,
        verified: LogSize,
    ) -> Result<Stop, Stop> {
        let signed = self.signed().await?.filter(|signed| signed.size == verified);
        if let Some(signed) = signed {
            let claim = self.disowned(&signed.note, signed.size, head, view)?;
            return Ok(Stop::contradiction(KIND, "another-root-at-its-size", Some(claim)));
        }
        if let Some(claim) = self.disowned_waiting(head, window).await? {
            return Ok(Stop::contradiction(KIND, "another-root-at-its-size", Some(claim)));
        }
        self.look_for_fork(head).await?;
        Ok(Stop::contradiction(KIND, "inconsistent", None))
    }

    /// The same by a head that was seen and not signed yet, because its log is verified in part only.
    async fn disowned_waiting(
        &self,
        head: &SignedCheckpoint,
        window: &Window,
    ) -> Result<Option<Claim>, Stop> {
        let (store, id, size) = (self.parts.store.clone(), self.id, head.checkpoint().size);
        let Some(note) = blocking(move || store.waiting_head(id, size)).await? else {
            return Ok(None);
        };
        let seen = SignedCheckpoint::open(&note, &self.pins.log_key)?;
        let (size, root) = (seen.checkpoint().size, seen.checkpoint().root);
        let last = size.get().saturating_sub(1);
        let tile = window.tile(&*self.parts.source, last / LEAVES_PER_TILE).await?;
        let view = window.view(&tile, None);
        if view.root_at(size)? == root {
            return Ok(None);
        }
        self.disowned(&note, size, head, &view).map(Some)
    }

    /// Fetches the whole log under `head`. If it hashes to its root and contradicts what was verified, that is a
    /// fork. `Ok`: it continues what was verified after all.
    pub(super) async fn look_for_fork(&self, head: &SignedCheckpoint) -> Result<(), Stop> {
        let target = head.checkpoint();
        let window = Window::whole(&*self.parts.source, target.size).await?;
        if window.root()? != target.root {
            return Err(Damage::LogRoot.at("/log/tile/entries").into());
        }
        let verified = self.verified().await?;
        let common = verified.size.min(target.size);
        for index in window.tiles() {
            let tile = window.tile(&*self.parts.source, index).await?;
            for leaf in tile.first()..tile.end().min(common.get()) {
                let Some(ours) = self.stored_leaf(leaf).await? else {
                    continue;
                };
                let Some(theirs) = tile.entry(leaf).filter(|theirs| **theirs != ours) else {
                    continue;
                };
                let proof = window.view(&tile, None).inclusion(leaf).unwrap_or_default();
                let theirs = proven(text(&self.bare(head)?), leaf, theirs.clone(), &proof);
                return Err(self.two_leaves(leaf, ours, theirs).await?);
            }
        }
        Ok(())
    }

    async fn two_leaves(&self, index: u64, ours: Vec<u8>, theirs: ProvenLeaf) -> Result<Stop, Stop> {
        let own = self.checkpoint_over(index).await?;
        let claim = match own {
            Some((size, note)) => {
                let proof = self.stored_inclusion(index, size).await?;
                let ours = proven(text(&note), index, ours, &proof);
                Some(Claim::Fork(Fork::Leaves {
                    leaves: Box::new([ours, theirs]),
                }))
            }
            None => None,
        };
        Ok(Stop::contradiction(KIND, "two-leaves-at-one-index", claim))
    }

    /// Claims that the log under `head`, which is at hand, has another root at `size` than `smaller`, a signed note of
    /// that size.
    pub(super) fn disowned(
        &self,
        smaller: &[u8],
        size: LogSize,
        head: &SignedCheckpoint,
        view: &View<'_>,
    ) -> Result<Claim, Stop> {
        let proof = consistency_proof(view, size, head.checkpoint().size)
            .map_err(|_| Stop::Internal("a log at hand cannot be proven".to_owned()))?;
        let larger = text(&self.bare(head)?);
        Ok(heads(text(smaller), larger, &view.root_at(size)?, &proof))
    }

    async fn checkpoint_over(&self, index: u64) -> Result<Option<(LogSize, Vec<u8>)>, Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || store.checkpoint_over(id, index)).await
    }

    pub(super) async fn stored_leaf(&self, index: u64) -> Result<Option<Vec<u8>>, Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || store.leaf(id, Epoch::new(index))).await
    }

    async fn stored_consistency(&self, from: LogSize, to: LogSize) -> Result<Vec<LogHash>, Stop> {
        let log = self.stored_log();
        let proof = tokio::task::spawn_blocking(move || consistency_proof(&log, from, to).ok()).await;
        let proof = proof.map_err(|e| Stop::Internal(e.to_string()))?;
        proof.ok_or_else(|| Stop::Internal("a verified size cannot be proven".to_owned()))
    }

    fn stored_log(&self) -> StoredLog {
        StoredLog {
            store: self.parts.store.clone(),
            id: self.id,
        }
    }

    pub(super) async fn stored_inclusion(&self, index: u64, size: LogSize) -> Result<Vec<LogHash>, Stop> {
        let log = self.stored_log();
        let proof = tokio::task::spawn_blocking(move || inclusion_proof(&log, index, size).ok()).await;
        let proof = proof.map_err(|e| Stop::Internal(e.to_string()))?;
        proof.ok_or_else(|| Stop::Internal("a stored leaf cannot be proven".to_owned()))
    }
}

fn heads(smaller: String, larger: String, root: &LogHash, proof: &[LogHash]) -> Claim {
    Claim::Fork(Fork::Heads {
        smaller,
        larger,
        root: b64(root),
        consistency_proof: proof.iter().map(b64).collect(),
    })
}

fn b64(hash: &LogHash) -> B64 {
    B64::from(hash.as_bytes().as_slice())
}

/// The verified part of the log in the database. Calls block.
struct StoredLog {
    store: AuditorStore,
    id: DirectoryId,
}

impl SubtreeHashes for StoredLog {
    type Error = Option<AuditorStoreError>;

    fn subtree(&self, level: u8, index: u64) -> Result<LogHash, Self::Error> {
        self.store.node(self.id, level, index).map_err(Some)?.ok_or(None)
    }
}

pub(super) fn proven(checkpoint: String, index: u64, leaf: Vec<u8>, proof: &[LogHash]) -> ProvenLeaf {
    let inclusion_proof = proof.iter().map(b64).collect();
    ProvenLeaf {
        checkpoint,
        epoch: EpochProof {
            index,
            leaf: B64(leaf),
            inclusion_proof,
        },
    }
}
