//! The stored tree: it has the newest root, and lookups from it verify.

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::label::Label;
use keyglass_protocol::quantity::KeyVersion;
use keyglass_protocol::tree::{self, Marker, TreeHead, VrfPublicKey};

use super::{Run, count};
use crate::directory::Prover;

/// Lookups between two notes of progress.
const STEP: u64 = 100;

impl Run<'_> {
    /// Makes and verifies lookups of all labels, or of a sample spread evenly over them.
    pub(super) async fn proofs(&mut self, newest: Option<&Leaf>, sample: Option<u64>) {
        let labels = std::mem::take(&mut self.newest);
        self.checked.labels = count(labels.len());
        let Some(leaf) = newest else { return };
        let prover = match Prover::new(&self.source, leaf.epoch, leaf.root).await {
            Ok(prover) => prover,
            Err(error) => return self.found("tree", error.to_string()),
        };
        let Ok(vrf) = VrfPublicKey::parse(&self.keys.vrf.public_key()) else {
            return self.found("keys", "the VRF key is none");
        };
        let head = TreeHead {
            epoch: leaf.epoch,
            root: &leaf.root,
            vrf: &vrf,
        };
        let total = self.checked.labels.min(sample.unwrap_or(u64::MAX));
        let step = self.checked.labels.checked_div(total).unwrap_or(1).max(1);
        let step = usize::try_from(step).unwrap_or(1);
        for (label, version) in labels.iter().step_by(step) {
            if self.checked.lookups.is_multiple_of(STEP) {
                self.report.progress("lookups", self.checked.lookups, total);
            }
            self.checked.lookups = self.checked.lookups.saturating_add(1);
            if let Err(what) = self.lookup(&prover, &head, label, *version).await {
                // The label itself is not written anywhere.
                self.found(format!("tree, a label of version {version}"), what);
            }
        }
    }

    async fn lookup(
        &self,
        prover: &Prover,
        head: &TreeHead<'_>,
        label: &Label,
        version: KeyVersion,
    ) -> Result<(), String> {
        let stored = self.store.newest(label, head.epoch).map_err(|e| e.to_string())?;
        let Some(stored) = stored else {
            // It belongs to an epoch that is not in the log yet.
            return Ok(());
        };
        if stored.version > version {
            return Err("the newest version is not among the stored ones".to_owned());
        }
        let made = prover.lookup(label).await.map_err(|e| e.to_string())?;
        let mut markers = Vec::with_capacity(made.markers.len());
        for marker in &made.markers {
            markers.push(Marker {
                version: KeyVersion::new(marker.version).map_err(|e| e.to_string())?,
                vrf_proof: &marker.vrf_proof.0,
                proof: &marker.proof.0,
            });
        }
        let proven = tree::verify_lookup(head, label.as_bytes(), &made.proof.0, &markers);
        let proven = proven.map_err(|e| e.to_string())?;
        if proven.value() == stored.value && proven.version() == stored.version {
            Ok(())
        } else {
            Err("a lookup shows another record than the stored one".to_owned())
        }
    }
}
