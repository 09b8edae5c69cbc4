//! An operator who may hash whatever he likes: explicit trees of any shape, and the proofs that
//! akd's hashing (not its shapes) makes of them.

use akd_core::configuration::{Configuration as _, WhatsAppV1Configuration as Akd};
use akd_core::ecvrf::{HardCodedAkdVRF, VRFKeyStorage as _, VRFPrivateKey, VRFPublicKey};
use akd_core::proto::specs::types as pb;
use akd_core::{
    AkdLabel, AkdValue, AzksElement, AzksValue, Direction, HistoryProof, LookupProof, MembershipProof,
    NodeLabel, NonMembershipProof, SiblingProof, UpdateProof, VersionFreshness,
};
use protobuf::Message as _;

use super::akd_verdict::block_on;
use super::case::{Ask, Case, Head, MarkerBytes, demanded_markers};

pub const NONCE: [u8; 32] = [7; 32];
pub use VersionFreshness::{Fresh, Stale};

pub fn key() -> VRFPrivateKey {
    block_on(HardCodedAkdVRF.get_vrf_private_key()).unwrap()
}

pub fn public_key() -> [u8; 32] {
    *VRFPublicKey::from(&key()).as_bytes()
}

pub fn vrf_proof(label: &str, freshness: VersionFreshness, version: u64) -> Vec<u8> {
    let alpha = Akd::get_hash_from_label_input(&AkdLabel::from(label), freshness, version);
    key().prove(&alpha).to_bytes().to_vec()
}

pub fn leaf_label(label: &str, freshness: VersionFreshness, version: u64) -> NodeLabel {
    let alpha = Akd::get_hash_from_label_input(&AkdLabel::from(label), freshness, version);
    block_on(HardCodedAkdVRF.get_node_label_from_vrf_proof(key().prove(&alpha)))
}

pub fn fresh_value(value: &[u8], epoch: u64) -> AzksValue {
    AzksValue(Akd::hash_leaf_with_value(&AkdValue(value.to_vec()), epoch, &NONCE).0)
}

pub fn stale_value(epoch: u64) -> AzksValue {
    AzksValue(Akd::hash_leaf_with_commitment(Akd::stale_azks_value(), epoch).0)
}

/// A subtree.
#[derive(Debug, Clone)]
pub enum Node {
    Missing(AzksValue),
    Leaf(NodeLabel, AzksValue),
    Inner(NodeLabel, Box<(Node, Node)>),
}

pub fn missing() -> Node {
    Node::Missing(Akd::empty_node_hash())
}

pub fn inner(label: NodeLabel, left: Node, right: Node) -> Node {
    Node::Inner(label, Box::new((left, right)))
}

/// The first `bits` bits of a label.
pub fn prefix(label: &NodeLabel, bits: u32) -> NodeLabel {
    label.get_prefix(bits)
}

pub fn bit(label: &NodeLabel, index: u32) -> bool {
    label.label_val[index as usize / 8] >> (7 - index % 8) & 1 == 1
}

pub fn flip(label: &NodeLabel, index: u32) -> NodeLabel {
    let mut label = *label;
    label.label_val[index as usize / 8] ^= 0x80 >> (index % 8);
    label
}

fn common(a: &NodeLabel, b: &NodeLabel) -> u32 {
    a.get_longest_common_prefix::<Akd>(*b).label_len
}

impl Node {
    /// The honest tree of these leaves.
    pub fn honest(mut leaves: Vec<(NodeLabel, AzksValue)>) -> Self {
        leaves.sort_by_key(|(label, _)| label.label_val);
        let split = leaves.partition_point(|(label, _)| !bit(label, 0));
        let right = leaves.split_off(split);
        inner(
            NodeLabel::root(),
            Self::compressed(leaves),
            Self::compressed(right),
        )
    }

    fn compressed(mut leaves: Vec<(NodeLabel, AzksValue)>) -> Self {
        match leaves.as_slice() {
            [] => return missing(),
            [(label, value)] => return Self::Leaf(*label, *value),
            _ => {}
        }
        let bits = common(&leaves[0].0, &leaves.last().unwrap().0);
        let label = prefix(&leaves[0].0, bits);
        let right = leaves.split_off(leaves.partition_point(|(label, _)| !bit(label, bits)));
        inner(label, Self::compressed(leaves), Self::compressed(right))
    }

    pub fn label(&self) -> NodeLabel {
        match self {
            Self::Missing(_) => Akd::empty_label(),
            Self::Leaf(label, _) | Self::Inner(label, _) => *label,
        }
    }

    pub fn value(&self) -> AzksValue {
        match self {
            Self::Missing(value) | Self::Leaf(_, value) => *value,
            Self::Inner(_, children) => {
                let (left, right) = (&children.0, &children.1);
                Akd::compute_parent_hash_from_children(
                    &left.value(),
                    &left.label().value::<Akd>(),
                    &right.value(),
                    &right.label().value::<Akd>(),
                )
            }
        }
    }

