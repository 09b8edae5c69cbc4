//! Signatures of records: who signed, in ascending order of role.

use ed25519_dalek::{Signer as _, SigningKey};

use super::RecordError;
use super::keys::check_ed25519;
use crate::codec::Reader;
use crate::ed25519::{PreparedKey, verify_strict};
use crate::error::FormatError;

/// In which role a key signs a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// 1: the identity key in the record; of an alias, the new holder's.
    Identity,
    /// 2: the identity key of the version before; of an alias, the previous holder's.
    PreviousIdentity,
    /// 3: the directory's import key.
    Import,
    /// 4: the directory's recovery key.
    Recovery,
}

impl Role {
    /// The byte that stands for the role.
    pub const fn number(self) -> u8 {
        match self {
            Self::Identity => 1,
            Self::PreviousIdentity => 2,
            Self::Import => 3,
            Self::Recovery => 4,
        }
    }

    fn from_number(number: u8) -> Result<Self, FormatError> {
        Ok(match number {
            1 => Self::Identity,
            2 => Self::PreviousIdentity,
            3 => Self::Import,
            4 => Self::Recovery,
            other => return Err(FormatError::UnknownKind(other)),
        })
    }
}

/// One signature with its role: 65 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleSignature {
    /// In which role it was made.
    pub role: Role,
    /// Ed25519, 64 bytes.
    pub signature: [u8; 64],
}

impl RoleSignature {
    /// Signs a record's [signed bytes](super::AccountBody::signed_bytes) in a role.
    pub fn make(role: Role, key: &SigningKey, signed_bytes: &[u8]) -> Self {
        let signature = key.sign(signed_bytes).to_bytes();
        Self { role, signature }
    }

    fn verify(&self, signer: Signer<'_>, signed_bytes: &[u8]) -> Result<(), RecordError> {
        let verified = match signer {
            Signer::Key(key) => verify_strict(&check_ed25519(key)?, signed_bytes, &self.signature),
            Signer::Prepared(key) => key.verify_strict(signed_bytes, &self.signature),
        };
        if verified {
            Ok(())
        } else {
            let role = self.role.number();
            Err(RecordError::BadSignature { role })
        }
    }
}

/// Whose signature is demanded.
#[derive(Clone, Copy)]
pub(super) enum Signer<'a> {
    /// That of these 32 bytes.
    Key(&'a [u8; 32]),
    /// That of a key that was checked before.
    Prepared(&'a PreparedKey),
}

impl<'a> From<&'a [u8; 32]> for Signer<'a> {
    fn from(key: &'a [u8; 32]) -> Self {
        Self::Key(key)
    }
}

/// u8 count, then role and signature each, strictly ascending by role.
pub(super) fn read(r: &mut Reader<'_>) -> Result<Vec<RoleSignature>, RecordError> {
    let count = r.u8()?;
    let mut signatures: Vec<RoleSignature> = Vec::new();
    for _ in 0..count {
        let role = Role::from_number(r.u8()?)?;
        if signatures.last().is_some_and(|last| last.role >= role) {
            return Err(RecordError::SignatureOrder);
        }
        let signature = r.array()?;
        signatures.push(RoleSignature { role, signature });
    }
    Ok(signatures)
}

/// The reverse of [`read`]; the caller decodes again, so that a wrong order or count is refused.
pub(super) fn write(out: &mut Vec<u8>, signatures: &[RoleSignature]) -> Result<(), RecordError> {
    let found = signatures.len();
    out.push(u8::try_from(found).map_err(|_| FormatError::TooLong { max: 255, found })?);
    for s in signatures {
        out.push(s.role.number());
        out.extend_from_slice(&s.signature);
    }
    Ok(())
}

/// Signs in each role, ascending.
pub(super) fn sign_all(keys: &[(Role, &SigningKey)], signed_bytes: &[u8]) -> Vec<RoleSignature> {
    let mut signatures: Vec<_> = keys
        .iter()
        .map(|(role, key)| RoleSignature::make(*role, key, signed_bytes))
        .collect();
    signatures.sort_by_key(|s| s.role);
    signatures
}

/// Demands exactly the roles in `needed` (ascending), each verified with its key.
pub(super) fn verify_exactly<'a>(
    signatures: &[RoleSignature],
    needed: &[(Role, impl Into<Signer<'a>> + Copy)],
    signed_bytes: &[u8],
) -> Result<(), RecordError> {
    if !signatures
        .iter()
        .map(|s| s.role)
        .eq(needed.iter().map(|(role, _)| *role))
    {
        return Err(RecordError::WrongRoles);
    }
    for (signature, (_, key)) in signatures.iter().zip(needed) {
        signature.verify((*key).into(), signed_bytes)?;
    }
    Ok(())
}
