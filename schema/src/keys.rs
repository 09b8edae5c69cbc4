//! Keys of the store: what makes a stolen database useless.
//!
//! Labels are found by a keyed hash, and everything that says something about a person is sealed with
//! XChaCha20-Poly1305. The nonce is synthetic (SIV style): the first 16 bytes of a keyed BLAKE3 over table,
//! row key and plaintext, followed by 8 zero bytes. XChaCha derives a subkey from exactly these 16 bytes, so
//! two different plaintexts never meet under one key stream, and a counter or random source that repeats after a
//! restore does no harm. Table and row key are the associated data: a row that is moved does not open.

use core::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::StoreError;

const LABEL_CONTEXT: &str = "keyglass-schema 2026-01-01 label hash v1";
const SEAL_CONTEXT: &str = "keyglass-schema 2026-01-01 sealing key v1";
const PADDING_CONTEXT: &str = "keyglass-schema 2026-01-02 padding labels v1";
const NONCE_CONTEXT: &str = "keyglass-schema 2026-01-01 synthetic nonce v1";

/// Bytes of the nonce that are stored; the other 8 of XChaCha's 24 are zero.
const NONCE_LEN: usize = 16;
/// Bytes that sealing adds: version, nonce and tag.
#[cfg(test)]
pub(crate) const SEAL_OVERHEAD: usize = 1 + NONCE_LEN + 16;
const SEAL_VERSION: u8 = 1;

/// Keyed hash of a label (or another handle) as it stands in the database. 16 bytes.
///
/// 128 bits of a keyed hash: without the key nobody can look for collisions, and each sealed row repeats the
/// label, so that one by accident would be an error, never another person's record.
pub(crate) type KeyedHash = [u8; 16];

/// Which table a sealed field belongs to (part of what is authenticated). Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sealed {
    Meta,
    LabelStates,
    Updates,
    Receipts,
    /// Not a table: the journal, which lies in files beside the database.
    Journal,
    Closings,
}

impl Sealed {
    const fn number(self) -> u8 {
        match self {
            Self::Meta => 1,
            Self::LabelStates => 2,
            Self::Updates => 3,
            Self::Receipts => 4,
            Self::Journal => 5,
            Self::Closings => 6,
        }
    }

    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::LabelStates => "label_states",
            Self::Updates => "updates",
            Self::Receipts => "receipts",
            Self::Journal => "journal",
            Self::Closings => "closings",
        }
    }
}

/// The store's keys, derived from one 32-byte secret that must live outside the database and its backups.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct StoreKeys {
    label: [u8; 32],
    seal: [u8; 32],
    nonce: [u8; 32],
    padding: [u8; 32],
}

