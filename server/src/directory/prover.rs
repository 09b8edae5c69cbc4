//! Proofs from the tree as it stood at one epoch.
//!
//! The one place where readers meet akd. A faster prover replaces this file and nothing around it: what it hands out
//! are the bytes of akd's protobuf messages.

use akd::append_only_zks::DEFAULT_AZKS_KEY;
use akd::directory::ReadOnlyDirectory;
use akd::ecvrf::VRFKeyStorage as _;
use akd::errors::{AkdError, StorageError};
use akd::proto::specs::types as pb;
use akd::storage::StorageManager;
use akd::storage::types::DbRecord;
use akd::{
    AkdLabel, Azks, AzksParallelismConfig, Digest, HistoryParams, NodeLabel, VersionFreshness,
    WhatsAppV1Configuration,
};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{AbsenceProof, B64, LookupProof, MarkerProof};
use keyglass_protocol::quantity::{Epoch, KeyVersion, RootHash};
use keyglass_protocol::tree;
use keyglass_schema::{PinnedTree, Store};
use protobuf::Message as _;
use thiserror::Error;

use crate::keys::Vrf;

/// Upper bound of the nodes that one epoch's readers keep in memory. 64 MiB.
const CACHE_BYTES: usize = 64 << 20;

/// Why there is no proof.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// akd or the storage behind it failed.
    #[error("akd: {0}")]
    Akd(String),
    /// A proof does not encode.
    #[error("protobuf: {0}")]
    Encode(#[from] protobuf::Error),
    /// The tree has another root than the signed leaf of its epoch. Nothing may be answered from it.
    #[error("the tree of epoch {epoch} has another root than the signed leaf")]
    RootDiffers {
        /// The epoch.
        epoch: Epoch,
    },
    /// The tree moved on while the proof was made; it may be of two epochs at once.
    #[error("the tree moved on while the proof was made")]
    Overtaken,
}

impl From<AkdError> for ProveError {
    fn from(error: AkdError) -> Self {
        Self::Akd(describe(&error))
    }
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
    directory: ReadOnlyDirectory<WhatsAppV1Configuration, PinnedTree, Vrf>,
    storage: StorageManager<PinnedTree>,
    vrf: Vrf,
    pin: PinnedTree,
    root: RootHash,
}

impl Prover {
    /// A prover on the tree of `epoch`, whose signed (or to be signed) root is `root`.
    ///
    /// # Errors
    /// [`ProveError::Akd`] if there is no such tree, [`ProveError::RootDiffers`].
    pub async fn new(store: &Store, vrf: &Vrf, epoch: Epoch, root: RootHash) -> Result<Self, ProveError> {
        let pin = store.pinned(epoch);
        // Everything that is read at a pinned epoch stays true, so this cache cannot go stale.
        let storage = StorageManager::new(pin.clone(), None, Some(CACHE_BYTES), None);
        let parallelism = AzksParallelismConfig::disabled();
        let directory = ReadOnlyDirectory::new(storage.clone(), vrf.clone(), parallelism).await?;
        let prover = Self {
            directory,
            storage,
            vrf: vrf.clone(),
            pin,
            root,
        };
        let found = prover.directory.get_epoch_hash().await?;
        prover.check_root(found.0, &found.1)?;
        Ok(prover)
    }

    /// The epoch of every proof.
    pub fn epoch(&self) -> Epoch {
        self.pin.epoch()
    }

