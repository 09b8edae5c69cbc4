//! Cosignatures of checkpoints (tlog-cosignature): 8 bytes of time, then a signature.

use ed25519_dalek::{Signer as _, SigningKey};

use super::checkpoint::Checkpoint;
use super::error::NoteError;
use super::key::{KeyId, KeyKind, VerifierKey, verify_ed25519};
use super::line::SignatureLine;
use super::ml_dsa;
use super::signed::Note;
use crate::quantity::Seconds;

/// Last valid time of a cosignature: 2^63 - 1 seconds since 1970.
pub const MAX_COSIGNATURE_TIME: Seconds = Seconds::new(u64::MAX >> 1);

/// The bytes that a `cosignature/v1` key signs: header, time, whole text of the checkpoint note.
///
/// They do not name the cosigner: one Ed25519 key has one role.
pub fn cosignature_message(time: Seconds, checkpoint_text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{checkpoint_text}").into_bytes()
}

/// Cosigns the text of a checkpoint note with Ed25519 (type 0x04).
pub fn cosign(name: &str, key: &SigningKey, checkpoint_text: &str, time: Seconds) -> SignatureLine {
    let signature = key.sign(&cosignature_message(time, checkpoint_text));
    timestamped(
        name,
        KeyKind::CosignatureV1,
        key.verifying_key().as_bytes(),
        time,
        &signature.to_bytes(),
    )
}

/// The line of a timestamped signature.
pub(super) fn timestamped(
    name: &str,
    kind: KeyKind,
    public_key: &[u8],
    time: Seconds,
    signature: &[u8],
) -> SignatureLine {
    let mut bytes = time.get().to_be_bytes().to_vec();
    bytes.extend_from_slice(signature);
    SignatureLine {
        name: name.to_owned(),
        key_id: KeyId::derive(name, kind, public_key),
        signature: bytes,
    }
}

/// Verifies one line of a cosigning key and gives its time.
pub(super) fn verify(
    key: &VerifierKey,
    line: &SignatureLine,
    note: &Note,
    checkpoint: &Checkpoint,
) -> Result<Seconds, NoteError> {
    if !key.kind().cosigns() {
        return Err(NoteError::KeyKind);
    }
    let (time, signature) = line
        .signature
        .split_first_chunk::<8>()
        .ok_or(NoteError::SignatureLength)?;
    let time = Seconds::new(u64::from_be_bytes(*time));
    if time > MAX_COSIGNATURE_TIME {
        return Err(NoteError::CosignatureTime);
    }
    if key.kind() == KeyKind::MlDsa44Cosignature {
        ml_dsa::verify(key, time, checkpoint, signature)?;
    } else {
        verify_ed25519(key, &cosignature_message(time, note.text()), signature)?;
    }
    Ok(time)
}
