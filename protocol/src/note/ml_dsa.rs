//! ML-DSA-44 cosignatures (FIPS 204; tlog-cosignature type 0x06).

use core::fmt;

use fips204::ml_dsa_44 as fips;
use fips204::traits::{KeyGen as _, SerDes as _, Signer as _, Verifier as _};

use super::checkpoint::Checkpoint;
use super::cosignature::timestamped;
use super::error::NoteError;
use super::key::{KeyKind, VerifierKey};
use super::line::SignatureLine;
use super::name::Origin;
use crate::codec::put_str8;
use crate::quantity::Seconds;

/// Length of a public key in bytes.
pub const ML_DSA_44_PUBLIC_KEY_LEN: usize = fips::PK_LEN;
/// Length of a signature in bytes.
pub const ML_DSA_44_SIGNATURE_LEN: usize = fips::SIG_LEN;

const LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// The bytes that are signed: label, cosigner's name, time, origin, start (0), size, root.
///
/// # Errors
/// A broken rule of the cosigner's name.
pub fn ml_dsa_44_message(
    cosigner: &str,
    time: Seconds,
    checkpoint: &Checkpoint,
) -> Result<Vec<u8>, NoteError> {
    let cosigner = Origin::new(cosigner)?;
    let mut out = LABEL.to_vec();
    put_str8(&mut out, cosigner.as_str()).map_err(|_| NoteError::NameTooLong)?;
    out.extend_from_slice(&time.get().to_be_bytes());
    put_str8(&mut out, checkpoint.origin.as_str()).map_err(|_| NoteError::NameTooLong)?;
    out.extend_from_slice(&0_u64.to_be_bytes());
    out.extend_from_slice(&checkpoint.size.get().to_be_bytes());
    out.extend_from_slice(checkpoint.root.as_bytes());
    Ok(out)
}

/// A private ML-DSA-44 key, made from a 32-byte seed; erased when dropped.
pub struct MlDsa44Key {
    private: fips::PrivateKey,
    public: [u8; ML_DSA_44_PUBLIC_KEY_LEN],
}

impl MlDsa44Key {
    /// The key of a seed (FIPS 204, `ML-DSA.KeyGen_internal`).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let (public, private) = fips::KG::keygen_from_seed(seed);
        Self {
            private,
            public: public.into_bytes(),
        }
    }

    /// The public key.
    pub fn public_key(&self) -> &[u8; ML_DSA_44_PUBLIC_KEY_LEN] {
        &self.public
    }
}

impl fmt::Debug for MlDsa44Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MlDsa44Key(..)")
    }
}

/// Cosigns a checkpoint with ML-DSA-44 (type 0x06), hedged with 32 bytes of fresh randomness.
///
/// # Errors
/// A broken rule of the cosigner's name.
pub fn cosign_ml_dsa_44(
    name: &str,
    key: &MlDsa44Key,
    checkpoint: &Checkpoint,
    time: Seconds,
    randomness: &[u8; 32],
) -> Result<SignatureLine, NoteError> {
    let message = ml_dsa_44_message(name, time, checkpoint)?;
    let signature = key
        .private
        .try_sign_with_seed(randomness, &message, &[])
        .map_err(|_| NoteError::SignatureBad)?;
    Ok(timestamped(
        name,
        KeyKind::MlDsa44Cosignature,
        &key.public,
        time,
        &signature,
    ))
}

pub(super) fn verify(
    key: &VerifierKey,
    time: Seconds,
    checkpoint: &Checkpoint,
    signature: &[u8],
) -> Result<(), NoteError> {
    let signature =
        <&[u8; ML_DSA_44_SIGNATURE_LEN]>::try_from(signature).map_err(|_| NoteError::SignatureLength)?;
    let public =
        <[u8; ML_DSA_44_PUBLIC_KEY_LEN]>::try_from(key.public_key()).map_err(|_| NoteError::KeyKind)?;
    let public = fips::PublicKey::try_from_bytes(public).map_err(|_| NoteError::KeyKind)?;
    let message = ml_dsa_44_message(key.name(), time, checkpoint)?;
    if public.verify(&message, signature, &[]) {
        Ok(())
    } else {
        Err(NoteError::SignatureBad)
    }
}
