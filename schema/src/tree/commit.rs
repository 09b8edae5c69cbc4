//! Writing akd's records: one publish is one transaction, rows in key order.

use akd::Azks;
use akd::storage::types::{DbRecord, ValueState};
use akd::tree_node::{TreeNodeType, TreeNodeWithPreviousValue};
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel::upsert::excluded;
use keyglass_protocol::quantity::Epoch;

use super::compact::{NewLeaf, Tree};
use super::label_states::StateRow;
use super::leaf_rows::{self, LeafRow};
use super::node_key::node_key;
use super::node_row;
use super::nodes::tree_head;
use crate::connection::{Tx, on_both};
use crate::error::StoreError;
use crate::keys::StoreKeys;
use crate::number::stored;
use crate::tables::{label_states, nodes, staged_label_states, tree_head as head};

/// From so many rows on, Postgres gets them by COPY into a temporary table.
const COPY_FROM: usize = 32;

const STAGE: &str = "CREATE TEMP TABLE IF NOT EXISTS staged_label_states \
     (label_hash bytea, epoch bigint, version bigint, sealed bytea) ON COMMIT DELETE ROWS;";
const MERGE_STATES: &str = "INSERT INTO label_states (label_hash, epoch, version, sealed) \
     SELECT label_hash, epoch, version, sealed FROM staged_label_states ORDER BY label_hash, epoch \
     ON CONFLICT (label_hash, epoch) DO UPDATE SET version = excluded.version, sealed = excluded.sealed";

/// What one publish of akd inserts.
pub(super) struct Published {
    /// Ascending by label.
    pub(super) leaves: Vec<NewLeaf>,
    states: Vec<ValueState>,
    azks: Azks,
    /// akd's value of its new root.
    root: Option<[u8; 32]>,
}

impl Published {
    /// Takes from akd's records what cannot be derived: of the tree, the new leaves.
    pub(super) fn sort(mut records: Vec<DbRecord>) -> Result<Self, StoreError> {
        let Some(DbRecord::Azks(azks)) = records.pop() else {
            return Err(StoreError::CommitWithoutEpoch);
        };
        let mut published = Self {
            leaves: Vec::new(),
            states: Vec::new(),
            azks,
            root: None,
        };
        for record in records {
            match record {
                DbRecord::Azks(_) => return Err(StoreError::CommitWithoutEpoch),
                DbRecord::ValueState(state) => published.states.push(state),
                DbRecord::TreeNode(node) => published.take_node(&node)?,
            }
        }
        published.leaves.sort_unstable();
        Ok(published)
    }

    /// Nodes that only moved carry an earlier epoch.
    fn take_node(&mut self, node: &TreeNodeWithPreviousValue) -> Result<(), StoreError> {
        let state = &node.latest_node;
        if state.last_epoch != self.azks.latest_epoch {
            return Ok(());
        }
        match state.node_type {
            TreeNodeType::Interior => {}
            TreeNodeType::Root => self.root = Some(state.hash.0),
            TreeNodeType::Leaf => self.leaves.push(NewLeaf {
                label: node.label.label_val,
                commitment: state.hash.0,
                epoch: u32::try_from(state.last_epoch).map_err(|_| StoreError::OutOfRange("epoch"))?,
            }),
        }
        Ok(())
    }

    /// Demands the leaves of every version: one of a first version, two of each later one, which also ends the version before.
    /// akd leaves out without a word what is in the tree already.
    pub(super) fn demand_all_leaves(&self) -> Result<(), StoreError> {
        let first = self.states.iter().filter(|state| state.version == 1).count();
        let later = self.states.len().saturating_sub(first);
        if self.leaves.len() == later.saturating_mul(2).saturating_add(first) {
            Ok(())
        } else {
            Err(StoreError::LeafTwice)
        }
    }

    /// The tree in memory after this publish. akd has computed the same by other means, and both must agree.
    pub(super) fn grow(&self, before: &Tree) -> Result<Tree, StoreError> {
        let epoch = self.azks.latest_epoch;
        let after = before.insert(epoch, &self.leaves)?;
        let agreed = self.leaves.is_empty()
            || (self.root == Some(after.root_value()) && self.azks.num_nodes == after.nodes());
        if agreed {
            Ok(after)
        } else {
            Err(StoreError::TreesDiffer { epoch })
        }
    }
}

/// Rows, encoded, sealed and sorted: made once, outside the transaction.
#[derive(Default)]
pub(super) struct Rows {
    nodes: Vec<NodeRow>,
    leaves: Vec<LeafRow>,
    states: Vec<StateRow>,
    head: Option<(i64, i64)>,
}

struct NodeRow {
    key: Vec<u8>,
    state: Vec<u8>,
}

impl Rows {
    /// Records that are set outside of a publish, as they are.
    pub(super) fn single(keys: &StoreKeys, records: &[DbRecord]) -> Result<Self, StoreError> {
        let mut rows = Self::default();
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

    /// One publish.
    pub(super) fn publish(keys: &StoreKeys, published: &Published) -> Result<Self, StoreError> {
        let states = published.states.iter().map(|state| StateRow::seal(keys, state));
        let mut rows = Self {
            nodes: Vec::new(),
            leaves: leaf_rows::encode(published.azks.latest_epoch, &published.leaves)?,
            states: states.collect::<Result<_, _>>()?,
            head: Some(head_columns(&published.azks)?),
        };
        rows.sort();
        Ok(rows)
    }

    /// Whether the tree's epoch changes.
    pub(super) fn moves_head(&self) -> bool {
        self.head.is_some()
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
        self.write_nodes(tx)?;
        leaf_rows::append(tx, &self.leaves)?;
        match tx {
            Tx::Sqlite(conn) => self.write_states_sqlite(conn)?,
            Tx::Postgres(conn) => self.write_states_postgres(conn)?,
        }
        self.head.map_or(Ok(()), |columns| put_head(tx, columns))
    }

    /// One publish: the compare-and-set, then [`Self::write`].
    pub(super) fn commit(&self, tx: &mut Tx<'_>, expected: Option<Epoch>) -> Result<(), StoreError> {
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

    fn write_nodes(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        for row in &self.nodes {
            on_both!(tx, conn => diesel::insert_into(nodes::table)
                .values((nodes::key.eq(&row.key), nodes::state.eq(&row.state)))
                .on_conflict(nodes::key)
                .do_update()
                .set(nodes::state.eq(excluded(nodes::state)))
                .execute(conn)?);
        }
        Ok(())
    }

    fn write_states_sqlite(&self, conn: &mut SqliteConnection) -> Result<(), StoreError> {
        // REPLACE, because diesel keeps its prepared statement but not that of an upsert with a SET clause.
        for row in &self.states {
            diesel::replace_into(label_states::table)
                .values(state_columns(row))
                .execute(conn)?;
        }
        Ok(())
    }

    fn write_states_postgres(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        if self.states.len() < COPY_FROM {
            return self.write_states_one_by_one(conn);
        }
        conn.batch_execute(STAGE)?;
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

    fn write_states_one_by_one(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
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
