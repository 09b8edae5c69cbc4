//! Audit proofs: each verifies, and inserts exactly what the stored versions explain.

use akd::proto::specs::types::SingleAppendOnlyProof;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::quantity::AuditHash;
use keyglass_protocol::tree;
use protobuf::Message as _;
use sha2::{Digest as _, Sha256};

use super::{Run, count, of_epoch};
use crate::artefacts::AuditName;

impl Run<'_> {
    /// Checks the proof of every epoch of the log.
    pub(super) fn audits(&mut self, leaves: &[Leaf]) {
        let total = count(leaves.len());
        for leaf in leaves.iter().skip(1) {
            self.report.progress("audits", leaf.epoch.get(), total);
            let name = AuditName::of(leaf);
            let place = format!("artefacts, log/audit/{}", leaf.epoch);
            match self.artefacts.audit(&name) {
                Ok(proof) => self.audit(&place, leaf, &proof),
                Err(error) => self.found(place, format!("the audit proof cannot be read: {error}")),
            }
        }
        let known = total.saturating_sub(1);
        let later: Vec<u64> = self
            .explained
            .range(known.saturating_add(1)..)
            .map(|(e, _)| *e)
            .collect();
        for epoch in later {
            self.found(
                format!("label_states, epoch {epoch}"),
                "versions of an epoch whose leaf is missing",
            );
        }
    }

    fn audit(&mut self, place: &str, leaf: &Leaf, proof: &[u8]) {
        self.checked.audits = self.checked.audits.saturating_add(1);
        let hash = AuditHash::new(Sha256::digest(proof).into());
        if hash != leaf.audit_hash || count(proof.len()) != leaf.audit_length {
            self.found(place, "not the audit proof that the leaf names");
            return;
        }
        match tree::verify_append_only(proof, leaf.epoch, &leaf.previous_root, &leaf.root) {
            Ok(step) => self.demand(
                step.inserted() == leaf.inserted,
                place,
                "it inserts another number of entries",
            ),
            Err(error) => {
                self.found(place, error.to_string());
                return;
            }
        }
        match SingleAppendOnlyProof::parse_from_bytes(proof) {
            Ok(parsed) => self.inserted(leaf, &parsed),
            Err(error) => self.found(place, error.to_string()),
        }
    }

    /// Compares what a proof inserts with what the stored versions of the epoch explain.
    fn inserted(&mut self, leaf: &Leaf, proof: &SingleAppendOnlyProof) {
        let explained = self.explained.remove(&leaf.epoch.get()).unwrap_or_default();
        let place = of_epoch("label_states", leaf.epoch);
        let mut used = vec![false; explained.len()];
        let mut unexplained = 0_u64;
        for entry in &proof.inserted {
            let label = whole(entry.label.label_val());
            match explained.binary_search_by_key(&label, |one| one.leaf) {
                Err(_) => unexplained = unexplained.saturating_add(1),
                Ok(at) => {
                    if let Some(seen) = used.get_mut(at) {
                        *seen = true;
                    }
                    let Some(one) = explained.get(at) else { continue };
                    let same = one.commitment.is_none_or(|c| c.as_slice() == entry.value());
                    self.demand(
                        same,
                        &one.place,
                        "the stored record is not the one that was published",
                    );
                }
            }
        }
        if unexplained > 0 {
            let what = format!(
                "{unexplained} leaves of the tree that no stored version explains: rows are missing or damaged"
            );
            self.found(place, what);
        }
        for (one, _) in explained.iter().zip(used).filter(|(_, used)| !used) {
            self.found(
                &one.place,
                format!("it was not published in epoch {}", leaf.epoch),
            );
        }
    }
}

/// akd leaves zero bytes at the end of a label out.
fn whole(label: &[u8]) -> [u8; 32] {
    let mut whole = [0; 32];
    for (to, from) in whole.iter_mut().zip(label) {
        *to = *from;
    }
    whole
}
