//! Writing akd's records: one publish is one transaction, rows in key order.

use akd::Azks;
use akd::storage::types::DbRecord;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel::upsert::excluded;
use keyglass_protocol::quantity::Epoch;

use super::label_states::StateRow;
use super::node_key::node_key;
use super::node_row;
use super::nodes::tree_head;
use crate::connection::{Tx, on_both};
use crate::error::StoreError;
use crate::keys::StoreKeys;
use crate::number::stored;
use crate::tables::{label_states, nodes, staged_label_states, staged_nodes, tree_head as head};

/// From so many rows on, Postgres gets them by COPY into a temporary table.
const COPY_FROM: usize = 32;

const STAGE: &str = "CREATE TEMP TABLE IF NOT EXISTS staged_nodes (key bytea, state bytea) ON COMMIT DELETE ROWS; \
     CREATE TEMP TABLE IF NOT EXISTS staged_label_states \
     (label_hash bytea, epoch bigint, version bigint, sealed bytea) ON COMMIT DELETE ROWS;";
const MERGE_NODES: &str = "INSERT INTO nodes (key, state) SELECT key, state FROM staged_nodes ORDER BY key \
     ON CONFLICT (key) DO UPDATE SET state = excluded.state";
const MERGE_STATES: &str = "INSERT INTO label_states (label_hash, epoch, version, sealed) \
     SELECT label_hash, epoch, version, sealed FROM staged_label_states ORDER BY label_hash, epoch \
     ON CONFLICT (label_hash, epoch) DO UPDATE SET version = excluded.version, sealed = excluded.sealed";

/// akd's records, encoded, sealed and sorted: made once, outside the transaction.
pub(super) struct Rows {
    nodes: Vec<NodeRow>,
    states: Vec<StateRow>,
    head: Option<(i64, i64)>,
    ends_with_head: bool,
}

struct NodeRow {
    key: Vec<u8>,
    state: Vec<u8>,
}

impl Rows {
    pub(super) fn encode(keys: &StoreKeys, records: &[DbRecord]) -> Result<Self, StoreError> {
        let ends_with_head = matches!(records.last(), Some(DbRecord::Azks(_)));
        let mut rows = Self {
            nodes: Vec::new(),
            states: Vec::new(),
            head: None,
            ends_with_head,
        };
        for record in records {
            match record {
                DbRecord::Azks(azks) => rows.head = Some(head_columns(azks)?),
                DbRecord::TreeNode(node) => rows.nodes.push(NodeRow {
                    key: node_key(&node.label),
                    state: node_row::encode(node),
                }),
                DbRecord::ValueState(state) => rows.states.push(StateRow::seal(keys, state)?),
            }
        }
        rows.sort();
        Ok(rows)
    }

    /// In key order, and of several records with one key only the last.
    fn sort(&mut self) {
        self.nodes.reverse();
        self.nodes.sort_by(|a, b| a.key.cmp(&b.key));
        self.nodes.dedup_by(|a, b| a.key == b.key);
        self.states.reverse();
        self.states
            .sort_by(|a, b| (&a.label_hash, a.epoch).cmp(&(&b.label_hash, b.epoch)));
        self.states
            .dedup_by(|a, b| (&a.label_hash, a.epoch) == (&b.label_hash, b.epoch));
    }

