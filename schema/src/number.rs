//! Between our unsigned quantities and the database's signed 64-bit integers.

use keyglass_protocol::quantity::{Epoch, KeyVersion, Millis};

use crate::error::StoreError;

/// For storing: refused above 2^63 - 1.
pub(crate) fn stored(number: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::OutOfRange(what))
}

/// As [`stored`], for epochs.
pub(crate) fn stored_epoch(epoch: Epoch) -> Result<i64, StoreError> {
    stored(epoch.get(), "epoch")
}

/// As [`stored`], for counts of this process.
pub(crate) fn stored_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// For reading: a negative number means that the row is corrupt.
pub(crate) fn loaded(number: i64, table: &'static str) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt {
        table,
        why: "negative number",
    })
}

/// As [`loaded`], for epochs.
pub(crate) fn loaded_epoch(number: i64, table: &'static str) -> Result<Epoch, StoreError> {
    loaded(number, table).map(Epoch::new)
}

/// As [`loaded`], for times.
pub(crate) fn loaded_millis(number: i64, table: &'static str) -> Result<Millis, StoreError> {
    loaded(number, table).map(Millis::new)
}

/// As [`loaded`], for versions; 0 is corrupt too.
pub(crate) fn loaded_version(number: i64, table: &'static str) -> Result<KeyVersion, StoreError> {
    KeyVersion::new(loaded(number, table)?).map_err(|_| StoreError::Corrupt {
        table,
        why: "version zero",
    })
}
