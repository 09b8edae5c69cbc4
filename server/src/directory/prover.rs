//! Proofs from the tree as it stood at one epoch.
//!
//! What is handed out are, byte for byte, the protobuf messages that akd would make. The paths come from the tree in
//! memory, which never changes; the VRF's part is kept from one question to the next.

use std::sync::Arc;

use akd::errors::{AkdError, StorageError};
use akd::{AkdValue, VersionFreshness};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{AbsenceProof, B64, LookupProof, MarkerProof};
use keyglass_protocol::quantity::{Epoch, KeyVersion, LeafLabel, RootHash};
use keyglass_protocol::tree;
use keyglass_schema::{StoreError, Stored, Tree, wire};
use thiserror::Error;

use super::ProofSource;
use crate::keys::Placed;

/// Bytes of a lookup proof besides the record, about.
const LOOKUP: usize = 8 << 10;

/// Why there is no proof.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The database failed, or what it holds is damaged.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The tree has another root than the signed leaf of its epoch. Nothing may be answered from it.
    #[error("the tree of epoch {epoch} has another root than the signed leaf")]
    RootDiffers {
        /// The epoch.
        epoch: Epoch,
    },
    /// Records and tree do not fit together: what one has, the other lacks.
    #[error("records and tree of epoch {epoch} do not fit together: {what}")]
    Inconsistent {
        /// The epoch.
        epoch: Epoch,
        /// What is missing.
        what: &'static str,
    },
    /// The tree moved on while the proof was made: this reader stands too far behind.
    #[error("the tree moved on while the proof was made")]
    Overtaken,
    /// A worker died.
    #[error("a worker died")]
    WorkerDied,
}

/// akd's message, unless it names the label that was asked for: labels are never logged.
pub(crate) fn describe(error: &AkdError) -> String {
    match error {
        AkdError::Storage(StorageError::NotFound(_)) => "a record is missing".to_owned(),
        other => other.to_string(),
    }
}

/// Makes proofs at one epoch.
pub struct Prover {
    source: ProofSource,
    tree: Arc<Tree>,
}

impl Prover {
    /// A prover on the tree of `epoch`, whose signed (or to be signed) root is `root`.
    ///
    /// # Errors
    /// [`ProveError::Store`] if there is no such tree, [`ProveError::RootDiffers`].
    pub async fn new(source: &ProofSource, epoch: Epoch, root: RootHash) -> Result<Self, ProveError> {
        let store = source.store.clone();
        let tree = blocking(move || store.tree_at(epoch)).await?;
        if tree.root() != root {
            return Err(ProveError::RootDiffers { epoch });
        }
        Ok(Self {
            source: source.clone(),
            tree,
        })
    }

    /// The epoch of every proof.
    pub fn epoch(&self) -> Epoch {
        self.tree.epoch()
    }

    /// Whether this reader is not too far behind. Ask after a proof was made and before it is used.
    ///
    /// # Errors
    /// [`ProveError::Overtaken`] if the tree that this process knows is more than one epoch ahead.
    pub fn check_in_time(&self) -> Result<(), ProveError> {
        if self.source.store.covers(self.epoch()) {
            Ok(())
        } else {
            Err(ProveError::Overtaken)
        }
    }

    /// The newest version of a label at this epoch; `None` if there is none.
    ///
    /// # Errors
    /// [`ProveError`].
    pub async fn newest(&self, label: &Label) -> Result<Option<Arc<Stored>>, ProveError> {
        if let Some(recent) = self
            .source
            .recent(label)
            .filter(|recent| self.is_newest(label, recent))
        {
            return Ok(Some(recent));
        }
        let first = self.place(label, VersionFreshness::Fresh, 1);
        if !self.tree.contains(&first.leaf) {
            return Ok(None);
        }
        let (store, asked, epoch) = (self.source.store.clone(), label.clone(), self.epoch());
        let at_once = store.reads_at_once();
        let read = move || store.newest(&asked, epoch);
        // Handing a row's reading over, and being woken again, would take as long, and much longer while processors are short.
        let stored = if at_once { read()? } else { blocking(read).await? };
        let stored = Arc::new(stored.ok_or_else(|| self.inconsistent("a record"))?);
        self.source.remember(label, &stored);
        Ok(Some(stored))
    }

