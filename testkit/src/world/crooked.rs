//! What only an operator with the tree's key can do: leaves that no publish makes, and proofs of what is not so.
//!
//! The hashes of all of it are right, so that akd's own recomputation of hashes would not notice.

use akd::append_only_zks::{AzksParallelismConfig, InsertMode};
use akd::configuration::Configuration as _;
use akd::ecvrf::VRFKeyStorage as _;
use akd::proto::specs::types as pb;
use akd::storage::types::DbRecord;
use akd::{
    AkdLabel, AkdValue, AzksElement, AzksValue, HistoryProof, LookupProof, MembershipProof, NodeLabel,
    NonMembershipProof, SiblingProof, UpdateProof, VersionFreshness, WhatsAppV1Configuration as Akd,
};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{self, B64};
use keyglass_protocol::quantity::{Epoch, KeyVersion, Nonce};
use keyglass_protocol::tree;
use protobuf::Message as _;

use super::World;

/// Opens every commitment that is planted.
const NONCE: [u8; 32] = [7; 32];

/// A leaf that is planted into the tree.
#[derive(Debug, Clone)]
pub struct Planted {
    /// The label.
    pub label: Label,
    /// The version.
    pub version: u64,
    /// The value of a version that exists; `None` for the mark that it was replaced.
    pub value: Option<Vec<u8>>,
}

impl Planted {
    /// (label, fresh, version) with a value.
    pub fn fresh(label: &Label, version: u64, value: &[u8]) -> Self {
        Self {
            label: label.clone(),
            version,
            value: Some(value.to_vec()),
        }
    }

    /// (label, stale, version).
    pub fn stale(label: &Label, version: u64) -> Self {
        Self {
            label: label.clone(),
            version,
            value: None,
        }
    }
}

/// A version of a label that was planted: its number, the epoch that it is shown in, its value.
pub type Shown<'a> = (u64, Epoch, &'a [u8]);

impl World {
    /// Plants leaves as one epoch, one second after the last.
    pub fn plant(&mut self, leaves: &[Planted]) -> Epoch {
        let elements = leaves.iter().map(|l| self.element(l)).collect();
        self.runtime.block_on(async {
            let (mut azks, storage) = self.azks().await;
            let off = AzksParallelismConfig::disabled();
            azks.batch_insert_nodes::<Akd, _>(&storage, elements, InsertMode::Directory, off)
                .await
                .unwrap();
            storage.set(DbRecord::Azks(azks)).await.unwrap();
        });
        self.took_place()
    }

    fn element(&self, leaf: &Planted) -> AzksElement {
        let freshness = match leaf.value {
            Some(_) => VersionFreshness::Fresh,
            None => VersionFreshness::Stale,
        };
        let value = match &leaf.value {
            Some(value) => AzksValue(*tree::commitment(value, &Nonce::new(NONCE)).as_bytes()),
            None => Akd::stale_azks_value(),
        };
        AzksElement {
            label: self.node(&leaf.label, freshness, leaf.version),
            value,
        }
    }

    fn node(&self, label: &Label, freshness: VersionFreshness, version: u64) -> NodeLabel {
        let label = AkdLabel(label.as_bytes().to_vec());
        let node = self.keys.vrf.get_node_label::<Akd>(&label, freshness, version);
        self.runtime.block_on(node).unwrap()
    }

    fn vrf(&self, label: &Label, freshness: VersionFreshness, version: u64) -> Vec<u8> {
        let label = AkdLabel(label.as_bytes().to_vec());
        let proof = self.keys.vrf.get_label_proof::<Akd>(&label, freshness, version);
        self.runtime.block_on(proof).unwrap().to_bytes().to_vec()
    }

    /// Membership of a leaf, as akd makes it.
    pub fn member(&self, label: &Label, freshness: VersionFreshness, version: u64) -> MembershipProof {
        let node = self.node(label, freshness, version);
        self.runtime.block_on(async {
            let (azks, storage) = self.azks().await;
            azks.get_membership_proof::<Akd, _>(&storage, node).await.unwrap()
        })
    }

    /// Absence of a leaf, as akd makes it.
    pub fn absent(&self, label: &Label, freshness: VersionFreshness, version: u64) -> NonMembershipProof {
        let node = self.node(label, freshness, version);
        self.runtime.block_on(async {
            let (azks, storage) = self.azks().await;
            azks.get_non_membership_proof::<Akd, _>(&storage, node)
                .await
                .unwrap()
        })
    }

