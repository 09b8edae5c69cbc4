//! The platform's token keys: a JWK set (RFC 7517) in a file, read again when it changes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use keyglass_monitoring::ServerMetrics;
use keyglass_protocol::quantity::Millis;
use serde::Deserialize;
use thiserror::Error;

/// Longest key file. 64 KiB.
const MAX_FILE: usize = 64 * 1024;
/// Most keys in it.
const MAX_KEYS: usize = 64;
/// Longest key id in bytes.
const MAX_ID: usize = 128;
/// Shortest time between two looks at the file, in ms.
const INTERVAL: u64 = 1_000;

/// A key file that cannot be used. Keys are counted from 1.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Longer than 64 KiB.
    #[error("{0}: a key set is at most 64 KiB long")]
    TooLong(PathBuf),
    /// Not a JWK set.
    #[error("{path}: not a JWK set: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What and where.
        why: String,
    },
    /// No key at all, or too many.
    #[error("{0}: a key set has 1 to 64 keys")]
    Count(PathBuf),
    /// One of the keys cannot be used.
    #[error("{path}: key {number}: {why}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Which key.
        number: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl KeySetError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "token-keys-unreadable",
            Self::TooLong(_) => "token-keys-too-long",
            Self::Malformed { .. } => "token-keys-malformed",
            Self::Count(_) => "token-keys-count",
            Self::Key { .. } => "token-key-unusable",
        }
    }
}

/// Keys by their ids.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeySet(BTreeMap<String, VerifyingKey>);

impl KeySet {
    pub(super) fn get(&self, id: &str) -> Option<&VerifyingKey> {
        self.0.get(id)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, KeySetError> {
        let set: JwkSet = serde_json::from_slice(bytes).map_err(|e| KeySetError::Malformed {
            path: path.to_owned(),
            why: e.to_string(),
        })?;
        if set.keys.is_empty() || set.keys.len() > MAX_KEYS {
            return Err(KeySetError::Count(path.to_owned()));
        }
        let mut keys = BTreeMap::new();
        for (number, jwk) in (1..).zip(set.keys) {
            let unusable = |why| KeySetError::Key {
                path: path.to_owned(),
                number,
                why,
            };
            let key = jwk.key().map_err(unusable)?;
            if keys.insert(jwk.kid, key).is_some() {
                return Err(unusable("its kid stands twice"));
            }
        }
        Ok(Self(keys))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// An Ed25519 public key (RFC 8037 section 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    kid: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

impl Jwk {
    fn key(&self) -> Result<VerifyingKey, &'static str> {
        if self.d.is_some() {
            return Err(
                "it is a private key; only public keys belong here, and this one is no secret any more",
            );
        }
        if self.kty != "OKP" || self.crv != "Ed25519" {
            return Err("kty must be OKP and crv Ed25519");
        }
        if self.alg.as_deref().is_some_and(|alg| alg != "EdDSA") {
            return Err("alg must be EdDSA");
        }
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Err("use must be sig");
        }
        if self.kid.is_empty() || self.kid.len() > MAX_ID {
            return Err("kid must have 1 to 128 bytes");
        }
        let bytes: [u8; 32] = URL_SAFE_NO_PAD
            .decode(&self.x)
            .ok()
            .and_then(|x| x.try_into().ok())
            .ok_or("x must be 32 bytes in base64url without padding")?;
        VerifyingKey::from_bytes(&bytes)
            .ok()
            .filter(|key| !key.is_weak() && key.to_edwards().compress().to_bytes() == bytes)
            .ok_or("x is not a strong Ed25519 public key")
    }
}

/// The key file and what was last read from it.
pub struct TokenKeys {
    path: PathBuf,
    metrics: ServerMetrics,
    state: Mutex<State>,
}

struct State {
    looked: Millis,
    /// What the file held when it was last looked at, good or not.
    bytes: Option<Vec<u8>>,
    keys: Arc<KeySet>,
}

impl TokenKeys {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub(super) fn open(path: &Path, now: Millis, metrics: ServerMetrics) -> Result<Self, KeySetError> {
        let bytes = read(path)?;
        let keys = Arc::new(KeySet::parse(path, &bytes)?);
        metrics.token_keys(keys.0.len(), true);
        Ok(Self {
            path: path.to_owned(),
            metrics,
            state: Mutex::new(State {
                looked: now,
                bytes: Some(bytes),
                keys,
            }),
        })
    }

    /// The keys in force. Looks at the file if it was not looked at within the last second; one that cannot be used leaves
    /// the old keys in force, and is said once.
    pub(super) fn current(&self, now: Millis) -> Arc<KeySet> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that went back counts as time that passed.
        if now < state.looked || now.since(state.looked) >= INTERVAL {
            state.looked = now;
            self.refresh(&mut state);
        }
        Arc::clone(&state.keys)
    }

    fn refresh(&self, state: &mut State) {
        let read = read(&self.path);
        let bytes = read.as_ref().ok().cloned();
        if bytes == state.bytes {
            return;
        }
        state.bytes = bytes;
        match read.and_then(|bytes| KeySet::parse(&self.path, &bytes)) {
            Ok(keys) => {
                tracing::info!(keys = keys.0.len(), "the token keys were read again");
                self.metrics.token_keys(keys.0.len(), true);
                state.keys = Arc::new(keys);
            }
            Err(error) => {
                tracing::error!(%error, reason = error.reason(), "the token keys cannot be used; the old ones stay in force");
                self.metrics.token_keys(state.keys.0.len(), false);
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, KeySetError> {
    let unreadable = |error| KeySetError::Io {
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(unreadable)?;
    let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE {
        return Err(KeySetError::TooLong(path.to_owned()));
    }
    Ok(bytes)
}
