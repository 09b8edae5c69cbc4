//! Verifier keys: a name, a kind and a public key, written as a vkey (signed-note).

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

use super::error::NoteError;
use super::line::SignatureLine;
use super::ml_dsa::ML_DSA_44_PUBLIC_KEY_LEN;
use super::name::Origin;
use crate::codec;

/// First 4 bytes of SHA-256(name || 0x0A || type || public key). It finds a key and proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    /// The ID of a key of this name, kind and public key.
    pub fn derive(name: &str, kind: KeyKind, public_key: &[u8]) -> Self {
        let hash = Sha256::new()
            .chain_update(name)
            .chain_update([b'\n', kind.byte()])
            .chain_update(public_key)
            .finalize();
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash);
        Self([a, b, c, d])
    }
}

/// 8 lower-case hex digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What a key signs, and with which algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Type 0x01: Ed25519 over the text of a note.
    Ed25519,
    /// Type 0x04: timestamped Ed25519 cosignature of a checkpoint.
    CosignatureV1,
    /// Type 0x06: timestamped ML-DSA-44 cosignature of a checkpoint.
    MlDsa44Cosignature,
}

impl KeyKind {
    /// The type byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 1,
            Self::CosignatureV1 => 4,
            Self::MlDsa44Cosignature => 6,
        }
    }

    /// Length of the public key in bytes.
    pub const fn public_key_len(self) -> usize {
        match self {
            Self::Ed25519 | Self::CosignatureV1 => 32,
            Self::MlDsa44Cosignature => ML_DSA_44_PUBLIC_KEY_LEN,
        }
    }

    /// Whether keys of this kind cosign checkpoints.
    pub const fn cosigns(self) -> bool {
        matches!(self, Self::CosignatureV1 | Self::MlDsa44Cosignature)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Ed25519, Self::CosignatureV1, Self::MlDsa44Cosignature]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }
}

/// A public key with its name and kind; its text is a vkey: `<name>+<key id>+<base64(type || key)>`.
///
/// Ed25519 keys are canonical points and not of low order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: Origin,
    kind: KeyKind,
    public_key: Vec<u8>,
    key_id: KeyId,
}

impl VerifierKey {
    /// A key that signs notes with plain Ed25519 (type 0x01), such as a log's.
    ///
    /// # Errors
    /// A broken rule of the name or of the key.
    pub fn new_ed25519(name: &str, key: &[u8; 32]) -> Result<Self, NoteError> {
        Self::new(name, KeyKind::Ed25519, key)
    }

    /// A key that cosigns with Ed25519 (type 0x04).
    ///
    /// # Errors
    /// A broken rule of the name or of the key.
    pub fn new_cosignature(name: &str, key: &[u8; 32]) -> Result<Self, NoteError> {
        Self::new(name, KeyKind::CosignatureV1, key)
    }

    /// A key that cosigns with ML-DSA-44 (type 0x06); 1,312 bytes.
    ///
    /// # Errors
    /// A broken rule of the name or of the key.
    pub fn new_ml_dsa_44(name: &str, key: &[u8]) -> Result<Self, NoteError> {
        Self::new(name, KeyKind::MlDsa44Cosignature, key)
    }

    fn new(name: &str, kind: KeyKind, public_key: &[u8]) -> Result<Self, NoteError> {
        let name = Origin::new(name)?;
        if public_key.len() != kind.public_key_len() {
            return Err(NoteError::VkeyLength);
        }
        if kind != KeyKind::MlDsa44Cosignature {
            check_ed25519(public_key)?;
        }
        let key_id = KeyId::derive(name.as_str(), kind, public_key);
        Ok(Self {
            name,
            kind,
            public_key: public_key.to_vec(),
            key_id,
        })
    }

    /// The key's name; a log's is its origin.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The key's name as a value.
    pub fn origin(&self) -> &Origin {
        &self.name
    }

    /// The key ID.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// What the key signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key: 32 bytes, or 1,312 for ML-DSA-44.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The public key of the two Ed25519 kinds.
    pub fn ed25519(&self) -> Option<&[u8; 32]> {
        self.public_key.as_slice().try_into().ok()
    }

    /// Whether the line claims to be this key's: same name and key ID.
    pub fn claims(&self, line: &SignatureLine) -> bool {
        line.name == self.name.as_str() && line.key_id == self.key_id
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        // Base64 may contain `+` too: only the first two separate.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VkeyParts);
        };
        let mut key_id = [0; 4];
        hex::decode_to_slice(id, &mut key_id).map_err(|_| NoteError::VkeyKeyId)?;
        if hex::encode(key_id) != id {
            return Err(NoteError::VkeyKeyId);
        }
        let bytes = codec::base64_decode(key).map_err(|_| NoteError::VkeyBase64)?;
        let (kind, public_key) = bytes.split_first().ok_or(NoteError::VkeyLength)?;
        let kind = KeyKind::from_byte(*kind).ok_or(NoteError::VkeyType)?;
        let key = Self::new(name, kind, public_key)?;
        if key.key_id != KeyId(key_id) {
            return Err(NoteError::VkeyMismatch);
        }
        Ok(key)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(&self.public_key);
        write!(
            f,
            "{}+{}+{}",
            self.name,
            self.key_id,
            codec::base64_encode(&bytes)
        )
    }
}

fn check_ed25519(key: &[u8]) -> Result<(), NoteError> {
    let point = curve25519_dalek::edwards::CompressedEdwardsY::from_slice(key)
        .ok()
        .and_then(|compressed| compressed.decompress())
        .ok_or(NoteError::KeyNotAPoint)?;
    if point.is_small_order() {
        return Err(NoteError::KeyLowOrder);
    }
    if point.compress().as_bytes() != key {
        return Err(NoteError::KeyNotCanonical);
    }
    Ok(())
}

/// Strict Ed25519 (canonical S and R, no low-order points).
pub(super) fn verify_ed25519(key: &VerifierKey, message: &[u8], signature: &[u8]) -> Result<(), NoteError> {
    let signature = <&[u8; 64]>::try_from(signature).map_err(|_| NoteError::SignatureLength)?;
    let public_key = key.ed25519().ok_or(NoteError::KeyKind)?;
    let public_key = VerifyingKey::from_bytes(public_key).map_err(|_| NoteError::KeyNotAPoint)?;
    if crate::ed25519::verify_strict(&public_key, message, signature) {
        Ok(())
    } else {
        Err(NoteError::SignatureBad)
    }
}
