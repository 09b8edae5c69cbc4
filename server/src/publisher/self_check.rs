//! Before anything is signed: what was just made must verify, with the same code that strangers will run.
//!
//! A lost row of the tree gives a silently wrong root (1 in 30 cases in an experiment); a signature on it would be there
//! for ever.

use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::quantity::{AuditHash, KeyVersion};
use keyglass_protocol::tree::{self, Marker, TreeHead, VrfPublicKey};
use sha2::{Digest as _, Sha256};

use super::{Direct, PublishError, Publisher};
use crate::artefacts::AuditName;
use crate::directory::Prover;

/// Updates of a batch whose lookups are made and verified: the first, the last and one between.
const SAMPLES: usize = 3;

impl Publisher {
    /// Verifies the audit proof and some lookups of the epoch of `leaf`.
    pub(super) async fn self_check(&self, leaf: &Leaf) -> Result<(), PublishError> {
        let service = &self.service;
        if leaf.epoch.previous().is_none() {
            return require(leaf.root == tree::empty_root(), "epoch 0 is not the empty tree");
        }
        let proof = service
            .artefacts
            .audit(&AuditName::of(leaf))
            .map_err(PublishError::Audit)?;
        let hash = AuditHash::new(Sha256::digest(&proof).into());
        require(
            hash == leaf.audit_hash,
            "the audit proof is not the one that the leaf names",
        )?;
        let step = tree::verify_append_only(&proof, leaf.epoch, &leaf.previous_root, &leaf.root)?;
        require(
            step.inserted() == leaf.inserted,
            "the audit proof inserts another number of entries",
        )?;
        let vrf = VrfPublicKey::parse(&service.keys.vrf.public_key())?;
        let head = TreeHead {
            epoch: leaf.epoch,
            root: &leaf.root,
            vrf: &vrf,
        };
        let prover = Prover::new(&service.source, leaf.epoch, leaf.root).await?;
        let batch = match &self.direct {
            Some((epoch, records)) if *epoch == leaf.epoch => records.clone(),
            _ => service
                .store
                .frozen(leaf.epoch)?
                .into_iter()
                .map(Direct::from)
                .collect(),
        };
        for update in samples(&batch) {
            check_update(&prover, &head, update).await?;
        }
        Ok(())
    }
}

pub(super) fn samples(batch: &[Direct]) -> impl Iterator<Item = &Direct> {
    let step = batch.len().div_ceil(SAMPLES).max(1);
    batch.iter().step_by(step).chain(batch.last())
}

async fn check_update(prover: &Prover, head: &TreeHead<'_>, update: &Direct) -> Result<(), PublishError> {
    let made = prover.lookup(&update.label).await?;
    let mut markers = Vec::with_capacity(made.markers.len());
    for marker in &made.markers {
        let version = KeyVersion::new(marker.version)
            .map_err(|_| PublishError::SelfCheck("a marker of version 0".to_owned()))?;
        markers.push(Marker {
            version,
            vrf_proof: &marker.vrf_proof.0,
            proof: &marker.proof.0,
        });
    }
    let label = update.label.as_bytes();
    let proven = tree::verify_lookup(head, label, &made.proof.0, &markers)?;
    require(
        proven.value() == update.record,
        "a lookup shows another record than the one that was published",
    )?;
    require(
        proven.version() == update.version,
        "a lookup shows another version",
    )?;
    require(proven.epoch() == head.epoch, "a lookup shows another epoch")?;
    Ok(())
}

fn require(holds: bool, what: &str) -> Result<(), PublishError> {
    if holds {
        Ok(())
    } else {
        Err(PublishError::SelfCheck(what.to_owned()))
    }
}
