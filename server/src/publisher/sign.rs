//! Step 4: the guard, then the signature.

use std::time::Instant;

use keyglass_monitoring::PublishStep;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::log;
use keyglass_protocol::note::{Checkpoint, Note, SignedCheckpoint};
use keyglass_protocol::quantity::{Epoch, LogSize};

use super::{PublishError, Publisher, Step};
use crate::guard::Guarded;
use crate::service::{Pending, Service};

/// A leaf that is not guarded and older than this gets a new time. 30 s.
const STALE_LEAF: u64 = 30_000;

/// What the guard says about signing one size.
enum Verdict {
    /// It stands on the size before: move it.
    Swap(Option<Guarded>),
    /// It stands on this size and root: sign the same bytes again.
    Again,
}

impl Publisher {
    /// Checks, guards and signs the log of `size`.
    pub(super) async fn sign(&self, size: LogSize) -> Result<(), PublishError> {
        let epoch = size.last_epoch().unwrap_or_default();
        let mut leaf = self.service.leaf(epoch)?;
        self.service.config.observe(&leaf)?;
        let started = Instant::now();
        self.self_check(&leaf).await?;
        self.reached(Step::SelfChecked);
        self.service
            .metrics
            .publish_step(PublishStep::SelfCheck, started.elapsed());

        let started = Instant::now();
        let mut state = self.state_of(size)?;
        if let Verdict::Swap(expected) = self.verdict(state)? {
            if self.service.clock.now().since(leaf.time) > STALE_LEAF {
                leaf = self.retime(leaf)?;
                state = self.state_of(size)?;
            }
            self.enter_leaf(&leaf)?;
            // A crash here leaves a leaf in the journal that is not guarded: the last one entered counts.
            self.reached(Step::GuardSwapping);
            self.guard.swap(expected, state)?;
        }
        // A crash here leaves a guard that is one ahead of the signatures: the next run finds the same size and root in
        // it and signs the same bytes.
        self.reached(Step::GuardSwapped);
        self.service
            .metrics
            .publish_step(PublishStep::Guard, started.elapsed());
        self.sign_guarded(state, &leaf)
    }

    pub(super) fn sign_guarded(&self, state: Guarded, leaf: &Leaf) -> Result<(), PublishError> {
        let started = Instant::now();
        self.put_artefacts(state.size, leaf)?;
        let origin = self.service.keys.log.verifier().origin().clone();
        let checkpoint = Checkpoint {
            origin,
            size: state.size,
            root: state.root,
        };
        let text = checkpoint.to_text();
        let note = Note::new(&text, vec![self.service.keys.log.sign_text(&text)?])?;
        self.service.store.put_checkpoint(state.size, &note.to_bytes())?;
        self.service.journal.checkpoint(state.size, &note.to_bytes())?;
        // A crash here leaves a signed checkpoint that nobody has seen: the next run shows it.
        self.reached(Step::CheckpointSigned);
        self.service.pending.set(Pending {
            size: state.size,
            since: leaf.time,
        });
        self.service.metrics.signed(leaf.epoch.get());
        self.service
            .metrics
            .publish_step(PublishStep::Sign, started.elapsed());
        self.reached(Step::PendingShown);
        Ok(())
    }

    /// Enters a leaf into the journal: from here on it can be made again from there.
    fn enter_leaf(&self, leaf: &Leaf) -> Result<(), PublishError> {
        let document = self.service.store.config(&leaf.config)?;
        let document = document.unwrap_or_else(|| self.service.config.bytes().to_vec());
        Ok(self.service.journal.leaf(leaf, &document)?)
    }

