//! Submitting an update and following its receipt.

use serde::{Deserialize, Serialize};

use super::answer::EpochProof;
use super::bytes::B64;

/// Body of a `PUT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutRequest {
    /// The signed account or alias record, at most 16 KiB.
    pub record: B64,
}

/// Answer to an accepted `PUT` (202): the operator's promise and what opens it.
///
/// `nonce` is as secret as the record: whoever has both can recognise the update in the audit feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutAnswer {
    /// SHA-256 of the receipt's text, 64 hex digits.
    pub id: String,
    /// The receipt, a signed note.
    pub receipt: String,
    /// 80 bytes of ECVRF proof that the receipt's node label is the label's.
    pub vrf_proof: B64,
    /// 32 bytes that open the receipt's commitment together with the record.
    pub nonce: B64,
    /// The label in its canonical form.
    pub label: String,
    /// The version that the update becomes.
    pub version: u64,
}

/// Answer of `GET /v1/receipts/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptAnswer {
    /// Whether the update is in the readers' log yet.
    pub status: ReceiptState,
    /// The readers' checkpoint, once included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The leaf of the epoch that contains the update, once included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<EpochProof>,
}

/// State of an accepted update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptState {
    /// Durable, but not in the readers' log yet.
    Pending,
    /// In the readers' log.
    Included,
}
