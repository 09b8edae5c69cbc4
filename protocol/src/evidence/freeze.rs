//! The operator's heartbeat on an old head, later than on a newer one.

use serde::{Deserialize, Serialize};

use super::{EvidenceError, Finding, bound, included, open, proven};
use crate::config::ConfigDocument;
use crate::message::EpochProof;
use crate::note::VerifierKey;

/// Two heads with heartbeats in the wrong order of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// The smaller head, with the later heartbeat.
    pub smaller: String,
    /// The larger head, with the earlier heartbeat.
    pub larger: String,
    /// A leaf of the larger head that names the configuration with the heartbeat key.
    pub epoch: EpochProof,
}

impl Freeze {
    pub(super) fn verify(
        &self,
        log: &VerifierKey,
        config: &ConfigDocument,
    ) -> Result<Finding, EvidenceError> {
        let (smaller, larger) = (open(&self.smaller, log)?, open(&self.larger, log)?);
        bound(config, &included(&larger, &self.epoch)?)?;
        let key = &config.values().heartbeat_vkey;
        let times = (smaller.cosignature(key)?, larger.cosignature(key)?);
        let (Some(on_smaller), Some(on_larger)) = times else {
            return Err(EvidenceError::NoContradiction);
        };
        if smaller.checkpoint().size < larger.checkpoint().size && on_smaller > on_larger {
            proven("heartbeat-on-older-head")
        } else {
            Err(EvidenceError::NoContradiction)
        }
    }
}
