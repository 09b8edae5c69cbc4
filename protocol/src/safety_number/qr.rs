//! The scannable code of a safety number.
//!
//! A protobuf message of Signal's: `{1: uint32 version, 2: {1: local}, 3: {1: remote}}`, 74 bytes. It has one
//! encoding only, so it is read as a fixed layout.

use super::{Fingerprint, SafetyNumberError};

/// Which of Signal's scannable codes to make. Version 2 is the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum QrVersion {
    /// For identifiers that are telephone numbers, in Signal.
    V1,
    /// The current one.
    #[default]
    V2,
}

impl QrVersion {
    /// The number inside the code.
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// Field 2 (or 3), 34 bytes: field 1, 32 bytes.
const LOCAL: [u8; 4] = [0x12, 34, 0x0a, 32];
const REMOTE: [u8; 4] = [0x1a, 34, 0x0a, 32];
const VERSION: u8 = 0x08;

/// A scannable code. 74 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Qr {
    version: u8,
    local: Fingerprint,
    remote: Fingerprint,
}

impl Qr {
    /// Length in bytes.
    pub const LEN: usize = 74;

    pub(super) fn new(version: QrVersion, local: Fingerprint, remote: Fingerprint) -> Self {
        let version = version.number();
        Self {
            version,
            local,
            remote,
        }
    }

    /// Reads a code of any version from 1 to 127.
    ///
    /// # Errors
    /// [`SafetyNumberError::MalformedQr`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SafetyNumberError> {
        Self::read(bytes).ok_or(SafetyNumberError::MalformedQr)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (&[tag, version], rest) = bytes.split_first_chunk()?;
        let (local, rest) = half(rest, LOCAL)?;
        let (remote, rest) = half(rest, REMOTE)?;
        let whole = tag == VERSION && (1..128).contains(&version) && rest.is_empty();
        whole.then_some(Self {
            version,
            local,
            remote,
        })
    }

    /// The bytes to draw.
    pub fn to_bytes(&self) -> Vec<u8> {
        [
            &[VERSION, self.version],
            LOCAL.as_slice(),
            &self.local.0,
            &REMOTE,
            &self.remote.0,
        ]
        .concat()
    }

    pub(super) fn version(&self) -> u8 {
        self.version
    }

    pub(super) fn local(&self) -> &Fingerprint {
        &self.local
    }

    pub(super) fn remote(&self) -> &Fingerprint {
        &self.remote
    }
}

fn half(bytes: &[u8], header: [u8; 4]) -> Option<(Fingerprint, &[u8])> {
    let (hash, rest) = bytes.strip_prefix(&header)?.split_first_chunk()?;
    Some((Fingerprint(*hash), rest))
}
