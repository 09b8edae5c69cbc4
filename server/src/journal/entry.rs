//! One entry: u8 kind | u64 epoch | its own fields.

use keyglass_protocol::codec::{Reader, put_bytes16};
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::error::FormatError;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::{Epoch, KeyVersion, LogSize};
use keyglass_schema::{GivenReceipt, ReceiptRow};

const BATCH: u8 = 1;
const LEAF: u8 = 2;
const CONFIG: u8 = 3;
const CHECKPOINT: u8 = 4;

/// What goes into the tree as one epoch, with the receipts that promised it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Labels with their values, as akd gets them.
    pub values: Vec<(Vec<u8>, Vec<u8>)>,
    /// Receipts; none for records that were imported.
    pub receipts: Vec<GivenReceipt>,
}

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The batch of an epoch, about to be published.
    Batch(Epoch, Batch),
    /// The leaf of an epoch, about to be signed.
    Leaf(Leaf),
    /// A configuration document that leaves name from this epoch on.
    Config(Epoch, Vec<u8>),
    /// A checkpoint as the log key signed it.
    Checkpoint(LogSize, Vec<u8>),
}

impl Entry {
    /// The epoch that it is about; of a checkpoint, its last.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Batch(epoch, _) | Self::Config(epoch, _) => *epoch,
            Self::Leaf(leaf) => leaf.epoch,
            Self::Checkpoint(size, _) => size.last_epoch().unwrap_or_default(),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let (kind, body) = match self {
            Self::Batch(_, batch) => (BATCH, batch.encode()?),
            Self::Leaf(leaf) => (LEAF, leaf.encode()),
            Self::Config(_, document) => (CONFIG, document.clone()),
            Self::Checkpoint(_, note) => (CHECKPOINT, note.clone()),
        };
        let mut out = Vec::with_capacity(9 + body.len());
        out.push(kind);
        out.extend_from_slice(&self.epoch().get().to_be_bytes());
        out.extend_from_slice(&body);
        Ok(out)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes);
        let (kind, epoch) = (reader.u8()?, Epoch::new(reader.u64()?));
        if kind == BATCH {
            let batch = Batch::read(&mut reader)?;
            reader.finish()?;
            return Ok(Self::Batch(epoch, batch));
        }
        let body = reader.take(reader.remaining())?;
        Ok(match kind {
            LEAF => Self::Leaf(Leaf::decode(body).map_err(|_| FormatError::BadMagic)?),
            CONFIG => Self::Config(epoch, body.to_vec()),
            CHECKPOINT => {
                let size = epoch.log_size().ok_or(FormatError::TrailingBytes)?;
                Self::Checkpoint(size, body.to_vec())
            }
            other => return Err(FormatError::UnknownKind(other)),
        })
    }
}

impl Batch {
    /// u32 count, then bytes16 label and u32-counted value each; u32 count, then bytes16 label, u64 version and u32-counted
    /// receipt each.
    fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut out = Vec::new();
        put_count(&mut out, self.values.len())?;
        for (label, value) in &self.values {
            put_bytes16(&mut out, label, usize::from(u16::MAX))?;
            put_long(&mut out, value)?;
        }
        put_count(&mut out, self.receipts.len())?;
        for given in &self.receipts {
            put_bytes16(&mut out, given.label.as_bytes(), usize::from(u16::MAX))?;
            out.extend_from_slice(&given.version.get().to_be_bytes());
            let receipt = given.receipt.to_bytes().map_err(|_| FormatError::TrailingBytes)?;
            put_long(&mut out, &receipt)?;
        }
        Ok(out)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let mut batch = Self::default();
        for _ in 0..reader.u32()? {
            let label = reader.bytes16(usize::from(u16::MAX))?.to_vec();
            batch.values.push((label, long(reader)?.to_vec()));
        }
        for _ in 0..reader.u32()? {
            let label = core::str::from_utf8(reader.bytes16(usize::from(u16::MAX))?);
            let label = label.map_err(|_| FormatError::NotUtf8)?;
            batch.receipts.push(GivenReceipt {
                label: Label::parse(label).map_err(|_| FormatError::BadMagic)?,
                version: KeyVersion::new(reader.u64()?)?,
                receipt: ReceiptRow::from_bytes(long(reader)?)?,
            });
        }
        Ok(batch)
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) -> Result<(), FormatError> {
    let max = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
    let number = u32::try_from(count).map_err(|_| FormatError::TooLong { max, found: count })?;
    out.extend_from_slice(&number.to_be_bytes());
    Ok(())
}

fn put_long(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), FormatError> {
    put_count(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

fn long<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], FormatError> {
    let length = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    reader.take(length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use keyglass_protocol::quantity::{
        AuditHash, Commitment, ConfigHash, LeafLabel, Millis, Nonce, RootHash,
    };

    fn entries() -> Vec<Entry> {
        let receipt = ReceiptRow {
            id: [1; 32],
            note: b"a receipt\n".to_vec(),
            vrf_proof: vec![2; 80],
            nonce: Nonce::new([3; 32]),
            leaf_label: LeafLabel::new([4; 32]),
            commitment: Commitment::new([5; 32]),
            accepted: Millis::new(6),
            deadline: Millis::new(7),
        };
        let batch = Batch {
            values: vec![
                (b"account:a".to_vec(), vec![9; 70_000]),
                (b"padding:x".to_vec(), vec![1]),
            ],
            receipts: vec![GivenReceipt {
                label: Label::parse("account:a").unwrap(),
                version: KeyVersion::FIRST,
                receipt,
            }],
        };
        vec![
            Entry::Batch(Epoch::new(3), batch),
            Entry::Batch(Epoch::new(3), Batch::default()),
            Entry::Leaf(Leaf {
                epoch: Epoch::new(3),
                time: Millis::new(1),
                previous_root: RootHash::new([1; 32]),
                root: RootHash::new([2; 32]),
                config: ConfigHash::new([3; 32]),
                inserted: 1,
                audit_hash: AuditHash::new([4; 32]),
                audit_length: 1,
            }),
            Entry::Config(Epoch::new(3), b"{}".to_vec()),
            Entry::Checkpoint(LogSize::new(4), b"note".to_vec()),
        ]
    }

    #[test]
    fn entries_read_back() {
        for entry in entries() {
            assert_eq!(entry.epoch(), Epoch::new(3));
            assert_eq!(Entry::decode(&entry.encode().unwrap()).unwrap(), entry);
        }
    }

    #[test]
    fn no_half_entry_is_read_as_a_whole_one() {
        for entry in &entries()[..3] {
            let bytes = entry.encode().unwrap();
            for length in (0..bytes.len()).step_by(7) {
                assert!(Entry::decode(&bytes[..length]).is_err(), "{length}");
            }
        }
        assert!(Entry::decode(&[9, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }
}
