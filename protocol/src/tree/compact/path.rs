//! Paths: membership and absence.

use super::super::hash::{Digest, MISSING_LABEL};
use super::super::node_label::{LEAF_BITS, NodeLabel};
use super::super::proof::{Child, Membership, NonMembership, Step};
use super::super::wire::{WireError, put_bytes, put_varint};

/// Says that a child is a leaf.
const LEAF: u8 = u8::MAX;

/// The compact form of an akd `MembershipProof` of a leaf; `None` if it has none.
pub fn compact_membership(proof: &[u8]) -> Option<Vec<u8>> {
    let membership = Membership::parse(proof).ok()?;
    let mut out = Vec::with_capacity(proof.len());
    out.extend_from_slice(&membership.label.to_bytes());
    out.extend_from_slice(membership.value);
    put_path(&mut out, &membership);
    (restore_membership(&out).ok()? == proof).then_some(out)
}

/// akd's `MembershipProof` from its compact form.
///
/// # Errors
/// [`WireError::Compact`] if it is none.
pub fn restore_membership(compact: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut reader = Reader(compact);
    let label = reader.leaf()?;
    let value = reader.digest()?;
    let path = reader.path(&label)?;
    let mut out = Vec::with_capacity(2 * compact.len());
    put_membership(&mut out, &label, value, &path);
    Ok(out)
}

/// The compact form of an akd `NonMembershipProof`; `None` if it has none.
pub fn compact_absence(proof: &[u8]) -> Option<Vec<u8>> {
    let absence = NonMembership::parse(proof).ok()?;
    let mut out = Vec::with_capacity(proof.len());
    out.extend_from_slice(&absence.label.to_bytes());
    out.push(fitted(absence.prefix.bits()));
    put_child(&mut out, &absence.prefix, &absence.left);
    put_child(&mut out, &absence.prefix, &absence.right);
    out.extend_from_slice(absence.prefix_proof.value);
    put_path(&mut out, &absence.prefix_proof);
    (restore_absence(&out).ok()? == proof).then_some(out)
}

/// akd's `NonMembershipProof` from its compact form.
///
/// # Errors
/// [`WireError::Compact`] if it is none.
pub fn restore_absence(compact: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut reader = Reader(compact);
    let label = reader.leaf()?;
    let prefix = label.prefix(u32::from(reader.byte()?));
    let children = [reader.child(&prefix)?, reader.child(&prefix)?];
    let value = reader.digest()?;
    let path = reader.path(&prefix)?;
    let mut out = Vec::with_capacity(2 * compact.len());
    put_label(&mut out, 1, Some(&label));
    put_label(&mut out, 2, Some(&prefix));
    children.iter().for_each(|child| put_element(&mut out, 3, child));
    let mut proof = Vec::with_capacity(2 * compact.len());
    put_membership(&mut proof, &prefix, value, &path);
    put_bytes(&mut out, 4, &proof);
    Ok(out)
}

/// A number of bits. One that does not fit becomes 0: what has no compact form is written as something else here, and
/// found by restoring it.
fn fitted(bits: u32) -> u8 {
    u8::try_from(bits).unwrap_or_default()
}

fn put_path(out: &mut Vec<u8>, membership: &Membership<'_>) {
    let mut above = 0;
    for step in &membership.path {
        out.push(fitted(step.parent.bits().saturating_sub(above)));
        above = step.parent.bits();
        put_child(out, &step.parent, &step.sibling);
    }
}

fn put_child(out: &mut Vec<u8>, parent: &NodeLabel, child: &Child<'_>) {
    match &child.label {
        None => out.push(0),
        Some(label) => {
            let bits = label.bits().saturating_sub(parent.bits());
            let leaf = label.bits() == LEAF_BITS;
            out.push(if leaf { LEAF } else { fitted(bits) });
            put_bits(out, label, parent.bits(), bits);
        }
    }
    out.extend_from_slice(child.value);
}

/// Appends `count` bits of `label` from bit `from` to its end, left-aligned.
fn put_bits(out: &mut Vec<u8>, label: &NodeLabel, from: u32, count: u32) {
    for first in (0..count).step_by(8) {
        let bit = |place: u32| label.bit(from + first + place);
        out.push((0..8).fold(0, |byte, place| (byte << 1) | u8::from(bit(place))));
    }
}