    /// A version that was published by this epoch is the newest as long as the tree has no mark that it is stale.
    fn is_newest(&self, label: &Label, stored: &Stored) -> bool {
        let stale = || self.place(label, VersionFreshness::Stale, stored.version.get());
        stored.epoch <= self.epoch() && !self.tree.contains(&stale().leaf)
    }

    /// The lookup proof of a label that exists at this epoch, with all markers.
    ///
    /// # Errors
    /// [`ProveError`]; also if the label does not exist.
    pub async fn lookup(&self, label: &Label) -> Result<LookupProof, ProveError> {
        let newest = self.newest(label).await?;
        let newest = newest.ok_or_else(|| self.inconsistent("the label"))?;
        self.lookup_of(label, &newest)
    }

    /// The lookup proof of a label whose newest version at this epoch is `newest`.
    ///
    /// # Errors
    /// [`ProveError::Inconsistent`] if the tree lacks any of it.
    pub fn lookup_of(&self, label: &Label, newest: &Stored) -> Result<LookupProof, ProveError> {
        let version = newest.version.get();
        let power = 1_u64 << version.ilog2();
        let existence = self.place(label, VersionFreshness::Fresh, version);
        let marker = self.place(label, VersionFreshness::Fresh, power);
        let stale = self.place(label, VersionFreshness::Stale, version);
        // akd hashes an owned value; it is written from here as well.
        let value = AkdValue(newest.value.clone());
        let mut out = Vec::with_capacity(LOOKUP.saturating_add(value.len()));
        wire::number(&mut out, 1, newest.epoch.get());
        wire::bytes(&mut out, 2, &value);
        wire::number(&mut out, 3, version);
        wire::bytes(&mut out, 4, &existence.proof);
        self.put_membership(&mut out, 5, &existence.leaf)?;
        wire::bytes(&mut out, 6, &marker.proof);
        self.put_membership(&mut out, 7, &marker.leaf)?;
        wire::bytes(&mut out, 8, &stale.proof);
        self.put_absence(&mut out, 9, &stale.leaf)?;
        let nonce = self.source.vrf.nonce(&existence.leaf, version, &value);
        wire::bytes(&mut out, 10, nonce.as_bytes());
        let markers = tree::lookup_markers(newest.version, self.epoch());
        let markers = markers.into_iter().map(|marker| self.marker(label, marker));
        Ok(LookupProof {
            label: label.as_str().to_owned(),
            proof: B64(out),
            markers: markers.collect::<Result<_, _>>()?,
        })
    }

    /// The proof that a label does not exist at this epoch.
    ///
    /// # Errors
    /// [`ProveError::Inconsistent`] if it does.
    pub fn absence(&self, label: &Label) -> Result<AbsenceProof, ProveError> {
        let first = self.place(label, VersionFreshness::Fresh, 1);
        let mut proof = Vec::new();
        // At epoch 0 the empty root itself is the proof: akd's own does not verify there.
        if self.epoch() > Epoch::ZERO {
            proof.reserve(LOOKUP / 2);
            if !self.tree.put_absence(&first.leaf, &mut proof) {
                return Err(self.inconsistent("an absence"));
            }
        }
        Ok(AbsenceProof {
            label: label.as_str().to_owned(),
            vrf_proof: B64(first.proof.to_vec()),
            proof: B64(proof),
        })
    }

