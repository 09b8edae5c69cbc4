//! The second line below a safety number: how many devices, and which.
//!
//! The number itself covers the identity keys only. This line changes when either party's device set does, and
//! is the same for both parties. Hash of one set: SHA-256 of `"keyglass/device-set/v1\0"`, u8 count, and the
//! devices as they stand in the record; of both: SHA-256 of `"keyglass/device-sets/v1\0"` and the two hashes in
//! the order of the number's halves.

use core::fmt;

use sha2::{Digest as _, Sha256};

use super::{SafetyNumber, digit_groups};
use crate::record::{AccountBody, RecordError};

/// Counts and common hash of both parties' device sets, in the order of the number's halves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLine {
    first: usize,
    second: usize,
    hash: [u8; 32],
}

impl SafetyNumber {
    /// The second line, from both parties' authorised records.
    ///
    /// # Errors
    /// [`RecordError`]; cannot happen for a set that was decoded.
    pub fn device_line(&self, local: &AccountBody, remote: &AccountBody) -> Result<DeviceLine, RecordError> {
        let (first, second) = if self.local_is_first() {
            (local, remote)
        } else {
            (remote, local)
        };
        let hash = Sha256::new()
            .chain_update(b"keyglass/device-sets/v1\0")
            .chain_update(set_hash(first)?)
            .chain_update(set_hash(second)?)
            .finalize();
        Ok(DeviceLine {
            first: first.devices.len(),
            second: second.devices.len(),
            hash: hash.into(),
        })
    }
}

fn set_hash(account: &AccountBody) -> Result<[u8; 32], RecordError> {
    let hash = Sha256::new()
        .chain_update(b"keyglass/device-set/v1\0")
        .chain_update(account.device_set_bytes()?)
        .finalize();
    Ok(hash.into())
}

/// `2 + 3 devices: ` and five groups of 5 digits.
impl fmt::Display for DeviceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = digit_groups(&self.hash, 5).join(" ");
        write!(f, "{} + {} devices: {groups}", self.first, self.second)
    }
}
