//! akd's proof messages, read from protobuf without copying.
//!
//! Field numbers are those of akd_core's `types.proto`. Each message is read completely and
//! every label in it is checked to be clean before anything is computed.

use super::error::TreeError;
use super::hash::{Digest, MISSING_LABEL};
use super::node_label::{LEAF_BITS, NodeLabel};
use super::wire::{Fields, Once, WireError, push_capped};

/// Most levels of a path: a label has 256 bits.
pub(super) const MAX_PATH: usize = 256;

/// A node and its value; the label is `None` for akd's placeholder of a missing child.
#[derive(Debug, Clone, Copy)]
pub(super) struct Child<'a> {
    pub(super) label: Option<NodeLabel>,
    pub(super) value: &'a Digest,
}

/// A node and its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) label: NodeLabel,
    pub(super) value: &'a Digest,
}

/// One level of a path: the parent, the sibling, and whether the path goes to the right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) parent: NodeLabel,
    pub(super) sibling: Child<'a>,
    pub(super) right: bool,
}

/// `MembershipProof`; the path begins at the root.
#[derive(Debug)]
pub(super) struct Membership<'a> {
    pub(super) label: NodeLabel,
    pub(super) value: &'a Digest,
    pub(super) path: Vec<Step<'a>>,
}

/// `NonMembershipProof`.
#[derive(Debug)]
pub(super) struct NonMembership<'a> {
    pub(super) label: NodeLabel,
    pub(super) prefix: NodeLabel,
    pub(super) left: Child<'a>,
    pub(super) right: Child<'a>,
    pub(super) prefix_proof: Membership<'a>,
}

/// A node label as it stands in the message, not checked yet.
struct RawLabel {
    bytes: [u8; 32],
    bits: u32,
}

impl RawLabel {
    fn parse(message: &[u8]) -> Result<Self, TreeError> {
        let (mut value, mut len) = (Once::new(1), Once::new(2));
        for field in Fields::new(message) {
            let field = field?;
            match field.number {
                1 => value.set(field.bytes()?)?,
                2 => len.set(field.u32()?)?,
                _ => return Err(field.unknown().into()),
            }
        }
        Self::of(value.required()?, len.required()?)
    }

    fn of(value: &[u8], bits: u32) -> Result<Self, TreeError> {
        let mut bytes = [0; 32];
        bytes
            .get_mut(..value.len())
            .ok_or(TreeError::LabelTooLong)?
            .copy_from_slice(value);
        if value.last() == Some(&0) {
            return Err(TreeError::LabelNotMinimal);
        }
        if bits > LEAF_BITS {
            return Err(TreeError::LabelTooLong);
        }
        Ok(Self { bytes, bits })
    }

    fn is_placeholder(&self) -> bool {
        self.bits == 0 && self.bytes == MISSING_LABEL
    }

    fn checked(&self) -> Result<NodeLabel, TreeError> {
        NodeLabel::new(&self.bytes, self.bits).ok_or(TreeError::BitsPastLength)
    }
}

fn label(message: &[u8]) -> Result<NodeLabel, TreeError> {
    RawLabel::parse(message)?.checked()
}

/// Exactly 32 bytes.
pub(super) fn digest(bytes: &[u8]) -> Result<&Digest, TreeError> {
    <&Digest>::try_from(bytes).map_err(|_| TreeError::HashLength(bytes.len()))
}

fn raw_element(message: &[u8]) -> Result<(RawLabel, &Digest), TreeError> {
    match usual_element(message) {
        Some((label, bits, value)) => Ok((RawLabel::of(label, bits)?, value)),
        None => any_element(message),
    }
}

/// Label bytes, label bits and value of an element whose fields stand in ascending order, as every writer
/// puts them. There may be 100,000 of them in a proof. `None` for all that is not exactly like this.
fn usual_element(message: &[u8]) -> Option<(&[u8], u32, &Digest)> {
    let ([0x0a, len @ 0..0x80], rest) = message.split_first_chunk()? else {
        return None;
    };
    let (label, rest) = rest.split_at_checked(usize::from(*len))?;
    let ([0x12, 32], value) = rest.split_first_chunk()? else {
        return None;
    };
    let ([0x0a, len @ 0..0x80], rest) = label.split_first_chunk()? else {
        return None;
    };
    let (bytes, bits) = rest.split_at_checked(usize::from(*len))?;
    let bits = match bits {
        [0x10, low @ 0..0x80] => u32::from(*low),
        [0x10, low @ 0x80..=0xff, high @ 1..0x80] => u32::from(low & 0x7f) | u32::from(*high) << 7,
        _ => return None,
    };
    Some((bytes, bits, value.try_into().ok()?))
}

fn any_element(message: &[u8]) -> Result<(RawLabel, &Digest), TreeError> {
    let (mut label, mut value) = (Once::new(1), Once::new(2));
    for field in Fields::new(message) {
        let field = field?;
        match field.number {
            1 => label.set(field.bytes()?)?,
            2 => value.set(field.bytes()?)?,
            _ => return Err(field.unknown().into()),
        }
    }
    Ok((RawLabel::parse(label.required()?)?, digest(value.required()?)?))
}

