//! Bringing a restored database forward with the journal, bit for bit.
//!
//! Nothing is decided again: batches go into the tree as they did, and the tree's root must be the one in the leaf that
//! was entered then. At the end the log must be exactly what the guard says was signed last; only then is that
//! checkpoint, the very same bytes, signed again.

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log;
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{AuditHash, Epoch, LogSize, RootHash};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::tree::NewLabels;
use super::{PublishError, Publisher};
use crate::artefacts::AuditName;
use crate::journal::{Batch, Entry, JournalError, Reader};

/// Why the database is not brought forward. What was replayed stays; nothing was signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The journal cannot be read.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// Publishing failed.
    #[error("{0}")]
    Publish(#[from] PublishError),
    /// The journal goes on later than the database ends.
    #[error(
        "the database ends before epoch {expected}, the journal goes on at {found}: an older file of it is missing"
    )]
    Gap {
        /// The epoch that is needed.
        expected: Epoch,
        /// The one that the journal has.
        found: Epoch,
    },
    /// Database and journal have different leaves for one epoch.
    #[error("epoch {0} of the journal is not the one in the database: they are of different histories")]
    OtherHistory(Epoch),
    /// The replayed batch gives another root than it did: the restored tree or the journal is damaged.
    #[error(
        "epoch {epoch} does not come out as it was (root {found} instead of {expected}): the restored tree is damaged; restore another backup"
    )]
    RootDiffers {
        /// The epoch.
        epoch: Epoch,
        /// The root in the leaf.
        expected: RootHash,
        /// The root of the tree.
        found: RootHash,
    },
    /// The audit proof does not come out as it was.
    #[error("the audit proof of epoch {0} does not come out as it was")]
    AuditDiffers(Epoch),
    /// A configuration document is not one.
    #[error("a configuration document in the journal is damaged")]
    Document,
    /// More was signed than the journal has.
    #[error("the guard is at size {guard}, the journal ends at {reached}: its newest files are missing")]
    Short {
        /// Size that the log key signed.
        guard: LogSize,
        /// Size of the log now.
        reached: LogSize,
    },
}

impl ReplayError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Journal(e) => e.reason(),
            Self::Publish(e) => e.reason(),
            Self::Gap { .. } => "journal-gap",
            Self::OtherHistory(_) => "journal-other-history",
            Self::RootDiffers { .. } => "replay-root-differs",
            Self::AuditDiffers(_) => "replay-audit-differs",
            Self::Document => "journal-config",
            Self::Short { .. } => "journal-short",
        }
    }
}

impl From<keyglass_schema::StoreError> for ReplayError {
    fn from(error: keyglass_schema::StoreError) -> Self {
        Self::Publish(error.into())
    }
}

/// What was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// Size of the log before.
    pub from: LogSize,
    /// Size of the log now.
    pub to: LogSize,
    /// An update that was promised and not signed yet is in the tree: the server makes its leaf.
    pub promised: bool,
}

/// Entries of the journal for one epoch, the last of each kind.
#[derive(Default)]
struct Waiting {
    batch: Option<(Epoch, Batch)>,
    leaf: Option<Leaf>,
}

/// Is told each epoch that was replayed.
pub type Replay<'f> = dyn FnMut(Epoch) + Send + 'f;

impl Publisher {
    /// Brings the database forward with a journal. Only while nothing else publishes.
    ///
    /// # Errors
    /// [`ReplayError`]; the guard keeps the server from signing until a replay succeeds.
    pub async fn replay(
        &mut self,
        mut journal: Reader,
        each: &mut Replay<'_>,
    ) -> Result<Replayed, ReplayError> {
        self.create_tree().await?;
        let from = self.service.store.log_size()?;
        let mut waiting = Waiting::default();
        while let Some(entry) = journal.entry()? {
            match entry {
                Entry::Config(epoch, document) => self.replay_config(epoch, &document)?,
                Entry::Batch(epoch, batch) => {
                    self.replay_epoch(&mut waiting, each).await?;
                    waiting.batch = Some((epoch, batch));
                }
                Entry::Leaf(leaf) => {
                    if waiting.leaf.is_some_and(|before| before.epoch != leaf.epoch) {
                        self.replay_epoch(&mut waiting, each).await?;
                    }
                    waiting.leaf = Some(leaf);
                }
                Entry::Checkpoint(size, note) => {
                    self.replay_epoch(&mut waiting, each).await?;
                    self.replay_checkpoint(size, &note)?;
                }
            }
        }
        self.replay_epoch(&mut waiting, each).await?;
        let promised = self.replay_promised(waiting).await?;
        self.sign_what_was_signed()?;
        let to = self.service.store.log_size()?;
        Ok(Replayed { from, to, promised })
    }

    fn replay_config(&self, epoch: Epoch, document: &[u8]) -> Result<(), ReplayError> {
        let parsed = ConfigDocument::parse(document).map_err(|_| ReplayError::Document)?;
        Ok(self.service.store.put_config(&parsed.hash(), document, epoch)?)
    }

