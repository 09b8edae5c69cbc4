//! One signing key: in a file, or in a token that a file names.
//!
//! A key file is one line, `PRIVATE+KEY+<name>+<8 hex of key ID>+<base64(type || 32-byte seed)>`: the form that other
//! tools for signed notes use. The name says which log and which role the key is for.

use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::note::{Checkpoint, NoteError, SignatureLine, VerifierKey, cosignature_message};
use keyglass_protocol::quantity::Seconds;
use zeroize::Zeroizing;

use super::token::TokenKey;
use super::uri::TokenUri;
use super::{KeyError, Random, SignError};
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
    key: Key,
    verifier: VerifierKey,
}

/// Where the private half is.
enum Key {
    Here(SigningKey),
    Token(TokenKey),
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

impl Signer {
    pub(super) fn new(name: &str, purpose: Purpose, seed: &[u8; 32]) -> Result<Self, NoteError> {
        let key = SigningKey::from_bytes(seed);
        let verifier = purpose.verifier(name, &key.verifying_key().to_bytes())?;
        let key = Key::Here(key);
        Ok(Self { key, verifier })
    }

    /// Makes a key in a token and the file that names it.
    pub(super) fn generate_in_token(
        path: &Path,
        name: &str,
        purpose: Purpose,
        token: &TokenUri,
        random: &dyn Random,
    ) -> Result<(), KeyError> {
        let unusable = |why| KeyError::Token {
            path: path.to_owned(),
            why,
        };
        let uri = token.with_object(name);
        let (_, public) = TokenKey::generate(uri.clone(), random).map_err(unusable)?;
        let text = format!("{}\n{uri}\n", purpose.verifier(name, &public)?);
        files::create(path, text.as_bytes(), files::SECRET).map_err(|error| KeyError::Io {
            path: path.to_owned(),
            error,
        })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a note's text.
    ///
    /// # Errors
    /// [`SignError`]; a key in a file always signs.
    pub fn sign_text(&self, text: &str) -> Result<SignatureLine, SignError> {
        let signature = self.sign(text.as_bytes())?;
        Ok(self.line(signature.to_vec()))
    }

    /// Cosigns a checkpoint at `time`.
    ///
    /// # Errors
    /// As [`Self::sign_text`].
    pub fn cosign(&self, checkpoint: &Checkpoint, time: Seconds) -> Result<SignatureLine, SignError> {
        let signature = self.sign(&cosignature_message(time, &checkpoint.to_text()))?;
        Ok(self.line([time.get().to_be_bytes().as_slice(), &signature].concat()))
    }

    fn line(&self, signature: Vec<u8>) -> SignatureLine {
        SignatureLine {
            name: self.verifier.name().to_owned(),
            key_id: self.verifier.key_id(),
            signature,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let token = match &self.key {
            Key::Here(key) => return Ok(key.sign(message).to_bytes()),
            Key::Token(token) => token,
        };
        let key = || self.verifier.name().to_owned();
        let signature = token
            .sign(message)
            .map_err(|why| SignError::Token { key: key(), why })?;
        let public = self
            .verifier
            .ed25519()
            .and_then(|k| VerifyingKey::from_bytes(k).ok());
        let good = public.is_some_and(|p| {
            p.verify_strict(message, &Signature::from_bytes(&signature))
                .is_ok()
        });
        if good {
            Ok(signature)
        } else {
            Err(SignError::Wrong { key: key() })
        }
    }

    /// The key in `path`, or in the token that the file beside it names.
    pub(super) fn load(path: &Path, name: &str, purpose: Purpose) -> Result<Self, KeyError> {
        let named = token_file(path);
        let other_name = |path: &Path, found: &str| KeyError::OtherName {
            path: path.to_owned(),
            expected: name.to_owned(),
            found: found.to_owned(),
        };
        if !named.exists() {
            let (found, seed) = read(path, purpose)?;
            return if found == name {
                Ok(Self::new(name, purpose, &seed)?)
            } else {
                Err(other_name(path, &found))
            };
        }
        if path.exists() {
            return Err(KeyError::Twice(path.to_owned()));
        }
        let (pinned, uri) = read_token(&named)?;
        if pinned.name() != name {
            return Err(other_name(&named, pinned.name()));
        }
        let (key, public) = TokenKey::find(uri).map_err(|why| KeyError::Token {
            path: named.clone(),
            why,
        })?;
        let verifier = purpose.verifier(name, &public)?;
        if verifier != pinned {
            return Err(KeyError::OtherKey {
                path: named,
                expected: pinned.to_string(),
                found: verifier.to_string(),
            });
        }
        let key = Key::Token(key);
        Ok(Self { key, verifier })
    }

    pub(super) fn save(&self, path: &Path, purpose: Purpose) -> Result<(), KeyError> {
        let Key::Here(key) = &self.key else { return Ok(()) };
        let mut typed = Zeroizing::new(vec![purpose.type_byte()]);
        typed.extend_from_slice(key.as_bytes());
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
    fn verifier(self, name: &str, public: &[u8; 32]) -> Result<VerifierKey, NoteError> {
        match self {
            Self::Note => VerifierKey::new_ed25519(name, public),
            Self::Cosignature => VerifierKey::new_cosignature(name, public),
        }
    }

    fn type_byte(self) -> u8 {
        match self {
            Self::Note => NOTE,
            Self::Cosignature => COSIGNATURE,
        }
    }
}

/// The private key in a file of this name and purpose.
pub(super) fn private(path: &Path, name: &str, purpose: Purpose) -> Result<SigningKey, KeyError> {
    let (found, seed) = read(path, purpose)?;
    if found == name {
        Ok(SigningKey::from_bytes(&seed))
    } else {
        Err(KeyError::OtherName {
            path: path.to_owned(),
            expected: name.to_owned(),
            found,
        })
    }
}

/// The name in a key file: for the log key, the origin.
pub(super) fn name_of(path: &Path) -> Result<String, KeyError> {
    let named = token_file(path);
    if named.exists() {
        return read_token(&named).map(|(key, _)| key.name().to_owned());
    }
    read(path, Purpose::Note).map(|(name, _)| name)
}

/// The file that names a key in a token, beside where its own file would be.
pub(super) fn token_file(path: &Path) -> PathBuf {
    path.with_extension("pkcs11")
}

/// vkey and place of a key in a token.
fn read_token(path: &Path) -> Result<(VerifierKey, TokenUri), KeyError> {
    let bytes = files::read_secret(path).map_err(|error| KeyError::Io {
        path: path.to_owned(),
        error,
    })?;
    let bytes = bytes.ok_or_else(|| KeyError::Exposed(path.to_owned()))?;
    let text = core::str::from_utf8(&bytes)
        .ok()
        .and_then(|t| t.strip_suffix('\n'));
    let lines = text.and_then(|t| t.split_once('\n'));
    let (vkey, uri) = lines.ok_or_else(|| KeyError::Malformed(path.to_owned()))?;
    let uri = TokenUri::parse(uri).map_err(|why| KeyError::Token {
        path: path.to_owned(),
        why,
    })?;
    Ok((vkey.parse()?, uri))
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