impl<'a> Element<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, TreeError> {
        let (label, value) = raw_element(message)?;
        Ok(Self {
            label: label.checked()?,
            value,
        })
    }
}

impl<'a> Child<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, TreeError> {
        let (label, value) = raw_element(message)?;
        let label = if label.is_placeholder() {
            None
        } else {
            Some(label.checked()?)
        };
        Ok(Self { label, value })
    }
}

impl<'a> Step<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, TreeError> {
        let (mut parent, mut sibling, mut direction) = (Once::new(1), None, Once::new(3));
        for field in Fields::new(message) {
            let field = field?;
            match field.number {
                1 => parent.set(field.bytes()?)?,
                2 if sibling.is_some() => return Err(TreeError::SiblingCount),
                2 => sibling = Some(field.bytes()?),
                3 => direction.set(field.u32()?)?,
                _ => return Err(field.unknown().into()),
            }
        }
        let right = match direction.required()? {
            0 => false,
            1 => true,
            other => return Err(TreeError::BadDirection(other)),
        };
        Ok(Self {
            parent: label(parent.required()?)?,
            sibling: Child::parse(sibling.ok_or(TreeError::SiblingCount)?)?,
            right,
        })
    }
}

impl<'a> Membership<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, TreeError> {
        let (mut node, mut value, mut path) = (Once::new(1), Once::new(2), Vec::new());
        for field in Fields::new(message) {
            let field = field?;
            match field.number {
                1 => node.set(field.bytes()?)?,
                2 => value.set(field.bytes()?)?,
                3 if path.len() >= MAX_PATH => return Err(WireError::TooMany(3).into()),
                3 => path.push(Step::parse(field.bytes()?)?),
                _ => return Err(field.unknown().into()),
            }
        }
        Ok(Self {
            label: label(node.required()?)?,
            value: digest(value.required()?)?,
            path,
        })
    }
}

impl<'a> NonMembership<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, TreeError> {
        let (mut absent, mut prefix, mut prefix_proof) = (Once::new(1), Once::new(2), Once::new(4));
        let (mut left, mut right) = (None, None);
        for field in Fields::new(message) {
            let field = field?;
            match field.number {
                1 => absent.set(field.bytes()?)?,
                2 => prefix.set(field.bytes()?)?,
                3 if left.is_none() => left = Some(Child::parse(field.bytes()?)?),
                3 if right.is_none() => right = Some(Child::parse(field.bytes()?)?),
                3 => return Err(TreeError::ChildCount),
                4 => prefix_proof.set(field.bytes()?)?,
                _ => return Err(field.unknown().into()),
            }
        }
        let (Some(left), Some(right)) = (left, right) else {
            return Err(TreeError::ChildCount);
        };
        Ok(Self {
            label: label(absent.required()?)?,
            prefix: label(prefix.required()?)?,
            left,
            right,
            prefix_proof: Membership::parse(prefix_proof.required()?)?,
        })
    }
}

/// `LookupProof`; nested proofs stay bytes, so that equal ones can be seen to be equal.
#[derive(Debug)]
pub(super) struct Lookup<'a> {
    pub(super) epoch: u64,
    pub(super) value: &'a [u8],
    pub(super) version: u64,
    pub(super) existence: Evidence<'a>,
    pub(super) marker: Evidence<'a>,
    pub(super) freshness: Evidence<'a>,
    pub(super) nonce: &'a [u8],
}

/// A VRF proof and the membership or non-membership proof for the leaf that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evidence<'a> {
    pub(super) vrf_proof: &'a [u8],
    pub(super) proof: &'a [u8],
}

impl<'a> Lookup<'a> {
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, TreeError> {
        let (mut epoch, mut value, mut version) = (Once::new(1), Once::new(2), Once::new(3));
        let (mut existence_vrf, mut existence) = (Once::new(4), Once::new(5));
        let (mut marker_vrf, mut marker) = (Once::new(6), Once::new(7));
        let (mut freshness_vrf, mut freshness) = (Once::new(8), Once::new(9));
        let mut nonce = Once::new(10);
        for field in Fields::new(message) {
            let field = field?;
            match field.number {
                1 => epoch.set(field.u64()?)?,
                2 => value.set(field.bytes()?)?,
                3 => version.set(field.u64()?)?,
                4 => existence_vrf.set(field.bytes()?)?,
                5 => existence.set(field.bytes()?)?,
                6 => marker_vrf.set(field.bytes()?)?,
                7 => marker.set(field.bytes()?)?,
                8 => freshness_vrf.set(field.bytes()?)?,
                9 => freshness.set(field.bytes()?)?,
                10 => nonce.set(field.bytes()?)?,
                _ => return Err(field.unknown().into()),
            }
        }
        Ok(Self {
            epoch: epoch.required()?,
            value: value.required()?,
            version: version.required()?,
            existence: Evidence {
                vrf_proof: existence_vrf.required()?,
                proof: existence.required()?,
            },
            marker: Evidence {
                vrf_proof: marker_vrf.required()?,
                proof: marker.required()?,
            },
            freshness: Evidence {
                vrf_proof: freshness_vrf.required()?,
                proof: freshness.required()?,
            },
            nonce: nonce.required()?,
        })
    }
}

