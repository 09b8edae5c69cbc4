//! Steps 6 and 7: the head becomes durable, receipts are fulfilled, readers move; and the minute's heartbeat.

use std::time::Instant;

use keyglass_monitoring::PublishStep;
use keyglass_protocol::evidence::RECEIPT_GRACE_MS;
use keyglass_protocol::note::{Note, NoteError, SignatureLine, SignedCheckpoint};
use keyglass_protocol::quantity::{Epoch, LogSize, Millis, Seconds};

use super::cosign::{millis_as_seconds, seconds};
use super::{PublishError, Publisher, Step};
use crate::directory::Head;

/// Time between two heartbeats, and between two offers of an unchanged head. 60 s.
const REFRESH: u64 = 60_000;
/// Time beyond merge delay and quorum timeout for which a receipt may stay open before the heartbeat stops. 60 s.
const GRACE: u64 = 60_000;
/// How far the clock may be behind the newest heartbeat: verifiers forgive as much. 60 s.
const MAX_CLOCK_BEHIND: u64 = 60;

impl Publisher {
    /// Makes the signed log of `size` the readers' head.
    pub(super) fn flip(&mut self, size: LogSize) -> Result<(), PublishError> {
        let started = Instant::now();
        let now = self.service.clock.now();
        // Without a heartbeat readers are told that this head is not all there is, which is the truth then.
        let beat = self.heartbeat_time(size, now)?;
        let note = self.complete(size, beat)?;
        self.service.store.flip_head(size, &note.to_bytes())?;
        // A crash here leaves a durable head that no process serves yet: the next run loads it.
        self.reached(Step::HeadFlipped);
        self.refreshed = now;
        self.beaten(beat);
        self.service
            .metrics
            .publish_step(PublishStep::Flip, started.elapsed());
        Ok(())
    }

    /// Fulfils the receipts of the durable head's last epoch, then serves that head. Does nothing the second time.
    ///
    /// In this order: whoever sees an update in a lookup may submit the next one, and finds nothing pending.
    pub(super) async fn finish(&mut self, size: LogSize) -> Result<(), PublishError> {
        let Some(epoch) = size.last_epoch() else {
            return Ok(());
        };
        if self.finished == Some(epoch) {
            return Ok(());
        }
        self.fulfil(size, epoch)?;
        self.move_readers(size, epoch).await?;
        self.finished = Some(epoch);
        Ok(())
    }

    fn fulfil(&self, size: LogSize, epoch: Epoch) -> Result<(), PublishError> {
        let service = &self.service;
        let started = Instant::now();
        self.count_missed(size)?;
        let count = service.store.finish_batch(epoch)?;
        // A crash before this line leaves receipts that say "pending" for an update that is in the log: the next run
        // mends it.
        self.reached(Step::ReceiptsFulfilled);
        service
            .metrics
            .publish_step(PublishStep::Fulfil, started.elapsed());
        if count > 0 {
            let since = service.leaf(epoch)?.time;
            let took = core::time::Duration::from_millis(service.clock.now().since(since));
            service
                .metrics
                .published(u64::try_from(count).unwrap_or(u64::MAX), took);
        }
        Ok(())
    }

    async fn move_readers(&self, size: LogSize, epoch: Epoch) -> Result<(), PublishError> {
        let service = &self.service;
        if service.head_size() >= size {
            return Ok(());
        }
        let (_, note) = service
            .store
            .head()?
            .ok_or(crate::directory::LookupError::Unavailable)?;
        let head = Head::load(&service.source, size, &note).await?;
        service.head.set(head);
        service
            .metrics
            .flipped(epoch.get(), millis_as_seconds(service.clock.now().get()));
        service
            .artefacts
            .put_checkpoint(&note)
            .map_err(PublishError::Audit)?;
        self.reached(Step::ReadersMoved);
        Ok(())
    }

    /// Counts the receipts of a batch that came too late. Looks at them one by one only if the oldest did.
    fn count_missed(&self, size: LogSize) -> Result<(), PublishError> {
        let service = &self.service;
        let epoch = size.last_epoch().unwrap_or_default();
        let time = service.leaf(epoch)?.time;
        let delay = self.merge_delay();
        if service
            .store
            .oldest_accepted()?
            .is_none_or(|oldest| oldest.plus(delay) >= time)
        {
            return Ok(());
        }
        let mut missed = 0_u64;
        for update in service.store.frozen(epoch)? {
            missed = missed.saturating_add(u64::from(update.receipt.deadline < time));
        }
        if missed > 0 {
            tracing::error!(missed, epoch = %epoch, "receipts were fulfilled after their deadline");
            service.metrics.receipts_missed(missed);
        }
        Ok(())
    }

