//! What an honest directory answers.

use akd::ecvrf::VRFKeyStorage as _;
use akd::storage::StorageManager;
use akd::{AkdLabel, HistoryParams, VersionFreshness, WhatsAppV1Configuration};
use keyglass_protocol::label::Label;
use keyglass_protocol::log;
use keyglass_protocol::message::{
    AbsenceProof, Answer, B64, ConsistencyProof, EpochProof, HistoryProof, LookupProof, MarkerProof,
};
use keyglass_protocol::quantity::{Epoch, KeyVersion, LogHash, LogSize};
use keyglass_protocol::record::{AccountKind, AccountRecord, AliasRecord};
use keyglass_protocol::tree;
use protobuf::Message as _;

use super::World;

fn b64(hashes: Vec<LogHash>) -> Vec<B64> {
    hashes.iter().map(|h| B64(h.as_bytes().to_vec())).collect()
}

impl World {
    /// The answer to a lookup, with the account's complete history and a consistency proof if asked for.
    pub fn lookup(&self, label: &Label, since: Option<u64>, from: Option<u64>) -> Answer {
        let mut answer = self.bare_answer(from);
        let Some(step) = self.step(label) else {
            answer.absences.push(self.absence(label));
            return answer;
        };
        let mut account = label.clone();
        if !matches!(label, Label::Account(_)) {
            let value = tree_value(&step);
            let record = AliasRecord::decode(&value).unwrap();
            answer.lookups.push(step);
            let Some(holder) = &record.body().holder else {
                return answer;
            };
            account = Label::Account(holder.account.clone());
            answer.lookups.push(self.step(&account).unwrap());
        } else {
            answer.lookups.push(step);
        }
        answer.history = since.map(|s| self.history_proof(&account, s));
        answer
    }

    /// The answer to a history request.
    pub fn history(&self, label: &Label, since: u64) -> Answer {
        let mut answer = self.bare_answer(None);
        answer.history = Some(self.history_proof(label, since));
        answer
    }

    /// Checkpoint and last leaf only.
    pub fn bare_answer(&self, from: Option<u64>) -> Answer {
        let consistency_proof = from.map(|from| {
            let hashes = log::consistency_proof(self, LogSize::new(from), self.size()).unwrap();
            ConsistencyProof {
                from,
                hashes: b64(hashes),
            }
        });
        Answer {
            checkpoint: String::from_utf8(self.checkpoint(self.size()).to_bytes()).unwrap(),
            epoch: self.epoch_proof(self.epoch(), self.size()),
            consistency_proof,
            lookups: Vec::new(),
            history: None,
            absences: Vec::new(),
        }
    }

    /// A leaf with its inclusion proof at a size.
    pub fn epoch_proof(&self, epoch: Epoch, size: LogSize) -> EpochProof {
        EpochProof {
            index: epoch.get(),
            leaf: B64(self.leaf(epoch).encode()),
            inclusion_proof: b64(log::inclusion_proof(self, epoch.get(), size).unwrap()),
        }
    }

    fn step(&self, label: &Label) -> Option<LookupProof> {
        let (proof, _) = self
            .runtime
            .block_on(self.tree.lookup(AkdLabel(label.as_bytes().to_vec())))
            .ok()?;
        let version = KeyVersion::new(proof.version).unwrap();
        let markers = tree::lookup_markers(version, self.epoch());
        Some(LookupProof {
            label: label.as_str().to_owned(),
            proof: B64(akd::proto::specs::types::LookupProof::from(&proof)
                .write_to_bytes()
                .unwrap()),
            markers: markers.into_iter().map(|m| self.marker(label, m)).collect(),
        })
    }

    /// Membership of (label, fresh, version).
    pub fn marker(&self, label: &Label, version: KeyVersion) -> MarkerProof {
        let akd_label = AkdLabel(label.as_bytes().to_vec());
        let fresh = VersionFreshness::Fresh;
        let proof = self.runtime.block_on(async {
            let vrf = &self.keys.vrf;
            let node = vrf
                .get_node_label::<WhatsAppV1Configuration>(&akd_label, fresh, version.get())
                .await
                .unwrap();
            let (azks, storage) = self.azks().await;
            azks.get_membership_proof::<WhatsAppV1Configuration, _>(&storage, node)
                .await
                .unwrap()
        });
        MarkerProof {
            version: version.get(),
            vrf_proof: B64(self.vrf_proof(label, version.get())),
            proof: B64(akd::proto::specs::types::MembershipProof::from(&proof)
                .write_to_bytes()
                .unwrap()),
        }
    }

