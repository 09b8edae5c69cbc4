//! Step 5: collecting cosignatures, asked for and handed in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use keyglass_monitoring::PublishStep;
use keyglass_protocol::note::{Checkpoint, Note, NoteError, SignatureLine, SignedCheckpoint};
use keyglass_protocol::quantity::{LogSize, Seconds};
use keyglass_schema::StoreError;
use thiserror::Error;
use tokio::task::{JoinError, JoinSet};

use super::{AskError, PublishError, Publisher, Step};
use crate::service::Service;
use crate::settings::AfterTimeout;

/// How far ahead of our clock a cosigner may be. 60 s.
const MAX_AHEAD: u64 = 60;

impl Publisher {
    /// Asks for cosignatures of the signed log of `size`. At quorum, moves the head and answers true.
    pub(super) async fn cosign(&mut self, size: LogSize) -> Result<bool, PublishError> {
        let started = Instant::now();
        if !self.service.has_quorum(size)? {
            self.ask(size).await?;
            // A crash here loses nothing: answers that arrived are stored, the others are asked for again.
            self.reached(Step::CosignersAsked);
        }
        let met = self.service.has_quorum(size)?;
        self.service.metrics.quorum_met(met);
        if !met && !self.goes_on_without() {
            return Ok(false);
        }
        self.service
            .metrics
            .publish_step(PublishStep::Cosign, started.elapsed());
        self.reached(Step::QuorumMet);
        self.service
            .degraded
            .store(!met, std::sync::atomic::Ordering::Relaxed);
        self.flip(size)?;
        Ok(true)
    }

    fn goes_on_without(&self) -> bool {
        let settings = &self.service.settings;
        let waited = self.service.waited().unwrap_or_default();
        // Once it goes on without the quorum it does so until the quorum is back: each epoch waiting out the timeout would
        // break every promise.
        let degraded = self.service.degraded.load(std::sync::atomic::Ordering::Relaxed);
        settings.after_quorum_timeout == AfterTimeout::Proceed
            && (degraded || u128::from(waited) > settings.quorum_timeout.as_millis())
    }

    /// Offers the checkpoint of `size` to every cosigner with an address, all at once.
    pub(super) async fn ask(&self, size: LogSize) -> Result<(), PublishError> {
        let signed = Arc::new(self.service.signed_checkpoint(size)?);
        let mut asked = JoinSet::new();
        for url in self.service.cosigner_urls() {
            let (asker, store, signed) = (
                self.asker.clone(),
                self.service.store.clone(),
                Arc::clone(&signed),
            );
            asked.spawn(async move {
                let answer = asker.cosign(&store, &url, &signed).await;
                (url, answer)
            });
        }
        while let Some(done) = self.answered(size, &mut asked).await? {
            match done {
                Ok((_, Ok(lines))) => self.service.keep_lines(&signed, &lines)?,
                Ok((url, Err(AskError::Ahead(theirs)))) => self.check_claim(&url, theirs).await?,
                Ok((url, Err(error))) => tracing::warn!(cosigner = %url, %error, "no cosignature"),
                Err(error) => tracing::error!(%error, "asking a cosigner died"),
            }
        }
        Ok(())
    }

