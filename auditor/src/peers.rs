//! Other auditors and witnesses of the same log: what they have seen is compared with what was verified here.
//!
//! A peer is not trusted. What it shows counts as far as the log signed it.

use std::sync::Arc;

use keyglass_protocol::note::VerifierKey;

use crate::source::{EpochSource, MAX_CHECKPOINT_BYTES, Trouble};

/// One peer.
#[derive(Clone)]
pub struct Peer {
    /// Verifies its cosignatures; without it only the log's signature is looked at.
    pub key: Option<VerifierKey>,
    /// Its address, for logs and metrics.
    pub url: String,
    /// Its HTTP interface.
    pub source: Arc<dyn EpochSource>,
}

impl Peer {
    /// What to call it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.as_ref().map_or(&self.url, |key| key.name())
    }

    /// The newest checkpoint of a log that it cosigned (monitoring path of tlog-witness); `None` if there is none.
    pub(crate) async fn head(&self, log: &str) -> Result<Option<Vec<u8>>, Trouble> {
        self.get(&format!("/{log}/checkpoint")).await
    }

    /// The newest checkpoint under which it has seen a cosignature of `key`; `None` if it has seen none, or does not
    /// answer such questions.
    pub(crate) async fn seen_of(&self, log: &str, key: &VerifierKey) -> Result<Option<Vec<u8>>, Trouble> {
        self.get(&format!("/{log}/seen/{}", key.key_id())).await
    }

    async fn get(&self, path: &str) -> Result<Option<Vec<u8>>, Trouble> {
        match self.source.get(path, MAX_CHECKPOINT_BYTES).await {
            Ok(note) => Ok(Some(note)),
            Err(Trouble::Status { status: 404, .. }) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }
}
