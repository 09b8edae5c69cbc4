//! What is remembered. Public bytes only: private keys are named here and lie in their own files.

use std::collections::{BTreeMap, BTreeSet};

use keyglass_protocol::message::{B64, EpochProof};
use serde::{Deserialize, Serialize};

use super::keys::KeyFile;

/// Version of the state file that this program writes.
pub(super) const STATE_VERSION: u32 = 2;
/// Most heads before the newest that are kept word for word.
const MAX_OLDER_HEADS: usize = 256;

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
    /// Newest head that was verified. It binds the operator to all older ones.
    pub(crate) head: Option<RememberedHead>,
    /// Verified heads before that, oldest first: other people's heads are held against them without network.
    pub(crate) older_heads: Vec<OlderHead>,
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
    /// [Marks](crate::own::mark) of the records that were signed, or answered, on this device.
    pub(crate) made: BTreeSet<String>,
    /// Accounts that are to be recovered with a new key of this device, by their id.
    pub(crate) recoveries: BTreeMap<String, OwnAccount>,
}

impl Directory {
    /// A directory that was just pinned.
    pub(crate) fn new(origin: String, url: String, log_vkey: String, now: u64) -> Self {
        Self {
            origin,
            url,
            log_vkey,
            configs: Vec::new(),
            policy: None,
            first_use: false,
            added: now,
            head: None,
            older_heads: Vec::new(),
            pins: BTreeMap::new(),
            contacts: BTreeMap::new(),
            accounts: BTreeMap::new(),
            pending: BTreeMap::new(),
            receipts: Vec::new(),
            made: BTreeSet::new(),
            recoveries: BTreeMap::new(),
        }
    }

    /// Whether a record was signed, or answered, on this device.
    pub(crate) fn is_made_here(&self, record: &[u8]) -> bool {
        crate::own::mark(record).is_some_and(|mark| self.made.contains(&mark))
    }

    /// Remembers a verified head that is not older than the newest one.
    ///
    /// Of one size the head that was seen first is kept: its heartbeat is the earliest, so that a later one on a smaller
    /// head contradicts it.
    pub(crate) fn remember_head(&mut self, head: &RememberedHead) {
        match &mut self.head {
            Some(old) if old.size > head.size => {}
            Some(old) if old.size == head.size => old.seen = head.seen,
            newest => {
                if let Some(old) = newest.replace(head.clone()) {
                    self.older_heads.push(OlderHead {
                        size: old.size,
                        checkpoint: old.checkpoint,
                    });
                    let surplus = self.older_heads.len().saturating_sub(MAX_OLDER_HEADS);
                    self.older_heads.drain(..surplus);
                }
            }
        }
    }
}

/// A head that was the newest once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OlderHead {
    /// Leaves in the log.
    pub(crate) size: u64,
    /// The signed note.
    pub(crate) checkpoint: String,
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
    /// The identity key that counts as theirs, 64 hex digits: the one compared or accepted last.
    pub(crate) identity: Option<String>,
    /// That the safety number was compared, and how.
    pub(crate) verified: Option<Verification>,
    /// What must be looked at before this contact is relied on again; only a comparison or the user removes it.
    pub(crate) concern: Option<Concern>,
}

/// A comparison of safety numbers that agreed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verification {
    /// When, ms since 1970.
    pub(crate) at: u64,
    /// By what means.
    pub(crate) how: Means,
}

/// By what means safety numbers were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Means {
    /// A picture of the other's code.
    QrImage,
    /// A file of the other's program.
    File,
    /// Sixty digits.
    Digits,
    /// A sentence read aloud.
    Sentence,
}

impl Means {
    /// In words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::QrImage => "by QR code",
            Self::File => "by file",
            Self::Digits => "by digits",
            Self::Sentence => "by a sentence read aloud",
        }
    }
}

/// What must be looked at before a contact is relied on again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Concern {
    /// What happened.
    pub(crate) what: Worry,
    /// Kind of the version that did it: `owner`, `recovery`, `transfer`, …; how it was compared, for a mismatch.
    pub(crate) why: String,
    /// When it was noticed, ms since 1970.
    pub(crate) at: u64,
    /// The contact was verified until then.
    pub(crate) was_verified: bool,
}

/// What happened to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Worry {
    /// The account has, or had in between, another identity key.
    IdentityChanged,
    /// The handle or number points to another account.
    AccountChanged,
    /// The first record here does not continue the final one in the log that this one continues.
    NotMoved,
    /// A comparison of safety numbers did not agree.
    Mismatch,
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
    /// Newest version that `monitor` found in order, or that the user accepted; 0: none.
    pub(crate) walked: u64,
    /// Own handles and numbers, each with its newest version of that kind.
    pub(crate) aliases: BTreeMap<String, u64>,
}

impl OwnAccount {
    /// The device whose private keys lie here and that is for calls.
    pub(crate) fn call_device(&self) -> Option<(&OwnDevice, &KeyFile)> {
        let calls = |d: &&OwnDevice| d.uses & 2 != 0;
        let mut devices = self.devices.iter().filter(calls);
        devices.find_map(|d| d.private.as_ref().map(|(_, signing)| (d, signing)))
    }
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
        let mut directory = Directory::new(
            "keys.example".into(),
            "http://127.0.0.1:8600".into(),
            "keys.example+00000000+AAAA".into(),
            1,
        );
        directory.first_use = true;
        directory.configs.push(PinnedConfig {
            epoch: 0,
            document: B64(b"{}".to_vec()),
        });
        State {
            version: STATE_VERSION,
            directories: vec![directory],
        }
    }
}

#[cfg(test)]
mod head_tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn head(size: u64, checkpoint: &str) -> RememberedHead {
        let epoch = EpochProof {
            index: size - 1,
            leaf: B64::default(),
            inclusion_proof: Vec::new(),
        };
        RememberedHead {
            size,
            root: String::new(),
            checkpoint: checkpoint.into(),
            epoch,
            seen: size,
        }
    }

    #[test]
    fn heads_are_kept_and_the_first_of_a_size_stays() {
        let mut directory = tests::sample().directories.remove(0);
        for (size, note) in [(3, "a"), (3, "b"), (5, "c"), (4, "d")] {
            directory.remember_head(&head(size, note));
        }
        assert_eq!(directory.head.as_ref().unwrap().checkpoint, "c");
        let older: Vec<_> = directory
            .older_heads
            .iter()
            .map(|h| h.checkpoint.as_str())
            .collect();
        assert_eq!(older, ["a"]);
        for size in 6..6 + 300 {
            directory.remember_head(&head(size, "n"));
        }
        assert_eq!(directory.older_heads.len(), MAX_OLDER_HEADS);
        assert_eq!(directory.older_heads.last().unwrap().size, 304);
    }
}
