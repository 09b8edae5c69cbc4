//! The readers' head: the newest checkpoint that met its quorum, with all cosignatures. It never goes back.

use diesel::prelude::*;
use keyglass_protocol::quantity::LogSize;

use super::checkpoints::{last_epoch, require_checkpoint, size_of};
use crate::connection::{Tx, first, on_both};
use crate::error::StoreError;
use crate::store::Store;
use crate::tables::head;

impl Store {
    /// Moves the readers to the checkpoint of `size`, completed by its cosignatures. The same size again replaces the note
    /// (fresher cosignatures).
    ///
    /// # Errors
    /// [`StoreError::HeadBackwards`] if the head is larger; [`StoreError::SizeUnknown`] without that checkpoint.
    pub fn flip_head(&self, size: LogSize, note: &[u8]) -> Result<(), StoreError> {
        let epoch = last_epoch(size)?;
        self.database.write("flip_head", |tx| {
            require_checkpoint(tx, epoch, size)?;
            if let Some((current, _)) = load(tx)?.filter(|(current, _)| *current > size) {
                return Err(StoreError::HeadBackwards {
                    current: current.get(),
                    offered: size.get(),
                });
            }
            on_both!(tx, conn => diesel::insert_into(head::table)
                .values((head::id.eq(1_i16), head::epoch.eq(epoch), head::note.eq(note)))
                .on_conflict(head::id)
                .do_update()
                .set((head::epoch.eq(epoch), head::note.eq(note)))
                .execute(conn)?);
            Ok(())
        })
    }

    /// Where readers stand; `None` before the first flip.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn head(&self) -> Result<Option<(LogSize, Vec<u8>)>, StoreError> {
        self.database.read_one("head", load)
    }
}

fn load(tx: &mut Tx<'_>) -> Result<Option<(LogSize, Vec<u8>)>, StoreError> {
    let query = || head::table.select((head::epoch, head::note));
    let row: Option<(i64, Vec<u8>)> = first!(tx, query()).optional()?;
    row.map(|(epoch, note)| Ok((size_of(epoch, "head")?, note)))
        .transpose()
}
