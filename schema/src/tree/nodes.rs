//! Reading node rows and the tree's head.

use akd::NodeLabel;
use akd::tree_node::TreeNodeWithPreviousValue;
use diesel::prelude::*;

use super::node_key::node_key;
use super::node_row;
use crate::connection::{Tx, first};
use crate::error::StoreError;
use crate::number::loaded;
use crate::tables::{nodes, tree_head as head};

/// Newest epoch and number of nodes of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TreeHead {
    pub(crate) epoch: u64,
    pub(crate) nodes: u64,
}

/// `None` before the directory was created.
pub(crate) fn tree_head(tx: &mut Tx<'_>) -> Result<Option<TreeHead>, StoreError> {
    let query = || head::table.select((head::epoch, head::nodes));
    let row: Option<(i64, i64)> = first!(tx, query()).optional()?;
    row.map(|(epoch, nodes)| {
        Ok(TreeHead {
            epoch: loaded(epoch, "tree_head")?,
            nodes: loaded(nodes, "tree_head")?,
        })
    })
    .transpose()
}

/// One node; `None` if there is no such row.
pub(super) fn node(
    tx: &mut Tx<'_>,
    label: NodeLabel,
) -> Result<Option<TreeNodeWithPreviousValue>, StoreError> {
    let key = node_key(&label);
    let query = || nodes::table.filter(nodes::key.eq(&key)).select(nodes::state);
    let row: Option<Vec<u8>> = first!(tx, query()).optional()?;
    row.map(|row| node_row::decode(label, &row)).transpose()
}