    /// What the next of those that were asked says; nothing once cosignatures that were handed in meanwhile are enough: who cannot be
    /// reached holds nobody up who reaches us.
    async fn answered<T: 'static>(
        &self,
        size: LogSize,
        asked: &mut JoinSet<T>,
    ) -> Result<Option<Result<T, JoinError>>, StoreError> {
        loop {
            tokio::select! {
                biased;
                done = asked.join_next() => return Ok(done),
                () = self.service.wake.notified() => {
                    if self.service.has_quorum(size)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// A cosigner says that it has seen a larger log. Only our own signature makes that true.
    async fn check_claim(&self, url: &str, theirs: LogSize) -> Result<(), PublishError> {
        tracing::error!(cosigner = %url, size = %theirs, "a cosigner claims to have seen a larger log");
        match self.asker.head(url, self.service.keys.log.verifier()).await {
            Ok(head) => self.compare(url, &head),
            Err(error) => {
                tracing::warn!(cosigner = %url, %error, "the claim is not shown");
                Ok(())
            }
        }
    }

    /// Compares a head that a cosigner holds, signed by our log key, with what we have signed.
    pub(super) fn compare(&self, url: &str, head: &SignedCheckpoint) -> Result<(), PublishError> {
        let theirs = head.checkpoint();
        let ours = self
            .service
            .store
            .newest_checkpoint()?
            .map(|(size, _)| size)
            .unwrap_or_default();
        if theirs.size > ours {
            let cosigner = url.to_owned();
            return Err(PublishError::CosignerAhead {
                cosigner,
                theirs: theirs.size,
                ours,
            });
        }
        if theirs.size != LogSize::ZERO && self.state_of(theirs.size)?.root != theirs.root {
            return Err(PublishError::CosignerFork {
                cosigner: url.to_owned(),
                size: theirs.size,
            });
        }
        Ok(())
    }
}

impl Service {
    /// The addresses of cosigners, each once: an auditor's two keys have one.
    pub(super) fn cosigner_urls(&self) -> BTreeSet<String> {
        self.cosigners
            .list()
            .iter()
            .filter_map(|c| c.url.clone())
            .collect()
    }

    /// Whether enough cosignatures of the checkpoint of `size` are stored.
    pub(super) fn has_quorum(&self, size: LogSize) -> Result<bool, StoreError> {
        let held: BTreeSet<String> = self
            .store
            .cosignatures(size)?
            .into_iter()
            .map(|c| c.vkey)
            .collect();
        Ok(self.cosigners.enough(&|key| held.contains(&key.to_string())))
    }

    /// Stores every line that is a good cosignature of a configured key.
    fn keep_lines(&self, signed: &SignedCheckpoint, lines: &[SignatureLine]) -> Result<(), StoreError> {
        for line in lines {
            match self.keep_line(signed, line) {
                Ok(true) => {}
                Ok(false) => tracing::debug!(cosigner = %line.name, "a line of nobody that is configured"),
                Err(HandInError::Store(error)) => return Err(error),
                Err(error) => tracing::error!(cosigner = %line.name, %error, "a bad cosignature"),
            }
        }
        Ok(())
    }

    /// Stores one line if it is a good cosignature of a configured key; false if it is of nobody configured.
    fn keep_line(&self, signed: &SignedCheckpoint, line: &SignatureLine) -> Result<bool, HandInError> {
        let Some(cosigner) = self.cosigners.list().iter().find(|c| c.key.claims(line)) else {
            return Ok(false);
        };
        let with_line = signed
            .with_cosignature(&cosigner.key, line.clone())
            .map_err(HandInError::BadCosignature)?;
        let time = with_line
            .cosignature(&cosigner.key)
            .map_err(HandInError::BadCosignature)?;
        let time = time.ok_or(HandInError::NoTime)?;
        if time.get() > self.clock.now().seconds().get().saturating_add(MAX_AHEAD) {
            return Err(HandInError::TimeAhead(time));
        }
        let size = signed.checkpoint().size;
        self.store
            .put_cosignature(size, &cosigner.key.to_string(), &line.to_line(), time)?;
        self.metrics.cosigner_seen(cosigner.key.name(), seconds(time));
        Ok(true)
    }
}

/// A cosignature that is not accepted; the statuses are those of tlog-witness.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HandInError {
    /// Not a checkpoint note (400).
    #[error("not a checkpoint: {0}")]
    Malformed(NoteError),
    /// Another log (404).
    #[error("a checkpoint of another log")]
    OtherOrigin,
    /// The log's own signature is missing or bad (403).
    #[error("not signed by the log: {0}")]
    NotSigned(NoteError),
    /// No line of a configured cosigner (403).
    #[error("no line of a configured cosigner")]
    UnknownCosigner,
    /// The line of a configured cosigner does not verify (403).
    #[error("bad cosignature: {0}")]
    BadCosignature(NoteError),
    /// The line states no time (403).
    #[error("the cosignature states no time")]
    NoTime,
    /// The line's time lies ahead of our clock (403).
    #[error("the cosignature's time {0} lies ahead of our clock")]
    TimeAhead(Seconds),
    /// Neither the newest signed checkpoint nor the readers' head (409 with our size).
    #[error("the newest checkpoint has size {ours}")]
    OtherSize {
        /// Size of our newest checkpoint.
        ours: LogSize,
    },
    /// Signed by our log key, with another root than ours (422). A fork of ourselves.
    #[error("another root for a size that we have signed")]
    Fork,
    /// The database failed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
}

/// Takes a checkpoint note with the line of a configured cosigner (`POST /log/cosignatures`). Blocking.
///
/// # Errors
/// [`HandInError`].
pub fn hand_in(service: &Service, bytes: &[u8]) -> Result<(), HandInError> {
    let note = Note::parse(bytes).map_err(HandInError::Malformed)?;
    let checkpoint = Checkpoint::parse_text(note.text()).map_err(HandInError::Malformed)?;
    let log = service.keys.log.verifier();
    if checkpoint.origin != *log.origin() {
        return Err(HandInError::OtherOrigin);
    }
    let signed = SignedCheckpoint::open(bytes, log).map_err(HandInError::NotSigned)?;
    let (pending, head) = (service.pending.size(), service.head_size());
    if checkpoint.size == LogSize::ZERO || (checkpoint.size != pending && checkpoint.size != head) {
        return Err(HandInError::OtherSize { ours: pending });
    }
    let ours = service
        .store
        .checkpoint(checkpoint.size)?
        .ok_or(HandInError::OtherSize { ours: pending })?;
    let ours = SignedCheckpoint::open(&ours, log).map_err(HandInError::NotSigned)?;
    if ours.checkpoint() != signed.checkpoint() {
        tracing::error!(size = %checkpoint.size, "two roots of one size carry our own signature");
        return Err(HandInError::Fork);
    }
    let mut kept = false;
    for line in note.signatures().iter().filter(|line| !log.claims(line)) {
        kept |= service.keep_line(&ours, line)?;
    }
    if !kept {
        return Err(HandInError::UnknownCosigner);
    }
    service.wake.notify_one();
    Ok(())
}

/// A time as metrics want it.
pub(super) fn seconds(time: Seconds) -> f64 {
    millis_as_seconds(time.get().saturating_mul(1000))
}

/// Milliseconds as seconds with a fraction.
pub(super) fn millis_as_seconds(ms: u64) -> f64 {
    core::time::Duration::from_millis(ms).as_secs_f64()
}
