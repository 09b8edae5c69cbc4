//! Signing: recorded first, signed then, published last.

use keyglass_protocol::note::{Note, NoteError, SignedCheckpoint};
use keyglass_protocol::quantity::Seconds;
use keyglass_schema::auditor::{Signed, Signing};

use super::{Follower, blocking, seconds};
use crate::refusal::{Refusal, Stop};
use crate::shared::Published;

/// A checkpoint with what is recorded about its signature.
pub(super) struct ToSign {
    checkpoint: SignedCheckpoint,
    /// Text, signature of the log, and no other lines: what is stored.
    note: Vec<u8>,
    at: Seconds,
}

impl ToSign {
    /// The record that must be durable before the signature is made.
    pub(super) fn record(&self) -> Signing<'_> {
        let head = self.checkpoint.checkpoint();
        Signing {
            size: head.size,
            root: head.root,
            note: &self.note,
            at: self.at,
        }
    }
}

impl Follower {
    /// Prepares a checkpoint for signing now.
    pub(super) fn to_sign(&self, checkpoint: &SignedCheckpoint) -> Result<ToSign, NoteError> {
        let note = self.bare(checkpoint)?;
        let at = self.parts.clock.now().seconds();
        Ok(ToSign {
            checkpoint: checkpoint.clone(),
            note,
            at,
        })
    }

    /// The note with the log's lines only: other lines are of no use here, and anybody may add them.
    pub(super) fn bare(&self, checkpoint: &SignedCheckpoint) -> Result<Vec<u8>, NoteError> {
        let note = checkpoint.note();
        let of_log = note
            .signatures()
            .iter()
            .filter(|line| self.pins.log_key.claims(line));
        Ok(Note::new(note.text(), of_log.cloned().collect())?.to_bytes())
    }

    /// Signs a head again that was signed before and has just been fetched unchanged.
    pub(super) async fn sign_again(&mut self, head: &SignedCheckpoint) -> Result<(), Stop> {
        let new = self.to_sign(head)?;
        let (store, id) = (self.parts.store.clone(), self.id);
        let new = blocking(move || store.sign(id, &new.record()).map(|()| new)).await?;
        self.publish(&new)
    }

    /// Makes the recorded signature and shows it.
    pub(super) fn publish(&self, signed: &ToSign) -> Result<(), Stop> {
        self.show(&signed.note, signed.checkpoint.checkpoint().size, signed.at)?;
        let size = signed.checkpoint.checkpoint().size;
        self.parts.metrics.signed(size.get(), seconds(signed.at));
        tracing::info!(origin = self.shared.origin(), size = size.get(), "cosigned");
        Ok(())
    }

    fn show(&self, note: &[u8], size: keyglass_protocol::quantity::LogSize, at: Seconds) -> Result<(), Stop> {
        let mut note = Note::parse(note)?;
        let lines = self.parts.keys.cosign(note.text(), at);
        let text = lines.iter().map(|line| line.to_line() + "\n").collect();
        for line in lines {
            note = note.with_line(line)?;
        }
        self.shared.publish(Published {
            size,
            at,
            note: note.to_bytes(),
            lines: text,
        });
        Ok(())
    }

    /// Shows again what was signed last: the same bytes, since recorded time and text are the same.
    pub(super) async fn restore(&mut self) -> Result<(), Stop> {
        if let Some(signed) = self.signed().await? {
            self.show(&signed.note, signed.size, signed.at)?;
            self.parts.metrics.signed(signed.size.get(), seconds(signed.at));
        }
        if let Err(Stop::Refused(Refusal::Latched(reason))) = self.refuse_latched().await {
            self.shared.latch(Some(reason));
            self.parts.metrics.latched(true);
        }
        self.load_config().await
    }

    /// The newest signed checkpoint.
    pub(super) async fn signed(&self) -> Result<Option<Signed>, Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        blocking(move || store.signed(id)).await
    }

    /// The database refuses too; this spares the directory the fetches, and holds if the database failed when the
    /// contradiction was to be stored.
    pub(super) async fn refuse_latched(&self) -> Result<(), Stop> {
        if let Some(reason) = self.shared.latched() {
            return Err(Refusal::Latched(reason).into());
        }
        let (store, id) = (self.parts.store.clone(), self.id);
        match blocking(move || store.latched(id)).await? {
            Some(latch) => Err(Refusal::Latched(latch.reason).into()),
            None => Ok(()),
        }
    }

    /// A signature of ours that we do not remember means that our state is an old copy: signing on could
    /// contradict what was signed since.
    pub(super) fn refuse_rolled_back(
        &self,
        head: &SignedCheckpoint,
        signed: Option<&Signed>,
    ) -> Result<(), Stop> {
        // A line that only claims to be ours proves nothing.
        let Ok(Some(time)) = head.cosignature(self.parts.keys.verifier()) else {
            return Ok(());
        };
        let seen = head.checkpoint().size;
        let remembered = signed.is_some_and(|s| seen < s.size || (seen == s.size && time <= s.at));
        if remembered {
            return Ok(());
        }
        let signed = signed.map(|s| s.size).unwrap_or_default();
        Err(Refusal::OwnStateRolledBack { seen, signed }.into())
    }
}
