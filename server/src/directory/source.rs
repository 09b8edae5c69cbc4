//! What proofs are made from, whatever the epoch.

use std::sync::Arc;

use keyglass_protocol::label::Label;
use keyglass_schema::{Store, Stored};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::keys::Vrf;

/// Bytes that a kept record takes besides the record.
const OVERHEAD: u64 = 192;

/// The store, the VRF key, and the records that were shown lately. Cheap to clone.
#[derive(Clone)]
pub struct ProofSource {
    pub(super) store: Store,
    pub(super) vrf: Vrf,
    /// By the label's hash: the newest version when it was last looked at. Whether it still is, the tree says.
    recent: Arc<Cache<[u8; 32], Arc<Stored>, Weight>>,
    /// Bytes of the answers that each head keeps.
    pub(super) answer_bytes: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<[u8; 32], Arc<Stored>> for Weight {
    fn weight(&self, _: &[u8; 32], stored: &Arc<Stored>) -> u64 {
        OVERHEAD.saturating_add(u64::try_from(stored.value.len()).unwrap_or(u64::MAX))
    }
}

impl ProofSource {
    /// A source that keeps about `proof_bytes` bytes of VRF proofs and records in memory, and `answer_bytes` bytes of
    /// answers for each head.
    pub fn new(store: &Store, vrf: &Vrf, proof_bytes: u64, answer_bytes: u64) -> Self {
        let records = proof_bytes / 3;
        vrf.keep_proofs(proof_bytes.saturating_sub(records));
        let expected = usize::try_from(records / (2 * OVERHEAD)).unwrap_or(usize::MAX);
        Self {
            store: store.clone(),
            vrf: vrf.clone(),
            recent: Arc::new(Cache::with_weighter(expected, records, Weight)),
            answer_bytes,
        }
    }

    pub(super) fn recent(&self, label: &Label) -> Option<Arc<Stored>> {
        self.recent.get(blake3::hash(label.as_bytes()).as_bytes())
    }

    pub(super) fn remember(&self, label: &Label, stored: &Arc<Stored>) {
        let key = *blake3::hash(label.as_bytes()).as_bytes();
        self.recent.insert(key, Arc::clone(stored));
    }
}
