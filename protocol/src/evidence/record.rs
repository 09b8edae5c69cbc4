//! A record in the log that breaks a rule of authorisation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{EvidenceError, Finding, proven};
use crate::config::{ConfigChain, ConfigDocument};
use crate::epoch::{SignedEpoch, TimeBounds, Trust, VerifiedEpoch};
use crate::label::{AccountId, Label};
use crate::message::Answer;
use crate::note::VerifierKey;
use crate::quantity::{Epoch, KeyVersion, Millis};
use crate::record::{RecordError, RecordErrorClass, Role, RoleSignature};
use crate::verify::{self, AuthorisedAccount, Pinned, Refusal};

/// The complete history of a label, and of every account that its records name if it is an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadRecord {
    /// The label whose history breaks a rule.
    pub label: String,
    /// Answer of its history since version 1.
    pub history: Box<Answer>,
    /// Answers of the histories since version 1 of the accounts that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Answer>,
}

impl BadRecord {
    pub(super) fn verify(
        &self,
        log: &VerifierKey,
        config: &ConfigDocument,
    ) -> Result<Finding, EvidenceError> {
        // Policy and clock say nothing about what the operator has signed, so neither is asked here.
        let trust = |from| {
            let chain = ConfigChain::pinned(config.clone(), from);
            Trust::new(log.clone(), chain, None, TimeBounds::default())
        };
        let from = self.in_force(&signed(&trust(Epoch::ZERO)?, &self.history)?, config)?;
        let trust = trust(from)?;
        let label = Label::parse(&self.label).map_err(|_| EvidenceError::NoContradiction)?;
        let epoch = signed(&trust, &self.history)?;
        let history = verify::history(&epoch, &trust, &label, KeyVersion::FIRST, &self.history)?;
        let outcome = if matches!(label, Label::Account(_)) {
            verify::authorise_account(&trust, &history, Pinned::Nothing)
                .map(|a| vouched_by_platform(a.newest().signatures()))
        } else {
            let accounts = self.authorised_accounts(&trust)?;
            verify::authorise_alias(&trust, &history, Pinned::Nothing, &accounts)
                .map(|a| vouched_by_platform(a.newest().signatures()))
        };
        match outcome {
            Err(Refusal::Record(broken)) if shows_a_lie(&broken, from) => proven(broken.reason()),
            Err(refusal) => Err(refusal.into()),
            Ok(true) => Ok(Finding::Disputed {
                reason: "platform-vouched-change".to_owned(),
            }),
            Ok(false) => Err(EvidenceError::NoContradiction),
        }
    }

    /// The first epoch that the file shows to be under the configuration.
    ///
    /// A record is judged by the platform's keys of its own epoch. The log's first configuration held from epoch 0
    /// on, another one from a leaf that names it on: the head's, or an older one beside the history.
    fn in_force(&self, head: &VerifiedEpoch, config: &ConfigDocument) -> Result<Epoch, EvidenceError> {
        if config.values().previous_config_sha256.is_none() {
            return Ok(Epoch::ZERO);
        }
        let mut first = head.epoch();
        for proof in self.history.history.iter().flat_map(|h| &h.leaves) {
            let leaf = head.older_leaf(proof)?;
            if leaf.config == config.hash() {
                first = first.min(leaf.epoch);
            }
        }
        Ok(first)
    }

    fn authorised_accounts(
        &self,
        trust: &Trust,
    ) -> Result<BTreeMap<AccountId, AuthorisedAccount>, EvidenceError> {
        let mut accounts = BTreeMap::new();
        for answer in &self.accounts {
            let stated = answer
                .history
                .as_ref()
                .map(|h| h.label.as_str())
                .unwrap_or_default();
            let label = Label::parse(stated).map_err(|_| EvidenceError::NoContradiction)?;
            let epoch = signed(trust, answer)?;
            let history = verify::history(&epoch, trust, &label, KeyVersion::FIRST, answer)?;
            let account = verify::authorise_account(trust, &history, Pinned::Nothing)?;
            if let Label::Account(id) = label {
                accounts.insert(id, account);
            }
        }
        Ok(accounts)
    }
}

fn signed(trust: &Trust, answer: &Answer) -> Result<VerifiedEpoch, EvidenceError> {
    Ok(SignedEpoch::of_answer(answer)?.verify(trust, Millis::default())?)
}

/// A missing account or leaf is a gap in the file, not a lie of the operator. So is a platform key that is missing
/// because the file does not reach back to the configuration of the record's epoch.
fn shows_a_lie(broken: &RecordError, known_from: Epoch) -> bool {
    match broken {
        RecordError::NoImportKey | RecordError::NoRecoveryKey => known_from == Epoch::ZERO,
        other => other.class() != RecordErrorClass::Unproven,
    }
}

/// Whether the platform's key stands in for the user's.
fn vouched_by_platform(signatures: &[RoleSignature]) -> bool {
    signatures
        .iter()
        .any(|s| matches!(s.role, Role::Import | Role::Recovery))
}
