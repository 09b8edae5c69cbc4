//! Closed accounts whose time has come: their earlier records are erased.

use keyglass_protocol::quantity::{Epoch, Millis};
use keyglass_protocol::record::{AccountKind, AccountRecord};
use keyglass_schema::{Closing, Erasure};

use super::{PublishError, Publisher};

/// Time between two looks. 60 s.
const INTERVAL: u64 = 60_000;
/// Most accounts of one look.
const AT_ONCE: usize = 100;

impl Publisher {
    /// Once a minute, if the settings say so: erases the records of accounts that have been closed for long enough.
    ///
    /// # Errors
    /// [`PublishError`] if the database fails; what was not erased is tried again.
    pub fn erase_due(&mut self) -> Result<(), PublishError> {
        let service = &self.service;
        let Some(after) = service.settings.erase_closed_after else {
            return Ok(());
        };
        let now = service.clock.now();
        let Some(published) = service.head_size().last_epoch() else {
            return Ok(());
        };
        if now.since(self.erased) < INTERVAL {
            return Ok(());
        }
        self.erased = now;
        let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        let until = Millis::new(now.get().saturating_sub(after));
        for closing in self.service.store.closings(until, AT_ONCE)? {
            self.erase(&closing, published, now)?;
        }
        Ok(())
    }

    /// Answers are kept until the head moves; one of them may show what is erased.
    fn forget_answers(&self) -> Result<(), PublishError> {
        if let Some(head) = self.service.head.get() {
            self.service.head.set(head.with_note(head.checkpoint.as_bytes())?);
        }
        Ok(())
    }

    fn erase(&self, closing: &Closing, published: Epoch, now: Millis) -> Result<(), PublishError> {
        let (store, label) = (&self.service.store, &closing.label);
        let newest = store.newest(label, published)?;
        let record = newest.and_then(|stored| AccountRecord::decode(&stored.value).ok());
        let Some(record) = record else {
            tracing::error!("a closed account cannot be read, and is not erased");
            return Ok(store.postpone_closing(label, now)?);
        };
        match record.kind {
            AccountKind::Closed => match store.erase(label, record.version, published)? {
                Erasure::Done(records) => {
                    tracing::info!(records, "a closed account was erased");
                    self.forget_answers()?;
                }
                Erasure::Kept => tracing::info!("a closed account is kept: another's alias relies on it"),
                Erasure::Moved | Erasure::Pending => store.postpone_closing(label, now)?,
            },
            // Somebody may be about to be let in again.
            AccountKind::Notice => store.postpone_closing(label, now)?,
            _ => store.forget_closing(label)?,
        }
        Ok(())
    }
}
