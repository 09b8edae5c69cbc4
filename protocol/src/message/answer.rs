//! Answers of lookups and histories, and the audit list.

use serde::{Deserialize, Serialize};

use super::bytes::B64;

/// Answer of a lookup or a history; with `absences` also the body of a 404.
///
/// All proofs in it are at the root of the last leaf of `checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The signed note: checkpoint, log signature, cosignatures.
    pub checkpoint: String,
    /// The last leaf of the checkpoint and its place in the log.
    pub epoch: EpochProof,
    /// That the log the client saw before is a prefix of this one; only when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency_proof: Option<ConsistencyProof>,
    /// One step for an account or a released alias, two for an alias, one or two per label of a batch.
    #[serde(default)]
    pub lookups: Vec<LookupProof>,
    /// The account's (or the asked label's) history; only when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryProof>,
    /// A proof of absence for each asked label that does not exist.
    #[serde(default)]
    pub absences: Vec<AbsenceProof>,
}

/// A leaf of the epoch log with its RFC 6962 inclusion proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochProof {
    /// Leaf index = epoch.
    pub index: u64,
    /// The 164 bytes of the leaf.
    pub leaf: B64,
    /// Hashes of 32 bytes, the leaf's sibling first.
    pub inclusion_proof: Vec<B64>,
}

/// RFC 6962 consistency proof from an earlier size to the checkpoint's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    /// The earlier size.
    pub from: u64,
    /// Hashes of 32 bytes in RFC 6962 section 2.1.2 order.
    pub hashes: Vec<B64>,
}

/// akd's lookup proof of one label, with the markers that akd itself does not demand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupProof {
    /// The label in its canonical form, such as `account:123`.
    pub label: String,
    /// akd `LookupProof`, protobuf.
    pub proof: B64,
    /// Membership of every past marker version, ascending.
    #[serde(default)]
    pub markers: Vec<MarkerProof>,
}

/// Membership of (label, fresh, version).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkerProof {
    /// The marker's version.
    pub version: u64,
    /// 80 bytes of ECVRF proof.
    pub vrf_proof: B64,
    /// akd `MembershipProof`, protobuf.
    pub proof: B64,
}

/// akd's history proof of one label, with the leaves that date its notices and recoveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryProof {
    /// The label in its canonical form.
    pub label: String,
    /// akd `HistoryProof`, protobuf.
    pub proof: B64,
    /// The leaf of the epoch of every notice and recovery in the history.
    #[serde(default)]
    pub leaves: Vec<EpochProof>,
}

/// Proof that a label does not exist: (label, fresh, 1) is not in the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsenceProof {
    /// The label in its canonical form.
    pub label: String,
    /// 80 bytes of ECVRF proof of (label, fresh, 1).
    pub vrf_proof: B64,
    /// akd `NonMembershipProof`, protobuf; empty at epoch 0, where the root itself is the proof.
    pub proof: B64,
}

/// Body of `POST /v1/lookups`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// Canonical labels, at most [`super::MAX_BATCH`].
    pub labels: Vec<String>,
}

/// One page of `GET /log/audit`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditList {
    /// The entries of this page.
    pub epochs: Vec<AuditEntry>,
    /// Where the next, older page starts (`?before=<epoch>`); none on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
}

/// Where the audit proof of one epoch lies and what its bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The epoch that the step leads into.
    pub epoch: u64,
    /// akd root before, 64 hex digits.
    pub previous_root: String,
    /// akd root after, 64 hex digits.
    pub root: String,
    /// Length of the proof in bytes.
    pub length: u64,
    /// SHA-256 of the proof, 64 hex digits.
    pub sha256: String,
}
