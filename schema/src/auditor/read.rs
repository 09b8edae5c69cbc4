//! Reading what was verified and signed.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use keyglass_protocol::log::leaf_hash;
use keyglass_protocol::quantity::{ConfigHash, Epoch, LogHash, LogSize, Seconds};

use super::error::AuditorStoreError;
use super::tables::{checkpoints, configs, directories, leaves, nodes};
use super::{AuditorStore, DirectoryId, Signed, Verified};
use crate::error::StoreError;
use crate::number::{loaded, stored};

type SignedRow = (i64, Vec<u8>, Vec<u8>, Option<i64>);

impl AuditorStore {
    /// The followed logs by origin.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn directories(&self) -> Result<Vec<(String, DirectoryId)>, AuditorStoreError> {
        self.read("auditor_directories", |conn| {
            let rows: Vec<(String, i64)> = directories::table
                .order(directories::origin.asc())
                .select((directories::origin, directories::id))
                .load(conn)?;
            Ok(rows
                .into_iter()
                .map(|(origin, id)| (origin, DirectoryId(id)))
                .collect())
        })
    }

    /// How far the log is verified.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails or the row is damaged.
    pub fn verified(&self, id: DirectoryId) -> Result<Verified, AuditorStoreError> {
        self.read("auditor_verified", |conn| verified(conn, id))
    }

    /// The newest signed checkpoint.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails or the row is damaged.
    pub fn signed(&self, id: DirectoryId) -> Result<Option<Signed>, AuditorStoreError> {
        self.read("auditor_signed", |conn| signed(conn, id))
    }

    /// A stored checkpoint that covers the leaf at `index`: the smallest one.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails or the row is damaged.
    pub fn checkpoint_over(
        &self,
        id: DirectoryId,
        index: u64,
    ) -> Result<Option<(LogSize, Vec<u8>)>, AuditorStoreError> {
        let index = stored(index, "index")?;
        self.read("auditor_checkpoint_over", |conn| {
            let row: Option<(i64, Vec<u8>)> = checkpoints::table
                .filter(checkpoints::directory.eq(id.0))
                .filter(checkpoints::size.gt(index))
                .order(checkpoints::size.asc())
                .select((checkpoints::size, checkpoints::note))
                .first(conn)
                .optional()?;
            row.map(|(size, note)| Ok((LogSize::new(loaded(size, "checkpoints")?), note)))
                .transpose()
        })
    }

    /// The 164 bytes of a verified leaf.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn leaf(&self, id: DirectoryId, epoch: Epoch) -> Result<Option<Vec<u8>>, AuditorStoreError> {
        let epoch = stored(epoch.get(), "epoch")?;
        self.read("auditor_leaf", |conn| leaf(conn, id, epoch))
    }

    /// Hash of the complete subtree of `2^level` leaves at `index`, if all of it is verified.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails or the row is damaged.
    pub fn node(&self, id: DirectoryId, level: u8, index: u64) -> Result<Option<LogHash>, AuditorStoreError> {
        let index = stored(index, "index")?;
        self.read("auditor_node", |conn| {
            let row: Option<Vec<u8>> = nodes::table
                .find((id.0, i64::from(level), index))
                .select(nodes::hash)
                .first(conn)
                .optional()?;
            match row {
                Some(hash) => hash32(&hash, "nodes").map(Some),
                None if level == 0 => Ok(leaf(conn, id, index)?.map(|bytes| leaf_hash(&bytes))),
                None => Ok(None),
            }
        })
    }

    /// A configuration document that a verified leaf names.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn config(&self, id: DirectoryId, hash: &ConfigHash) -> Result<Option<Vec<u8>>, AuditorStoreError> {
        self.read("auditor_config", |conn| {
            let row = configs::table.find((id.0, hash.as_bytes().as_slice()));
            Ok(row.select(configs::bytes).first(conn).optional()?)
        })
    }
}

pub(super) fn verified(conn: &mut SqliteConnection, id: DirectoryId) -> Result<Verified, AuditorStoreError> {
    let row: (i64, i64, Vec<u8>) = directories::table
        .find(id.0)
        .select((
            directories::start_size,
            directories::verified_size,
            directories::verified_root,
        ))
        .first(conn)?;
    Ok(Verified {
        start: LogSize::new(loaded(row.0, "directories")?),
        size: LogSize::new(loaded(row.1, "directories")?),
        root: hash32(&row.2, "directories")?,
    })
}

pub(super) fn signed(
    conn: &mut SqliteConnection,
    id: DirectoryId,
) -> Result<Option<Signed>, AuditorStoreError> {
    let row: Option<SignedRow> = checkpoints::table
        .filter(checkpoints::directory.eq(id.0))
        .filter(checkpoints::signed_at.is_not_null())
        .order(checkpoints::size.desc())
        .select((
            checkpoints::size,
            checkpoints::root,
            checkpoints::note,
            checkpoints::signed_at,
        ))
        .first(conn)
        .optional()?;
    let Some((size, root, note, at)) = row else {
        return Ok(None);
    };
    Ok(Some(Signed {
        size: LogSize::new(loaded(size, "checkpoints")?),
        root: hash32(&root, "checkpoints")?,
        note,
        at: Seconds::new(loaded(at.unwrap_or(-1), "checkpoints")?),
    }))
}

fn leaf(
    conn: &mut SqliteConnection,
    id: DirectoryId,
    epoch: i64,
) -> Result<Option<Vec<u8>>, AuditorStoreError> {
    Ok(leaves::table
        .find((id.0, epoch))
        .select(leaves::leaf)
        .first(conn)
        .optional()?)
}

pub(super) fn hash32(bytes: &[u8], table: &'static str) -> Result<LogHash, AuditorStoreError> {
    let corrupt = |_| StoreError::Corrupt {
        table,
        why: "hash is not 32 bytes",
    };
    Ok(LogHash::try_from(bytes).map_err(corrupt)?)
}
