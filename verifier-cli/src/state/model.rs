//! What is remembered. Public bytes only: private keys are named here and lie in their own files.

use std::collections::BTreeMap;

use keyglass_protocol::message::{B64, EpochProof};
use serde::{Deserialize, Serialize};

use super::keys::KeyFile;

/// Version of the state file that this program writes.
pub(super) const STATE_VERSION: u32 = 1;

/// Everything that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// [`STATE_VERSION`].
    pub(crate) version: u32,
    /// The pinned directories, one per origin.
    pub(crate) directories: Vec<Directory>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: STATE_VERSION,
            directories: Vec::new(),
        }
    }
}

/// One pinned directory and all that was learnt from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Directory {
    /// Name of the log.
    pub(crate) origin: String,
    /// Address.
    pub(crate) url: String,
    /// The log's key, pinned.
    pub(crate) log_vkey: String,
    /// The configuration documents that were followed, oldest first; the last one is in force.
    pub(crate) configs: Vec<PinnedConfig>,
    /// The tlog-policy that says whose cosignatures are needed; none means nobody's.
    pub(crate) policy: Option<String>,
    /// The key or the configuration was taken from the directory itself and compared with nothing yet.
    pub(crate) first_use: bool,
    /// When it was pinned, ms since 1970.
    pub(crate) added: u64,
    /// Newest head that was verified.
    pub(crate) head: Option<RememberedHead>,
    /// Last authorised record of every label that was looked up.
    pub(crate) pins: BTreeMap<String, Pin>,
    /// People, by the name that this user gave them.
    pub(crate) contacts: BTreeMap<String, Contact>,
    /// Own accounts, by their id.
    pub(crate) accounts: BTreeMap<String, OwnAccount>,
    /// Updates that were submitted and are not verified in the log yet, by label.
    pub(crate) pending: BTreeMap<String, Pending>,
    /// The directory's promises, oldest first.
    pub(crate) receipts: Vec<KeptReceipt>,
}

/// A configuration document, its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinnedConfig {
    /// An epoch whose leaf was seen to name it; the first one that is known.
    pub(crate) epoch: u64,
    /// The bytes that are hashed.
    pub(crate) document: B64,
}

/// A verified head, with what makes it evidence if another one contradicts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RememberedHead {
    /// Leaves in the log.
    pub(crate) size: u64,
    /// Root of the log, 64 hex digits.
    pub(crate) root: String,
    /// The signed note.
    pub(crate) checkpoint: String,
    /// Its last leaf.
    pub(crate) epoch: EpochProof,
    /// When it was verified, ms since 1970.
    pub(crate) seen: u64,
}

/// The last authorised record of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pin {
    /// The record's bytes.
    pub(crate) record: B64,
    /// Its version.
    pub(crate) version: u64,
    /// Epoch in which it entered the tree.
    pub(crate) epoch: u64,
    /// When the label was authorised first, ms since 1970.
    pub(crate) first: u64,
    /// When it was authorised last.
    pub(crate) last: u64,
    /// Whether an auditor vouched for the head then.
    pub(crate) audited: bool,
}

/// Somebody whose keys are watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    /// The label under which the contact was added.
    pub(crate) label: String,
    /// The account that it named then, as a label.
    pub(crate) account: String,
    /// When, ms since 1970.
    pub(crate) added: u64,
}

/// An account of this user, with keys on this device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnAccount {
    /// The identity key.
    pub(crate) identity: KeyFile,
    /// Seconds that a recovery must be announced ahead.
    pub(crate) recovery_delay: u32,
    /// The devices as they are to be published.
    pub(crate) devices: Vec<OwnDevice>,
    /// Newest version that was verified in the log; none before the first publication.
    pub(crate) published: Option<u64>,
    /// When the identity was made, ms since 1970.
    pub(crate) created: u64,
}

/// A device of an own account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnDevice {
    /// Number within the account.
    pub(crate) id: u32,
    /// 1 direct messages, 2 calls, 3 both.
    pub(crate) uses: u8,
    /// X25519 public key, 64 hex digits.
    pub(crate) dh_key: String,
    /// Ed25519 public key, 64 hex digits.
    pub(crate) signing_key: String,
    /// Opaque bytes of the platform.
    pub(crate) opaque: B64,
    /// The private keys, if they lie on this device: X25519, Ed25519.
    pub(crate) private: Option<(KeyFile, KeyFile)>,
}

/// An update on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    /// The signed record.
    pub(crate) record: B64,
    /// Its version.
    pub(crate) version: u64,
    /// The account as it will be once the record is in the log; none for an alias.
    pub(crate) becomes: Option<(String, OwnAccount)>,
    /// When it was made, ms since 1970.
    pub(crate) made: u64,
}

/// A promise of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptReceipt {
    /// SHA-256 of the receipt's text, 64 hex digits.
    pub(crate) id: String,
    /// The label.
    pub(crate) label: String,
    /// The version that was promised.
    pub(crate) version: u64,
    /// The receipt, a signed note.
    pub(crate) receipt: String,
    /// 80 bytes: that its leaf label is the label's.
    pub(crate) vrf_proof: B64,
    /// 32 bytes that open its commitment.
    pub(crate) nonce: B64,
    /// The record that was promised.
    pub(crate) record: B64,
    /// Epoch in which the promise was kept, once verified.
    pub(crate) kept_in: Option<u64>,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A memory with one directory.
    pub(in crate::state) fn sample() -> State {
        let directory = Directory {
            origin: "keys.example".into(),
            url: "http://127.0.0.1:8600".into(),
            log_vkey: "keys.example+00000000+AAAA".into(),
            configs: vec![PinnedConfig {
                epoch: 0,
                document: B64(b"{}".to_vec()),
            }],
            policy: None,
            first_use: true,
            added: 1,
            head: None,
            pins: BTreeMap::new(),
            contacts: BTreeMap::new(),
            accounts: BTreeMap::new(),
            pending: BTreeMap::new(),
            receipts: Vec::new(),
        };
        State {
            version: STATE_VERSION,
            directories: vec![directory],
        }
    }
}
