//! Batches that do not come from the queue: imported records, checked by the caller, straight into an epoch.

use std::time::Duration;

use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_schema::Frozen;
use tokio::sync::watch;

use super::self_check::samples;
use super::tree::first_versions;
use super::{Progress, PublishError, Publisher};
use crate::journal::Batch;

/// How often clock duties are looked at while the quorum is awaited.
const TICK: Duration = Duration::from_secs(1);
/// Longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Failures in a row after which an import gives up.
const MAX_FAILURES: u32 = 10;

/// A record that goes into the tree without having waited in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// The label.
    pub label: Label,
    /// The record's version: the one after the label's newest.
    pub version: KeyVersion,
    /// The whole record.
    pub record: Vec<u8>,
}

impl From<Frozen> for Direct {
    fn from(update: Frozen) -> Self {
        Self {
            label: update.label,
            version: update.version,
            record: update.record,
        }
    }
}

impl Publisher {
    /// Publishes until nothing waits and readers stand on the newest epoch; false if it was asked to stop meanwhile.
    /// Failures that may pass are waited out.
    ///
    /// # Errors
    /// [`PublishError`] that is fatal, or that came back too often.
    pub async fn settle(&mut self, stop: &mut watch::Receiver<bool>) -> Result<bool, PublishError> {
        let mut failures = 0_u32;
        while !*stop.borrow() {
            let pause = match self.turn().await {
                Ok(Progress::Idle) => return Ok(true),
                Ok(Progress::Published) => continue,
                Ok(Progress::AwaitingQuorum | Progress::AwaitingReplicas) => TICK,
                Err(error) if error.is_fatal() || failures >= MAX_FAILURES => return Err(error),
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.service.metrics.publish_failed();
                    tracing::error!(reason = error.reason(), %error, failures, "publishing failed, trying again");
                    TICK.saturating_mul(1 << failures.min(5)).min(MAX_PAUSE)
                }
            };
            let service = std::sync::Arc::clone(&self.service);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = service.wake.notified() => {}
                _ = stop.changed() => {}
            }
        }
        Ok(false)
    }

    /// Puts records into the next epoch's tree; [`Self::settle`] finishes the epoch. Only right after it answered true.
    ///
    /// # Errors
    /// [`PublishError`]; a crash leaves what the next run goes on from.
    pub async fn publish_direct(&mut self, records: Vec<Direct>) -> Result<Epoch, PublishError> {
        let current = self.service.store.tree_epoch()?.unwrap_or_default();
        let next = current
            .next()
            .ok_or_else(|| PublishError::Commit("no epoch is left".to_owned()))?;
        if self.service.config.in_force().ended().is_some() {
            return Err(PublishError::NotDue {
                epoch: next,
                why: "the log has ended".to_owned(),
            });
        }
        self.direct = Some((next, samples(&records).cloned().collect()));
        let new = first_versions(records.iter().map(|record| (&record.label, record.version)));
        let values: Vec<_> = records
            .into_iter()
            .map(|r| (r.label.as_bytes().to_vec(), r.record))
            .collect();
        self.note(&values)?;
        let batch = Batch {
            values,
            receipts: Vec::new(),
        };
        self.commit(current, next, batch, new).await?;
        Ok(next)
    }
}
