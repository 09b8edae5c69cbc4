//! The publisher's loop: when to look again.

use std::time::Duration;

use keyglass_protocol::quantity::Millis;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::cosign::millis_as_seconds;
use super::{Progress, PublishError, Publisher};

/// How often clock duties are looked at, and the longest sleep.
const TICK: Duration = Duration::from_secs(1);
/// How often it is looked whether a replica has given up.
const REPLICAS: Duration = Duration::from_millis(200);
/// Longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Publishes until `stop` says so, after [`Publisher::start`]. What was begun is finished first.
///
/// # Errors
/// A [`PublishError`] that is fatal: the process must end.
pub async fn run(mut publisher: Publisher, mut stop: watch::Receiver<bool>) -> Result<(), PublishError> {
    let mut failures = 0_u32;
    let mut not_before = Instant::now();
    while !*stop.borrow() {
        let began = Instant::now();
        let mut wait_until = began + TICK;
        let mut wakes = true;
        if began >= not_before {
            match publisher.turn().await {
                Ok(Progress::Published) => {
                    failures = 0;
                    not_before = began + publisher.service.settings.epoch_interval;
                    wait_until = not_before;
                    wakes = false;
                }
                Ok(Progress::Idle | Progress::AwaitingQuorum) => failures = 0,
                // Woken when one acknowledges; those that give up are not heard of.
                Ok(Progress::AwaitingReplicas) => {
                    failures = 0;
                    wait_until = began + REPLICAS;
                }
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    failures = failures.saturating_add(1);
                    publisher.service.metrics.publish_failed();
                    tracing::error!(reason = error.reason(), %error, failures, "publishing failed, trying again");
                    wait_until = began + TICK.saturating_mul(1 << failures.min(5)).min(MAX_PAUSE);
                    wakes = false;
                }
            }
        }
        let service = std::sync::Arc::clone(&publisher.service);
        tokio::select! {
            () = sleep_until(wait_until) => {}
            () = service.wake.notified(), if wakes => {}
            _ = stop.changed() => {}
        }
    }
    Ok(())
}

impl Publisher {
    /// One turn: whatever can be done, then the minute's duties, which do not wait for what fails.
    ///
    /// # Errors
    /// The first [`PublishError`] of them.
    pub async fn turn(&mut self) -> Result<Progress, PublishError> {
        let progress = self.advance().await;
        if progress.as_ref().is_err_and(PublishError::is_fatal) {
            return progress;
        }
        // Neither what is told about the promises nor the heartbeat beside them waits for what fails.
        let refreshed = self.refresh().await;
        let measured = self.measure();
        let erased = self.erase_due();
        refreshed.and(measured).and(erased).and(progress)
    }

    fn measure(&self) -> Result<(), PublishError> {
        let (store, metrics) = (&self.service.store, &self.service.metrics);
        let oldest = store.oldest_accepted()?.map(|t| millis_as_seconds(t.get()));
        metrics.queue(store.queue_depth()?, oldest);
        metrics.hold(self.service.hold_state());
        metrics.overdue(self.overdue()?);
        let own = self.service.head_size().last_epoch().unwrap_or_default();
        let replicas = self.service.replicas.standing(own, std::time::Instant::now());
        metrics.replicas(replicas.alive, replicas.most_behind);
        Ok(())
    }

    /// Promises whose deadline has passed and that readers cannot see kept.
    fn overdue(&self) -> Result<u64, PublishError> {
        let service = &self.service;
        let delay = service.config.in_force().shortest_merge_delay();
        let before = Millis::new(service.clock.now().get().saturating_sub(delay));
        let head = service.head_size().last_epoch().unwrap_or_default();
        Ok(service.store.accepted_before_beyond(before, head)?)
    }
}