/// Reads the parts of a compact form.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(WireError::Compact)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        let (byte, rest) = self.0.split_first().ok_or(WireError::Compact)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn digest(&mut self) -> Result<&'a Digest, WireError> {
        let (digest, rest) = self.0.split_first_chunk().ok_or(WireError::Compact)?;
        self.0 = rest;
        Ok(digest)
    }

    fn leaf(&mut self) -> Result<NodeLabel, WireError> {
        NodeLabel::new(self.digest()?, LEAF_BITS).ok_or(WireError::Compact)
    }

    /// The levels above `label`, to the end.
    fn path(&mut self, label: &NodeLabel) -> Result<Vec<Step<'a>>, WireError> {
        let mut path: Vec<Step<'a>> = Vec::new();
        while !self.0.is_empty() {
            let longer = u32::from(self.byte()?);
            let bits = match path.last() {
                None => longer,
                Some(above) if longer > 0 => above.parent.bits() + longer,
                Some(_) => return Err(WireError::Compact),
            };
            if bits >= label.bits() {
                return Err(WireError::Compact);
            }
            let parent = label.prefix(bits);
            path.push(Step {
                parent,
                sibling: self.child(&parent)?,
                right: label.bit(bits),
            });
        }
        Ok(path)
    }

    fn child(&mut self, parent: &NodeLabel) -> Result<Child<'a>, WireError> {
        let label = match self.byte()? {
            0 => None,
            LEAF => Some(self.below(parent, LEAF_BITS - parent.bits())?),
            bits if parent.bits() + u32::from(bits) < LEAF_BITS => Some(self.below(parent, u32::from(bits))?),
            _ => return Err(WireError::Compact),
        };
        Ok(Child {
            label,
            value: self.digest()?,
        })
    }

    /// The label that is `count` bits longer than `parent`.
    fn below(&mut self, parent: &NodeLabel, count: u32) -> Result<NodeLabel, WireError> {
        let packed = self.take(usize::try_from(count.div_ceil(8)).map_err(|_| WireError::Compact)?)?;
        let mut bytes = parent.to_bytes();
        for (place, at) in (parent.bits()..).take(8 * packed.len()).enumerate() {
            let byte = packed.get(place / 8).copied().unwrap_or_default();
            if (byte >> (7 - place % 8)) & 1 == 0 {
                continue;
            }
            // A bit behind the label's end is set here as well and refused below, unless it is behind all labels.
            let target = usize::try_from(at / 8).ok().and_then(|i| bytes.get_mut(i));
            *target.ok_or(WireError::Compact)? |= 0x80 >> (at % 8);
        }
        NodeLabel::new(&bytes, parent.bits() + count).ok_or(WireError::Compact)
    }
}

/// Appends the fields of akd's `MembershipProof`.
fn put_membership(out: &mut Vec<u8>, label: &NodeLabel, value: &Digest, path: &[Step<'_>]) {
    put_label(out, 1, Some(label));
    put_bytes(out, 2, value);
    let mut level = Vec::with_capacity(128);
    for step in path {
        level.clear();
        put_label(&mut level, 1, Some(&step.parent));
        put_element(&mut level, 2, &step.sibling);
        put_varint(&mut level, 3, u64::from(step.right));
        put_bytes(out, 3, &level);
    }
}

/// Appends an `AzksElement` as field `field`.
fn put_element(out: &mut Vec<u8>, field: u32, child: &Child<'_>) {
    let mut element = Vec::with_capacity(80);
    put_label(&mut element, 1, child.label.as_ref());
    put_bytes(&mut element, 2, child.value);
    put_bytes(out, field, &element);
}

/// Appends a `NodeLabel` as field `field`: without zero bytes at its end, as akd writes it; `None`: the missing child's.
fn put_label(out: &mut Vec<u8>, field: u32, label: Option<&NodeLabel>) {
    let (bytes, bits) = label.map_or((MISSING_LABEL, 0), |l| (l.to_bytes(), l.bits()));
    let len = bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let mut message = Vec::with_capacity(40);
    put_bytes(&mut message, 1, bytes.get(..len).unwrap_or_default());
    put_varint(&mut message, 2, u64::from(bits));
    put_bytes(out, field, &message);
}
