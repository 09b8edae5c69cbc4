//! The audit proof of a step: what was inserted, and the roots of everything that stayed.

use super::wire;
use super::{Node, Tree};

/// akd's `SingleAppendOnlyProof` of the step into one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendProof {
    /// The protobuf message.
    pub bytes: Vec<u8>,
    /// Entries in `inserted`.
    pub inserted: u64,
}

/// Bytes of one element, about.
const ELEMENT: usize = 80;

#[derive(Default)]
struct Step {
    inserted: Vec<u8>,
    unchanged: Vec<u8>,
    count: u64,
}

impl Tree {
    /// The proof that the step from the epoch before into this one only inserted leaves, in the order of the labels.
    ///
    /// Byte for byte what akd makes when it works on one thread; on several, only its order depends on their number.
    pub fn append_proof(&self) -> AppendProof {
        let before = self.epoch.saturating_sub(1);
        let mut step = Step::default();
        for child in self.left.iter().chain(&self.right) {
            if u64::from(self.newest) > before {
                step.visit(child, before);
            }
        }
        let mut bytes = step.inserted;
        bytes.append(&mut step.unchanged);
        AppendProof {
            bytes,
            inserted: step.count,
        }
    }
}

impl Step {
    fn visit(&mut self, node: &Node, before: u64) {
        if u64::from(node.newest()) <= before {
            put(&mut self.unchanged, 2, |out| {
                wire::element(out, &node.label(), &node.value());
            });
            return;
        }
        match node {
            Node::Leaf(leaf) => {
                self.count = self.count.saturating_add(1);
                put(&mut self.inserted, 1, |out| {
                    wire::element(out, &node.label(), &leaf.commitment);
                });
            }
            Node::Inner(inner) => {
                self.visit(&inner.left, before);
                self.visit(&inner.right, before);
            }
        }
    }
}

fn put(out: &mut Vec<u8>, field: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.reserve(ELEMENT);
    wire::message(out, field, body);
}
