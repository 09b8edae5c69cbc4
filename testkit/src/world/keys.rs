//! All keys that an operator holds, from one seed byte.

use akd::ecvrf::{VRFKeyStorage, VrfError};
use ed25519_dalek::SigningKey;
use keyglass_protocol::note::VerifierKey;

use super::{AUDITOR, ORIGIN, WITNESS};

/// The VRF key, as akd wants it.
#[derive(Clone)]
pub struct FixedVrf([u8; 32]);

#[async_trait::async_trait]
impl VRFKeyStorage for FixedVrf {
    async fn retrieve(&self) -> Result<Vec<u8>, VrfError> {
        Ok(self.0.to_vec())
    }
}

/// All keys that an operator holds, and the auditor's.
pub struct OperatorKeys {
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
    pub(super) fn from_seed(seed: u8) -> Self {
        let mut vrf = [7; 32];
        vrf[0] = seed;
        Self {
            log: key(seed, 1),
            heartbeat: key(seed, 2),
            receipt: key(seed, 3),
            import: key(seed, 4),
            recovery: key(seed, 5),
            auditor: key(seed, 6),
            witness: key(seed, 8),
            vrf: FixedVrf(vrf),
        }
    }

    /// Name of the heartbeat's key.
    pub fn heartbeat_name(&self) -> String {
        format!("{ORIGIN}/heartbeat")
    }

    /// Name of the receipt key.
    pub fn receipt_name(&self) -> String {
        format!("{ORIGIN}/receipt")
    }

    /// The log's vkey; its name is the origin.
    pub fn log_vkey(&self) -> VerifierKey {
        VerifierKey::new_ed25519(ORIGIN, self.log.verifying_key().as_bytes()).unwrap()
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
            &format!("{ORIGIN}/import"),
            self.import.verifying_key().as_bytes(),
        )
        .unwrap()
    }

    /// The recovery key's vkey.
    pub fn recovery_vkey(&self) -> VerifierKey {
        VerifierKey::new_ed25519(
            &format!("{ORIGIN}/recovery"),
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
