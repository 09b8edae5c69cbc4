//! Call bindings: a device vouches that a call's key is its own.
//!
//! `KGC1`: str8 origin | 16 call id | signer and peer, each (str8 label | u64 version | u32 device) | u8 kind |
//! bytes16 key | u8 direction | u64 not after ms | u64 epoch | 32 leaf hash | 64 Ed25519 signature by the
//! signer's device over `"keyglass/call-binding/v1\0"` and everything before the signature.

use ed25519_dalek::{Signer as _, SigningKey};
use thiserror::Error;

use crate::codec::{Reader, put_bytes16, put_str8};
use crate::ed25519::verify_strict;
use crate::error::FormatError;
use crate::label::{AccountId, Label, LabelError};
use crate::note::Origin;
use crate::quantity::{Epoch, KeyVersion, LogHash, Millis};
use crate::record::{AccountChain, AccountRecord, Device, KeyError, check_ed25519, check_x25519};

const MAGIC: &[u8; 4] = b"KGC1";
const CONTEXT: &[u8] = b"keyglass/call-binding/v1\0";
/// Most bytes of an MLS authenticator: the longest hash of any cipher suite.
const MAX_AUTHENTICATOR: usize = 64;

/// Why a call binding is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The bytes are no canonical encoding.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A label is not in canonical form.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The origin is not a valid key name.
    #[error("the origin is not a valid name of a log")]
    Origin,
    /// A party is no account.
    #[error("a party of a call is an account")]
    NotAnAccount,
    /// The call's key does not have the length of its kind.
    #[error("the call's key has a wrong length: {0}")]
    KeyLength(usize),
    /// Made for another directory.
    #[error("the binding was made for another origin")]
    OtherOrigin,
    /// Made for another call.
    #[error("the binding was made for another call")]
    OtherCall,
    /// An offer where an answer must come, or the reverse: a reflected binding.
    #[error("the binding was made for the other direction")]
    OtherDirection,
    /// The time to use it has passed.
    #[error("the binding has expired")]
    Expired,
    /// The named account is not the one whose record was handed in.
    #[error("the binding names another {0}")]
    OtherAccount(Party),
    /// The account has no key to trust: closed or erased.
    #[error("the {0} has no key to trust")]
    NoKey(Party),
    /// The binding names a version that the record handed in does not reach.
    #[error("the binding names a newer version of the {0}")]
    NewerVersion(Party),
    /// The account has no such device now.
    #[error("the {0} has no such device")]
    NoDevice(Party),
    /// The binding is for another device of one's own account.
    #[error("the binding is for another device of the peer")]
    OtherDevice,
    /// The device may not be used for calls.
    #[error("the device of the {0} is not for calls")]
    NotForCalls(Party),
    /// The device did not sign this.
    #[error("the signature of the call binding does not verify")]
    BadSignature,
}

/// A party of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// Who signed the binding.
    Signer,
    /// Who receives it.
    Peer,
}

impl core::fmt::Display for Party {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Signer => "signer",
            Self::Peer => "peer",
        })
    }
}

impl CallError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Format(e) => e.reason(),
            Self::Label(e) => e.reason(),
            Self::Key(e) => e.reason(),
            Self::Origin => "call-origin-invalid",
            Self::NotAnAccount => "call-not-an-account",
            Self::KeyLength(_) => "call-key-length",
            Self::OtherOrigin => "call-other-origin",
            Self::OtherCall => "call-other-call",
            Self::OtherDirection => "call-other-direction",
            Self::Expired => "call-expired",
            Self::OtherAccount(_) => "call-other-account",
            Self::NoKey(_) => "call-no-key",
            Self::NewerVersion(_) => "call-newer-version",
            Self::NoDevice(_) => "call-no-device",
            Self::OtherDevice => "call-other-device",
            Self::NotForCalls(_) => "call-not-for-calls",
            Self::BadSignature => "call-bad-signature",
        }
    }
}

/// The key of a call, as the media layer knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallKey {
    /// 1: SHA-256 fingerprint of a DTLS certificate, 32 bytes.
    DtlsSha256([u8; 32]),
    /// 2: an X25519 public key, 32 bytes.
    X25519([u8; 32]),
    /// 3: an MLS epoch authenticator, 1 to 64 bytes.
    MlsAuthenticator(Vec<u8>),
}

