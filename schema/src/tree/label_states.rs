//! Versions of labels: found by a keyed hash, everything else sealed.
//!
//! Sealed text: u8 0 and 32 bytes of a whole (256-bit) node label, or u8 1, u32 length and 32 bytes of another |
//! u16 length of the label | label | value. Row key: label hash | u64 epoch | u64 version.

use std::collections::HashMap;

use akd::storage::types::{ValueState, ValueStateRetrievalFlag};
use akd::{AkdLabel, AkdValue, NodeLabel};
use diesel::prelude::*;
use keyglass_protocol::codec::Reader;
use keyglass_protocol::error::FormatError;
use keyglass_protocol::quantity::KeyVersion;

use super::node_key::MAX_BITS;
use crate::connection::{Tx, first, on_both};
use crate::error::StoreError;
use crate::keys::{KeyedHash, Sealed, StoreKeys};
use crate::number::{loaded, stored};
use crate::tables::label_states;

const TABLE: &str = "label_states";
/// Labels of one `= ANY` list.
const CHUNK: usize = 1_000;

/// A row to write or as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateRow {
    pub(crate) label_hash: Vec<u8>,
    pub(crate) epoch: i64,
    pub(crate) version: i64,
    pub(crate) sealed: Vec<u8>,
}

type Columns = (Vec<u8>, i64, i64, Vec<u8>);

impl From<Columns> for StateRow {
    fn from((label_hash, epoch, version, sealed): Columns) -> Self {
        Self {
            label_hash,
            epoch,
            version,
            sealed,
        }
    }
}

impl StateRow {
    /// Seals one of akd's states.
    pub(super) fn seal(keys: &StoreKeys, state: &ValueState) -> Result<Self, StoreError> {
        let hash = keys.label_hash(&state.username);
        let row_key = row_key(&hash, state.epoch, state.version);
        Ok(Self {
            label_hash: hash.to_vec(),
            epoch: stored(state.epoch, "epoch")?,
            version: stored(state.version, "version")?,
            sealed: keys.seal(Sealed::LabelStates, &row_key, &plaintext(state)?)?,
        })
    }

    /// Opens a row that was found under `label`.
    pub(crate) fn open(&self, keys: &StoreKeys, label: &[u8]) -> Result<ValueState, StoreError> {
        let state = self.open_any(keys)?;
        if state.username.0 != label {
            return Err(OTHER_LABEL);
        }
        Ok(state)
    }

    /// Opens a row, whatever label it is of.
    pub(crate) fn open_any(&self, keys: &StoreKeys) -> Result<ValueState, StoreError> {
        let (epoch, version) = (loaded(self.epoch, TABLE)?, loaded(self.version, TABLE)?);
        let row_key = row_key(&self.label_hash, epoch, version);
        let text = keys.open(Sealed::LabelStates, &row_key, &self.sealed)?;
        let (node_label, own_label, value) = parse(&text).map_err(|_| StoreError::Corrupt {
            table: TABLE,
            why: "sealed text",
        })?;
        if keys.label_hash(own_label).as_slice() != self.label_hash {
            return Err(OTHER_LABEL);
        }
        Ok(ValueState {
            value: AkdValue(value.to_vec()),
            version,
            label: node_label,
            epoch,
            username: AkdLabel(own_label.to_vec()),
        })
    }
}

const OTHER_LABEL: StoreError = StoreError::Corrupt {
    table: TABLE,
    why: "another label under this hash",
};

fn row_key(hash: &[u8], epoch: u64, version: u64) -> Vec<u8> {
    [hash, &epoch.to_be_bytes(), &version.to_be_bytes()].concat()
}

fn plaintext(state: &ValueState) -> Result<Vec<u8>, StoreError> {
    let length = u16::try_from(state.username.len()).map_err(|_| StoreError::OutOfRange("label"))?;
    let mut text = Vec::with_capacity(40 + state.username.len() + state.value.len());
    if state.label.label_len == MAX_BITS {
        text.push(0);
    } else {
        text.push(1);
        text.extend_from_slice(&state.label.label_len.to_be_bytes());
    }
    text.extend_from_slice(&state.label.label_val);
    text.extend_from_slice(&length.to_be_bytes());
    text.extend_from_slice(&state.username);
    text.extend_from_slice(&state.value);
    Ok(text)
}

fn parse(text: &[u8]) -> Result<(NodeLabel, &[u8], &[u8]), FormatError> {
    let mut reader = Reader::new(text);
    let bits = match reader.u8()? {
        0 => MAX_BITS,
        1 => reader.u32()?,
        other => return Err(FormatError::UnknownKind(other)),
    };
    let node_label = NodeLabel::new(reader.array()?, bits);
    let label = reader.bytes16(usize::from(u16::MAX))?;
    let value = reader.take(reader.remaining())?;
    Ok((node_label, label, value))
}

/// Which one of a label's versions is meant: the first or last by epoch in both ranges (inclusive).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Selection {
    epochs: (i64, i64),
    versions: (i64, i64),
    newest: bool,
}

const ALL: (i64, i64) = (0, i64::MAX);
const NONE: (i64, i64) = (1, 0);

fn exactly(number: u64) -> (i64, i64) {
    i64::try_from(number).map_or(NONE, |n| (n, n))
}

impl Selection {
    pub(crate) fn newest_until(epoch: u64) -> Self {
        let until = i64::try_from(epoch).unwrap_or(i64::MAX);
        Self {
            epochs: (0, until),
            versions: ALL,
            newest: true,
        }
    }