    /// "Absence" of a leaf that exists: its parent is passed off as the place where the search ends.
    pub fn denied(&self, label: &Label, freshness: VersionFreshness, version: u64) -> NonMembershipProof {
        let mut path = self.member(label, freshness, version);
        let leaf = element(path.label, path.hash_val);
        let last = path.sibling_proofs.pop().unwrap();
        let children = children(&leaf, &last);
        path.label = last.label;
        path.hash_val = parent(&children);
        NonMembershipProof {
            label: leaf.label,
            longest_prefix: last.label,
            longest_prefix_children: children,
            longest_prefix_membership_proof: path,
        }
    }

    /// "Membership" of any leaf at all: the root's own value without a path.
    pub fn pathless(&self, label: &Label, freshness: VersionFreshness, version: u64) -> MembershipProof {
        let node = self.node(label, freshness, version);
        let some = self.runtime.block_on(async {
            let (azks, storage) = self.azks().await;
            azks.get_membership_proof::<Akd, _>(&storage, node).await.unwrap()
        });
        let top = some
            .sibling_proofs
            .iter()
            .rev()
            .fold(element(some.label, some.hash_val), |below, step| {
                element(step.label, parent(&children(&below, step)))
            });
        MembershipProof {
            label: node,
            hash_val: top.value,
            sibling_proofs: Vec::new(),
        }
    }

    /// A lookup that shows a planted version as the newest, with every marker that exists.
    pub fn planted_lookup(&self, label: &Label, (version, epoch, value): Shown<'_>) -> message::LookupProof {
        use VersionFreshness::{Fresh, Stale};
        let power = 1 << version.ilog2();
        let proof = LookupProof {
            epoch: epoch.get(),
            value: AkdValue(value.to_vec()),
            version,
            existence_vrf_proof: self.vrf(label, Fresh, version),
            existence_proof: self.member(label, Fresh, version),
            marker_vrf_proof: self.vrf(label, Fresh, power),
            marker_proof: self.member(label, Fresh, power),
            freshness_vrf_proof: self.vrf(label, Stale, version),
            freshness_proof: self.absent(label, Stale, version),
            commitment_nonce: NONCE.to_vec(),
        };
        let markers = tree::lookup_markers(KeyVersion::new(version).unwrap(), self.epoch());
        message::LookupProof {
            label: label.as_str().to_owned(),
            proof: B64(pb::LookupProof::from(&proof).write_to_bytes().unwrap()),
            markers: markers.into_iter().map(|m| self.marker(label, m)).collect(),
        }
    }

    /// A complete history of planted versions, oldest first.
    pub fn planted_history(&self, label: &Label, versions: &[Shown<'_>]) -> message::HistoryProof {
        let newest = versions.last().map_or(1, |(v, ..)| *v);
        let first = KeyVersion::FIRST;
        let (_, future) = tree::history_markers(first, KeyVersion::new(newest).unwrap(), self.epoch());
        let fresh = VersionFreshness::Fresh;
        let proof = HistoryProof {
            update_proofs: versions
                .iter()
                .rev()
                .map(|v| self.planted_update(label, *v))
                .collect(),
            past_marker_vrf_proofs: Vec::new(),
            existence_of_past_marker_proofs: Vec::new(),
            future_marker_vrf_proofs: future.iter().map(|m| self.vrf(label, fresh, m.get())).collect(),
            non_existence_of_future_marker_proofs: future
                .iter()
                .map(|m| self.absent(label, fresh, m.get()))
                .collect(),
        };
        message::HistoryProof {
            label: label.as_str().to_owned(),
            proof: B64(pb::HistoryProof::from(&proof).write_to_bytes().unwrap()),
            leaves: Vec::new(),
        }
    }

    fn planted_update(&self, label: &Label, (version, epoch, value): Shown<'_>) -> UpdateProof {
        use VersionFreshness::{Fresh, Stale};
        let previous = (version > 1).then(|| version - 1);
        UpdateProof {
            epoch: epoch.get(),
            value: AkdValue(value.to_vec()),
            version,
            existence_vrf_proof: self.vrf(label, Fresh, version),
            existence_proof: self.member(label, Fresh, version),
            previous_version_vrf_proof: previous.map(|v| self.vrf(label, Stale, v)),
            previous_version_proof: previous.map(|v| self.member(label, Stale, v)),
            commitment_nonce: NONCE.to_vec(),
        }
    }
}

fn element(label: NodeLabel, value: AzksValue) -> AzksElement {
    AzksElement { label, value }
}

/// Left and right child of a step's parent.
fn children(below: &AzksElement, step: &SiblingProof) -> [AzksElement; 2] {
    match step.direction {
        akd::Direction::Left => [*below, step.siblings[0]],
        akd::Direction::Right => [step.siblings[0], *below],
    }
}

fn parent([left, right]: &[AzksElement; 2]) -> AzksValue {
    Akd::compute_parent_hash_from_children(
        &left.value,
        &left.label.value::<Akd>(),
        &right.value,
        &right.label.value::<Akd>(),
    )
}
