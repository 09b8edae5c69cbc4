//! Configuration documents, by the hash that leaves name.

use diesel::prelude::*;
use keyglass_protocol::quantity::{ConfigHash, Epoch};

use crate::connection::{Tx, first, on_both};
use crate::error::StoreError;
use crate::number::{loaded_epoch, stored_epoch};
use crate::store::Store;
use crate::tables::configs;

const TABLE: &str = "configs";

impl Store {
    /// Stores a configuration document. The same bytes again change nothing, also not `first_epoch`.
    ///
    /// # Errors
    /// [`StoreError::ConfigDiffers`] if other bytes are stored under this hash.
    pub fn put_config(
        &self,
        hash: &ConfigHash,
        document: &[u8],
        first_epoch: Epoch,
    ) -> Result<(), StoreError> {
        self.database
            .write("put_config", |tx| put(tx, hash, document, first_epoch))
    }

    /// Every configuration document with its hash, by the first epoch that names it.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or a row is damaged.
    pub fn configs(&self) -> Result<Vec<(ConfigHash, Vec<u8>)>, StoreError> {
        self.database.read_one("configs", |tx| {
            let query = || {
                let ordered = configs::table.order((configs::first_epoch.asc(), configs::hash.asc()));
                ordered.select((configs::hash, configs::document))
            };
            let rows: Vec<(Vec<u8>, Vec<u8>)> = on_both!(tx, conn => query().load(conn)?);
            let read = |(hash, document): (Vec<u8>, Vec<u8>)| {
                let hash = ConfigHash::try_from(hash.as_slice()).map_err(|_| StoreError::Corrupt {
                    table: "configs",
                    why: "hash length",
                })?;
                Ok((hash, document))
            };
            rows.into_iter().map(read).collect()
        })
    }

    /// A configuration document's exact bytes.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn config(&self, hash: &ConfigHash) -> Result<Option<Vec<u8>>, StoreError> {
        self.database.read_one("config", |tx| load(tx, hash))
    }

    /// A configuration document's exact bytes, with the first epoch whose leaf names it.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails or the row is damaged.
    pub fn dated_config(&self, hash: &ConfigHash) -> Result<Option<(Epoch, Vec<u8>)>, StoreError> {
        self.database.read_one("dated_config", |tx| {
            let query = || {
                configs::table
                    .find(hash.as_bytes().as_slice())
                    .select((configs::first_epoch, configs::document))
            };
            let row: Option<(i64, Vec<u8>)> = first!(tx, query()).optional()?;
            row.map(|(epoch, document)| Ok((loaded_epoch(epoch, TABLE)?, document)))
                .transpose()
        })
    }
}

/// Stores a document unless it is stored already.
pub(super) fn put(
    tx: &mut Tx<'_>,
    hash: &ConfigHash,
    document: &[u8],
    first_epoch: Epoch,
) -> Result<(), StoreError> {
    match load(tx, hash)? {
        Some(stored) if stored == document => return Ok(()),
        Some(_) => return Err(StoreError::ConfigDiffers),
        None => {}
    }
    let first_epoch = stored_epoch(first_epoch)?;
    on_both!(tx, conn => diesel::insert_into(configs::table)
        .values((
            configs::hash.eq(hash.as_bytes().as_slice()),
            configs::first_epoch.eq(first_epoch),
            configs::document.eq(document),
        ))
        .execute(conn)?);
    Ok(())
}

fn load(tx: &mut Tx<'_>, hash: &ConfigHash) -> Result<Option<Vec<u8>>, StoreError> {
    let query = || {
        configs::table
            .find(hash.as_bytes().as_slice())
            .select(configs::document)
    };
    Ok(first!(tx, query()).optional()?)
}