    pub(crate) fn version(version: u64) -> Self {
        Self {
            epochs: ALL,
            versions: exactly(version),
            newest: false,
        }
    }

    pub(crate) fn epoch(epoch: u64) -> Self {
        Self {
            epochs: exactly(epoch),
            versions: ALL,
            newest: false,
        }
    }
}

impl From<ValueStateRetrievalFlag> for Selection {
    fn from(flag: ValueStateRetrievalFlag) -> Self {
        match flag {
            ValueStateRetrievalFlag::SpecificVersion(version) => Self::version(version),
            ValueStateRetrievalFlag::SpecificEpoch(epoch) => Self::epoch(epoch),
            ValueStateRetrievalFlag::LeqEpoch(epoch) => Self::newest_until(epoch),
            ValueStateRetrievalFlag::MaxEpoch => Self::newest_until(u64::MAX),
            ValueStateRetrievalFlag::MinEpoch => Self {
                epochs: ALL,
                versions: ALL,
                newest: false,
            },
        }
    }
}

/// The selected version of one label.
pub(crate) fn select_state(
    tx: &mut Tx<'_>,
    hash: &KeyedHash,
    selection: Selection,
) -> Result<Option<StateRow>, StoreError> {
    let query = || {
        label_states::table
            .filter(label_states::label_hash.eq(hash.as_slice()))
            .filter(label_states::epoch.between(selection.epochs.0, selection.epochs.1))
            .filter(label_states::version.between(selection.versions.0, selection.versions.1))
    };
    let row: Option<Columns> = if selection.newest {
        first!(tx, query().order(label_states::epoch.desc())).optional()?
    } else {
        first!(tx, query().order(label_states::epoch.asc())).optional()?
    };
    Ok(row.map(StateRow::from))
}

/// All versions of one label from `since` on, up to an epoch, by ascending epoch.
pub(super) fn all_states(
    tx: &mut Tx<'_>,
    hash: &KeyedHash,
    (since, until): (u64, u64),
) -> Result<Vec<StateRow>, StoreError> {
    let until = i64::try_from(until).unwrap_or(i64::MAX);
    let since = stored(since, "version")?;
    let query = || {
        label_states::table
            .filter(label_states::label_hash.eq(hash.as_slice()))
            .filter(label_states::epoch.le(until))
            .filter(label_states::version.ge(since))
            .order(label_states::epoch.asc())
    };
    let rows: Vec<Columns> = on_both!(tx, conn => query().load(conn)?);
    Ok(rows.into_iter().map(StateRow::from).collect())
}

/// Empties the values of all versions of a label below `closed`; what akd needs to prove their leaves stays. Returns how
/// many.
pub(crate) fn blank_states(
    tx: &mut Tx<'_>,
    keys: &StoreKeys,
    label: &[u8],
    closed: KeyVersion,
) -> Result<usize, StoreError> {
    let mut count = 0;
    for row in all_states(tx, &keys.label_hash(label), (0, u64::MAX))? {
        let mut state = row.open(keys, label)?;
        if state.version >= closed.get() || state.value.is_empty() {
            continue;
        }
        state.value = AkdValue(Vec::new());
        let blank = StateRow::seal(keys, &state)?;
        let place = || {
            label_states::table
                .filter(label_states::label_hash.eq(&blank.label_hash))
                .filter(label_states::epoch.eq(blank.epoch))
        };
        count += on_both!(tx, conn => diesel::update(place())
            .set(label_states::sealed.eq(&blank.sealed))
            .execute(conn)?);
    }
    Ok(count)
}

/// The selected version of each of many labels (by hash); labels without one are left out.
pub(super) fn select_states(
    tx: &mut Tx<'_>,
    hashes: &[KeyedHash],
    selection: Selection,
) -> Result<HashMap<KeyedHash, StateRow>, StoreError> {
    let mut found = HashMap::with_capacity(hashes.len());
    match tx {
        // A prepared statement for each: SQLite has no round trips to save.
        Tx::Sqlite(conn) => {
            let mut tx = Tx::Sqlite(conn);
            for hash in hashes {
                if let Some(row) = select_state(&mut tx, hash, selection)? {
                    found.insert(*hash, row);
                }
            }
        }
        Tx::Postgres(conn) => {
            for chunk in hashes.chunks(CHUNK) {
                for row in select_chunk(conn, chunk, selection)? {
                    let hash = KeyedHash::try_from(row.label_hash.as_slice());
                    let hash = hash.map_err(|_| StoreError::Corrupt {
                        table: TABLE,
                        why: "hash length",
                    })?;
                    found.insert(hash, row);
                }
            }
        }
    }
    Ok(found)
}

fn select_chunk(
    conn: &mut diesel::pg::PgConnection,
    hashes: &[KeyedHash],
    selection: Selection,
) -> Result<Vec<StateRow>, StoreError> {
    let hashes: Vec<&[u8]> = hashes.iter().map(KeyedHash::as_slice).collect();
    let query = label_states::table
        .filter(label_states::label_hash.eq_any(&hashes))
        .filter(label_states::epoch.between(selection.epochs.0, selection.epochs.1))
        .filter(label_states::version.between(selection.versions.0, selection.versions.1))
        .distinct_on(label_states::label_hash);
    let rows: Vec<Columns> = if selection.newest {
        query
            .order((label_states::label_hash, label_states::epoch.desc()))
            .load(conn)?
    } else {
        query
            .order((label_states::label_hash, label_states::epoch.asc()))
            .load(conn)?
    };
    Ok(rows.into_iter().map(StateRow::from).collect())
}
