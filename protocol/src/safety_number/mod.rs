//! Safety numbers: what two people compare to know that they hold each other's keys.
//!
//! Exactly Signal's numeric fingerprint (version 2 of its algorithm, 5,200 hashes), over the stable account id
//! without `account:` and the account's identity key as an X25519 key:
//!
//! * `h(0) = SHA-512(0x0000 || key || id || key)`, `h(i) = SHA-512(h(i-1) || key)`, 5,200 hashes in total; `key`
//!   is 0x05 and the 32 bytes of the X25519 key;
//! * digits of one party: the first 30 bytes as six big-endian chunks of 5 bytes, each modulo 100,000;
//! * the number: both parties' 30 digits, the lexicographically smaller first;
//! * the [scannable code](Qr): the first 32 bytes of both hashes;
//! * the [sentence](SafetyNumber::sentence): ours, not Signal's; made from the digits.
//!
//! Make a number from *authorised* records only; this module cannot know where its keys come from.

mod devices;
mod error;
mod qr;
mod sentence;

use core::fmt;

use sha2::{Digest as _, Sha512};
use subtle::ConstantTimeEq as _;

pub use devices::DeviceLine;
pub use error::SafetyNumberError;
pub use qr::{Qr, QrVersion};

use crate::label::AccountId;
use crate::record::{IdentityKey, check_ed25519, check_x25519};

/// Hashes in total for one party, as in Signal.
const HASHES: usize = 5200;
/// Version of the fingerprint's algorithm, hashed first: two zero bytes.
const ALGORITHM: [u8; 2] = [0, 0];
/// Type byte of a Curve25519 key in Signal's encoding.
const KEY_TYPE: u8 = 5;
/// Digits of a whole safety number.
const DIGITS: usize = 60;

/// An X25519 public key as safety numbers use it. 32 bytes, in Signal's encoding 33.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgreementKey([u8; 32]);

impl AgreementKey {
    /// From 32 bytes, or from 33 with the type byte 05 in front.
    ///
    /// # Errors
    /// [`SafetyNumberError`] for another length or type, and for keys of low order or not reduced.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SafetyNumberError> {
        let raw = match bytes {
            [KEY_TYPE, raw @ ..] if bytes.len() == 33 => raw,
            raw => raw,
        };
        let key = raw.try_into().map_err(|_| SafetyNumberError::KeyLength)?;
        check_x25519(&key)?;
        Ok(Self(key))
    }

    /// The X25519 key of an Ed25519 identity: the same point in its Montgomery form (RFC 7748 section 4.1).
    ///
    /// # Errors
    /// [`SafetyNumberError::Key`]; cannot happen for a key that was checked.
    pub fn from_identity(identity: &IdentityKey) -> Result<Self, SafetyNumberError> {
        Ok(Self(
            check_ed25519(identity.as_bytes())?.to_montgomery().to_bytes(),
        ))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Signal's encoding: 05 and the 32 bytes.
    fn serialized(&self) -> [u8; 33] {
        let mut out = [KEY_TYPE; 33];
        for (to, from) in out.iter_mut().skip(1).zip(self.0) {
            *to = from;
        }
        out
    }
}

/// One party's half of a safety number: the first 32 bytes of the last of 5,200 hashes.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a stable identifier (for an account: its id without `account:`) and a key. About 5 ms.
    pub fn new(id: &str, key: &AgreementKey) -> Self {
        let key = key.serialized();
        let mut hash = Sha512::new()
            .chain_update(ALGORITHM)
            .chain_update(key)
            .chain_update(id)
            .chain_update(key)
            .finalize();
        for _ in 1..HASHES {
            hash = Sha512::new().chain_update(hash).chain_update(key).finalize();
        }
        let mut first = [0; 32];
        for (to, from) in first.iter_mut().zip(hash) {
            *to = from;
        }
        Self(first)
    }

    /// Of an account and its identity key.
    ///
    /// # Errors
    /// As [`AgreementKey::from_identity`].
    pub fn of_account(id: &AccountId, identity: &IdentityKey) -> Result<Self, SafetyNumberError> {
        Ok(Self::new(id.as_str(), &AgreementKey::from_identity(identity)?))
    }

    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// 30 digits.
    fn digits(&self) -> String {
        digit_groups(&self.0, 6).concat()
    }
}

/// Groups of 5 digits: big-endian chunks of 5 bytes, each modulo 100,000.
fn digit_groups(hash: &[u8; 32], groups: usize) -> Vec<String> {
    hash.chunks_exact(5)
        .take(groups)
        .map(|chunk| {
            let number = chunk.iter().fold(0u64, |n, byte| (n << 8) | u64::from(*byte));
            format!("{:05}", number % 100_000)
        })
        .collect()
}

/// The safety number of two parties, seen from one of them.
#[derive(Debug, Clone)]
pub struct SafetyNumber {
    local: Fingerprint,
    remote: Fingerprint,
}

impl SafetyNumber {
    /// Of one's own half and the other's.
    ///
    /// # Errors
    /// [`SafetyNumberError::SameParty`] if both halves are the same.
    pub fn new(local: Fingerprint, remote: Fingerprint) -> Result<Self, SafetyNumberError> {
        if local.is(&remote) {
            return Err(SafetyNumberError::SameParty);
        }
        Ok(Self { local, remote })
    }

    /// 60 digits, the same for both parties.
    pub fn digits(&self) -> String {
        let (local, remote) = (self.local.digits(), self.remote.digits());
        if self.local_is_first() {
            local + &remote
        } else {
            remote + &local
        }
    }

    /// Whether one's own half stands first in the digits.
    fn local_is_first(&self) -> bool {
        self.local.digits() <= self.remote.digits()
    }

    /// Whether digits that somebody read out or sent are these; white space between them does not count.
    ///
    /// Compares in constant time.
    ///
    /// # Errors
    /// [`SafetyNumberError::Digits`] if they are not 60 digits.
    pub fn matches_digits(&self, theirs: &str) -> Result<bool, SafetyNumberError> {
        let theirs: Vec<u8> = theirs.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        if theirs.len() != DIGITS || !theirs.iter().all(u8::is_ascii_digit) {
            return Err(SafetyNumberError::Digits);
        }
        Ok(self.digits().as_bytes().ct_eq(&theirs).into())
    }

    /// The code that the other party scans.
    pub fn qr(&self, version: QrVersion) -> Qr {
        Qr::new(version, self.local, self.remote)
    }

    /// Whether a scanned code is the other party's for this number: its halves are ours, exchanged.
    ///
    /// One's own code does not match. Compares in constant time.
    ///
    /// # Errors
    /// [`SafetyNumberError::VersionMismatch`] if the other party's program makes another version of code,
    /// [`SafetyNumberError::MalformedQr`] if it is no such code.
    pub fn matches_qr(&self, version: QrVersion, scanned: &[u8]) -> Result<bool, SafetyNumberError> {
        let theirs = Qr::parse(scanned)?;
        if theirs.version() != version.number() {
            return Err(SafetyNumberError::VersionMismatch {
                ours: version.number(),
                theirs: theirs.version(),
            });
        }
        let crossed = theirs.local().0.ct_eq(&self.remote.0) & theirs.remote().0.ct_eq(&self.local.0);
        Ok(crossed.into())
    }
}

/// 12 groups of 5 digits.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        let groups: Vec<_> = digits.as_bytes().chunks(5).map(String::from_utf8_lossy).collect();
        f.write_str(&groups.join(" "))
    }
}
