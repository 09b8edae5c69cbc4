//! The bytes of an account's record.

use core::ops::Deref;

use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};

use super::keys::{IdentityKey, KeyAnnouncement};
use super::signature::{self, Role, RoleSignature, Signer};
use super::{Device, MAX_DEVICES, MAX_RECORD_BYTES, RecordError};
use crate::codec::{Reader, put_bytes16, put_str8};
use crate::error::FormatError;
use crate::label::{AccountId, Label};
use crate::note::Origin;
use crate::quantity::{KeyVersion, RecordHash};

const MAGIC: &[u8; 4] = b"KGA1";
const CONTEXT: &[u8] = b"keyglass/account-record/v1\0";

/// Why a version of an account exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountKind {
    /// 1: the first version, signed by the identity key in it.
    Created,
    /// 2: the first version of an account that the platform knew before, signed by the import key.
    Imported,
    /// 3: the owner's change, signed by the identity key, and by the previous one when it changes.
    Owner,
    /// 4: announces a recovery or closing, signed by the recovery key.
    Notice,
    /// 5: a new identity key for an owner who lost everything, signed by it and by the recovery key.
    Recovery,
    /// 6: the account has ended, signed by its identity key or by the recovery key.
    Closed,
}

impl AccountKind {
    /// The byte in a record.
    pub const fn number(self) -> u8 {
        match self {
            Self::Created => 1,
            Self::Imported => 2,
            Self::Owner => 3,
            Self::Notice => 4,
            Self::Recovery => 5,
            Self::Closed => 6,
        }
    }

    /// The kind of a record that was decoded before, from its first five bytes; nothing else is looked at.
    ///
    /// # Errors
    /// [`RecordError`] if these are not the first bytes of an account's record.
    pub fn of_record(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut r = Reader::new(bytes);
        r.magic(MAGIC)?;
        Ok(Self::from_number(r.u8()?)?)
    }

    /// Its name in messages and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Imported => "imported",
            Self::Owner => "owner",
            Self::Notice => "notice",
            Self::Recovery => "recovery",
            Self::Closed => "closed",
        }
    }

    fn from_number(number: u8) -> Result<Self, FormatError> {
        Ok(match number {
            1 => Self::Created,
            2 => Self::Imported,
            3 => Self::Owner,
            4 => Self::Notice,
            5 => Self::Recovery,
            6 => Self::Closed,
            other => return Err(FormatError::UnknownKind(other)),
        })
    }
}

/// Everything in an account's record but the signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountBody {
    /// Why this version exists.
    pub kind: AccountKind,
    /// Origin of the directory it was made for.
    pub origin: Origin,
    /// The account.
    pub account: AccountId,
    /// 1, 2, 3, …
    pub version: KeyVersion,
    /// Hash of the version before, zeros for version 1.
    pub previous: RecordHash,
    /// The account's identity key.
    pub identity: IdentityKey,
    /// How long a notice must stand before a recovery, in seconds; 0: no notice is needed.
    pub recovery_delay: u32,
    /// Hash of the identity key that a notice announces.
    pub announced: KeyAnnouncement,
    /// The whole device set, strictly ascending by id.
    pub devices: Vec<Device>,
    /// Opaque bytes of the platform, at most [`AccountBody::MAX_EXTENSION_BYTES`].
    pub extension: Vec<u8>,
}

impl AccountBody {
    /// Most bytes of the platform's extension.
    pub const MAX_EXTENSION_BYTES: usize = 4096;

