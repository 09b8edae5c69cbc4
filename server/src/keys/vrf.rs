//! The VRF key in memory, expanded once.

use std::sync::Arc;

use akd::ecvrf::{Proof, VRFExpandedPrivateKey, VRFKeyStorage, VRFPrivateKey, VRFPublicKey, VrfError};
use akd::{AkdLabel, AkdValue, Configuration, NodeLabel, VersionFreshness, WhatsAppV1Configuration};
use async_trait::async_trait;
use keyglass_protocol::quantity::{Commitment, KeyVersion, LeafLabel, Nonce};
use zeroize::Zeroizing;

use super::KeyError;

/// Length of an ECVRF proof in bytes.
pub const VRF_PROOF_LEN: usize = 80;

/// The VRF key of the log. It never changes, and every reader needs it: akd derives its commitment key from it.
#[derive(Clone)]
pub struct Vrf(Arc<Inner>);

struct Inner {
    seed: Zeroizing<[u8; 32]>,
    expanded: VRFExpandedPrivateKey,
    public: VRFPublicKey,
}

/// What will enter the tree for one version of a label.
#[derive(Debug, Clone)]
pub struct TreeEntry {
    /// VRF output: the leaf's place in the tree.
    pub leaf_label: LeafLabel,
    /// Proof that the place belongs to the label. 80 bytes.
    pub vrf_proof: [u8; VRF_PROOF_LEN],
    /// akd's commitment to the record.
    pub commitment: Commitment,
    /// What opens the commitment.
    pub nonce: Nonce,
}

impl core::fmt::Debug for Vrf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Vrf(secret)")
    }
}

impl Vrf {
    pub(super) fn new(seed: Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let key = VRFPrivateKey::try_from(seed.as_slice()).map_err(|_| KeyError::Vrf)?;
        let inner = Inner {
            expanded: VRFExpandedPrivateKey::from(&key),
            public: VRFPublicKey::from(&key),
            seed,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// The public key, for the configuration document.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.public.to_bytes()
    }

    /// Proof for one (label, freshness, version).
    pub fn prove(&self, label: &AkdLabel, freshness: VersionFreshness, version: u64) -> Proof {
        let input = WhatsAppV1Configuration::get_hash_from_label_input(label, freshness, version);
        self.0.expanded.prove(&self.0.public, &input)
    }

    /// The leaf's label for one (label, freshness, version).
    pub fn node_label(&self, label: &AkdLabel, freshness: VersionFreshness, version: u64) -> NodeLabel {
        let (key, public) = (&self.0.expanded, &self.0.public);
        Self::get_node_label_with_expanded_key::<WhatsAppV1Configuration>(
            key, public, label, freshness, version,
        )
    }

    /// What `record` will be in the tree as version `version` of `label`.
    pub fn tree_entry(&self, label: &[u8], version: KeyVersion, record: &[u8]) -> TreeEntry {
        let label = AkdLabel(label.to_vec());
        let proof = self.prove(&label, VersionFreshness::Fresh, version.get());
        let node = self.node_label(&label, VersionFreshness::Fresh, version.get());
        let value = AkdValue(record.to_vec());
        let commitment_key = WhatsAppV1Configuration::hash(self.0.seed.as_slice());
        let nonce =
            WhatsAppV1Configuration::get_commitment_nonce(&commitment_key, &node, version.get(), &value);
        let fresh =
            WhatsAppV1Configuration::compute_fresh_azks_value(&commitment_key, &node, version.get(), &value);
        TreeEntry {
            leaf_label: LeafLabel::new(node.label_val),
            vrf_proof: proof.to_bytes(),
            commitment: Commitment::new(fresh.0),
            nonce: Nonce::new(nonce),
        }
    }
}

#[async_trait]
impl VRFKeyStorage for Vrf {
    async fn retrieve(&self) -> Result<Vec<u8>, VrfError> {
        Ok(self.0.seed.to_vec())
    }

    async fn get_node_label<TC: Configuration>(
        &self,
        label: &AkdLabel,
        freshness: VersionFreshness,
        version: u64,
    ) -> Result<NodeLabel, VrfError> {
        let (key, public) = (&self.0.expanded, &self.0.public);
        Ok(Self::get_node_label_with_expanded_key::<TC>(
            key, public, label, freshness, version,
        ))
    }

    async fn get_label_proof<TC: Configuration>(
        &self,
        label: &AkdLabel,
        freshness: VersionFreshness,
        version: u64,
    ) -> Result<Proof, VrfError> {
        let input = TC::get_hash_from_label_input(label, freshness, version);
        Ok(self.0.expanded.prove(&self.0.public, &input))
    }
}
