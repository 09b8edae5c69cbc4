//! From a contradiction to a file that a stranger can check, and to the end of signing.

use keyglass_protocol::evidence::{Claim, Evidence, Finding, SCHEMA};
use keyglass_protocol::message::B64;
use keyglass_schema::auditor::NewLatch;

use super::{Follower, blocking};
use crate::evidence_files;
use crate::refusal::{Contradiction, Stop};

impl Follower {
    /// Stores the evidence and latches. Nothing is signed from here on, even if the file cannot be written.
    pub(super) async fn accuse(&self, contradiction: &Contradiction) -> Result<(), Stop> {
        let file = match &contradiction.claim {
            Some(claim) => self.write_evidence(contradiction.kind, claim).await,
            None => None,
        };
        self.latch(contradiction.kind, contradiction.reason, file).await
    }

    pub(super) async fn latch(
        &self,
        kind: &'static str,
        reason: &'static str,
        file: Option<String>,
    ) -> Result<(), Stop> {
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
        blocking(move || {
            store.latch(
                id,
                &NewLatch {
                    kind,
                    reason,
                    file: file.as_deref(),
                    at,
                },
            )
        })
        .await
    }

    /// The file's name, if a stranger would be convinced by it.
    async fn write_evidence(&self, kind: &'static str, claim: &Claim) -> Option<String> {
        let config = self
            .config
            .as_ref()
            .map(|config| config.bytes().to_vec())
            .unwrap_or_default();
        let evidence = Evidence {
            schema: SCHEMA,
            claim: claim.clone(),
            config: B64(config),
        };
        let key = self.pins.log_key.clone();
        let dir = self.parts.evidence.clone();
        let stored = tokio::task::spawn_blocking(move || match evidence.verify(&key) {
            Ok(Finding::Proven { .. }) => {
                let bytes = evidence.to_bytes().map_err(|e| e.to_string())?;
                evidence_files::store(&dir, kind, &bytes).map_err(|e| e.to_string())
            }
            Ok(Finding::Disputed { reason }) => Err(format!("disputed: {reason}")),
            Err(error) => Err(error.to_string()),
        });
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