    /// Proof that a label does not exist.
    pub fn absence(&self, label: &Label) -> AbsenceProof {
        let akd_label = AkdLabel(label.as_bytes().to_vec());
        let proof = if self.epoch() == Epoch::ZERO {
            Vec::new()
        } else {
            let proof = self.runtime.block_on(async {
                let fresh = VersionFreshness::Fresh;
                let node = self
                    .keys
                    .vrf
                    .get_node_label::<WhatsAppV1Configuration>(&akd_label, fresh, 1)
                    .await
                    .unwrap();
                let (azks, storage) = self.azks().await;
                azks.get_non_membership_proof::<WhatsAppV1Configuration, _>(&storage, node)
                    .await
                    .unwrap()
            });
            akd::proto::specs::types::NonMembershipProof::from(&proof)
                .write_to_bytes()
                .unwrap()
        };
        AbsenceProof {
            label: label.as_str().to_owned(),
            vrf_proof: B64(self.vrf_proof(label, 1)),
            proof: B64(proof),
        }
    }

    /// ECVRF proof of (label, fresh, version).
    pub fn vrf_proof(&self, label: &Label, version: u64) -> Vec<u8> {
        let label = AkdLabel(label.as_bytes().to_vec());
        let fresh = VersionFreshness::Fresh;
        let proof = self
            .keys
            .vrf
            .get_label_proof::<WhatsAppV1Configuration>(&label, fresh, version);
        self.runtime.block_on(proof).unwrap().to_bytes().to_vec()
    }

    fn history_proof(&self, label: &Label, since: u64) -> HistoryProof {
        let akd_label = AkdLabel(label.as_bytes().to_vec());
        let newest = self
            .runtime
            .block_on(self.tree.lookup(akd_label.clone()))
            .unwrap()
            .0
            .version;
        let params = match since {
            1 => HistoryParams::Complete,
            _ => HistoryParams::MostRecent((newest - since + 1) as usize),
        };
        let (proof, _) = self
            .runtime
            .block_on(self.tree.key_history(&akd_label, params))
            .unwrap();
        let mut epochs: Vec<u64> = proof
            .update_proofs
            .iter()
            .filter(|u| needs_date(&u.value.0))
            .map(|u| u.epoch)
            .collect();
        epochs.sort_unstable();
        HistoryProof {
            label: label.as_str().to_owned(),
            proof: B64(akd::proto::specs::types::HistoryProof::from(&proof)
                .write_to_bytes()
                .unwrap()),
            leaves: epochs
                .into_iter()
                .map(|e| self.epoch_proof(Epoch::new(e), self.size()))
                .collect(),
        }
    }

    pub(super) async fn azks(
        &self,
    ) -> (
        akd::Azks,
        StorageManager<akd::storage::memory::AsyncInMemoryDatabase>,
    ) {
        let record = self
            .storage
            .get::<akd::Azks>(&akd::append_only_zks::DEFAULT_AZKS_KEY)
            .await
            .unwrap();
        let akd::storage::types::DbRecord::Azks(azks) = record else {
            unreachable!("asked for the Azks")
        };
        (azks, self.storage.clone())
    }
}

/// Notices, recoveries and closings are dated by their leaf.
fn needs_date(value: &[u8]) -> bool {
    AccountRecord::decode(value).is_ok_and(|r| {
        matches!(
            r.body().kind,
            AccountKind::Notice | AccountKind::Recovery | AccountKind::Closed
        )
    })
}

/// The value inside an akd lookup proof.
pub fn tree_value(step: &LookupProof) -> Vec<u8> {
    akd::proto::specs::types::LookupProof::parse_from_bytes(&step.proof.0)
        .unwrap()
        .value()
        .to_vec()
}
