//! From the durable queue to an epoch that readers see. The only writer of tree, log and head.
//!
//! [`Publisher::advance`] looks at what is durable and does what is missing, in this order, until there is nothing to do
//! or the quorum has to be awaited. Start-up runs the same function, so that a crash at any line is harmless:
//!
//! 1. a batch of the queue is frozen for epoch n+1 (`tree`),
//! 2. akd publishes it in one transaction that compares the epoch (`tree`),
//! 3. audit proof and leaf are stored, then checked before anything is signed (`stage`, `self_check`),
//! 4. the guard moves by compare-and-swap, then the log key signs (`sign`),
//! 5. the checkpoint is shown and cosigners are asked (`cosign`),
//! 6. at quorum the heartbeat key cosigns, and the readers' head becomes durable (`flip`),
//! 7. receipts are fulfilled, then readers move (`flip`).

mod ask;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]
mod clock_tests;
mod cosign;
mod direct;
mod due;
mod erase;
mod error;
mod flip;
mod padding;
mod replay;
mod run;
mod self_check;
mod sign;
mod stage;
mod startup;
mod steps;
mod tree;

use std::sync::Arc;
use std::time::Instant;

use keyglass_protocol::quantity::{Epoch, LogSize, Millis, Seconds};

pub use ask::{AskError, Asker};
pub use cosign::{HandInError, hand_in};
pub use direct::Direct;
pub use error::PublishError;
pub use replay::{Replay, ReplayError, Replayed};
pub use run::run;
pub use steps::{NoSteps, Step, Steps};

use crate::guard::Guard;
use crate::service::Service;

/// Where [`Publisher::advance`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Readers stand on the newest epoch and no update waits.
    Idle,
    /// A batch was published and readers stand on it; more updates may wait.
    Published,
    /// The newest checkpoint lacks its quorum.
    AwaitingQuorum,
    /// A replica that serves is not yet on the newest epoch: the next one is not begun.
    AwaitingReplicas,
}

/// The one publisher of a log.
pub struct Publisher {
    service: Arc<Service>,
    guard: Box<dyn Guard>,
    steps: Arc<dyn Steps>,
    asker: Asker,
    finished: Option<Epoch>,
    refreshed: Millis,
    /// When it was last looked for accounts to erase.
    erased: Millis,
    /// Time in the newest heartbeat that this process made.
    beaten: Seconds,
    /// Some records of the newest batch that did not come from the queue, for the self-check.
    direct: Option<(Epoch, Vec<Direct>)>,
}

/// What is durable, in one glance.
#[derive(Debug, Clone, Copy)]
struct Durable {
    /// Epoch of the tree.
    tree: Epoch,
    /// Leaves in the log.
    leaves: LogSize,
    /// Size of the newest signed checkpoint, 0 without one.
    signed: LogSize,
    /// Size that readers stand on, 0 before the first.
    head: LogSize,
}

impl Publisher {
    /// A publisher for `service`, with its guard.
    pub fn new(service: Arc<Service>, guard: Box<dyn Guard>, steps: Arc<dyn Steps>, asker: Asker) -> Self {
        Self {
            service,
            guard,
            steps,
            asker,
            finished: None,
            refreshed: Millis::default(),
            erased: Millis::default(),
            beaten: Seconds::default(),
            direct: None,
        }
    }

    /// Does everything that can be done now, with at most one new batch.
    ///
    /// # Errors
    /// [`PublishError`]; what is durable stays as it is, and the next call goes on from there unless it is fatal.
    pub async fn advance(&mut self) -> Result<Progress, PublishError> {
        self.create_tree().await?;
        let mut published = false;
        loop {
            let found = self.durable()?;
            if found.tree.get() > found.leaves.get()
                || found.tree.get().saturating_add(1) < found.leaves.get()
            {
                return Err(PublishError::TreeAndLog {
                    tree: found.tree,
                    leaves: found.leaves,
                });
            }
            if found.leaves.get() == found.tree.get() {
                self.stage(found.tree).await?;
            } else if found.signed < found.leaves {
                self.sign(found.leaves).await?;
            } else if found.head < found.signed {
                // Whoever has just taken over answers from the head before, however long a cosigner lets it wait.
                self.finish(found.head).await?;
                if !self.cosign(found.signed).await? {
                    return Ok(Progress::AwaitingQuorum);
                }
            } else {
                self.finish(found.head).await?;
                // A new configuration is announced without a pause, as soon as nothing waits under the old one.
                if published && self.service.config.in_force().is_announced() {
                    return Ok(Progress::Published);
                }
                if self.replicas_are_behind(found.head) {
                    return Ok(Progress::AwaitingReplicas);
                }
                if !self.publish_batch(found.tree).await? {
                    return Ok(if published {
                        Progress::Published
                    } else {
                        Progress::Idle
                    });
                }
                published = true;
            }
        }
    }

    /// Whether a reader elsewhere may still stand before the epoch that ours stand on: it would be two behind the next.
    fn replicas_are_behind(&self, head: LogSize) -> bool {
        let Some(epoch) = head.last_epoch() else {
            return false;
        };
        let behind = self.service.replicas.behind(epoch, Instant::now());
        if let Some(behind) = &behind {
            tracing::debug!(replica = behind.replica.as_deref().unwrap_or("unknown"), %epoch, "a replica is behind");
            self.service.metrics.replica_waited();
        }
        behind.is_some()
    }

    fn durable(&self) -> Result<Durable, PublishError> {
        let store = &self.service.store;
        Ok(Durable {
            tree: store.tree_epoch()?.unwrap_or_default(),
            leaves: store.log_size()?,
            signed: store
                .newest_checkpoint()?
                .map(|(size, _)| size)
                .unwrap_or_default(),
            head: store.head()?.map(|(size, _)| size).unwrap_or_default(),
        })
    }

    fn reached(&self, step: Step) {
        tracing::debug!(step = step.name(), "publishing");
        self.steps.reached(step);
    }
}
