//! The bytes of an alias's record: a handle or phone number that points to an account.

use core::ops::Deref;

use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};

use super::keys::IdentityKey;
use super::signature::{self, Role, RoleSignature, Signer};
use super::{MAX_RECORD_BYTES, RecordError};
use crate::codec::{Reader, put_str8};
use crate::error::FormatError;
use crate::label::{AccountId, Label};
use crate::note::Origin;
use crate::quantity::{KeyVersion, RecordHash};

const MAGIC: &[u8; 4] = b"KGH1";
const CONTEXT: &[u8] = b"keyglass/alias-record/v1\0";

/// Why a version of an alias exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AliasKind {
    /// 1: taken by a new holder while nobody held it.
    Claim,
    /// 2: given up by its holder.
    Release,
    /// 3: handed from its holder to a new one, signed by both.
    Transfer,
    /// 4: given to a new holder by the platform, signed by the recovery key and the new holder.
    Reassign,
    /// 5: known to the platform before, signed by the import key.
    Imported,
}

impl AliasKind {
    /// The byte in a record.
    pub const fn number(self) -> u8 {
        match self {
            Self::Claim => 1,
            Self::Release => 2,
            Self::Transfer => 3,
            Self::Reassign => 4,
            Self::Imported => 5,
        }
    }

    /// Its name in messages and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Release => "release",
            Self::Transfer => "transfer",
            Self::Reassign => "reassign",
            Self::Imported => "imported",
        }
    }

    fn from_number(number: u8) -> Result<Self, FormatError> {
        Ok(match number {
            1 => Self::Claim,
            2 => Self::Release,
            3 => Self::Transfer,
            4 => Self::Reassign,
            5 => Self::Imported,
            other => return Err(FormatError::UnknownKind(other)),
        })
    }
}

/// The account that holds an alias, with the key that signs for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub account: AccountId,
    /// Version of the account whose identity key is named; not newer than the account's newest.
    pub version: KeyVersion,
    /// The account's identity key.
    pub key: IdentityKey,
}

/// The previous holder's key; the account is the one that the version before names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousHolder {
    /// Version of the account whose identity key is named.
    pub version: KeyVersion,
    /// The account's identity key.
    pub key: IdentityKey,
}

/// Everything in an alias's record but the signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasBody {
    /// Why this version exists.
    pub kind: AliasKind,
    /// Origin of the directory it was made for.
    pub origin: Origin,
    /// The handle or phone number.
    pub alias: Label,
    /// 1, 2, 3, …
    pub version: KeyVersion,
    /// Hash of the version before, zeros for version 1.
    pub previous: RecordHash,
    /// Who holds the alias now; `None`: released.
    pub holder: Option<Holder>,
    /// Who held it before; only in a release and a transfer.
    pub previous_holder: Option<PreviousHolder>,
}

impl AliasBody {
    /// What is signed: `"keyglass/alias-record/v1\0"` and the record up to its signatures.
    ///
    /// # Errors
    /// [`RecordError`] for a body that no record can have.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, RecordError> {
        Ok([CONTEXT, &self.unsigned_bytes()?].concat())
    }

    /// The record with signatures by these keys, in any order.
    ///
    /// # Errors
    /// [`RecordError`] for a body that no record can have, or a role twice.
    pub fn sign(&self, keys: &[(Role, &SigningKey)]) -> Result<AliasRecord, RecordError> {
        self.with_signatures(&signature::sign_all(keys, &self.signed_bytes()?))
    }

    /// The record with signatures that were made elsewhere, strictly ascending by role.
    ///
    /// # Errors
    /// [`RecordError`] for a body that no record can have, or wrong order of roles.
    pub fn with_signatures(&self, signatures: &[RoleSignature]) -> Result<AliasRecord, RecordError> {
        let mut bytes = self.unsigned_bytes()?;
        signature::write(&mut bytes, signatures)?;
        AliasRecord::decode(&bytes)
    }

    fn unsigned_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let mut out = MAGIC.to_vec();
        out.push(self.kind.number());
        put_str8(&mut out, self.origin.as_str())?;
        put_str8(&mut out, self.alias.as_str())?;
        out.extend_from_slice(&self.version.get().to_be_bytes());
        out.extend_from_slice(self.previous.as_bytes());
        put_str8(&mut out, self.holder.as_ref().map_or("", |h| h.account.label()))?;
        put_version_and_key(&mut out, self.holder.as_ref().map(|h| (h.version, h.key)));
        put_version_and_key(&mut out, self.previous_holder.map(|h| (h.version, h.key)));
        Ok(out)
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, RecordError> {
        r.magic(MAGIC)?;
        Ok(Self {
            kind: AliasKind::from_number(r.u8()?)?,
            origin: r.str8()?.parse().map_err(|_| RecordError::Origin)?,
            alias: read_alias(r.str8()?)?,
            version: KeyVersion::new(r.u64()?)?,
            previous: RecordHash::new(r.array()?),
            holder: read_holder(r)?,
            previous_holder: read_previous_holder(r)?,
        })
    }
}

