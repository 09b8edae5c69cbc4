//! Strict checks of membership and non-membership.
//!
//! akd_core recomputes the hashes only. That is not enough: the root commits to any labels that
//! an operator cares to hash, so the shape of every path is checked here as well.

use crate::quantity::RootHash;

use super::error::TreeError;
use super::hash::{self, Digest, MISSING_SEALED, MISSING_VALUE};
use super::node_label::{LEAF_BITS, NodeLabel};
use super::proof::{Child, Membership, NonMembership, Step};

impl Membership<'_> {
    /// Demands that the leaf `label` stands under `root`; returns its value.
    pub(super) fn verify_leaf(&self, label: &NodeLabel, root: &RootHash) -> Result<&Digest, TreeError> {
        demand_leaf(&self.label, label)?;
        if self.path.is_empty() {
            return Err(TreeError::EmptyPath);
        }
        self.verify_path(root)?;
        Ok(self.value)
    }

    /// Demands that the node stands under `root`. Only the root itself has an empty path.
    fn verify_path(&self, root: &RootHash) -> Result<(), TreeError> {
        let (mut label, mut value) = (self.label, *self.value);
        for step in self.path.iter().rev() {
            step.check_shape(&label)?;
            let own = hash::seal(&value, &label);
            let sibling = step.sibling.sealed(&step.parent)?;
            value = if step.right {
                hash::parent(&sibling, &own)
            } else {
                hash::parent(&own, &sibling)
            };
            label = step.parent;
        }
        if label != NodeLabel::ROOT {
            return Err(TreeError::PathNotAtRoot);
        }
        if hash::root(&value) != *root {
            return Err(TreeError::RootMismatch);
        }
        Ok(())
    }
}

impl Step<'_> {
    fn check_shape(&self, child: &NodeLabel) -> Result<(), TreeError> {
        if !self.parent.is_proper_prefix_of(child) {
            return Err(TreeError::ParentNotPrefix);
        }
        if child.bit(self.parent.bits()) != self.right {
            return Err(TreeError::DirectionMismatch);
        }
        let Some(sibling) = &self.sibling.label else {
            return Ok(());
        };
        if !self.parent.is_proper_prefix_of(sibling) {
            return Err(TreeError::SiblingNotBelowParent);
        }
        if sibling.bit(self.parent.bits()) == self.right {
            return Err(TreeError::SiblingsOnSameSide);
        }
        Ok(())
    }
}

impl Child<'_> {
    /// Its value sealed with its label; a missing child is accepted under the root only.
    fn sealed(&self, parent: &NodeLabel) -> Result<Digest, TreeError> {
        match &self.label {
            Some(label) => Ok(hash::seal(self.value, label)),
            None if *parent != NodeLabel::ROOT => Err(TreeError::EmptyChildBelowRoot),
            None if *self.value != MISSING_VALUE => Err(TreeError::EmptyChildValue),
            None => Ok(MISSING_SEALED),
        }
    }
}

impl NonMembership<'_> {
    /// Demands that no leaf `label` stands under `root`.
    pub(super) fn verify(&self, label: &NodeLabel, root: &RootHash) -> Result<(), TreeError> {
        demand_leaf(&self.label, label)?;
        if !self.prefix.is_proper_prefix_of(label) {
            return Err(TreeError::PrefixNotOfLabel);
        }
        self.check_child(&self.left, false)?;
        self.check_child(&self.right, true)?;
        if self.left.label.is_none() && self.right.label.is_none() {
            return Err(TreeError::BothChildrenMissing);
        }
        let value = hash::parent(
            &self.left.sealed(&self.prefix)?,
            &self.right.sealed(&self.prefix)?,
        );
        if self.prefix_proof.label != self.prefix {
            return Err(TreeError::PrefixLabelMismatch);
        }
        if *self.prefix_proof.value != value {
            return Err(TreeError::PrefixHashMismatch);
        }
        self.prefix_proof.verify_path(root)
    }

    /// Left and right child extend the prefix on their sides, so the prefix is their longest
    /// common one; and the label must lead to none of them.
    fn check_child(&self, child: &Child<'_>, right: bool) -> Result<(), TreeError> {
        let Some(child) = &child.label else {
            return Ok(());
        };
        if !self.prefix.is_proper_prefix_of(child) {
            return Err(TreeError::ChildNotBelowPrefix);
        }
        if child.bit(self.prefix.bits()) != right {
            return Err(TreeError::ChildOnWrongSide);
        }
        if child.is_prefix_of(&self.label) {
            return Err(TreeError::ChildIsPrefix);
        }
        Ok(())
    }
}

/// The proof must be about exactly this leaf.
fn demand_leaf(found: &NodeLabel, expected: &NodeLabel) -> Result<(), TreeError> {
    if found.bits() != LEAF_BITS {
        return Err(TreeError::LeafLabelLength(found.bits()));
    }
    if found != expected {
        return Err(TreeError::LabelMismatch);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::quantity::LeafLabel;

    /// The forged membership of (alice, fresh, 99), for the leaf label that it names itself.
    #[test]
    fn a_leaf_cannot_be_the_root() {
        let text = include_str!("../../testdata/tree/forgeries/empty_path.json");
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        let bytes = hex::decode(json["proof"].as_str().unwrap()).unwrap();
        let proof = Membership::parse(&bytes).unwrap();
        let label = NodeLabel::leaf(&LeafLabel::new(proof.label.to_bytes()));
        let root = json["root"].as_str().unwrap().parse().unwrap();
        let error = proof.verify_leaf(&label, &root).unwrap_err();
        assert_eq!(error.reason(), json["reason"].as_str().unwrap());
        assert_eq!(proof.label, label);
    }
}
