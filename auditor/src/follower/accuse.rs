//! From a contradiction to a file that a stranger can check, and to the end of signing.

use std::collections::HashSet;

use keyglass_protocol::evidence::Claim;
use keyglass_schema::auditor::NewLatch;

use super::{Follower, blocking};
use crate::evidence_files::{self, EVIDENCE_DIR};
use crate::moments::Moment;
use crate::refusal::{Contradiction, Stop};

impl Follower {
    /// Stores the evidence and latches. Nothing is signed from here on, even if the file cannot be written.
    pub(super) async fn accuse(&self, contradiction: &Contradiction) -> Result<(), Stop> {
        let file = match &contradiction.claim {
            Some(claim) => self.write_evidence(contradiction, claim).await,
            None => None,
        };
        if file.is_some() {
            self.parts.moments.reached(Moment::Evidence);
        }
        self.latch(contradiction.kind, contradiction.reason, file).await
    }

    /// Latches because of an evidence file that somebody else brought and that was verified.
    ///
    /// # Errors
    /// [`Stop::Store`] if the database fails; the latch holds until the process ends even so.
    pub async fn convicted(&self, kind: &str, reason: &str, file: &str) -> Result<(), Stop> {
        self.latch(kind, reason, Some(file.to_owned())).await
    }

    /// Latches because of evidence files of this log that no contradiction names: the process ended between the two
    /// writes, and what was seen was seen.
    pub(super) async fn take_up_evidence(&self) -> Result<(), Stop> {
        let (store, id) = (self.parts.store.clone(), self.id);
        let named = blocking(move || store.latches(id)).await?;
        let named: HashSet<String> = named.into_iter().filter_map(|latch| latch.file).collect();
        let (dir, key) = (self.parts.data_dir.join(EVIDENCE_DIR), self.pins.log_key.clone());
        let found = tokio::task::spawn_blocking(move || evidence_files::proven(&dir, &named, &key)).await;
        let found = found
            .map_err(|e| Stop::Internal(e.to_string()))?
            .map_err(|error| Stop::File {
                what: "reading the evidence files",
                error,
            })?;
        for (file, kind, reason) in found {
            self.latch(kind, &reason, Some(file)).await?;
        }
        Ok(())
    }

    /// Wakes whoever tells the owner.
    pub(super) fn alarm(&self) {
        self.parts.alarm.notify_one();
    }

    async fn latch(&self, kind: &str, reason: &str, file: Option<String>) -> Result<(), Stop> {
        tracing::error!(
            origin = self.shared.origin(),
            kind,
            reason,
            file,
            "latched: nothing is signed any more"
        );
        self.shared.latch(Some(reason.to_owned()));
        self.parts.metrics.latched(true);
        let (store, id, at) = (self.parts.store.clone(), self.id, self.parts.clock.now());
        let (kind, reason) = (kind.to_owned(), reason.to_owned());
        blocking(move || {
            store.latch(
                id,
                &NewLatch {
                    kind: &kind,
                    reason: &reason,
                    file: file.as_deref(),
                    at,
                },
            )
        })
        .await?;
        self.parts.moments.reached(Moment::Latched);
        self.alarm();
        Ok(())
    }

    /// The file's name, if a stranger would be convinced by it.
    async fn write_evidence(&self, contradiction: &Contradiction, claim: &Claim) -> Option<String> {
        let kind = contradiction.kind;
        let config = match (&contradiction.config, &self.config) {
            (Some(config), _) => config.clone(),
            (None, Some(config)) => config.bytes().to_vec(),
            (None, None) => Vec::new(),
        };
        let (key, claim) = (self.pins.log_key.clone(), claim.clone());
        let dir = self.parts.data_dir.join(EVIDENCE_DIR);
        let stored =
            tokio::task::spawn_blocking(move || evidence_files::convince(&dir, &claim, config, &key));
        match stored.await {
            Ok(Ok(name)) => Some(name),
            Ok(Err(error)) => {
                tracing::error!(origin = self.shared.origin(), kind, error, "no evidence file");
                None
            }
            Err(error) => {
                tracing::error!(origin = self.shared.origin(), kind, %error, "no evidence file");
                None
            }
        }
    }
}