    /// Lays out everything that a checkpoint of `size` names. It is guarded, so none of it changes any more.
    fn put_artefacts(&self, size: LogSize, leaf: &Leaf) -> Result<(), PublishError> {
        let (store, artefacts) = (&self.service.store, &self.service.artefacts);
        let before = LogSize::new(size.get().saturating_sub(1));
        artefacts
            .put_log(store, before, size)
            .map_err(PublishError::Audit)?;
        if let Some(document) = store.config(&leaf.config)? {
            artefacts
                .put_config(&leaf.config, &document)
                .map_err(PublishError::Audit)?;
        }
        Ok(())
    }

    /// The only place that decides whether the log key may sign.
    fn verdict(&self, next: Guarded) -> Result<Verdict, PublishError> {
        let before = LogSize::new(next.size.get().saturating_sub(1));
        let Some(found) = self.guard.read()? else {
            // Only a log that never signed anything may begin without a guard.
            return if before == LogSize::ZERO {
                Ok(Verdict::Swap(None))
            } else {
                Err(PublishError::GuardMissing)
            };
        };
        if found.size > next.size {
            return Err(PublishError::GuardAhead {
                guard: found.size,
                database: next.size,
            });
        }
        if found.size < before {
            return Err(PublishError::GuardBehind {
                guard: found.size,
                signed: before,
            });
        }
        let ours = if found.size == next.size {
            next
        } else {
            self.state_of(before)?
        };
        if found != ours {
            return Err(PublishError::GuardFork { size: found.size });
        }
        Ok(if found.size == next.size {
            Verdict::Again
        } else {
            Verdict::Swap(Some(found))
        })
    }

    pub(super) fn state_of(&self, size: LogSize) -> Result<Guarded, PublishError> {
        Ok(Guarded {
            size,
            root: log::root(&self.service.store, size)?,
        })
    }

    /// Compares the guard with what was signed, before anything else is done at start.
    pub(super) fn check_guard(&self) -> Result<(), PublishError> {
        let Some((signed, _)) = self.service.store.newest_checkpoint()? else {
            return match self.guard.read()? {
                // One leaf may be guarded and not signed yet.
                Some(found) if found.size > LogSize::new(1) => Err(PublishError::GuardAhead {
                    guard: found.size,
                    database: LogSize::ZERO,
                }),
                _ => Ok(()),
            };
        };
        let found = self.guard.read()?.ok_or(PublishError::GuardMissing)?;
        let leaves = self.service.store.log_size()?;
        if found.size > leaves {
            return Err(PublishError::GuardAhead {
                guard: found.size,
                database: signed,
            });
        }
        if found.size < signed {
            return Err(PublishError::GuardBehind {
                guard: found.size,
                signed,
            });
        }
        if found != self.state_of(found.size)? {
            return Err(PublishError::GuardFork { size: found.size });
        }
        Ok(())
    }

    fn retime(&self, leaf: Leaf) -> Result<Leaf, PublishError> {
        let previous = match leaf.epoch.previous() {
            Some(before) => Some(self.service.leaf(before)?.time),
            None => None,
        };
        let leaf = Leaf {
            time: self.leaf_time(leaf.epoch, previous)?,
            ..leaf
        };
        self.service.store.restage_leaf(&leaf)?;
        Ok(leaf)
    }
}

impl Service {
    /// A leaf that the log must have.
    pub(super) fn leaf(&self, epoch: Epoch) -> Result<Leaf, PublishError> {
        let leaves = self.store.log_size()?;
        self.store
            .leaf(epoch)?
            .ok_or(PublishError::TreeAndLog { tree: epoch, leaves })
    }

    /// The newest checkpoint of a size as the log key signed it, opened again.
    pub(super) fn signed_checkpoint(&self, size: LogSize) -> Result<SignedCheckpoint, PublishError> {
        let note = self.store.checkpoint(size)?;
        let leaves = self.store.log_size()?;
        let tree = size.last_epoch().unwrap_or_default();
        let note = note.ok_or(PublishError::TreeAndLog { tree, leaves })?;
        Ok(SignedCheckpoint::open(&note, self.keys.log.verifier())?)
    }
}