    /// Replays the epoch whose leaf waits. Without a leaf it is not known yet which batch counts.
    async fn replay_epoch(
        &mut self,
        waiting: &mut Waiting,
        each: &mut Replay<'_>,
    ) -> Result<(), ReplayError> {
        let Some(leaf) = waiting.leaf.take() else {
            return Ok(());
        };
        let batch = waiting.batch.take().filter(|(epoch, _)| *epoch == leaf.epoch);
        let batch = batch.map(|(_, batch)| batch);
        let leaves = self.service.store.log_size()?;
        if leaf.epoch.get() < leaves.get() {
            self.replay_known(&leaf, leaves)?;
        } else if leaf.epoch.get() == leaves.get() {
            let values = batch.as_ref().map(|b| b.values.clone());
            self.replay_tree(&leaf, values).await?;
            self.replay_audit(&leaf).await?;
            self.service.store.stage_leaf(&leaf)?;
            each(leaf.epoch);
        } else {
            return Err(ReplayError::Gap {
                expected: Epoch::new(leaves.get()),
                found: leaf.epoch,
            });
        }
        // The database may be from the moment between the tree and its receipts.
        if let Some(batch) = batch.filter(|_| leaf.epoch.get().saturating_add(2) >= leaves.get()) {
            self.service.store.replay_receipts(leaf.epoch, &batch.receipts)?;
        }
        Ok(())
    }

    /// An epoch that the database has: it must be the same. Only a last leaf that nothing covers may have another time.
    fn replay_known(&self, leaf: &Leaf, leaves: LogSize) -> Result<(), ReplayError> {
        let store = &self.service.store;
        if store.leaf(leaf.epoch)? == Some(*leaf) {
            return Ok(());
        }
        if leaf.epoch.log_size() != Some(leaves) {
            return Err(ReplayError::OtherHistory(leaf.epoch));
        }
        store
            .restage_leaf(leaf)
            .map_err(|_| ReplayError::OtherHistory(leaf.epoch))
    }

    async fn replay_tree(
        &self,
        leaf: &Leaf,
        values: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    ) -> Result<(), ReplayError> {
        let tree = self.service.store.tree_epoch()?.unwrap_or_default();
        if tree == leaf.epoch {
            return Ok(());
        }
        let gap = ReplayError::Gap {
            expected: tree.next().unwrap_or(tree),
            found: leaf.epoch,
        };
        if tree.next() != Some(leaf.epoch) {
            return Err(gap);
        }
        let values = values.ok_or(gap)?;
        self.note(&values)?;
        let found = self.commit_tree(tree, values, NewLabels::new()).await?;
        if found == leaf.root {
            Ok(())
        } else {
            Err(ReplayError::RootDiffers {
                epoch: leaf.epoch,
                expected: leaf.root,
                found,
            })
        }
    }

    /// Makes the audit proof again where its file was lost.
    async fn replay_audit(&self, leaf: &Leaf) -> Result<(), ReplayError> {
        let Some(before) = leaf.epoch.previous() else {
            return Ok(());
        };
        let (artefacts, name) = (&self.service.artefacts, AuditName::of(leaf));
        let proof = match artefacts.audit(&name) {
            Ok(proof) if is_of(&proof, leaf) => return Ok(()),
            _ => self.audit_proof(&self.service.leaf(before)?).await?,
        };
        if !is_of(&proof, leaf) {
            return Err(ReplayError::AuditDiffers(leaf.epoch));
        }
        Ok(artefacts.put_audit(&name, &proof).map_err(PublishError::Audit)?)
    }

    /// A checkpoint that the log key signed, of a log that has been replayed.
    fn replay_checkpoint(&self, size: LogSize, note: &[u8]) -> Result<(), ReplayError> {
        let store = &self.service.store;
        if store.checkpoint(size)?.is_some() || size > store.log_size()? {
            return Ok(());
        }
        let signed =
            SignedCheckpoint::open(note, self.service.keys.log.verifier()).map_err(PublishError::from)?;
        let root = log::root(store, size).map_err(PublishError::from)?;
        if signed.checkpoint().size != size || signed.checkpoint().root != root {
            return Err(ReplayError::OtherHistory(size.last_epoch().unwrap_or_default()));
        }
        Ok(store.put_checkpoint(size, note)?)
    }

    /// A batch without a leaf was promised, or imported, and never signed: it goes into the tree now.
    async fn replay_promised(&self, waiting: Waiting) -> Result<bool, ReplayError> {
        let Some((epoch, batch)) = waiting.batch else {
            return Ok(false);
        };
        let tree = self.service.store.tree_epoch()?.unwrap_or_default();
        if tree.next() != Some(epoch) || self.service.store.log_size()?.get() != epoch.get() {
            return Ok(false);
        }
        self.note(&batch.values)?;
        self.commit_tree(tree, batch.values, NewLabels::new()).await?;
        self.service.store.replay_receipts(epoch, &batch.receipts)?;
        Ok(true)
    }

    /// Compares with the guard, and signs the newest guarded checkpoint once more if the database lacks it.
    fn sign_what_was_signed(&self) -> Result<(), ReplayError> {
        let Some(guarded) = self.guard.read().map_err(PublishError::from)? else {
            return Ok(());
        };
        let reached = self.service.store.log_size()?;
        if guarded.size > reached {
            return Err(ReplayError::Short {
                guard: guarded.size,
                reached,
            });
        }
        if guarded.size == LogSize::ZERO || self.state_of(guarded.size)? != guarded {
            return Err(PublishError::GuardFork { size: guarded.size }.into());
        }
        if self.service.store.checkpoint(guarded.size)?.is_none() {
            let leaf = self.service.leaf(guarded.size.last_epoch().unwrap_or_default())?;
            self.sign_guarded(guarded, &leaf)?;
        }
        Ok(())
    }
}

fn is_of(proof: &[u8], leaf: &Leaf) -> bool {
    AuditHash::new(Sha256::digest(proof).into()) == leaf.audit_hash
}
