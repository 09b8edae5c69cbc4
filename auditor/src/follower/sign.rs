//! Signing: recorded first, signed then, published last.

use keyglass_protocol::note::{NoteError, SignedCheckpoint};
use keyglass_protocol::quantity::Seconds;
use keyglass_schema::auditor::{Signed, Signing};

use super::{Follower, blocking, seconds};
use crate::moments::Moment;
use crate::place::bare;
use crate::published;
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
    /// Prepares a checkpoint for signing, with the time at which it was seen.
    pub(super) fn to_sign(&self, checkpoint: &SignedCheckpoint) -> Result<ToSign, NoteError> {
        let note = self.bare(checkpoint)?;
        Ok(ToSign {
            checkpoint: checkpoint.clone(),
            note,
            at: self.seen.seconds(),
        })
    }

    /// The note with the log's lines only.
    pub(super) fn bare(&self, checkpoint: &SignedCheckpoint) -> Result<Vec<u8>, NoteError> {
        bare(checkpoint, &self.pins.log_key)
    }

    /// Signs a head again that was signed before and has just been fetched unchanged.
    pub(super) async fn sign_again(&mut self, head: &SignedCheckpoint) -> Result<(), Stop> {
        let new = self.to_sign(head)?;
        let (store, id) = (self.parts.store.clone(), self.id);
        let new = blocking(move || store.sign(id, &new.record()).map(|()| new)).await?;
        self.parts.moments.reached(Moment::Stored);
        self.publish(&new).await
    }

    /// Makes the recorded signature, keeps it beside the database, and shows it.
    pub(super) async fn publish(&self, signed: &ToSign) -> Result<(), Stop> {
        let head = signed.checkpoint.checkpoint();
        self.show(&signed.note, signed.at).await?;
        self.parts.metrics.signed(head.size.get(), seconds(signed.at));
        tracing::info!(origin = self.shared.origin(), size = head.size.get(), "cosigned");
        Ok(())
    }

    async fn show(&self, note: &[u8], at: Seconds) -> Result<(), Stop> {
        let signed = SignedCheckpoint::open(note, &self.pins.log_key)?;
        let (mut note, head) = (signed.note().clone(), signed.checkpoint());
        let lines = self.parts.keys.cosign(note.text(), head, at)?;
        let text = lines.iter().map(|line| line.to_line() + "\n").collect();
        for line in lines {
            note = note.with_line(line)?;
        }
        self.parts.moments.reached(Moment::Signed);
        let note = note.to_bytes();
        self.keep(note.clone()).await?;
        self.parts.moments.reached(Moment::Kept);
        self.shared.publish(Published {
            size: head.size,
            at,
            note,
            lines: text,
        });
        self.parts.moments.reached(Moment::Shown);
        Ok(())
    }

    /// Writes what is about to be shown where a restored database will be compared with it.
    async fn keep(&self, note: Vec<u8>) -> Result<(), Stop> {
        let (dir, origin) = (self.parts.data_dir.clone(), self.shared.origin().to_owned());
        let kept = tokio::task::spawn_blocking(move || published::keep(&dir, &origin, &note)).await;
        kept.map_err(|e| Stop::Internal(e.to_string()))?
            .map_err(|error| Stop::File {
                what: "keeping the published checkpoint",
                error,
            })
    }

    /// Shows again what was signed last: the same bytes, since recorded time and text are the same. A signature of
    /// ours that the database does not remember is taken up first, and nothing more is signed.
    pub(super) async fn restore(&mut self) -> Result<(), Stop> {
        match self.compare_with_kept().await {
            Ok(()) | Err(Stop::Refused(Refusal::OwnStateRolledBack { .. })) => {}
            Err(stop) => return Err(stop),
        }
        self.take_up_evidence().await?;
        if let Some(signed) = self.signed().await? {
            self.show(&signed.note, signed.at).await?;
            self.parts.metrics.signed(signed.size.get(), seconds(signed.at));
        }
        if let Err(Stop::Refused(Refusal::Latched(reason))) = self.refuse_latched().await {
            self.shared.latch(Some(reason));
            self.parts.metrics.latched(true);
        }
        self.shared.start(self.verified().await?.start);
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
}