    /// Upserts everything, the head last.
    pub(super) fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        match tx {
            Tx::Sqlite(conn) => self.write_sqlite(conn)?,
            Tx::Postgres(conn) => self.write_postgres(conn)?,
        }
        self.head.map_or(Ok(()), |columns| put_head(tx, columns))
    }

    /// One publish: the compare-and-set, then [`Self::write`].
    pub(super) fn commit(&self, tx: &mut Tx<'_>, expected: Option<Epoch>) -> Result<(), StoreError> {
        if !self.ends_with_head {
            return Err(StoreError::CommitWithoutEpoch);
        }
        if let Some(expected) = expected {
            let found = tree_head(tx)?.map(|head| head.epoch);
            if found != Some(expected.get()) {
                return Err(StoreError::EpochMoved {
                    expected: expected.get(),
                    found,
                });
            }
            let next = expected
                .next()
                .map(|next| stored(next.get(), "epoch"))
                .transpose()?;
            if next != self.head.map(|(epoch, _)| epoch) {
                return Err(StoreError::CommitWithoutEpoch);
            }
        }
        self.write(tx)
    }

    fn write_sqlite(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        // REPLACE, because diesel keeps its prepared statement but not that of an upsert with a SET clause.
        for row in &self.nodes {
            diesel::replace_into(nodes::table)
                .values((nodes::key.eq(&row.key), nodes::state.eq(&row.state)))
                .execute(conn)?;
        }
        for row in &self.states {
            diesel::replace_into(label_states::table)
                .values(state_columns(row))
                .execute(conn)?;
        }
        Ok(())
    }

    fn write_postgres(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        if self.nodes.len() + self.states.len() < COPY_FROM {
            return self.write_postgres_one_by_one(conn);
        }
        conn.batch_execute(STAGE)?;
        let staged: Vec<_> = self
            .nodes
            .iter()
            .map(|row| (staged_nodes::key.eq(&row.key), staged_nodes::state.eq(&row.state)))
            .collect();
        diesel::copy_from(staged_nodes::table)
            .from_insertable(staged)
            .execute(conn)?;
        diesel::sql_query(MERGE_NODES).execute(conn)?;
        let staged: Vec<_> = self
            .states
            .iter()
            .map(|row| {
                (
                    staged_label_states::label_hash.eq(&row.label_hash),
                    staged_label_states::epoch.eq(row.epoch),
                    staged_label_states::version.eq(row.version),
                    staged_label_states::sealed.eq(&row.sealed),
                )
            })
            .collect();
        diesel::copy_from(staged_label_states::table)
            .from_insertable(staged)
            .execute(conn)?;
        diesel::sql_query(MERGE_STATES).execute(conn)?;
        Ok(())
    }

    fn write_postgres_one_by_one(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        for row in &self.nodes {
            diesel::insert_into(nodes::table)
                .values((nodes::key.eq(&row.key), nodes::state.eq(&row.state)))
                .on_conflict(nodes::key)
                .do_update()
                .set(nodes::state.eq(excluded(nodes::state)))
                .execute(conn)?;
        }
        for row in &self.states {
            diesel::insert_into(label_states::table)
                .values(state_columns(row))
                .on_conflict((label_states::label_hash, label_states::epoch))
                .do_update()
                .set((
                    label_states::version.eq(excluded(label_states::version)),
                    label_states::sealed.eq(excluded(label_states::sealed)),
                ))
                .execute(conn)?;
        }
        Ok(())
    }
}

type StateColumns<'a> = (
    diesel::dsl::Eq<label_states::label_hash, &'a Vec<u8>>,
    diesel::dsl::Eq<label_states::epoch, i64>,
    diesel::dsl::Eq<label_states::version, i64>,
    diesel::dsl::Eq<label_states::sealed, &'a Vec<u8>>,
);

fn state_columns(row: &StateRow) -> StateColumns<'_> {
    (
        label_states::label_hash.eq(&row.label_hash),
        label_states::epoch.eq(row.epoch),
        label_states::version.eq(row.version),
        label_states::sealed.eq(&row.sealed),
    )
}

fn head_columns(azks: &Azks) -> Result<(i64, i64), StoreError> {
    Ok((
        stored(azks.latest_epoch, "epoch")?,
        stored(azks.num_nodes, "number of nodes")?,
    ))
}

fn put_head(tx: &mut Tx<'_>, (epoch, nodes): (i64, i64)) -> Result<(), StoreError> {
    on_both!(tx, conn => {
        diesel::insert_into(head::table)
            .values((head::id.eq(1_i16), head::epoch.eq(epoch), head::nodes.eq(nodes)))
            .on_conflict(head::id)
            .do_update()
            .set((head::epoch.eq(epoch), head::nodes.eq(nodes)))
            .execute(conn)?
    });
    Ok(())
}