    /// Once a minute: offers an unchanged head to its cosigners again and renews the heartbeat.
    ///
    /// # Errors
    /// [`PublishError`]; the head stays as it is.
    pub async fn refresh(&mut self) -> Result<(), PublishError> {
        let now = self.service.clock.now();
        let (Some(head), Some(pending)) = (self.service.head.get(), self.service.pending.get()) else {
            return Ok(());
        };
        if now.since(self.refreshed) < REFRESH {
            return Ok(());
        }
        self.refreshed = now;
        // A head is never offered again once its successor is signed: that one is being offered.
        if pending.size == head.size {
            self.ask(head.size).await?;
        }
        let timeout = u64::try_from(self.service.settings.quorum_timeout.as_millis()).unwrap_or(u64::MAX);
        if self.service.waited().is_some_and(|ms| ms > timeout) {
            tracing::error!("the quorum is late beyond its timeout: the heartbeat stops");
            return Ok(());
        }
        let Some(beat) = self.heartbeat_time(head.size, now)? else {
            return Ok(());
        };
        let note = self.complete(head.size, Some(beat))?.to_bytes();
        self.service.store.flip_head(head.size, &note)?;
        self.service.head.set(head.with_note(&note)?);
        self.service
            .artefacts
            .put_checkpoint(&note)
            .map_err(PublishError::Audit)?;
        self.beaten(Some(beat));
        self.service
            .metrics
            .flipped(head.leaf.epoch.get(), millis_as_seconds(now.get()));
        Ok(())
    }

    /// The time of a heartbeat on the head of `size`; none if it must not say now that this head is all there is.
    ///
    /// It must not beside a promise of something later that is long overdue, nor be earlier than any heartbeat before:
    /// either would be a provable lie. While the clock is behind the newest heartbeat, that one's time is used again.
    fn heartbeat_time(&self, size: LogSize, now: Millis) -> Result<Option<Seconds>, PublishError> {
        let beat = now.seconds().max(self.newest_heartbeat()?);
        if beat.get().saturating_sub(now.seconds().get()) > MAX_CLOCK_BEHIND {
            tracing::error!("the clock is far behind the newest heartbeat: the heartbeat stops");
            return Ok(None);
        }
        let timeout = u64::try_from(self.service.settings.quorum_timeout.as_millis()).unwrap_or(u64::MAX);
        let bound = self
            .merge_delay()
            .saturating_add(timeout.saturating_add(GRACE).min(RECEIPT_GRACE_MS));
        let epoch = size.last_epoch().unwrap_or_default();
        if !self.is_own_heartbeat(epoch)? {
            tracing::warn!(
                "the head is older than the heartbeat key: no heartbeat until the new key is announced"
            );
            return Ok(None);
        }
        let oldest = self.service.store.oldest_accepted_beyond(epoch)?;
        if oldest.is_some_and(|oldest| beat.millis().since(oldest) > bound) {
            tracing::error!("accepted updates are overdue: the heartbeat stops");
            return Ok(None);
        }
        Ok(Some(beat))
    }

    /// The time in the newest heartbeat, of this process or of one before.
    fn newest_heartbeat(&self) -> Result<Seconds, PublishError> {
        let Some((_, note)) = self.service.store.head()? else {
            return Ok(self.beaten);
        };
        let head = SignedCheckpoint::open(&note, self.service.keys.log.verifier())?;
        let mut newest = self.beaten;
        // The head may carry the heartbeat of a key that was replaced since.
        for (_, document) in self.service.config.in_force().chain().documents() {
            newest = newest.max(head.cosignature(&document.heartbeat_vkey)?.unwrap_or_default());
        }
        Ok(newest)
    }

    /// Whether verifiers of the leaf of `epoch` expect the heartbeat of our key: its document names it.
    fn is_own_heartbeat(&self, epoch: Epoch) -> Result<bool, PublishError> {
        let leaf = self.service.leaf(epoch)?;
        let named = self.service.config.in_force();
        let document = named.chain().document(&leaf.config);
        Ok(document.is_some_and(|d| d.heartbeat_vkey == *self.service.keys.heartbeat.verifier()))
    }

    /// Takes note of a heartbeat that was made.
    fn beaten(&mut self, beat: Option<Seconds>) {
        if let Some(beat) = beat {
            self.beaten = beat;
            self.service.metrics.heartbeat(seconds(beat));
        }
    }

    /// The shortest that was ever promised, in ms: what waits may have been accepted under an older document.
    fn merge_delay(&self) -> u64 {
        self.service.config.in_force().shortest_merge_delay()
    }

    /// The checkpoint with the newest cosignature of every cosigner and, if there is a time for it, a heartbeat.
    fn complete(&self, size: LogSize, beat: Option<Seconds>) -> Result<Note, PublishError> {
        let service = &self.service;
        let signed = service.signed_checkpoint(size)?;
        let mut note = signed.note().clone();
        let configured: Vec<String> = service
            .cosigners
            .list()
            .iter()
            .map(|c| c.key.to_string())
            .collect();
        for cosignature in service.store.cosignatures(size)? {
            // Somebody who is no cosigner any more does not fill up the note.
            if configured.contains(&cosignature.vkey) {
                note = note.with_line(line(&cosignature.line)?)?;
            }
        }
        let Some(beat) = beat else { return Ok(note) };
        Ok(note.with_line(service.keys.heartbeat.cosign(signed.checkpoint(), beat)?)?)
    }
}

fn line(text: &str) -> Result<SignatureLine, NoteError> {
    SignatureLine::parse_line(text)
}