impl CallKey {
    fn number(&self) -> u8 {
        match self {
            Self::DtlsSha256(_) => 1,
            Self::X25519(_) => 2,
            Self::MlsAuthenticator(_) => 3,
        }
    }

    /// The bytes without their kind.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::DtlsSha256(bytes) | Self::X25519(bytes) => bytes,
            Self::MlsAuthenticator(bytes) => bytes,
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, CallError> {
        let kind = r.u8()?;
        let bytes = r.bytes16(MAX_AUTHENTICATOR)?;
        let fixed = || <[u8; 32]>::try_from(bytes).map_err(|_| CallError::KeyLength(bytes.len()));
        match kind {
            1 => fixed().map(Self::DtlsSha256),
            2 => {
                let key = fixed()?;
                check_x25519(&key)?;
                Ok(Self::X25519(key))
            }
            3 if bytes.is_empty() => Err(CallError::KeyLength(0)),
            3 => Ok(Self::MlsAuthenticator(bytes.to_vec())),
            other => Err(FormatError::UnknownKind(other).into()),
        }
    }
}

/// Which way a binding travels, so that it cannot be reflected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// 1: from the caller.
    Offer,
    /// 2: from the callee.
    Answer,
}

impl Direction {
    fn number(self) -> u8 {
        match self {
            Self::Offer => 1,
            Self::Answer => 2,
        }
    }

    fn from_number(number: u8) -> Result<Self, FormatError> {
        match number {
            1 => Ok(Self::Offer),
            2 => Ok(Self::Answer),
            other => Err(FormatError::UnknownKind(other)),
        }
    }
}

/// One device of one account in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallParty {
    /// The account.
    pub account: AccountId,
    /// Version of the account that the signer knew.
    pub version: KeyVersion,
    /// The device's id.
    pub device: u32,
}

impl CallParty {
    fn read(r: &mut Reader<'_>) -> Result<Self, CallError> {
        let Label::Account(account) = Label::parse(r.str8()?)? else {
            return Err(CallError::NotAnAccount);
        };
        Ok(Self {
            account,
            version: KeyVersion::new(r.u64()?)?,
            device: r.u32()?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        put_str8(out, self.account.label())?;
        out.extend_from_slice(&self.version.get().to_be_bytes());
        out.extend_from_slice(&self.device.to_be_bytes());
        Ok(())
    }

    /// The device, if the account has it now and uses it for calls.
    fn find<'a>(&self, party: Party, chain: &'a AccountChain) -> Result<&'a Device, CallError> {
        let record: &AccountRecord = chain.live().ok_or(CallError::NoKey(party))?;
        if record.account != self.account {
            return Err(CallError::OtherAccount(party));
        }
        if self.version > record.version {
            return Err(CallError::NewerVersion(party));
        }
        let device = record.device(self.device).ok_or(CallError::NoDevice(party))?;
        if device.uses.call() {
            Ok(device)
        } else {
            Err(CallError::NotForCalls(party))
        }
    }
}

/// What a device signs about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTerms {
    /// The directory.
    pub origin: Origin,
    /// The call, 16 random bytes of the caller.
    pub call_id: [u8; 16],
    /// Who signs.
    pub signer: CallParty,
    /// Whom the signer believes to talk to.
    pub peer: CallParty,
    /// The signer's key in this call.
    pub key: CallKey,
    /// Which way it travels.
    pub direction: Direction,
    /// Not to be accepted later than this.
    pub not_after: Millis,
    /// Newest epoch that the signer had verified.
    pub epoch: Epoch,
    /// Hash of that epoch's leaf.
    pub leaf_hash: LogHash,
}

