//! The devices of an account.

use super::RecordError;
use super::keys::{DeviceDhKey, DeviceSigningKey};
use crate::codec::{Reader, put_bytes16};
use crate::error::FormatError;

/// What a device may be used for: at least one of direct messages and calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceUses(u8);

impl DeviceUses {
    /// Direct messages only.
    pub const DM: Self = Self(1);
    /// Calls only.
    pub const CALL: Self = Self(2);
    /// Direct messages and calls.
    pub const DM_AND_CALL: Self = Self(3);

    /// From the byte in a record.
    ///
    /// # Errors
    /// [`RecordError::DeviceUses`] for no use at all and for unknown ones.
    pub fn new(bits: u8) -> Result<Self, RecordError> {
        if (1..=3).contains(&bits) {
            Ok(Self(bits))
        } else {
            Err(RecordError::DeviceUses(bits))
        }
    }

    /// The byte in a record: 1 direct messages, 2 calls, 3 both.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether direct messages may be encrypted to the device.
    pub const fn dm(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the device may sign calls.
    pub const fn call(self) -> bool {
        self.0 & 2 != 0
    }
}

/// One device of an account: 71 bytes and what the platform adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Number of the device, unique within the account.
    pub id: u32,
    /// What it may be used for.
    pub uses: DeviceUses,
    /// Key for direct messages, X25519.
    pub dh_key: DeviceDhKey,
    /// Key for signatures, Ed25519.
    pub signing_key: DeviceSigningKey,
    /// Opaque bytes of the platform, at most [`Device::MAX_OPAQUE_BYTES`].
    pub opaque: Vec<u8>,
}

impl Device {
    /// Most opaque bytes of one device.
    pub const MAX_OPAQUE_BYTES: usize = 1024;

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            id: r.u32()?,
            uses: DeviceUses::new(r.u8()?)?,
            dh_key: DeviceDhKey::new(&r.array()?)?,
            signing_key: DeviceSigningKey::new(&r.array()?)?,
            opaque: r.bytes16(Self::MAX_OPAQUE_BYTES)?.to_vec(),
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        out.extend_from_slice(&self.id.to_be_bytes());
        out.push(self.uses.bits());
        out.extend_from_slice(self.dh_key.as_bytes());
        out.extend_from_slice(self.signing_key.as_bytes());
        put_bytes16(out, &self.opaque, Self::MAX_OPAQUE_BYTES)
    }
}
