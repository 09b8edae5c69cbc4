//! The trees that this process holds: built from storage once, then following it epoch by epoch.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::compact::{NewLeaf, Tree};
use super::leaf_rows;
use super::nodes::tree_head;
use crate::connection::Tx;
use crate::database::Database;
use crate::error::StoreError;

/// Trees that are held for whoever asks: the newest, the one before (readers stand there), and the one before that
/// (readers that are about to move). They share all nodes that did not change.
const KEPT: usize = 3;
/// Leaves that are sorted and inserted at once while a whole tree is built. About 18 MB.
const BULK: usize = 1 << 18;

/// Trees by ascending epoch. Readers take a pointer and keep no lock.
#[derive(Default)]
pub(crate) struct HeldTrees {
    trees: RwLock<Vec<Arc<Tree>>>,
    building: Mutex<()>,
}

impl HeldTrees {
    /// Whether the newest that is held is the one of `epoch` or the one after: a reader there may serve.
    pub(crate) fn covers(&self, epoch: u64) -> bool {
        let newest = self.newest().map(|tree| tree.epoch().get());
        newest.is_none_or(|newest| newest <= epoch.saturating_add(1))
    }

    /// The newest that is held.
    pub(super) fn newest(&self) -> Option<Arc<Tree>> {
        self.read(|trees| trees.last().cloned())
    }

    /// The tree of `epoch`. Blocking, if it has to be read.
    pub(crate) fn at(&self, database: &Database, epoch: u64) -> Result<Arc<Tree>, StoreError> {
        if let Some(tree) = self.find(epoch) {
            return Ok(tree);
        }
        let _turn = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = self.find(epoch) {
            return Ok(tree);
        }
        match self.newest() {
            Some(base) if base.epoch().get() < epoch => {
                database.read("follow_tree", |tx| self.follow(tx, &base, epoch))
            }
            Some(_) => database.read("build_tree", |tx| build(tx, epoch)).map(Arc::new),
            None => database.read("load_tree", |tx| {
                // With its predecessor: readers may stand there, and the two share what did not change.
                let base = Arc::new(build(tx, epoch.saturating_sub(1))?);
                self.keep(Arc::clone(&base));
                self.follow(tx, &base, epoch)
            }),
        }
    }

    /// Takes a tree that was just committed.
    pub(super) fn keep(&self, tree: Arc<Tree>) {
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        trees.retain(|held| held.epoch() < tree.epoch());
        trees.push(tree);
        let surplus = trees.len().saturating_sub(KEPT);
        let old: Vec<_> = trees.drain(..surplus).collect();
        drop(trees);
        // What only the old ones had goes now, while nobody waits.
        drop(old);
    }

    /// Forgets everything: the database was written past the trees.
    pub(super) fn forget(&self) {
        self.trees.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The tree of `epoch`, if it is held.
    pub(crate) fn find(&self, epoch: u64) -> Option<Arc<Tree>> {
        self.read(|trees| trees.iter().find(|tree| tree.epoch().get() == epoch).cloned())
    }

    fn read<T>(&self, work: impl FnOnce(&[Arc<Tree>]) -> T) -> T {
        work(&self.trees.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Epoch by epoch from `base` to `epoch`.
    fn follow(&self, tx: &mut Tx<'_>, base: &Arc<Tree>, epoch: u64) -> Result<Arc<Tree>, StoreError> {
        demand(tx, epoch)?;
        let mut newest = Arc::clone(base);
        let mut step: Vec<NewLeaf> = Vec::new();
        leaf_rows::each(tx, Some(base.epoch().get()), epoch, |leaf| {
            if step.first().is_some_and(|first| first.epoch != leaf.epoch) {
                newest = self.step(&newest, &mut step)?;
            }
            step.push(leaf);
            Ok(())
        })?;
        if !step.is_empty() {
            newest = self.step(&newest, &mut step)?;
        }
        if newest.epoch().get() != epoch {
            // Epochs in which nothing was inserted: only akd's own test-suite makes them.
            newest = Arc::new(newest.insert(epoch, &[])?);
            self.keep(Arc::clone(&newest));
        }
        Ok(newest)
    }

    fn step(&self, tree: &Tree, leaves: &mut Vec<NewLeaf>) -> Result<Arc<Tree>, StoreError> {
        let epoch = leaves.first().map(|leaf| leaf.epoch).unwrap_or_default();
        let next = Arc::new(tree.insert(epoch.into(), leaves)?);
        self.keep(Arc::clone(&next));
        leaves.clear();
        Ok(next)
    }
}

/// The tree of `epoch`, from nothing.
fn build(tx: &mut Tx<'_>, epoch: u64) -> Result<Tree, StoreError> {
    demand(tx, epoch)?;
    let mut tree = Tree::empty();
    let mut bulk = Vec::new();
    leaf_rows::each(tx, None, epoch, |leaf| {
        bulk.push(leaf);
        if bulk.len() == BULK {
            tree = insert_bulk(&tree, epoch, &mut bulk)?;
        }
        Ok(())
    })?;
    insert_bulk(&tree, epoch, &mut bulk)
}

fn insert_bulk(tree: &Tree, epoch: u64, bulk: &mut Vec<NewLeaf>) -> Result<Tree, StoreError> {
    bulk.sort_unstable();
    let tree = tree.insert(epoch, bulk)?;
    bulk.clear();
    Ok(tree)
}

/// The stored tree must have reached `epoch`.
fn demand(tx: &mut Tx<'_>, epoch: u64) -> Result<(), StoreError> {
    let found = tree_head(tx)?.map(|head| head.epoch);
    if found.is_some_and(|found| found >= epoch) {
        Ok(())
    } else {
        Err(StoreError::EpochMoved {
            expected: epoch,
            found,
        })
    }
}
