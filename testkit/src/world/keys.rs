//! All keys that an operator holds, from one seed byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use akd::configuration::Configuration;
use akd::ecvrf::{Proof, VRFKeyStorage, VrfError};
use akd::{AkdLabel, NodeLabel, VersionFreshness};
use ed25519_dalek::SigningKey;
use keyglass_protocol::note::VerifierKey;

use super::{AUDITOR, WITNESS};

/// The VRF key, as akd wants it.
///
/// A label's proof is the same in every answer: it is made once. Making them was most of what a test waited for.
#[derive(Clone)]
pub struct FixedVrf {
    key: [u8; 32],
    made: Arc<Mutex<BTreeMap<Vec<u8>, Proof>>>,
}

impl FixedVrf {
    fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            made: Arc::default(),
        }
    }
}

#[async_trait::async_trait]
impl VRFKeyStorage for FixedVrf {
    async fn retrieve(&self) -> Result<Vec<u8>, VrfError> {
        Ok(self.key.to_vec())
    }

    async fn get_label_proof<TC: Configuration>(
        &self,
        label: &AkdLabel,
        freshness: VersionFreshness,
        version: u64,
    ) -> Result<Proof, VrfError> {
        let input = TC::get_hash_from_label_input(label, freshness, version);
        let key = self.get_vrf_private_key().await?;
        let mut made = self.made.lock().unwrap();
        Ok(*made.entry(input).or_insert_with_key(|input| key.prove(input)))
    }

    async fn get_node_label<TC: Configuration>(
        &self,
        label: &AkdLabel,
        freshness: VersionFreshness,
        version: u64,
    ) -> Result<NodeLabel, VrfError> {
        let proof = self.get_label_proof::<TC>(label, freshness, version).await?;
        Ok(self.get_node_label_from_vrf_proof(proof).await)
    }
}

/// All keys that an operator holds, and the auditor's.
pub struct OperatorKeys {
    /// Name of the log.
    pub origin: String,
    /// Signs checkpoints.
    pub log: SigningKey,
    /// Cosigns the readers' head.
    pub heartbeat: SigningKey,
    /// Signs receipts.
    pub receipt: SigningKey,
    /// Signs imported records.
    pub import: SigningKey,
    /// Signs notices and recoveries.
    pub recovery: SigningKey,
    /// The independent auditor's; no operator holds it.
    pub auditor: SigningKey,
    /// A plain witness's; no operator holds it.
    pub witness: SigningKey,
    /// Places labels in the tree.
    pub vrf: FixedVrf,
}

/// A signing key from two bytes; nothing here is secret.
pub(super) fn key(seed: u8, role: u8) -> SigningKey {
    let mut bytes = [role; 32];
    bytes[0] = seed;
    SigningKey::from_bytes(&bytes)
}

impl OperatorKeys {
    pub(super) fn from_seed(seed: u8, origin: &str) -> Self {
        let mut vrf = [7; 32];
        vrf[0] = seed;
        Self {
            origin: origin.to_owned(),
            log: key(seed, 1),
            heartbeat: key(seed, 2),
            receipt: key(seed, 3),
            import: key(seed, 4),
            recovery: key(seed, 5),
            auditor: key(seed, 6),
            witness: key(seed, 8),
            vrf: FixedVrf::new(vrf),
        }
    }

    /// Name of the heartbeat's key.
    pub fn heartbeat_name(&self) -> String {
        format!("{}/heartbeat", self.origin)
    }

    /// Name of the receipt key.
    pub fn receipt_name(&self) -> String {
        format!("{}/receipt", self.origin)
    }

    /// The log's vkey; its name is the origin.
    pub fn log_vkey(&self) -> VerifierKey {
        VerifierKey::new_ed25519(&self.origin, self.log.verifying_key().as_bytes()).unwrap()
    }

    /// The heartbeat's vkey.
    pub fn heartbeat_vkey(&self) -> VerifierKey {
        VerifierKey::new_cosignature(&self.heartbeat_name(), self.heartbeat.verifying_key().as_bytes())
            .unwrap()
    }

    /// The receipt key's vkey.
    pub fn receipt_vkey(&self) -> VerifierKey {
        VerifierKey::new_ed25519(&self.receipt_name(), self.receipt.verifying_key().as_bytes()).unwrap()
    }

    /// The import key's vkey.
    pub fn import_vkey(&self) -> VerifierKey {
        VerifierKey::new_ed25519(
            &format!("{}/import", self.origin),
            self.import.verifying_key().as_bytes(),
        )
        .unwrap()
    }

    /// The recovery key's vkey.
    pub fn recovery_vkey(&self) -> VerifierKey {
        VerifierKey::new_ed25519(
            &format!("{}/recovery", self.origin),
            self.recovery.verifying_key().as_bytes(),
        )
        .unwrap()
    }

    /// The auditor's vkey.
    pub fn auditor_vkey(&self) -> VerifierKey {
        VerifierKey::new_cosignature(AUDITOR, self.auditor.verifying_key().as_bytes()).unwrap()
    }

    /// The witness's vkey.
    pub fn witness_vkey(&self) -> VerifierKey {
        VerifierKey::new_cosignature(WITNESS, self.witness.verifying_key().as_bytes()).unwrap()
    }
}