impl CallTerms {
    /// What is signed: `"keyglass/call-binding/v1\0"` and the binding up to its signature.
    ///
    /// # Errors
    /// [`CallError`] for terms that no binding can have.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, CallError> {
        Ok([CONTEXT, &self.unsigned_bytes()?].concat())
    }

    /// Signs with the device's signing key.
    ///
    /// # Errors
    /// [`CallError`] for terms that no binding can have.
    pub fn sign(&self, key: &SigningKey) -> Result<CallBinding, CallError> {
        let signature = key.sign(&self.signed_bytes()?).to_bytes();
        CallBinding::decode(&[self.unsigned_bytes()?.as_slice(), &signature].concat())
    }

    fn unsigned_bytes(&self) -> Result<Vec<u8>, CallError> {
        let mut out = MAGIC.to_vec();
        put_str8(&mut out, self.origin.as_str())?;
        out.extend_from_slice(&self.call_id);
        self.signer.write(&mut out)?;
        self.peer.write(&mut out)?;
        out.push(self.key.number());
        put_bytes16(&mut out, self.key.as_bytes(), MAX_AUTHENTICATOR)?;
        out.push(self.direction.number());
        out.extend_from_slice(&self.not_after.get().to_be_bytes());
        out.extend_from_slice(&self.epoch.get().to_be_bytes());
        out.extend_from_slice(self.leaf_hash.as_bytes());
        Ok(out)
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, CallError> {
        r.magic(MAGIC)?;
        Ok(Self {
            origin: r.str8()?.parse().map_err(|_| CallError::Origin)?,
            call_id: r.array()?,
            signer: CallParty::read(r)?,
            peer: CallParty::read(r)?,
            key: CallKey::read(r)?,
            direction: Direction::from_number(r.u8()?)?,
            not_after: Millis::new(r.u64()?),
            epoch: Epoch::new(r.u64()?),
            leaf_hash: LogHash::new(r.array()?),
        })
    }
}

/// A call binding: well formed, its signature not verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallBinding {
    terms: CallTerms,
    signature: [u8; 64],
}

/// What the verifying side knows about the call.
#[derive(Debug, Clone, Copy)]
pub struct CallExpectation<'a> {
    /// The directory.
    pub origin: &'a Origin,
    /// The call.
    pub call_id: &'a [u8; 16],
    /// Direction that the binding must have.
    pub direction: Direction,
    /// Fresh authorised history of the account that the binding must come from.
    pub signer: &'a AccountChain,
    /// Fresh authorised history of one's own account.
    pub peer: &'a AccountChain,
    /// One's own device.
    pub peer_device: u32,
    /// The time now.
    pub now: Millis,
}

impl CallBinding {
    /// Reads a binding.
    ///
    /// # Errors
    /// [`CallError`] if the bytes are no canonical encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, CallError> {
        let mut r = Reader::new(bytes);
        let terms = CallTerms::read(&mut r)?;
        let signature = r.array()?;
        r.finish()?;
        Ok(Self { terms, signature })
    }

    /// The bytes.
    ///
    /// # Errors
    /// [`CallError`]; cannot happen for a binding that was decoded.
    pub fn encode(&self) -> Result<Vec<u8>, CallError> {
        Ok([self.terms.unsigned_bytes()?.as_slice(), &self.signature].concat())
    }

    /// What it says, unverified.
    pub fn terms(&self) -> &CallTerms {
        &self.terms
    }

    /// Verifies the binding against fresh authorised records of both sides.
    ///
    /// # Errors
    /// [`CallError`] naming what does not match.
    pub fn verify(&self, expected: &CallExpectation<'_>) -> Result<VerifiedCall, CallError> {
        let terms = &self.terms;
        if terms.origin != *expected.origin {
            return Err(CallError::OtherOrigin);
        }
        if terms.call_id != *expected.call_id {
            return Err(CallError::OtherCall);
        }
        if terms.direction != expected.direction {
            return Err(CallError::OtherDirection);
        }
        if terms.not_after < expected.now {
            return Err(CallError::Expired);
        }
        let signer = terms.signer.find(Party::Signer, expected.signer)?;
        let own = terms.peer.find(Party::Peer, expected.peer)?;
        if own.id != expected.peer_device {
            return Err(CallError::OtherDevice);
        }
        let key = check_ed25519(signer.signing_key.as_bytes())?;
        if !verify_strict(&key, &terms.signed_bytes()?, &self.signature) {
            return Err(CallError::BadSignature);
        }
        Ok(VerifiedCall { terms: terms.clone() })
    }
}

/// A call's key that a device of an authorised account vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCall {
    terms: CallTerms,
}

impl VerifiedCall {
    /// The signer's key in this call.
    pub fn key(&self) -> &CallKey {
        &self.terms.key
    }

    /// Everything the device signed.
    pub fn terms(&self) -> &CallTerms {
        &self.terms
    }
}
