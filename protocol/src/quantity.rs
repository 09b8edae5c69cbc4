//! A newtype for every quantity, so that no two can be mixed up.

use core::fmt;
use core::str::FromStr;

use crate::error::FormatError;

/// Number of an akd epoch and at once the index of its leaf in the epoch log.
///
/// Epoch 0 is the empty tree. 8 bytes big-endian on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(u64);

impl Epoch {
    /// The empty tree.
    pub const ZERO: Self = Self(0);

    /// An epoch by its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The epoch after this one; `None` after the last representable.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// The epoch before this one; `None` for epoch 0.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }

    /// Size of the epoch log whose last leaf is this epoch; `None` after the last representable.
    pub fn log_size(self) -> Option<LogSize> {
        self.0.checked_add(1).map(LogSize)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of leaves in the epoch log (a checkpoint's size).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogSize(u64);

impl LogSize {
    /// The empty log.
    pub const ZERO: Self = Self(0);

    /// A size by its number of leaves.
    pub const fn new(leaves: u64) -> Self {
        Self(leaves)
    }

    /// The number of leaves.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The epoch of the last leaf; `None` for the empty log.
    pub fn last_epoch(self) -> Option<Epoch> {
        self.0.checked_sub(1).map(Epoch)
    }
}

impl fmt::Display for LogSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Version of a record under one label: 1, 2, 3, … Zero does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyVersion(core::num::NonZeroU64);

impl KeyVersion {
    /// The first version of a label.
    pub const FIRST: Self = Self(core::num::NonZeroU64::MIN);

    /// A version by its number.
    ///
    /// # Errors
    /// [`FormatError::VersionZero`] for 0.
    pub fn new(number: u64) -> Result<Self, FormatError> {
        core::num::NonZeroU64::new(number)
            .map(Self)
            .ok_or(FormatError::VersionZero)
    }

    /// The number itself, at least 1.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The version after this one; `None` after the last representable.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// The version before this one; `None` for the first.
    pub fn previous(self) -> Option<Self> {
        core::num::NonZeroU64::new(self.get().saturating_sub(1)).map(Self)
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z (leaves, receipts, `now`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(u64);

impl Millis {
    /// A time by its milliseconds since 1970.
    pub const fn new(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The whole seconds since 1970 in this time, rounded down.
    pub const fn seconds(self) -> Seconds {
        Seconds(self.0 / 1000)
    }

    /// This time `ms` milliseconds later, saturating.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time; 0 if `earlier` is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Wall-clock time in whole seconds since 1970 (timestamps of cosignatures).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seconds(u64);

impl Seconds {
    /// A time by its seconds since 1970.
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The same instant in milliseconds, saturating.
    pub const fn millis(self) -> Millis {
        Millis(self.0.saturating_mul(1000))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! hash32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = 32;
            /// All 32 bytes zero: "there is none".
            pub const ZERO: Self = Self([0; 32]);

            /// From its 32 bytes.
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Whether all bytes are zero.
            pub fn is_zero(&self) -> bool {
                self.0 == [0; 32]
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = FormatError;

            fn try_from(bytes: &[u8]) -> Result<Self, FormatError> {
                <[u8; 32]>::try_from(bytes)
                    .map(Self)
                    .map_err(|_| FormatError::WrongLength { expected: 32, found: bytes.len() })
            }
        }

        /// 64 lower-case hex digits.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(self.0))
            }
        }

        /// Exactly 64 lower-case hex digits.
        impl FromStr for $name {
            type Err = FormatError;

            fn from_str(text: &str) -> Result<Self, FormatError> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| FormatError::BadHex)?;
                if hex::encode(bytes) != text {
                    return Err(FormatError::BadHex);
                }
                Ok(Self(bytes))
            }
        }
    };
}

hash32! {
    /// Root hash of the akd tree at one epoch (BLAKE3, `WhatsAppV1Configuration`). 32 bytes.
    RootHash
}
hash32! {
    /// Root of the RFC 6962 epoch log, and any inner hash or leaf hash of it (SHA-256). 32 bytes.
    LogHash
}
hash32! {
    /// SHA-256 of a configuration document's exact bytes. 32 bytes.
    ConfigHash
}
hash32! {
    /// SHA-256 of a whole account or alias record. 32 bytes.
    RecordHash
}
hash32! {
    /// SHA-256 of an audit proof's exact bytes. 32 bytes.
    AuditHash
}
hash32! {
    /// A leaf's label in the akd tree: first 32 bytes of the ECVRF output. 32 bytes (256 bits).
    LeafLabel
}
hash32! {
    /// akd's commitment to a record (BLAKE3 over value and nonce). 32 bytes.
    Commitment
}
hash32! {
    /// The nonce that opens a [`Commitment`]. 32 bytes. Whoever has it can recognise the record.
    Nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_zero_is_refused() {
        assert_eq!(KeyVersion::new(0), Err(FormatError::VersionZero));
    }

    #[test]
    fn hex_must_be_lower_case_and_exact() {
        let text = "ab".repeat(32);
        assert_eq!(text.parse::<RootHash>().map(|h| h.to_string()), Ok(text.clone()));
        assert_eq!(text.to_uppercase().parse::<RootHash>(), Err(FormatError::BadHex));
        assert_eq!("ab".parse::<RootHash>(), Err(FormatError::BadHex));
    }

    #[test]
    fn neighbours_of_the_first_epoch_and_version() {
        assert_eq!(Epoch::ZERO.previous(), None);
        assert_eq!(Epoch::new(u64::MAX).next(), None);
        assert_eq!(KeyVersion::FIRST.previous(), None);
        assert_eq!(LogSize::ZERO.last_epoch(), None);
    }
}
