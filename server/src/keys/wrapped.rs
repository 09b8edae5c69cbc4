//! Secrets at rest: sealed with a key-encryption key that lies in a file of its own.
//!
//! `"KGW1" | 24 nonce | XChaCha20-Poly1305 of 32 bytes`, with the secret's name and the origin as associated data, so
//! that files cannot be exchanged for each other. 76 bytes.

use std::path::Path;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::{KeyError, Random};
use crate::files;

const MAGIC: &[u8; 4] = b"KGW1";

/// 32 secret bytes.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// The key that opens the wrapped secrets.
pub(super) struct WrappingKey(XChaCha20Poly1305);

impl WrappingKey {
    /// Reads the key's 32 bytes, written as 64 hex digits and a newline.
    pub(super) fn load(path: &Path) -> Result<Self, KeyError> {
        let bytes = files::read_secret(path).map_err(|error| KeyError::Io {
            path: path.to_owned(),
            error,
        })?;
        let text = Zeroizing::new(bytes.ok_or_else(|| KeyError::Exposed(path.to_owned()))?);
        let malformed = || KeyError::Malformed(path.to_owned());
        let digits = text.strip_suffix(b"\n").ok_or_else(malformed)?;
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(digits, key.as_mut_slice()).map_err(|_| malformed())?;
        Ok(Self(XChaCha20Poly1305::new(key.as_slice().into())))
    }

    /// Makes a key and writes it to a new file.
    pub(super) fn generate(path: &Path, random: &dyn Random) -> Result<Self, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(key.as_mut_slice())?;
        let text = Zeroizing::new(format!("{}\n", hex::encode(key.as_slice())));
        files::create(path, text.as_bytes(), files::SECRET).map_err(|error| KeyError::Io {
            path: path.to_owned(),
            error,
        })?;
        Ok(Self(XChaCha20Poly1305::new(key.as_slice().into())))
    }

    /// Writes `secret`, sealed, to a new file.
    pub(super) fn seal(
        &self,
        path: &Path,
        about: &str,
        secret: &Secret,
        random: &dyn Random,
    ) -> Result<(), KeyError> {
        let mut nonce = [0; 24];
        random.fill(&mut nonce)?;
        let payload = Payload {
            msg: secret.as_slice(),
            aad: about.as_bytes(),
        };
        let sealed = self
            .0
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| KeyError::NotOpened(path.to_owned()))?;
        let bytes = [MAGIC.as_slice(), &nonce, &sealed].concat();
        files::create(path, &bytes, files::SECRET).map_err(|error| KeyError::Io {
            path: path.to_owned(),
            error,
        })
    }

    /// Opens the secret in `path`.
    pub(super) fn open(&self, path: &Path, about: &str) -> Result<Secret, KeyError> {
        let bytes = files::read_secret(path).map_err(|error| KeyError::Io {
            path: path.to_owned(),
            error,
        })?;
        let bytes = bytes.ok_or_else(|| KeyError::Exposed(path.to_owned()))?;
        let malformed = || KeyError::Malformed(path.to_owned());
        let rest = bytes.strip_prefix(MAGIC.as_slice()).ok_or_else(malformed)?;
        let (nonce, sealed) = rest.split_at_checked(24).ok_or_else(malformed)?;
        let payload = Payload {
            msg: sealed,
            aad: about.as_bytes(),
        };
        let opened = self
            .0
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| KeyError::NotOpened(path.to_owned()))?;
        let opened = Zeroizing::new(opened);
        <[u8; 32]>::try_from(opened.as_slice())
            .map(Zeroizing::new)
            .map_err(|_| malformed())
    }
}