impl StoreKeys {
    /// Derives the keys from the secret (BLAKE3 `derive_key`, one context per key).
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self {
            label: blake3::derive_key(LABEL_CONTEXT, secret),
            seal: blake3::derive_key(SEAL_CONTEXT, secret),
            nonce: blake3::derive_key(NONCE_CONTEXT, secret),
            padding: blake3::derive_key(PADDING_CONTEXT, secret),
        }
    }

    /// The random-looking part of an epoch's padding label. 32 bytes.
    pub(crate) fn padding(&self, epoch: u64, index: u64) -> [u8; 32] {
        let place = [epoch.to_be_bytes(), index.to_be_bytes()].concat();
        *blake3::keyed_hash(&self.padding, &place).as_bytes()
    }

    /// Keyed hash of what a handle looks like. No label begins as its input does.
    pub(crate) fn skeleton_hash(&self, skeleton: &str) -> KeyedHash {
        self.label_hash(&[b"skeleton:", skeleton.as_bytes()].concat())
    }

    /// Keyed hash under which a label is found.
    pub(crate) fn label_hash(&self, label: &[u8]) -> KeyedHash {
        first_16(blake3::keyed_hash(&self.label, label).as_bytes())
    }

    /// Seals `plaintext` into the row `row_key` of a table. [`SEAL_OVERHEAD`] bytes longer.
    pub(crate) fn seal(
        &self,
        place: Sealed,
        row_key: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let aad = associated_data(place, row_key);
        let nonce = self.nonce(&aad, plaintext);
        let sealed = self
            .cipher()
            .encrypt(
                &full_nonce(&nonce),
                Payload {
                    msg: plaintext,
                    aad: &aad,
                },
            )
            .map_err(|_| StoreError::OutOfRange("sealed field"))?;
        let mut out = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        out.push(SEAL_VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Self::seal`] made for the same place and row.
    pub(crate) fn open(&self, place: Sealed, row_key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        let broken = || StoreError::BrokenSeal { table: place.table() };
        let (version, rest) = sealed.split_first().ok_or_else(broken)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(broken)?;
        if *version != SEAL_VERSION {
            return Err(broken());
        }
        let aad = associated_data(place, row_key);
        self.cipher()
            .decrypt(&full_nonce(nonce), Payload { msg: body, aad: &aad })
            .map_err(|_| broken())
    }

    /// Seals one entry of the journal, which lies outside the database; it opens only at the same `place` in it.
    ///
    /// # Errors
    /// [`StoreError::OutOfRange`] for a text that is too long to be sealed.
    pub fn seal_journal(&self, place: &[u8], text: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.seal(Sealed::Journal, place, text)
    }

    /// Opens what [`Self::seal_journal`] made for the same place.
    ///
    /// # Errors
    /// [`StoreError::BrokenSeal`] if it was altered, moved, or sealed with another key.
    pub fn open_journal(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.open(Sealed::Journal, place, sealed)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(Key::from_slice(&self.seal))
    }

    /// `aad` has its own length inside, so that no two (row, plaintext) pairs hash the same bytes.
    fn nonce(&self, aad: &[u8], plaintext: &[u8]) -> [u8; NONCE_LEN] {
        let mut hasher = blake3::Hasher::new_keyed(&self.nonce);
        hasher.update(aad).update(plaintext);
        first_16(hasher.finalize().as_bytes())
    }
}

impl fmt::Debug for StoreKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKeys(…)")
    }
}

fn first_16(hash: &[u8; 32]) -> [u8; 16] {
    hash.first_chunk().copied().unwrap_or_default()
}

fn full_nonce(stored: &[u8; NONCE_LEN]) -> XNonce {
    let mut nonce = XNonce::default();
    for (to, from) in nonce.iter_mut().zip(stored) {
        *to = *from;
    }
    nonce
}

/// Table number, length of the row key (u64 big-endian), row key.
fn associated_data(place: Sealed, row_key: &[u8]) -> Vec<u8> {
    let length = u64::try_from(row_key.len()).unwrap_or(u64::MAX);
    let mut aad = Vec::with_capacity(9 + row_key.len());
    aad.push(place.number());
    aad.extend_from_slice(&length.to_be_bytes());
    aad.extend_from_slice(row_key);
    aad
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn keys(byte: u8) -> StoreKeys {
        StoreKeys::from_secret(&[byte; 32])
    }

    #[test]
    fn what_was_sealed_opens_only_in_its_place() {
        let sealed = keys(1).seal(Sealed::Updates, b"row", b"text").unwrap();
        assert_eq!(sealed.len(), 4 + SEAL_OVERHEAD);
        assert_eq!(keys(1).open(Sealed::Updates, b"row", &sealed).unwrap(), b"text");
        for (keys, place, row) in [
            (keys(2), Sealed::Updates, &b"row"[..]),
            (keys(1), Sealed::Receipts, b"row"),
            (keys(1), Sealed::Updates, b"rox"),
        ] {
            let error = keys.open(place, row, &sealed).unwrap_err();
            assert_eq!(error.reason(), "broken-seal");
        }
    }

    #[test]
    fn every_altered_or_missing_byte_breaks_the_seal() {
        let sealed = keys(1).seal(Sealed::Meta, b"", b"text").unwrap();
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(keys(1).open(Sealed::Meta, b"", &bad).is_err(), "byte {at}");
            assert!(
                keys(1).open(Sealed::Meta, b"", &sealed[..at]).is_err(),
                "length {at}"
            );
        }
    }

    #[test]
    fn nonces_differ_by_row_and_text_and_repeat_for_the_same() {
        let nonce =
            |row: &[u8], text: &[u8]| keys(1).seal(Sealed::Updates, row, text).unwrap()[1..17].to_vec();
        assert_eq!(nonce(b"a", b"t"), nonce(b"a", b"t"));
        assert_ne!(nonce(b"a", b"t"), nonce(b"b", b"t"));
        assert_ne!(nonce(b"a", b"t"), nonce(b"a", b"u"));
        assert_ne!(nonce(b"ab", b"t"), nonce(b"a", b"bt"));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", keys(7)), "StoreKeys(…)");
    }
}
