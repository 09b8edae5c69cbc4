//! Receipts: found by a keyed hash of their id, sealed whole.
//!
//! Sealed, because the VRF proof and the nonce let anyone test guesses of the label and the record.
//! Sealed text: 32 bytes id | u64 accepted | u64 deadline | 32 bytes each of nonce, leaf label, commitment |
//! bytes16 VRF proof | note. Row key: the row's hash.

use diesel::prelude::*;
use keyglass_protocol::codec::{Reader, put_bytes16};
use keyglass_protocol::error::FormatError;
use keyglass_protocol::quantity::{Commitment, Epoch, KeyVersion, LeafLabel, Millis, Nonce};

use crate::connection::{Tx, first, on_both};
use crate::error::StoreError;
use crate::keys::{KeyedHash, Sealed, StoreKeys};
use crate::number::{loaded_epoch, stored};
use crate::store::Store;
use crate::tables::receipts;

const TABLE: &str = "receipts";
/// Longest VRF proof in bytes (80 today).
const MAX_VRF_PROOF_BYTES: usize = 1_024;

/// A receipt and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptRow {
    /// SHA-256 of the receipt's text.
    pub id: [u8; 32],
    /// The signed note.
    pub note: Vec<u8>,
    /// Proof that the leaf label belongs to the label, 80 bytes.
    pub vrf_proof: Vec<u8>,
    /// Opens the commitment, together with the record.
    pub nonce: Nonce,
    /// The leaf's label in the tree.
    pub leaf_label: LeafLabel,
    /// The commitment that the leaf will carry.
    pub commitment: Commitment,
    /// When the update was accepted.
    pub accepted: Millis,
    /// When it must be in a signed epoch.
    pub deadline: Millis,
}

/// A receipt and whether it is fulfilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptStatus {
    /// The receipt.
    pub row: ReceiptRow,
    /// The epoch that contains the update; `None` while it is pending.
    pub epoch: Option<Epoch>,
}

impl ReceiptRow {
    /// The receipt's bytes as they are sealed; [`Self::from_bytes`] reads them.
    ///
    /// # Errors
    /// [`StoreError::OutOfRange`] for a VRF proof that is too long.
    pub fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let mut text = Vec::with_capacity(256 + self.note.len());
        text.extend_from_slice(&self.id);
        text.extend_from_slice(&self.accepted.get().to_be_bytes());
        text.extend_from_slice(&self.deadline.get().to_be_bytes());
        text.extend_from_slice(self.nonce.as_bytes());
        text.extend_from_slice(self.leaf_label.as_bytes());
        text.extend_from_slice(self.commitment.as_bytes());
        put_bytes16(&mut text, &self.vrf_proof, MAX_VRF_PROOF_BYTES)
            .map_err(|_| StoreError::OutOfRange("VRF proof"))?;
        text.extend_from_slice(&self.note);
        Ok(text)
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`FormatError`] for anything else.
    pub fn from_bytes(text: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(text);
        Ok(Self {
            id: reader.array()?,
            accepted: Millis::new(reader.u64()?),
            deadline: Millis::new(reader.u64()?),
            nonce: Nonce::new(reader.array()?),
            leaf_label: LeafLabel::new(reader.array()?),
            commitment: Commitment::new(reader.array()?),
            vrf_proof: reader.bytes16(MAX_VRF_PROOF_BYTES)?.to_vec(),
            note: reader.take(reader.remaining())?.to_vec(),
        })
    }

    /// Under what the receipt is found.
    pub(super) fn hash(&self, keys: &StoreKeys) -> KeyedHash {
        keys.label_hash(&self.id)
    }

    pub(super) fn insert(
        &self,
        tx: &mut Tx<'_>,
        keys: &StoreKeys,
        label_hash: &KeyedHash,
        version: KeyVersion,
    ) -> Result<(), StoreError> {
        let hash = self.hash(keys);
        let sealed = keys.seal(Sealed::Receipts, &hash, &self.to_bytes()?)?;
        let version = stored(version.get(), "version")?;
        on_both!(tx, conn => diesel::insert_into(receipts::table)
            .values((
                receipts::receipt_hash.eq(hash.as_slice()),
                receipts::label_hash.eq(label_hash.as_slice()),
                receipts::version.eq(version),
                receipts::sealed.eq(&sealed),
            ))
            .execute(conn)?);
        Ok(())
    }
}

