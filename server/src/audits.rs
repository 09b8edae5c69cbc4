//! Audit proofs: from the folder of artefacts; what is missing there is made again or fetched, checked against its leaf, and
//! laid down.
//!
//! A proof can be made from the tree of its epoch, and those of the newest epochs are in memory. Building an older tree for
//! whoever asks would let anybody keep the server busy, so older ones come from another server or a CDN (`artefacts_from`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use keyglass_protocol::epoch::Leaf;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::artefacts::AuditName;
use crate::directory::LookupError;
use crate::service::Reads;

/// How long fetching one proof may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no proof.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The log has no such step.
    #[error("no such step")]
    NoStep,
    /// There is such a step, and its proof is not to be had now.
    #[error("the audit proof of epoch {} is not here", .0.epoch)]
    Missing(Box<Leaf>),
    /// The folder cannot be read or written.
    #[error("artefacts: {0}")]
    Folder(io::Error),
    /// The database fails, or what is stored does not fit together.
    #[error("{0}")]
    Stored(#[from] LookupError),
}

/// Finds audit proofs. Cheap to clone.
#[derive(Clone)]
pub struct Audits {
    reads: Arc<Reads>,
    client: reqwest::Client,
}

impl Audits {
    /// The audit proofs of a log.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(reads: Arc<Reads>) -> Result<Self, reqwest::Error> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { reads, client })
    }

    /// The proof of this name.
    ///
    /// # Errors
    /// [`AuditError`].
    pub async fn get(&self, name: AuditName) -> Result<Vec<u8>, AuditError> {
        let reads = Arc::clone(&self.reads);
        let here = tokio::task::spawn_blocking(move || find(&reads, &name)).await;
        let leaf = match here.map_err(|_| LookupError::WorkerDied)? {
            Err(AuditError::Missing(leaf)) => leaf,
            other => return other,
        };
        let path = format!("log/audit/{}/{}/{}", name.epoch, name.previous_root, name.root);
        for base in &self.reads.settings.replication.artefacts_from {
            let url = format!("{base}/{path}");
            match fetch(&self.client, &url, leaf.audit_length).await {
                Some(proof) if is_of(&leaf, &proof) => {
                    let (reads, bytes) = (Arc::clone(&self.reads), proof.clone());
                    let laid = tokio::task::spawn_blocking(move || reads.artefacts.put_audit(&name, &bytes));
                    laid.await
                        .map_err(|_| LookupError::WorkerDied)?
                        .map_err(AuditError::Folder)?;
                    return Ok(proof);
                }
                Some(_) => tracing::error!(%url, "what was fetched is not the proof that the leaf names"),
                None => {}
            }
        }
        Err(AuditError::Missing(leaf))
    }
}

/// From the folder, or from the tree in memory. Blocking.
fn find(reads: &Reads, name: &AuditName) -> Result<Vec<u8>, AuditError> {
    match reads.artefacts.audit(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(AuditError::Folder),
    }
    let leaf = reads.store.leaf(name.epoch).map_err(LookupError::from)?;
    let leaf = leaf.filter(|leaf| AuditName::of(leaf) == *name);
    let leaf = leaf.ok_or(AuditError::NoStep)?;
    let Some(tree) = reads.store.held_tree(name.epoch) else {
        return Err(AuditError::Missing(Box::new(leaf)));
    };
    let proof = tree.append_proof().bytes;
    if !is_of(&leaf, &proof) {
        return Err(LookupError::Damaged("the tree has another audit proof than the leaf names").into());
    }
    reads
        .artefacts
        .put_audit(name, &proof)
        .map_err(AuditError::Folder)?;
    Ok(proof)
}

fn is_of(leaf: &Leaf, proof: &[u8]) -> bool {
    leaf.audit_hash.as_bytes() == Sha256::digest(proof).as_slice()
}

/// The body of a 200 that has exactly this length.
async fn fetch(client: &reqwest::Client, url: &str, length: u64) -> Option<Vec<u8>> {
    let response = match client.get(url).send().await {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(%error, "an audit proof was not fetched");
            return None;
        }
    };
    // Read no more than what the leaf promises.
    let fits = response.status().as_u16() == 200 && response.content_length() == Some(length);
    if !fits {
        return None;
    }
    response.bytes().await.ok().map(|bytes| bytes.to_vec())
}
