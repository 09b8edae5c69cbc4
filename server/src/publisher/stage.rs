//! Step 3: the audit proof and the leaf of an epoch that the tree already has.

use std::time::Instant;

use keyglass_monitoring::PublishStep;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::quantity::{AuditHash, ConfigHash, Epoch, Millis, RootHash};
use keyglass_protocol::tree;
use keyglass_schema::StoreError;
use sha2::{Digest as _, Sha256};

use super::{PublishError, Publisher, Step};
use crate::artefacts::AuditName;

/// How far the clock may be behind the newest leaf: auditors refuse leaf times that are further ahead. 60 s.
const MAX_CLOCK_BEHIND: u64 = 60_000;

/// An audit proof with what the leaf says about it.
struct Audit {
    root: RootHash,
    proof: Vec<u8>,
    inserted: u64,
}

impl Publisher {
    /// Stores audit proof and leaf of `epoch`.
    pub(super) async fn stage(&self, epoch: Epoch) -> Result<(), PublishError> {
        let started = Instant::now();
        let store = &self.service.store;
        // What users sent was judged by the document in force; an epoch of padding alone announces the next one.
        let has_updates = store.newest_accepted_in(epoch)?.is_some() || !store.is_padded(epoch)?;
        let document = self.service.config.for_leaf(has_updates);
        let leaf = match epoch.previous() {
            None => self.first_leaf(document.hash())?,
            Some(before) => {
                let previous = store.leaf(before)?.ok_or(PublishError::TreeAndLog {
                    tree: epoch,
                    leaves: store.log_size()?,
                })?;
                self.next_leaf(epoch, &previous, document.hash()).await?
            }
        };
        store.stage_leaf_of(&leaf, document.bytes())?;
        // A crash here leaves a leaf that is neither guarded nor signed: the next run checks it and goes on, with a new
        // time if it is old by then.
        self.reached(Step::LeafStaged);
        self.service
            .metrics
            .publish_step(PublishStep::Stage, started.elapsed());
        Ok(())
    }

    fn first_leaf(&self, config: ConfigHash) -> Result<Leaf, PublishError> {
        Ok(Leaf {
            epoch: Epoch::ZERO,
            time: self.leaf_time(Epoch::ZERO, None)?,
            previous_root: RootHash::ZERO,
            root: tree::empty_root(),
            config,
            inserted: 0,
            audit_hash: AuditHash::ZERO,
            audit_length: 0,
        })
    }

    async fn next_leaf(
        &self,
        epoch: Epoch,
        previous: &Leaf,
        config: ConfigHash,
    ) -> Result<Leaf, PublishError> {
        let audit = self.audit(previous).await?;
        let leaf = Leaf {
            epoch,
            time: self.leaf_time(epoch, Some(previous.time))?,
            previous_root: previous.root,
            root: audit.root,
            config,
            inserted: audit.inserted,
            audit_hash: AuditHash::new(Sha256::digest(&audit.proof).into()),
            audit_length: u64::try_from(audit.proof.len()).unwrap_or(u64::MAX),
        };
        self.service
            .artefacts
            .put_audit(&AuditName::of(&leaf), &audit.proof)
            .map_err(PublishError::Audit)?;
        // A crash here leaves a file that no leaf names: the next run writes it again.
        self.reached(Step::AuditStored);
        Ok(leaf)
    }

    /// The leaf's time: now, strictly later than the one before, and not earlier than the acceptance of anything in its
    /// batch, even if the clock went back meanwhile: whoever looks for a promised update begins at its acceptance.
    pub(super) fn leaf_time(&self, epoch: Epoch, previous: Option<Millis>) -> Result<Millis, PublishError> {
        let now = self.service.clock.now();
        let accepted = self.service.store.newest_accepted_in(epoch)?.unwrap_or_default();
        let earliest = previous.map(|p| p.plus(1)).unwrap_or_default().max(accepted);
        if earliest.since(now) > MAX_CLOCK_BEHIND {
            return Err(PublishError::ClockBehind);
        }
        Ok(now.max(earliest))
    }

    /// The bytes of the audit proof into the tree's newest epoch.
    pub(super) async fn audit_proof(&self, previous: &Leaf) -> Result<Vec<u8>, PublishError> {
        Ok(self.audit(previous).await?.proof)
    }

    /// The proof of the step into the tree's newest epoch. Made at once: later it would be many times larger.
    async fn audit(&self, previous: &Leaf) -> Result<Audit, PublishError> {
        let epoch = previous.epoch.next().unwrap_or(previous.epoch);
        let store = self.service.store.clone();
        let made = tokio::task::spawn_blocking(move || {
            let tree = store.tree_at(epoch)?;
            let proof = tree.append_proof();
            Ok::<_, StoreError>(Audit {
                root: tree.root(),
                proof: proof.bytes,
                inserted: proof.inserted,
            })
        });
        Ok(made.await.map_err(|_| StoreError::ThreadDied)??)
    }
}