    /// The history proof of every version from `since` on.
    ///
    /// # Errors
    /// [`ProveError`]; also if the label does not exist.
    pub async fn history(&self, label: &Label, since: KeyVersion) -> Result<Vec<u8>, ProveError> {
        let (store, asked, epoch) = (self.source.store.clone(), label.clone(), self.epoch());
        let mut versions = blocking(move || store.versions_from(&asked, since, epoch)).await?;
        versions.reverse();
        let (Some(newest), Some(oldest)) = (versions.first(), versions.last()) else {
            return Err(self.inconsistent("a record"));
        };
        let (past, future) = tree::history_markers(oldest.version, newest.version, epoch);
        let mut out = Vec::with_capacity(versions.len().saturating_mul(LOOKUP / 2));
        for version in &versions {
            let mut update = Vec::with_capacity(LOOKUP);
            self.put_update(&mut update, label, version)?;
            wire::bytes(&mut out, 1, &update);
        }
        self.put_markers(&mut out, label, (2, 3), &past, Self::put_membership)?;
        self.put_markers(&mut out, label, (4, 5), &future, Self::put_absence)?;
        Ok(out)
    }

    /// akd's `UpdateProof`.
    fn put_update(&self, out: &mut Vec<u8>, label: &Label, stored: &Stored) -> Result<(), ProveError> {
        let version = stored.version.get();
        let existence = self.place(label, VersionFreshness::Fresh, version);
        let value = AkdValue(stored.value.clone());
        wire::number(out, 1, stored.epoch.get());
        wire::bytes(out, 2, &value);
        wire::number(out, 3, version);
        wire::bytes(out, 4, &existence.proof);
        self.put_membership(out, 5, &existence.leaf)?;
        if let Some(before) = stored.version.previous() {
            let stale = self.place(label, VersionFreshness::Stale, before.get());
            wire::bytes(out, 6, &stale.proof);
            self.put_membership(out, 7, &stale.leaf)?;
        }
        let nonce = self.source.vrf.nonce(&existence.leaf, version, &value);
        wire::bytes(out, 8, nonce.as_bytes());
        Ok(())
    }

    /// All VRF proofs of some markers, then all their paths.
    fn put_markers(
        &self,
        out: &mut Vec<u8>,
        label: &Label,
        (vrf_field, field): (u8, u8),
        markers: &[KeyVersion],
        put: fn(&Self, &mut Vec<u8>, u8, &LeafLabel) -> Result<(), ProveError>,
    ) -> Result<(), ProveError> {
        let place = |marker: &KeyVersion| self.place(label, VersionFreshness::Fresh, marker.get());
        let placed: Vec<Placed> = markers.iter().map(place).collect();
        for placed in &placed {
            wire::bytes(out, vrf_field, &placed.proof);
        }
        placed
            .iter()
            .try_for_each(|placed| put(self, out, field, &placed.leaf))
    }

    fn marker(&self, label: &Label, version: KeyVersion) -> Result<MarkerProof, ProveError> {
        let placed = self.place(label, VersionFreshness::Fresh, version.get());
        let mut proof = Vec::with_capacity(LOOKUP / 2);
        if !self.tree.put_membership(&placed.leaf, &mut proof) {
            return Err(self.inconsistent("a marker"));
        }
        Ok(MarkerProof {
            version: version.get(),
            vrf_proof: B64(placed.proof.to_vec()),
            proof: B64(proof),
        })
    }

    fn put_membership(&self, out: &mut Vec<u8>, field: u8, leaf: &LeafLabel) -> Result<(), ProveError> {
        let mut found = false;
        wire::message(out, field, |out| found = self.tree.put_membership(leaf, out));
        if found {
            Ok(())
        } else {
            Err(self.inconsistent("a leaf"))
        }
    }

    fn put_absence(&self, out: &mut Vec<u8>, field: u8, leaf: &LeafLabel) -> Result<(), ProveError> {
        let mut absent = false;
        wire::message(out, field, |out| absent = self.tree.put_absence(leaf, out));
        if absent {
            Ok(())
        } else {
            Err(self.inconsistent("an absence"))
        }
    }

    fn place(&self, label: &Label, freshness: VersionFreshness, version: u64) -> Placed {
        self.source.vrf.place(label.as_bytes(), freshness, version)
    }

    fn inconsistent(&self, what: &'static str) -> ProveError {
        ProveError::Inconsistent {
            epoch: self.epoch(),
            what,
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ProveError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(ProveError::WorkerDied),
    }
}

#[cfg(test)]
#[path = "prover_tests.rs"]
mod tests;