/// `UpdateProof`: one version of a history.
#[derive(Debug)]
pub(super) struct Update<'a> {
    pub(super) epoch: u64,
    pub(super) value: &'a [u8],
    pub(super) version: u64,
    pub(super) existence: Evidence<'a>,
    pub(super) previous_vrf: Option<&'a [u8]>,
    pub(super) previous: Option<&'a [u8]>,
    pub(super) nonce: &'a [u8],
}

impl<'a> Update<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, TreeError> {
        let (mut epoch, mut value, mut version) = (Once::new(1), Once::new(2), Once::new(3));
        let (mut existence_vrf, mut existence) = (Once::new(4), Once::new(5));
        let (mut previous_vrf, mut previous, mut nonce) = (Once::new(6), Once::new(7), Once::new(8));
        for field in Fields::new(message) {
            let field = field?;
            match field.number {
                1 => epoch.set(field.u64()?)?,
                2 => value.set(field.bytes()?)?,
                3 => version.set(field.u64()?)?,
                4 => existence_vrf.set(field.bytes()?)?,
                5 => existence.set(field.bytes()?)?,
                6 => previous_vrf.set(field.bytes()?)?,
                7 => previous.set(field.bytes()?)?,
                8 => nonce.set(field.bytes()?)?,
                _ => return Err(field.unknown().into()),
            }
        }
        Ok(Self {
            epoch: epoch.required()?,
            value: value.required()?,
            version: version.required()?,
            existence: Evidence {
                vrf_proof: existence_vrf.required()?,
                proof: existence.required()?,
            },
            previous_vrf: previous_vrf.optional(),
            previous: previous.optional(),
            nonce: nonce.required()?,
        })
    }
}

/// `HistoryProof`.
#[derive(Debug, Default)]
pub(super) struct History<'a> {
    /// Newest version first.
    pub(super) updates: Vec<Update<'a>>,
    pub(super) past_vrf: Vec<&'a [u8]>,
    pub(super) past: Vec<&'a [u8]>,
    pub(super) future_vrf: Vec<&'a [u8]>,
    pub(super) future: Vec<&'a [u8]>,
}

impl<'a> History<'a> {
    pub(super) fn parse(message: &'a [u8], max_versions: usize) -> Result<Self, TreeError> {
        let mut history = Self::default();
        for field in Fields::new(message) {
            let field = field?;
            let n = field.number;
            match n {
                1 => push_capped(
                    &mut history.updates,
                    Update::parse(field.bytes()?)?,
                    n,
                    max_versions,
                )?,
                2 => push_capped(&mut history.past_vrf, field.bytes()?, n, MAX_MARKERS)?,
                3 => push_capped(&mut history.past, field.bytes()?, n, MAX_MARKERS)?,
                4 => push_capped(&mut history.future_vrf, field.bytes()?, n, MAX_MARKERS)?,
                5 => push_capped(&mut history.future, field.bytes()?, n, MAX_MARKERS)?,
                _ => return Err(field.unknown().into()),
            }
        }
        Ok(history)
    }
}

/// Most markers of one kind: below 64 bits and 7 of the skip list.
const MAX_MARKERS: usize = 72;

#[cfg(test)]
mod tests {
    use super::super::wire::{put_bytes, put_varint};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is read the short way is read the long way too, with the same result.
        #[test]
        fn both_ways_read_the_same(
            label in prop::collection::vec(any::<u8>(), 0..36),
            bits in prop::sample::select(vec![0_u64, 1, 17, 127, 128, 255, 256, 257, 16_383, 16_384, u64::MAX]),
            value in prop::collection::vec(any::<u8>(), 31..34),
            change in (any::<bool>(), 0..90_usize, any::<u8>()),
            cut in 0..200_usize,
        ) {
            let (mut name, mut message) = (Vec::new(), Vec::new());
            put_bytes(&mut name, 1, &label);
            put_varint(&mut name, 2, bits);
            put_bytes(&mut message, 1, &name);
            put_bytes(&mut message, 2, &value);
            if let (true, Some(byte)) = (change.0, message.get_mut(change.1)) {
                *byte = change.2;
            }
            message.truncate(cut.max(60));
            let read = |element: Result<(RawLabel, &Digest), TreeError>| {
                element.map(|(label, value)| (label.bytes, label.bits, *value))
            };
            if usual_element(&message).is_some() {
                prop_assert_eq!(read(raw_element(&message)), read(any_element(&message)));
            } else if !change.0 && label.len() <= 32 && bits < 16_384 && value.len() == 32 && message.len() < cut.max(60) {
                prop_assert!(false, "the usual form is not seen: {:?}", message);
            }
        }
    }
}
