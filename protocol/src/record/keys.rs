//! Public keys that were checked: canonical encodings of points of large order.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::error::FormatError;

/// 32 bytes that are no usable public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No point of the curve has this encoding.
    #[error("the Ed25519 key is no point of the curve")]
    Ed25519NotAPoint,
    /// The point has another, canonical encoding (RFC 8032 section 5.1.3).
    #[error("the Ed25519 key is not the canonical encoding of its point")]
    Ed25519NotCanonical,
    /// The point has an order of at most 8: anybody can sign for it.
    #[error("the Ed25519 key has low order")]
    Ed25519LowOrder,
    /// The number is at least 2^255 - 19 or has its highest bit set.
    #[error("the X25519 key is not canonical")]
    X25519NotCanonical,
    /// The shared secret with this key is always zero (RFC 7748 section 6.1).
    #[error("the X25519 key has low order")]
    X25519LowOrder,
}

impl KeyError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Ed25519NotAPoint => "ed25519-key-not-a-point",
            Self::Ed25519NotCanonical => "ed25519-key-not-canonical",
            Self::Ed25519LowOrder => "ed25519-key-low-order",
            Self::X25519NotCanonical => "x25519-key-not-canonical",
            Self::X25519LowOrder => "x25519-key-low-order",
        }
    }
}

/// Checks the 32 bytes of an Ed25519 public key: a canonical point that is not of low order.
///
/// # Errors
/// [`KeyError`] naming what is wrong.
pub fn check_ed25519(bytes: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Ed25519NotAPoint)?;
    if key.is_weak() {
        return Err(KeyError::Ed25519LowOrder);
    }
    // The point has no other encoding than the reduced one: x is 0 only for points of low order.
    let mut y = *bytes;
    if let Some(high) = y.last_mut() {
        *high &= 0x7f;
    }
    if !is_reduced(&y) {
        return Err(KeyError::Ed25519NotCanonical);
    }
    Ok(key)
}

/// Checks the 32 bytes of an X25519 public key: a reduced number that is not of low order.
///
/// # Errors
/// [`KeyError`] naming what is wrong.
pub fn check_x25519(bytes: &[u8; 32]) -> Result<(), KeyError> {
    if !is_reduced(bytes) {
        return Err(KeyError::X25519NotCanonical);
    }
    if X25519_LOW_ORDER.contains(bytes) {
        return Err(KeyError::X25519LowOrder);
    }
    Ok(())
}

/// Whether a little-endian number is below p = 2^255 - 19.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    const P: [u8; 32] = {
        let mut p = [0xff; 32];
        p[0] = 0xed;
        p[31] = 0x7f;
        p
    };
    bytes.iter().rev().lt(P.iter().rev())
}

/// The canonical u-coordinates of all points of low order on Curve25519 and its twist: 0, 1, the two of order 8, -1.
const X25519_LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
];

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = 32;

            /// Checks the 32 bytes.
            ///
            /// # Errors
            /// [`KeyError`] for a key of low order or in a non-canonical encoding.
            pub fn new(bytes: &[u8; 32]) -> Result<Self, KeyError> {
                $check(bytes)?;
                Ok(Self(*bytes))
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
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
            type Err = super::RecordError;

            fn from_str(text: &str) -> Result<Self, super::RecordError> {
                let bytes: crate::quantity::RecordHash = text.parse().map_err(|_| FormatError::BadHex)?;
                Ok(Self::new(bytes.as_bytes())?)
            }
        }
    };
}

key! {
    /// An account's identity key: Ed25519, 32 bytes.
    IdentityKey, check_ed25519
}
key! {
    /// A device's key for direct messages: X25519, 32 bytes.
    DeviceDhKey, check_x25519
}
key! {
    /// A device's signing key, which also signs its calls: Ed25519, 32 bytes.
    DeviceSigningKey, check_ed25519
}

impl IdentityKey {
    /// What a notice announces: SHA-256 of the 32 bytes.
    pub fn announcement(&self) -> KeyAnnouncement {
        KeyAnnouncement::new(Sha256::digest(self.0).into())
    }
}

impl From<VerifyingKey> for IdentityKey {
    /// A key that was made from a secret key is canonical and of large order.
    fn from(key: VerifyingKey) -> Self {
        Self(key.to_bytes())
    }
}

impl From<&ed25519_dalek::SigningKey> for IdentityKey {
    fn from(key: &ed25519_dalek::SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }
}

impl From<&ed25519_dalek::SigningKey> for DeviceSigningKey {
    fn from(key: &ed25519_dalek::SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }
}

/// SHA-256 of the identity key that a notice announces; zeros announce a closing, or nothing at all. 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyAnnouncement([u8; 32]);

impl KeyAnnouncement {
    /// No key is announced.
    pub const NONE: Self = Self([0; 32]);

    /// From its 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KeyAnnouncement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyAnnouncement({})", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::montgomery::MontgomeryPoint;

    /// Clamping turns the zero scalar into 2^254, a multiple of 8 and of no larger prime.
    fn has_low_order(u: &[u8; 32]) -> bool {
        MontgomeryPoint(*u).mul_clamped([0; 32]).0 == [0; 32]
    }

    #[test]
    fn the_table_is_exactly_the_points_of_low_order() {
        for u in &X25519_LOW_ORDER {
            assert!(has_low_order(u), "{}", hex::encode(u));
            assert_eq!(check_x25519(u), Err(KeyError::X25519LowOrder));
        }
        let mut nine = [0; 32];
        nine[0] = 9;
        assert!(!has_low_order(&nine));
        assert_eq!(check_x25519(&nine), Ok(()));
    }

    /// Every encoding of a y that is not reduced, with both signs: p to 2^255 - 1.
    fn not_reduced() -> impl Iterator<Item = [u8; 32]> {
        (0xed..=0xff_u8).flat_map(|low| {
            [0x7f, 0xff].map(|high| {
                let mut bytes = [0xff; 32];
                bytes[0] = low;
                bytes[31] = high;
                bytes
            })
        })
    }

    #[test]
    fn canonical_is_what_a_point_is_encoded_as() {
        let (mut points, mut refused) = (0, 0);
        for bytes in not_reduced() {
            let Ok(key) = VerifyingKey::from_bytes(&bytes) else {
                assert_eq!(check_ed25519(&bytes), Err(KeyError::Ed25519NotAPoint));
                continue;
            };
            points += 1;
            assert_ne!(key.to_edwards().compress().as_bytes(), &bytes);
            let verdict = check_ed25519(&bytes).map(|_| ());
            let expected = if key.is_weak() {
                KeyError::Ed25519LowOrder
            } else {
                refused += 1;
                KeyError::Ed25519NotCanonical
            };
            assert_eq!(verdict, Err(expected));
        }
        assert!(
            points > refused && refused > 0,
            "{points} points, {refused} of large order"
        );
    }

    #[test]
    fn a_zero_x_with_a_sign_is_of_low_order() {
        let mut one = [0; 32];
        one[0] = 1;
        one[31] = 0x80;
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        for bytes in [one, minus_one] {
            let verdict = check_ed25519(&bytes).map(|_| ());
            let refused = [KeyError::Ed25519LowOrder, KeyError::Ed25519NotAPoint].map(Err);
            assert!(refused.contains(&verdict), "{verdict:?}");
        }
    }
}
