//! Records: what stands in the tree under a label, and who may change it.
//!
//! Two kinds of record, one canonical encoding each (big-endian, `str8`, `bytes16` as in [`crate::codec`]):
//!
//! * [`AccountRecord`], `KGA1`: identity key, device set, recovery delay.
//! * [`AliasRecord`], `KGH1`: which account a handle or phone number points to.
//!
//! Every version names the SHA-256 of the one before, and every signature covers origin, label, version and
//! that hash, so that nothing can be replayed elsewhere. [`check_first`] and [`check_successor`] decide whether
//! one version may follow another ([`check_first_alias`] and [`check_alias_successor`] for aliases); server,
//! auditor of evidence and verifier call the same functions. [`AccountChain`] and [`AliasChain`] are whole
//! histories in which every step was checked: only they make a key *authorised*.
//!
//! A step depends on the version directly before it and on nothing else, so that a history may be checked from
//! any pinned version on.

mod account;
mod account_chain;
mod account_rules;
mod alias;
mod alias_chain;
mod alias_rules;
mod device;
mod error;
mod keys;
mod rules;
mod signature;

pub use account::{AccountBody, AccountKind, AccountRecord};
pub use account_chain::{AccountChain, AccountState};
pub use account_rules::{AccountStep, check_first, check_successor};
pub use alias::{AliasBody, AliasKind, AliasRecord, Holder, PreviousHolder};
pub use alias_chain::{Accounts, AliasChain};
pub use alias_rules::{AliasStep, check_alias_successor, check_first_alias};
pub use device::{Device, DeviceUses};
pub use error::{RecordError, RecordErrorClass};
pub use keys::{
    DeviceDhKey, DeviceSigningKey, IdentityKey, KeyAnnouncement, KeyError, check_ed25519, check_x25519,
};
pub use rules::{Limits, Rules, RulesPeriod};
pub use signature::{Role, RoleSignature};

use crate::quantity::{Epoch, KeyVersion, Millis};

/// Longest record in bytes.
pub const MAX_RECORD_BYTES: usize = 16 * 1024;
/// Most devices of one account.
pub const MAX_DEVICES: usize = 64;
/// Highest version of the kinds that users make.
pub const MAX_OWNER_VERSIONS: u64 = 1_000;
/// Highest version of the reserved kinds: notice, recovery, closed, release, reassign, an owner's answer to a notice.
pub const MAX_VERSIONS: u64 = 1_024;
/// Longest recovery delay in seconds: 30 days.
pub const MAX_RECOVERY_DELAY: u32 = 30 * 24 * 60 * 60;

/// One version in a history, proven to stand in the tree.
#[derive(Debug, Clone, Copy)]
pub struct ChainEntry<'a> {
    /// Version under the label.
    pub version: KeyVersion,
    /// Epoch in which it was published.
    pub epoch: Epoch,
    /// The record's bytes; `None`: erased, the leaf is proven but not opened.
    pub value: Option<&'a [u8]>,
    /// Time of the epoch's leaf, if proven; needed for notices, recoveries and closings by the recovery key.
    pub leaf_time: Option<Millis>,
}

fn check_length(bytes: &[u8], max: usize) -> Result<(), RecordError> {
    let found = bytes.len();
    if found > max {
        return Err(RecordError::TooLong { max, found });
    }
    Ok(())
}

fn check_next_version(previous: KeyVersion, found: KeyVersion) -> Result<(), RecordError> {
    let expected = previous.next().unwrap_or(previous);
    check_version(expected, found)
}

fn check_version(expected: KeyVersion, found: KeyVersion) -> Result<(), RecordError> {
    if found == expected {
        Ok(())
    } else {
        Err(RecordError::Version { expected, found })
    }
}

fn check_epoch_order(previous: Epoch, found: Epoch) -> Result<(), RecordError> {
    if found > previous {
        Ok(())
    } else {
        Err(RecordError::EpochOrder { previous, found })
    }
}