    pub fn element(&self) -> AzksElement {
        AzksElement {
            label: self.label(),
            value: self.value(),
        }
    }

    pub fn root_hash(&self) -> [u8; 32] {
        Akd::compute_root_hash_from_val(&self.value())
    }

    pub fn children(&mut self) -> &mut (Self, Self) {
        match self {
            Self::Inner(_, children) => children,
            other => panic!("no children: {other:?}"),
        }
    }

    pub fn at(&mut self, address: &[bool]) -> &mut Self {
        match address.split_first() {
            None => self,
            Some((false, rest)) => self.children().0.at(rest),
            Some((true, rest)) => self.children().1.at(rest),
        }
    }

    pub fn relabel(&mut self, new: NodeLabel) {
        match self {
            Self::Leaf(label, _) | Self::Inner(label, _) => *label = new,
            Self::Missing(_) => panic!("nothing to relabel"),
        }
    }

    /// Where a leaf stands, in whatever shape.
    pub fn find(&self, target: &NodeLabel) -> Option<Vec<bool>> {
        match self {
            Self::Missing(_) => None,
            Self::Leaf(label, _) => (label == target).then(Vec::new),
            Self::Inner(_, children) => [(false, &children.0), (true, &children.1)]
                .into_iter()
                .find_map(|(side, child)| Some([vec![side], child.find(target)?].concat())),
        }
    }

    /// Where akd would look for an absent label: the deepest inner node that is a prefix of it.
    pub fn lead(&self, target: &NodeLabel) -> Vec<bool> {
        let Self::Inner(label, children) = self else {
            return Vec::new();
        };
        let side = bit(target, label.label_len);
        match if side { &children.1 } else { &children.0 } {
            child @ Self::Inner(next, _) if next.is_prefix_of(target) => {
                [vec![side], child.lead(target)].concat()
            }
            _ => Vec::new(),
        }
    }

    /// The membership proof of the node at an address.
    pub fn member_at(&self, address: &[bool]) -> MembershipProof {
        let mut node = self;
        let mut sibling_proofs = Vec::new();
        for side in address {
            let Self::Inner(label, children) = node else {
                panic!("address")
            };
            let (next, sibling) = if *side {
                (&children.1, &children.0)
            } else {
                (&children.0, &children.1)
            };
            let direction = if *side { Direction::Right } else { Direction::Left };
            sibling_proofs.push(SiblingProof {
                label: *label,
                siblings: [sibling.element()],
                direction,
            });
            node = next;
        }
        MembershipProof {
            label: node.label(),
            hash_val: node.value(),
            sibling_proofs,
        }
    }

    pub fn member(&self, label: &NodeLabel) -> MembershipProof {
        self.member_at(&self.find(label).unwrap())
    }

    pub fn absent_at(&self, label: &NodeLabel, address: &[bool]) -> NonMembershipProof {
        let Self::Inner(longest_prefix, children) = self.clone().at(address).clone() else {
            panic!("address")
        };
        NonMembershipProof {
            label: *label,
            longest_prefix,
            longest_prefix_children: [children.0.element(), children.1.element()],
            longest_prefix_membership_proof: self.member_at(address),
        }
    }

    pub fn absent(&self, label: &NodeLabel) -> NonMembershipProof {
        self.absent_at(label, &self.lead(label))
    }
}

/// Versions of one user, each with its epoch and value, from version 1.
#[derive(Debug, Clone)]
pub struct User {
    pub label: String,
    pub versions: Vec<(u64, Vec<u8>)>,
}

impl User {
    pub fn new(label: &str, epochs: &[u64]) -> Self {
        let versions = epochs
            .iter()
            .map(|epoch| (*epoch, format!("value of {epoch}").into_bytes()));
        Self {
            label: label.to_owned(),
            versions: versions.collect(),
        }
    }

    pub fn leaves(&self) -> Vec<(NodeLabel, AzksValue)> {
        let mut leaves = Vec::new();
        for (version, (epoch, value)) in (1_u64..).zip(&self.versions) {
            leaves.push((
                leaf_label(&self.label, Fresh, version),
                fresh_value(value, *epoch),
            ));
            if version > 1 {
                leaves.push((leaf_label(&self.label, Stale, version - 1), stale_value(*epoch)));
            }
        }
        leaves
    }

    pub fn lookup(&self, tree: &Node, version: u64) -> LookupProof {
        let (epoch, value) = self.versions[version as usize - 1].clone();
        let power = 1 << version.ilog2();
        LookupProof {
            epoch,
            value: AkdValue(value),
            version,
            existence_vrf_proof: vrf_proof(&self.label, Fresh, version),
            existence_proof: tree.member(&leaf_label(&self.label, Fresh, version)),
            marker_vrf_proof: vrf_proof(&self.label, Fresh, power),
            marker_proof: tree.member(&leaf_label(&self.label, Fresh, power)),
            freshness_vrf_proof: vrf_proof(&self.label, Stale, version),
            freshness_proof: tree.absent(&leaf_label(&self.label, Stale, version)),
            commitment_nonce: NONCE.to_vec(),
        }
    }