    /// What is signed: `"keyglass/account-record/v1\0"` and the record up to its signatures.
    ///
    /// # Errors
    /// [`RecordError`] for a body that no record can have.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, RecordError> {
        Ok([CONTEXT, &self.unsigned_bytes()?].concat())
    }

    /// The record with signatures by these keys, in any order.
    ///
    /// Says nothing about the rules: those are checked by [`check_first`](super::check_first) and
    /// [`check_successor`](super::check_successor).
    ///
    /// # Errors
    /// [`RecordError`] for a body that no record can have, or a role twice.
    pub fn sign(&self, keys: &[(Role, &SigningKey)]) -> Result<AccountRecord, RecordError> {
        self.with_signatures(&signature::sign_all(keys, &self.signed_bytes()?))
    }

    /// The record with signatures that were made elsewhere, strictly ascending by role.
    ///
    /// # Errors
    /// [`RecordError`] for a body that no record can have, or wrong order of roles.
    pub fn with_signatures(&self, signatures: &[RoleSignature]) -> Result<AccountRecord, RecordError> {
        let mut bytes = self.unsigned_bytes()?;
        signature::write(&mut bytes, signatures)?;
        AccountRecord::decode(&bytes)
    }

    /// The device with this id.
    pub fn device(&self, id: u32) -> Option<&Device> {
        self.devices.iter().find(|d| d.id == id)
    }

    /// The device set as it stands in the record: u8 count and the devices.
    ///
    /// # Errors
    /// [`RecordError`] for a set that no record can have.
    pub fn device_set_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let mut out = Vec::new();
        self.write_devices(&mut out)?;
        Ok(out)
    }

    fn write_devices(&self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        let (max, found) = (MAX_DEVICES, self.devices.len());
        out.push(u8::try_from(found).map_err(|_| RecordError::TooManyDevices { max, found })?);
        for device in &self.devices {
            device.write(out)?;
        }
        Ok(())
    }

    fn unsigned_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let mut out = MAGIC.to_vec();
        out.push(self.kind.number());
        put_str8(&mut out, self.origin.as_str())?;
        put_str8(&mut out, self.account.label())?;
        out.extend_from_slice(&self.version.get().to_be_bytes());
        out.extend_from_slice(self.previous.as_bytes());
        out.extend_from_slice(self.identity.as_bytes());
        out.extend_from_slice(&self.recovery_delay.to_be_bytes());
        out.extend_from_slice(self.announced.as_bytes());
        self.write_devices(&mut out)?;
        put_bytes16(&mut out, &self.extension, Self::MAX_EXTENSION_BYTES)?;
        Ok(out)
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, RecordError> {
        r.magic(MAGIC)?;
        Ok(Self {
            kind: AccountKind::from_number(r.u8()?)?,
            origin: r.str8()?.parse().map_err(|_| RecordError::Origin)?,
            account: read_account(r.str8()?)?,
            version: KeyVersion::new(r.u64()?)?,
            previous: RecordHash::new(r.array()?),
            identity: IdentityKey::new(&r.array()?)?,
            recovery_delay: r.u32()?,
            announced: KeyAnnouncement::new(r.array()?),
            devices: read_devices(r)?,
            extension: r.bytes16(Self::MAX_EXTENSION_BYTES)?.to_vec(),
        })
    }
}

fn read_account(text: &str) -> Result<AccountId, RecordError> {
    match Label::parse(text)? {
        Label::Account(id) => Ok(id),
        Label::Handle(_) | Label::Phone(_) => Err(RecordError::LabelKind),
    }
}

fn read_devices(r: &mut Reader<'_>) -> Result<Vec<Device>, RecordError> {
    let found = usize::from(r.u8()?);
    if found > MAX_DEVICES {
        let max = MAX_DEVICES;
        return Err(RecordError::TooManyDevices { max, found });
    }
    let mut devices: Vec<Device> = Vec::new();
    for _ in 0..found {
        let device = Device::read(r)?;
        if devices.last().is_some_and(|last| last.id >= device.id) {
            return Err(RecordError::DeviceOrder);
        }
        devices.push(device);
    }
    Ok(devices)
}

/// An account's record: well formed, canonical, signed by someone. Whether the rules allow it is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    body: AccountBody,
    signatures: Vec<RoleSignature>,
    bytes: Vec<u8>,
}

impl AccountRecord {
    /// Reads a record (`KGA1`, at most [`MAX_RECORD_BYTES`]).
    ///
    /// # Errors
    /// [`RecordError`] of class malformed or limit. Signatures are not verified here.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        super::check_length(bytes, MAX_RECORD_BYTES)?;
        let mut r = Reader::new(bytes);
        let body = AccountBody::read(&mut r)?;
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
    pub fn body(&self) -> &AccountBody {
        &self.body
    }

    /// The signatures, strictly ascending by role.
    pub fn signatures(&self) -> &[RoleSignature] {
        &self.signatures
    }

    /// The account's label.
    pub fn label(&self) -> Label {
        Label::Account(self.body.account.clone())
    }

    /// Whether a signature in this role is there; it is not verified here.
    pub(super) fn has_role(&self, role: Role) -> bool {
        self.signatures.iter().any(|s| s.role == role)
    }

    pub(super) fn verify_exactly<'a>(
        &self,
        needed: &[(Role, impl Into<Signer<'a>> + Copy)],
    ) -> Result<(), RecordError> {
        signature::verify_exactly(&self.signatures, needed, &self.body.signed_bytes()?)
    }
}

/// Read access to the fields.
impl Deref for AccountRecord {
    type Target = AccountBody;

    fn deref(&self) -> &AccountBody {
        &self.body
    }
}