fn put_version_and_key(out: &mut Vec<u8>, holder: Option<(KeyVersion, IdentityKey)>) {
    let (version, key) = holder.map_or((0, [0; 32]), |(v, k)| (v.get(), *k.as_bytes()));
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&key);
}

fn read_alias(text: &str) -> Result<Label, RecordError> {
    match Label::parse(text)? {
        Label::Account(_) => Err(RecordError::LabelKind),
        alias => Ok(alias),
    }
}

fn read_holder(r: &mut Reader<'_>) -> Result<Option<Holder>, RecordError> {
    let text = r.str8()?;
    let (version, key) = (r.u64()?, r.array()?);
    if text.is_empty() {
        return match (version, key) {
            (0, ZERO_KEY) => Ok(None),
            _ => Err(RecordError::ReleasedHolder),
        };
    }
    let Label::Account(account) = Label::parse(text)? else {
        return Err(RecordError::LabelKind);
    };
    Ok(Some(Holder {
        account,
        version: KeyVersion::new(version)?,
        key: IdentityKey::new(&key)?,
    }))
}

const ZERO_KEY: [u8; 32] = [0; 32];

fn read_previous_holder(r: &mut Reader<'_>) -> Result<Option<PreviousHolder>, RecordError> {
    match (r.u64()?, r.array()?) {
        (0, ZERO_KEY) => Ok(None),
        (0, _) | (_, ZERO_KEY) => Err(RecordError::HalfPreviousHolder),
        (version, key) => Ok(Some(PreviousHolder {
            version: KeyVersion::new(version)?,
            key: IdentityKey::new(&key)?,
        })),
    }
}

/// An alias's record: well formed, canonical, signed by someone. Whether the rules allow it is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRecord {
    body: AliasBody,
    signatures: Vec<RoleSignature>,
    bytes: Vec<u8>,
}

impl AliasRecord {
    /// Reads a record (`KGH1`, at most [`MAX_RECORD_BYTES`]).
    ///
    /// # Errors
    /// [`RecordError`] of class malformed or limit. Signatures are not verified here.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        super::check_length(bytes, MAX_RECORD_BYTES)?;
        let mut r = Reader::new(bytes);
        let body = AliasBody::read(&mut r)?;
        let signatures = signature::read(&mut r)?;
        r.finish()?;
        Ok(Self {
            body,
            signatures,
            bytes: bytes.to_vec(),
        })
    }

    /// The record's exact bytes: the value in the tree.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of all bytes: what the next version names as its previous.
    pub fn hash(&self) -> RecordHash {
        RecordHash::new(Sha256::digest(&self.bytes).into())
    }

    /// Everything but the signatures.
    pub fn body(&self) -> &AliasBody {
        &self.body
    }

    /// The signatures, strictly ascending by role.
    pub fn signatures(&self) -> &[RoleSignature] {
        &self.signatures
    }

    /// The handle or phone number.
    pub fn label(&self) -> Label {
        self.body.alias.clone()
    }

    pub(super) fn verify_exactly<'a>(
        &self,
        needed: &[(Role, impl Into<Signer<'a>> + Copy)],
    ) -> Result<(), RecordError> {
        signature::verify_exactly(&self.signatures, needed, &self.body.signed_bytes()?)
    }
}

/// Read access to the fields.
impl Deref for AliasRecord {
    type Target = AliasBody;

    fn deref(&self) -> &AliasBody {
        &self.body
    }
}
