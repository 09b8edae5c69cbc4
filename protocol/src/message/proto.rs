//! The same messages in protobuf: `proto/keyglass.proto`, read strictly.
//!
//! akd's proofs travel in their compact form ([`crate::tree::compact`]) where they have one; reading restores akd's exact
//! bytes. Fields that the schema does not know, fields that occur twice and values of another type are refused.

use super::answer::{
    AbsenceProof, Answer, BatchRequest, ConsistencyProof, EpochProof, HistoryProof, LookupProof, MarkerProof,
};
use super::bytes::B64;
use super::submission::{PutAnswer, PutRequest, ReceiptAnswer, ReceiptState};
use super::{MAX_ANSWER_BYTES, MAX_BATCH};
use crate::error::FormatError;
use crate::tree::compact;
use crate::tree::wire::{Field, Fields, Once, WireError, push_capped, put_bytes, put_varint};

/// Media type of the protobuf bodies.
pub const PROTOBUF_MEDIA_TYPE: &str = "application/x-protobuf";

/// Most hashes in one proof of the epoch log.
const MAX_HASHES: usize = 64;
/// Most items of any other list: more than the longest history has.
const MAX_ITEMS: usize = 2_048;

/// A body that has a protobuf form.
pub trait ProtoMessage: Sized {
    /// Appends the fields.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the fields of one message.
    ///
    /// # Errors
    /// [`WireError`] for anything that is not exactly this message.
    fn read(bytes: &[u8]) -> Result<Self, WireError>;

    /// The whole body.
    fn to_protobuf(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Reads a whole body.
    ///
    /// # Errors
    /// [`FormatError::TooLong`] above [`MAX_ANSWER_BYTES`], [`FormatError::BadProtobuf`] otherwise.
    fn from_protobuf(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(FormatError::TooLong {
                max: MAX_ANSWER_BYTES,
                found: bytes.len(),
            });
        }
        Self::read(bytes).map_err(FormatError::BadProtobuf)
    }
}

fn text(field: &Field<'_>) -> Result<String, WireError> {
    core::str::from_utf8(field.bytes()?)
        .map(str::to_owned)
        .map_err(|_| WireError::WrongType(field.number))
}

fn blob(field: &Field<'_>) -> Result<B64, WireError> {
    Ok(B64(field.bytes()?.to_vec()))
}

fn nested<T: ProtoMessage>(field: &Field<'_>) -> Result<T, WireError> {
    T::read(field.bytes()?)
}

/// proto3 leaves out what is empty or zero.
fn put(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_bytes(out, field, bytes);
    }
}

fn put_number(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_varint(out, field, number);
    }
}

fn put_nested<T: ProtoMessage>(out: &mut Vec<u8>, field: u32, message: &T) {
    put_bytes(out, field, &message.to_protobuf());
}

macro_rules! once {
    ($($name:ident = $number:literal),*) => { $(let mut $name = Once::new($number);)* };
}

impl ProtoMessage for Answer {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, 1, self.checkpoint.as_bytes());
        put_nested(out, 2, &self.epoch);
        self.consistency_proof.iter().for_each(|p| put_nested(out, 3, p));
        self.lookups.iter().for_each(|l| put_nested(out, 4, l));
        self.history.iter().for_each(|h| put_nested(out, 5, h));
        self.absences.iter().for_each(|a| put_nested(out, 6, a));
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(checkpoint = 1, epoch = 2, consistency = 3, history = 5);
        let (mut lookups, mut absences) = (Vec::new(), Vec::new());
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => checkpoint.set(text(&field)?)?,
                2 => epoch.set(nested(&field)?)?,
                3 => consistency.set(nested(&field)?)?,
                4 => push_capped(&mut lookups, nested(&field)?, 4, 2 * MAX_BATCH)?,
                5 => history.set(nested(&field)?)?,
                6 => push_capped(&mut absences, nested(&field)?, 6, MAX_BATCH)?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            checkpoint: checkpoint.required()?,
            epoch: epoch.required()?,
            consistency_proof: consistency.optional(),
            lookups,
            history: history.optional(),
            absences,
        })
    }
}