    /// Whether what was read so far was read in time. Ask after a proof was made and before it is used.
    ///
    /// # Errors
    /// [`ProveError::Overtaken`] if the stored tree is more than one epoch ahead, or cannot be asked.
    pub async fn check_in_time(&self) -> Result<(), ProveError> {
        let pin = self.pin.clone();
        match tokio::task::spawn_blocking(move || pin.still_valid()).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(ProveError::Overtaken),
        }
    }

    /// The lookup proof of a label that exists at this epoch, with all markers.
    ///
    /// # Errors
    /// [`ProveError`]; also if the label does not exist.
    pub async fn lookup(&self, label: &Label) -> Result<LookupProof, ProveError> {
        let akd_label = AkdLabel(label.as_bytes().to_vec());
        let (proof, found) = self.directory.lookup(akd_label.clone()).await?;
        self.check_root(found.0, &found.1)?;
        let version = KeyVersion::new(proof.version).unwrap_or(KeyVersion::FIRST);
        let mut markers = Vec::new();
        for marker in tree::lookup_markers(version, self.epoch()) {
            markers.push(self.marker(&akd_label, marker).await?);
        }
        Ok(LookupProof {
            label: label.as_str().to_owned(),
            proof: B64(pb::LookupProof::from(&proof).write_to_bytes()?),
            markers,
        })
    }

    /// The proof that a label does not exist at this epoch.
    ///
    /// # Errors
    /// [`ProveError`].
    pub async fn absence(&self, label: &Label) -> Result<AbsenceProof, ProveError> {
        let akd_label = AkdLabel(label.as_bytes().to_vec());
        let (leaf, vrf_proof) = self.fresh(&akd_label, KeyVersion::FIRST).await;
        let proof = if self.epoch() == Epoch::ZERO {
            // The empty root itself is the proof: akd's own does not verify at epoch 0.
            Vec::new()
        } else {
            let azks = self.azks().await?;
            let proof = azks
                .get_non_membership_proof::<WhatsAppV1Configuration, _>(&self.storage, leaf)
                .await?;
            pb::NonMembershipProof::from(&proof).write_to_bytes()?
        };
        Ok(AbsenceProof {
            label: label.as_str().to_owned(),
            vrf_proof: B64(vrf_proof),
            proof: B64(proof),
        })
    }

    /// The history proof of the newest `count` versions; `None`: of all.
    ///
    /// # Errors
    /// [`ProveError`]; also if the label does not exist.
    pub async fn history(&self, label: &Label, count: Option<usize>) -> Result<Vec<u8>, ProveError> {
        let akd_label = AkdLabel(label.as_bytes().to_vec());
        let params = count.map_or(HistoryParams::Complete, HistoryParams::MostRecent);
        let (proof, found) = self.directory.key_history(&akd_label, params).await?;
        self.check_root(found.0, &found.1)?;
        Ok(pb::HistoryProof::from(&proof).write_to_bytes()?)
    }

    async fn marker(&self, label: &AkdLabel, version: KeyVersion) -> Result<MarkerProof, ProveError> {
        let (leaf, vrf_proof) = self.fresh(label, version).await;
        let azks = self.azks().await?;
        let proof = azks
            .get_membership_proof::<WhatsAppV1Configuration, _>(&self.storage, leaf)
            .await?;
        Ok(MarkerProof {
            version: version.get(),
            vrf_proof: B64(vrf_proof),
            proof: B64(pb::MembershipProof::from(&proof).write_to_bytes()?),
        })
    }

    async fn fresh(&self, label: &AkdLabel, version: KeyVersion) -> (NodeLabel, Vec<u8>) {
        let proof = self.vrf.prove(label, VersionFreshness::Fresh, version.get());
        let bytes = proof.to_bytes().to_vec();
        (self.vrf.get_node_label_from_vrf_proof(proof).await, bytes)
    }

    async fn azks(&self) -> Result<Azks, ProveError> {
        match self
            .storage
            .get::<Azks>(&DEFAULT_AZKS_KEY)
            .await
            .map_err(AkdError::Storage)?
        {
            DbRecord::Azks(azks) => Ok(azks),
            _ => Err(ProveError::Overtaken),
        }
    }

    fn check_root(&self, epoch: u64, root: &Digest) -> Result<(), ProveError> {
        if epoch == self.epoch().get() && root == self.root.as_bytes() {
            Ok(())
        } else {
            Err(ProveError::RootDiffers { epoch: self.epoch() })
        }
    }
}
