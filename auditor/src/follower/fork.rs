//! Two logs under one name.

use keyglass_protocol::evidence::{Claim, Fork, ProvenLeaf};
use keyglass_protocol::log::{SubtreeHashes, inclusion_proof};
use keyglass_protocol::message::{B64, EpochProof};
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{Epoch, LogHash, LogSize};
use keyglass_schema::auditor::{AuditorStore, AuditorStoreError, DirectoryId};

use super::{Follower, blocking};
use crate::refusal::Stop;
use crate::source::Trouble;
use crate::window::Window;

const KIND: &str = "fork";

impl Follower {
    /// Demands that a signed head that is not larger than what is verified is a prefix of it.
    pub(super) async fn demand_prefix(&self, head: &SignedCheckpoint) -> Result<(), Stop> {
        let target = head.checkpoint();
        match self.stored_root(target.size).await? {
            Some(root) if root == target.root => return Ok(()),
            // Before the checkpoint that verification started from: nothing is known.
            None if target.size < self.verified().await?.start => return Ok(()),
            None => {
                return Err(Stop::Internal(
                    "subtrees of a verified size are not stored".to_owned(),
                ));
            }
            Some(_) => {}
        }
        let last = target.size.get().saturating_sub(1);
        if let Some((size, note)) = self.checkpoint_over(last).await?
            && size == target.size
        {
            let checkpoints = [text(&note), text(&self.bare(head)?)];
            let claim = Claim::Fork(Fork::Checkpoints { checkpoints });
            return Err(Stop::contradiction(KIND, "two-roots-at-one-size", Some(claim)));
        }
        self.look_for_fork(head).await?;
        Err(Stop::contradiction(KIND, "inconsistent", None))
    }

    /// Fetches the whole log under `head`. If it hashes to its root and contradicts what was verified, that is a
    /// fork. `Ok`: it continues what was verified after all.
    pub(super) async fn look_for_fork(&self, head: &SignedCheckpoint) -> Result<(), Stop> {
        let target = head.checkpoint();
        let window = Window::whole(&*self.parts.source, target.size).await?;
        if window.root()? != target.root {
            let what = "the leaves do not hash to the checkpoint";
            return Err(Trouble::Damaged {
                path: "/log/tile/entries".to_owned(),
                what,
            }
            .into());
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

    async fn checkpoint_over(&self, index: u64) -> Result<Option<(LogSize, Vec<u8>)>, Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || store.checkpoint_over(id, index)).await
    }

    async fn stored_leaf(&self, index: u64) -> Result<Option<Vec<u8>>, Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || store.leaf(id, Epoch::new(index))).await
    }

    async fn stored_inclusion(&self, index: u64, size: LogSize) -> Result<Vec<LogHash>, Stop> {
        let log = StoredLog {
            store: self.parts.store.clone(),
            id: self.id,
        };
        let proof = tokio::task::spawn_blocking(move || inclusion_proof(&log, index, size).ok()).await;
        let proof = proof.map_err(|e| Stop::Internal(e.to_string()))?;
        proof.ok_or_else(|| Stop::Internal("a stored leaf cannot be proven".to_owned()))
    }
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

fn proven(checkpoint: String, index: u64, leaf: Vec<u8>, proof: &[LogHash]) -> ProvenLeaf {
    let inclusion_proof = proof
        .iter()
        .map(|hash| B64::from(hash.as_bytes().as_slice()))
        .collect();
    ProvenLeaf {
        checkpoint,
        epoch: EpochProof {
            index,
            leaf: B64(leaf),
            inclusion_proof,
        },
    }
}

fn text(note: &[u8]) -> String {
    String::from_utf8_lossy(note).into_owned()
}