impl ProtoMessage for EpochProof {
    fn write(&self, out: &mut Vec<u8>) {
        put_number(out, 1, self.index);
        put(out, 2, &self.leaf.0);
        self.inclusion_proof.iter().for_each(|h| put_bytes(out, 3, &h.0));
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(index = 1, leaf = 2);
        let mut inclusion_proof = Vec::new();
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => index.set(field.u64()?)?,
                2 => leaf.set(blob(&field)?)?,
                3 => push_capped(&mut inclusion_proof, blob(&field)?, 3, MAX_HASHES)?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            index: index.optional().unwrap_or_default(),
            leaf: leaf.required()?,
            inclusion_proof,
        })
    }
}

impl ProtoMessage for ConsistencyProof {
    fn write(&self, out: &mut Vec<u8>) {
        put_number(out, 1, self.from);
        self.hashes.iter().for_each(|h| put_bytes(out, 2, &h.0));
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(from = 1);
        let mut hashes = Vec::new();
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => from.set(field.u64()?)?,
                2 => push_capped(&mut hashes, blob(&field)?, 2, MAX_HASHES)?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            from: from.optional().unwrap_or_default(),
            hashes,
        })
    }
}

/// Appends akd's proof: compact in field `compact` if it has that form, else as it is in field `whole`.
fn put_proof(out: &mut Vec<u8>, proof: &[u8], compact: (u32, Option<Vec<u8>>), whole: u32) {
    match compact {
        (field, Some(short)) => put_bytes(out, field, &short),
        (_, None) => put(out, whole, proof),
    }
}

/// akd's proof from the one of the two fields that is there; both would be two opinions.
fn proof(whole: Once<B64>, compact: Once<B64>, number: u32) -> Result<B64, WireError> {
    match (whole.optional(), compact.optional()) {
        (Some(proof), None) | (None, Some(proof)) => Ok(proof),
        (None, None) => Err(WireError::MissingField(number)),
        (Some(_), Some(_)) => Err(WireError::DuplicateField(number)),
    }
}

impl ProtoMessage for LookupProof {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, 1, self.label.as_bytes());
        let short = compact::compact_lookup(&self.proof.0);
        if short.is_none() {
            put(out, 2, &self.proof.0);
        }
        self.markers.iter().for_each(|m| put_nested(out, 3, m));
        short.iter().for_each(|short| put_bytes(out, 4, short));
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(label = 1, whole = 2, short = 4);
        let mut markers = Vec::new();
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => label.set(text(&field)?)?,
                2 => whole.set(blob(&field)?)?,
                3 => push_capped(&mut markers, nested(&field)?, 3, MAX_HASHES)?,
                4 => short.set(B64(compact::restore_lookup(field.bytes()?)?))?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            label: label.required()?,
            proof: proof(whole, short, 2)?,
            markers,
        })
    }
}

impl ProtoMessage for MarkerProof {
    fn write(&self, out: &mut Vec<u8>) {
        put_number(out, 1, self.version);
        put(out, 2, &self.vrf_proof.0);
        put_proof(
            out,
            &self.proof.0,
            (4, compact::compact_membership(&self.proof.0)),
            3,
        );
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(version = 1, vrf_proof = 2, whole = 3, short = 4);
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => version.set(field.u64()?)?,
                2 => vrf_proof.set(blob(&field)?)?,
                3 => whole.set(blob(&field)?)?,
                4 => short.set(B64(compact::restore_membership(field.bytes()?)?))?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            version: version.required()?,
            vrf_proof: vrf_proof.required()?,
            proof: proof(whole, short, 3)?,
        })
    }
}

