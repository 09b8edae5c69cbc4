//! What is stored of the tree: the leaves that each epoch inserted, in parts of many leaves to a row.
//!
//! ```text
//! row  = (epoch, part): 1 to 512 leaves, ascending by label, also from one part to the next
//! leaf = 32 bytes label | 32 bytes commitment
//! ```
//! Epochs only grow, so rows are only ever appended: a publish writes its leaves behind each other and touches no older page.

use diesel::prelude::*;

use super::compact::NewLeaf;
use crate::connection::{Tx, on_both};
use crate::error::StoreError;
use crate::number::stored;
use crate::tables::leaves;

/// Leaves of one full row. 32 KiB.
const PART: usize = 512;
/// Bytes of one leaf.
const LEAF: usize = 64;
/// Rows that are read at once. At most 2 MiB.
const PAGE: i64 = 64;

/// One row.
pub(super) struct LeafRow {
    epoch: i64,
    part: i64,
    leaves: Vec<u8>,
}

/// Rows for the leaves of one epoch, ascending by label.
pub(super) fn encode(epoch: u64, new: &[NewLeaf]) -> Result<Vec<LeafRow>, StoreError> {
    let epoch = stored(epoch, "epoch")?;
    let row = |(part, chunk): (i64, &[NewLeaf])| LeafRow {
        epoch,
        part,
        leaves: chunk
            .iter()
            .map(|leaf| [leaf.label, leaf.commitment])
            .collect::<Vec<_>>()
            .into_flattened()
            .into_flattened(),
    };
    Ok((0..).zip(new.chunks(PART)).map(row).collect())
}

/// Adds the rows. A row that exists already is an error: nothing that was published is ever written again.
pub(super) fn append(tx: &mut Tx<'_>, rows: &[LeafRow]) -> Result<(), StoreError> {
    for row in rows {
        let columns = (
            leaves::epoch.eq(row.epoch),
            leaves::part.eq(row.part),
            leaves::bytes.eq(&row.leaves),
        );
        on_both!(tx, conn => diesel::insert_into(leaves::table).values(columns).execute(conn)?);
    }
    Ok(())
}

/// Hands over the leaves of every epoch after `after` up to `until`, by epoch and label.
pub(super) fn each(
    tx: &mut Tx<'_>,
    after: Option<u64>,
    until: u64,
    mut take: impl FnMut(NewLeaf) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let until = stored(until, "epoch")?;
    let mut last = (after.map_or(Ok(-1), |after| stored(after, "epoch"))?, i64::MAX);
    loop {
        let query = || {
            let beyond = leaves::epoch
                .gt(last.0)
                .or(leaves::epoch.eq(last.0).and(leaves::part.gt(last.1)));
            let rows = leaves::table
                .filter(leaves::epoch.ge(last.0))
                .filter(leaves::epoch.le(until));
            rows.filter(beyond)
                .order((leaves::epoch.asc(), leaves::part.asc()))
                .limit(PAGE)
        };
        let rows: Vec<(i64, i64, Vec<u8>)> = on_both!(tx, conn => query().load(conn)?);
        for (epoch, part, blob) in &rows {
            each_in_row(*epoch, blob, &mut take)?;
            last = (*epoch, *part);
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

fn each_in_row(
    epoch: i64,
    blob: &[u8],
    take: &mut impl FnMut(NewLeaf) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let corrupt = |why| StoreError::Corrupt { table: "leaves", why };
    let epoch = u32::try_from(epoch).map_err(|_| corrupt("epoch"))?;
    let (whole, rest) = blob.as_chunks::<LEAF>();
    if whole.is_empty() || !rest.is_empty() {
        return Err(corrupt("length"));
    }
    for leaf in whole {
        let halves = (leaf.first_chunk(), leaf.last_chunk());
        let (Some(label), Some(commitment)) = halves else {
            return Err(corrupt("length"));
        };
        take(NewLeaf {
            label: *label,
            commitment: *commitment,
            epoch,
        })?;
    }
    Ok(())
}