    pub fn markers(&self, tree: &Node, version: u64, epoch: u64) -> Vec<MarkerBytes> {
        let marker = |version| MarkerBytes {
            version,
            vrf_proof: vrf_proof(&self.label, Fresh, version),
            proof: membership_bytes(&tree.member(&leaf_label(&self.label, Fresh, version))),
        };
        demanded_markers(version, epoch).into_iter().map(marker).collect()
    }

    pub fn update(&self, tree: &Node, version: u64) -> UpdateProof {
        let (epoch, value) = self.versions[version as usize - 1].clone();
        let previous = (version > 1).then(|| version - 1);
        UpdateProof {
            epoch,
            value: AkdValue(value),
            version,
            existence_vrf_proof: vrf_proof(&self.label, Fresh, version),
            existence_proof: tree.member(&leaf_label(&self.label, Fresh, version)),
            previous_version_vrf_proof: previous.map(|v| vrf_proof(&self.label, Stale, v)),
            previous_version_proof: previous.map(|v| tree.member(&leaf_label(&self.label, Stale, v))),
            commitment_nonce: NONCE.to_vec(),
        }
    }

    pub fn history(&self, tree: &Node, since: u64, newest: u64, epoch: u64) -> HistoryProof {
        let (past, future) = akd_core::utils::get_marker_versions(since, newest, epoch);
        let vrf = |versions: &[u64]| {
            versions
                .iter()
                .map(|v| vrf_proof(&self.label, Fresh, *v))
                .collect()
        };
        HistoryProof {
            update_proofs: (since..=newest).rev().map(|v| self.update(tree, v)).collect(),
            past_marker_vrf_proofs: vrf(&past),
            existence_of_past_marker_proofs: past
                .iter()
                .map(|v| tree.member(&leaf_label(&self.label, Fresh, *v)))
                .collect(),
            future_marker_vrf_proofs: vrf(&future),
            non_existence_of_future_marker_proofs: future
                .iter()
                .map(|v| tree.absent(&leaf_label(&self.label, Fresh, *v)))
                .collect(),
        }
    }

    pub fn head(tree: &Node, epoch: u64) -> Head {
        Head {
            epoch,
            root: tree.root_hash(),
            vrf: public_key(),
        }
    }

    pub fn lookup_case(&self, tree: &Node, version: u64, epoch: u64) -> Case {
        Case {
            head: Self::head(tree, epoch),
            label: self.label.clone(),
            ask: Ask::Lookup {
                markers: self.markers(tree, version, epoch),
            },
            proof: lookup_bytes(&self.lookup(tree, version)),
        }
    }

    pub fn history_case(&self, tree: &Node, since: u64, epoch: u64) -> Case {
        let newest = self.versions.len() as u64;
        Case {
            head: Self::head(tree, epoch),
            label: self.label.clone(),
            ask: Ask::History { since },
            proof: history_bytes(&self.history(tree, since, newest, epoch)),
        }
    }
}

pub fn absence_case(label: &str, tree: &Node, epoch: u64, proof: &NonMembershipProof) -> Case {
    Case {
        head: User::head(tree, epoch),
        label: label.to_owned(),
        ask: Ask::Absence {
            vrf_proof: vrf_proof(label, Fresh, 1),
        },
        proof: non_membership_bytes(proof),
    }
}

/// Leaves that belong to nobody, spread over the tree; the same every time.
pub fn filler(count: u8) -> Vec<(NodeLabel, AzksValue)> {
    let leaf = |i: u8| {
        (
            NodeLabel::new(Akd::hash(&[i, 1]), 256),
            AzksValue(Akd::hash(&[i, 2])),
        )
    };
    (0..count).map(leaf).collect()
}

pub fn lookup_bytes(proof: &LookupProof) -> Vec<u8> {
    pb::LookupProof::from(proof).write_to_bytes().unwrap()
}

pub fn history_bytes(proof: &HistoryProof) -> Vec<u8> {
    pb::HistoryProof::from(proof).write_to_bytes().unwrap()
}

pub fn membership_bytes(proof: &MembershipProof) -> Vec<u8> {
    pb::MembershipProof::from(proof).write_to_bytes().unwrap()
}

pub fn non_membership_bytes(proof: &NonMembershipProof) -> Vec<u8> {
    pb::NonMembershipProof::from(proof).write_to_bytes().unwrap()
}

pub fn append_only_bytes(proof: &akd_core::SingleAppendOnlyProof) -> Vec<u8> {
    pb::SingleAppendOnlyProof::from(proof).write_to_bytes().unwrap()
}