impl ProtoMessage for HistoryProof {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, 1, self.label.as_bytes());
        let short = compact::compact_history(&self.proof.0);
        if short.is_none() {
            put(out, 2, &self.proof.0);
        }
        self.leaves.iter().for_each(|l| put_nested(out, 3, l));
        short.iter().for_each(|short| put_bytes(out, 4, short));
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(label = 1, whole = 2, short = 4);
        let mut leaves = Vec::new();
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => label.set(text(&field)?)?,
                2 => whole.set(blob(&field)?)?,
                3 => push_capped(&mut leaves, nested(&field)?, 3, MAX_ITEMS)?,
                4 => short.set(B64(compact::restore_history(field.bytes()?)?))?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            label: label.required()?,
            proof: proof(whole, short, 2)?,
            leaves,
        })
    }
}

impl ProtoMessage for AbsenceProof {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, 1, self.label.as_bytes());
        put(out, 2, &self.vrf_proof.0);
        put_proof(
            out,
            &self.proof.0,
            (4, compact::compact_absence(&self.proof.0)),
            3,
        );
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(label = 1, vrf_proof = 2, whole = 3, short = 4);
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => label.set(text(&field)?)?,
                2 => vrf_proof.set(blob(&field)?)?,
                3 => whole.set(blob(&field)?)?,
                4 => short.set(B64(compact::restore_absence(field.bytes()?)?))?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            label: label.required()?,
            vrf_proof: vrf_proof.required()?,
            proof: match proof(whole, short, 3) {
                // Epoch 0: the root itself is the proof.
                Err(WireError::MissingField(_)) => B64::default(),
                other => other?,
            },
        })
    }
}

impl ProtoMessage for BatchRequest {
    fn write(&self, out: &mut Vec<u8>) {
        self.labels.iter().for_each(|l| put_bytes(out, 1, l.as_bytes()));
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut labels = Vec::new();
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => push_capped(&mut labels, text(&field)?, 1, MAX_BATCH)?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self { labels })
    }
}

impl ProtoMessage for PutRequest {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, 1, &self.record.0);
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(record = 1);
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => record.set(blob(&field)?)?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            record: record.required()?,
        })
    }
}

impl ProtoMessage for PutAnswer {
    fn write(&self, out: &mut Vec<u8>) {
        put(out, 1, self.id.as_bytes());
        put(out, 2, self.receipt.as_bytes());
        put(out, 3, &self.vrf_proof.0);
        put(out, 4, &self.nonce.0);
        put(out, 5, self.label.as_bytes());
        put_number(out, 6, self.version);
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(
            id = 1,
            receipt = 2,
            vrf_proof = 3,
            nonce = 4,
            label = 5,
            version = 6
        );
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => id.set(text(&field)?)?,
                2 => receipt.set(text(&field)?)?,
                3 => vrf_proof.set(blob(&field)?)?,
                4 => nonce.set(blob(&field)?)?,
                5 => label.set(text(&field)?)?,
                6 => version.set(field.u64()?)?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            id: id.required()?,
            receipt: receipt.required()?,
            vrf_proof: vrf_proof.required()?,
            nonce: nonce.required()?,
            label: label.required()?,
            version: version.required()?,
        })
    }
}

impl ProtoMessage for ReceiptAnswer {
    fn write(&self, out: &mut Vec<u8>) {
        put_number(out, 1, u64::from(self.status == ReceiptState::Included));
        self.checkpoint.iter().for_each(|c| put(out, 2, c.as_bytes()));
        self.epoch.iter().for_each(|e| put_nested(out, 3, e));
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        once!(status = 1, checkpoint = 2, epoch = 3);
        for field in Fields::new(bytes) {
            let field = field?;
            match field.number {
                1 => status.set(match field.u64()? {
                    0 => ReceiptState::Pending,
                    1 => ReceiptState::Included,
                    _ => return Err(WireError::VarintTooLarge),
                })?,
                2 => checkpoint.set(text(&field)?)?,
                3 => epoch.set(nested(&field)?)?,
                _ => return Err(field.unknown()),
            }
        }
        Ok(Self {
            status: status.optional().unwrap_or(ReceiptState::Pending),
            checkpoint: checkpoint.optional(),
            epoch: epoch.optional(),
        })
    }
}