pub(super) type Columns = (Vec<u8>, Option<i64>, Vec<u8>);

pub(super) fn open(keys: &StoreKeys, (hash, epoch, sealed): Columns) -> Result<ReceiptStatus, StoreError> {
    let text = keys.open(Sealed::Receipts, &hash, &sealed)?;
    let row = ReceiptRow::from_bytes(&text).map_err(|_| StoreError::Corrupt {
        table: TABLE,
        why: "sealed text",
    })?;
    let epoch = epoch.map(|epoch| loaded_epoch(epoch, TABLE)).transpose()?;
    Ok(ReceiptStatus { row, epoch })
}

/// The receipt with this hash.
pub(super) fn by_hash(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    hash: &[u8],
) -> Result<Option<ReceiptStatus>, StoreError> {
    let query = || {
        receipts::table.filter(receipts::receipt_hash.eq(hash)).select((
            receipts::receipt_hash,
            receipts::epoch,
            receipts::sealed,
        ))
    };
    let row: Option<Columns> = first!(tx, query()).optional()?;
    row.map(|row| open(keys, row)).transpose()
}

/// The receipt that was given for one version of a label.
pub(super) fn by_version(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label_hash: &KeyedHash,
    version: KeyVersion,
) -> Result<Option<ReceiptStatus>, StoreError> {
    let version = stored(version.get(), "version")?;
    let query = || {
        receipts::table
            .filter(receipts::label_hash.eq(label_hash.as_slice()))
            .filter(receipts::version.eq(version))
            .select((receipts::receipt_hash, receipts::epoch, receipts::sealed))
    };
    let row: Option<Columns> = first!(tx, query()).optional()?;
    row.map(|row| open(keys, row)).transpose()
}

/// Takes from the receipts of all versions below `closed` what opens their commitments: proof, nonce and note. That
/// they were given, and fulfilled, stays.
pub(super) fn erase_openings(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label_hash: &KeyedHash,
    closed: KeyVersion,
) -> Result<(), StoreError> {
    let closed = stored(closed.get(), "version")?;
    let query = || {
        receipts::table
            .filter(receipts::label_hash.eq(label_hash.as_slice()))
            .filter(receipts::version.lt(closed))
            .select((receipts::receipt_hash, receipts::epoch, receipts::sealed))
    };
    let rows: Vec<Columns> = on_both!(tx, conn => query().load(conn)?);
    for row in rows {
        let hash = row.0.clone();
        let bare = ReceiptRow {
            note: Vec::new(),
            vrf_proof: Vec::new(),
            nonce: Nonce::new([0; 32]),
            ..open(keys, row)?.row
        };
        let sealed = keys.seal(Sealed::Receipts, &hash, &bare.to_bytes()?)?;
        let row = || receipts::table.find(hash.as_slice());
        on_both!(tx, conn => diesel::update(row()).set(receipts::sealed.eq(&sealed)).execute(conn)?);
    }
    Ok(())
}

impl Store {
    /// The receipt in one row.
    pub(crate) fn receipt_at(&self, hash: &[u8]) -> Result<ReceiptStatus, StoreError> {
        let found = self
            .database
            .read_one("receipt_row", |tx| by_hash(tx, &self.keys, hash))?;
        found.ok_or(StoreError::Corrupt {
            table: TABLE,
            why: "the row went away",
        })
    }

    /// A receipt by its id.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or the row is damaged.
    pub fn receipt(&self, id: &[u8; 32]) -> Result<Option<ReceiptStatus>, StoreError> {
        let hash = self.keys.label_hash(id);
        self.database
            .read_one("receipt", |tx| by_hash(tx, &self.keys, &hash))
    }
}
