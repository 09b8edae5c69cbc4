//! One signing key and its file.
//!
//! A key file is one line, `PRIVATE+KEY+<name>+<8 hex of key ID>+<base64(type || 32-byte seed)>`: the form that other
//! tools for signed notes use. The name says which log and which role the key is for.

use std::path::Path;

use ed25519_dalek::SigningKey;
use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::note::{Checkpoint, NoteError, SignatureLine, VerifierKey, cosign, sign_note};
use keyglass_protocol::quantity::Seconds;
use zeroize::Zeroizing;

use super::KeyError;
use crate::files;

/// Type byte of a key that signs notes.
const NOTE: u8 = 1;
/// Type byte of a key that cosigns checkpoints with a time.
const COSIGNATURE: u8 = 4;

/// What a key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Notes: the log, receipts, records.
    Note,
    /// Timestamped cosignatures: the heartbeat.
    Cosignature,
}

/// A private key with its verifier key.
pub struct Signer {
    key: SigningKey,
    verifier: VerifierKey,
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

impl Signer {
    pub(super) fn new(name: &str, purpose: Purpose, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key().to_bytes();
        let verifier = match purpose {
            Purpose::Note => VerifierKey::new_ed25519(name, &public)?,
            Purpose::Cosignature => VerifierKey::new_cosignature(name, &public)?,
        };
        Ok(Self { key, verifier })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a note's text.
    pub fn sign_text(&self, text: &str) -> SignatureLine {
        sign_note(self.verifier.name(), &self.key, text)
    }

    /// Cosigns a checkpoint at `time`.
    pub fn cosign(&self, checkpoint: &Checkpoint, time: Seconds) -> SignatureLine {
        cosign(self.verifier.name(), &self.key, &checkpoint.to_text(), time)
    }

    pub(super) fn load(path: &Path, name: &str, purpose: Purpose) -> Result<Self, KeyError> {
        let (found, seed) = read(path, purpose)?;
        if found != name {
            return Err(KeyError::OtherName {
                path: path.to_owned(),
                expected: name.to_owned(),
                found,
            });
        }
        Ok(Self::new(name, purpose, &seed)?)
    }

    pub(super) fn save(&self, path: &Path, purpose: Purpose) -> Result<(), KeyError> {
        let mut typed = Zeroizing::new(vec![purpose.type_byte()]);
        typed.extend_from_slice(self.key.as_bytes());
        let secret = Zeroizing::new(base64_encode(&typed));
        let public = self.verifier.to_string();
        // The same name and key ID as in the verifier key, whose base64 may itself contain a `+`.
        let head = public.splitn(3, '+').take(2).collect::<Vec<_>>().join("+");
        let line = Zeroizing::new(format!("PRIVATE+KEY+{head}+{}\n", secret.as_str()));
        files::create(path, line.as_bytes(), files::SECRET).map_err(|error| KeyError::Io {
            path: path.to_owned(),
            error,
        })
    }
}

impl Purpose {
    fn type_byte(self) -> u8 {
        match self {
            Self::Note => NOTE,
            Self::Cosignature => COSIGNATURE,
        }
    }
}

/// The name in a key file: for the log key, the origin.
pub(super) fn name_of(path: &Path) -> Result<String, KeyError> {
    read(path, Purpose::Note).map(|(name, _)| name)
}

fn read(path: &Path, purpose: Purpose) -> Result<(String, Zeroizing<[u8; 32]>), KeyError> {
    let bytes = files::read_secret(path).map_err(|error| KeyError::Io {
        path: path.to_owned(),
        error,
    })?;
    let bytes = Zeroizing::new(bytes.ok_or_else(|| KeyError::Exposed(path.to_owned()))?);
    parse(&bytes, purpose).ok_or_else(|| KeyError::Malformed(path.to_owned()))
}

fn parse(bytes: &[u8], purpose: Purpose) -> Option<(String, Zeroizing<[u8; 32]>)> {
    let line = core::str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let mut fields = line.strip_prefix("PRIVATE+KEY+")?.splitn(3, '+');
    let (name, id, secret) = (fields.next()?, fields.next()?, fields.next()?);
    let typed = Zeroizing::new(base64_decode(secret).ok()?);
    let (kind, seed) = typed.split_first()?;
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).ok()?);
    let signer = Signer::new(name, purpose, &seed).ok()?;
    let same_id = hex::encode(signer.verifier.key_id().0) == id;
    (*kind == purpose.type_byte() && same_id).then(|| (name.to_owned(), seed))
}
