//! Checking lines against the tree and against the lines before them in the same epoch.

use std::collections::{HashMap, HashSet};

use akd::AkdLabel;
use akd::storage::Database as _;
use akd::storage::types::ValueStateRetrievalFlag;
use keyglass_protocol::error::FormatError;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_protocol::record::{
    AccountRecord, AccountStep, AliasRecord, AliasStep, RecordError, Rules, check_alias_successor,
    check_first_alias, check_successor,
};
use keyglass_schema::{Store, StoreError};
use thiserror::Error;

use super::ImportError;
use super::ready::{Either, Ready, ReadyLine};
use crate::publisher::{Direct, PublishError};
use crate::service::Service;
use crate::settings::HandleSettings;
use crate::submission::{SubmitError, handles};

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadRecord {
    /// The line is longer than any record makes it.
    #[error("the line is longer than 64 KiB")]
    LongLine,
    /// The line is not `{"record": "<base64>"}`.
    #[error("not {{\"record\": \"<base64>\"}}: {0}")]
    Json(FormatError),
    /// The record breaks a rule.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// Another record of this version stands in the tree.
    #[error("another record stands as version {0} of this label")]
    OtherRecord(KeyVersion),
    /// The handle, or one that it looks like, is reserved.
    #[error("the handle is reserved, or looks like one that is")]
    HandleReserved,
    /// The handle mixes scripts, or uses letters that are not in general use.
    #[error(
        "the handle mixes scripts that are not written together, or has letters that are not in general use"
    )]
    HandleRestricted,
    /// The handle looks like one that was there before.
    #[error("the handle looks like one that was there before")]
    HandleConfusable,
    /// The version is not the one after the newest.
    #[error("version {found} does not follow version {newest}")]
    Gap {
        /// The label's newest version; 0 without one.
        newest: u64,
        /// The record's.
        found: KeyVersion,
    },
}

impl BadRecord {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::LongLine => "long-line",
            Self::Json(_) => "bad-json",
            Self::Record(e) => e.reason(),
            Self::OtherRecord(_) => "other-record",
            Self::HandleReserved => "handle-reserved",
            Self::HandleRestricted => "handle-restricted",
            Self::HandleConfusable => "handle-confusable",
            Self::Gap { .. } => "version-gap",
        }
    }
}

/// What is to become of a line.
pub(super) enum Verdict {
    /// Into this epoch.
    New(Direct),
    /// It is in the tree already.
    Known,
    /// Not into this epoch: one before it in this epoch stands in the way.
    Next,
    /// Nowhere.
    Bad(BadRecord),
}

/// The newest record of a label.
struct Newest {
    version: KeyVersion,
    bytes: Vec<u8>,
    /// Whether it goes into the epoch that is being filled.
    here: bool,
}

/// Checks the lines of one epoch, in their order.
pub(super) struct Checker<'a> {
    store: &'a Store,
    rules: Rules,
    epoch: Epoch,
    newest: HashMap<Label, Newest>,
    /// Accounts that aliases of this epoch name: they must not change in it.
    named: HashSet<AccountId>,
    /// Which handles may be claimed.
    handles: &'a HandleSettings,
    /// What the new handles of this epoch look like.
    looks: HashMap<String, Label>,
}

impl<'a> Checker<'a> {
    /// Reads what the lines build on, in as few questions as possible.
    pub(super) async fn new(service: &'a Service, lines: &[ReadyLine]) -> Result<Self, ImportError> {
        let at = service.store.tree_epoch()?.unwrap_or_default();
        let tree = service.store.tree().stored_tree()?;
        let (mut labels, mut new) = (HashSet::new(), HashSet::new());
        for ready in lines.iter().filter_map(|line| line.record.as_ref().ok()) {
            let record = &ready.record;
            labels.extend(record.holder().map(|h| Label::Account(h.clone())));
            if ready.is_new_in(&tree) {
                new.insert(record.label());
            } else {
                labels.insert(record.label());
            }
        }
        // What the tree does not have need not be looked for in the database.
        labels.retain(|label| !new.contains(label));
        let mut checker = Self {
            store: &service.store,
            rules: service.config.in_force().rules().clone(),
            epoch: at.next().unwrap_or(at),
            newest: HashMap::new(),
            named: HashSet::new(),
            handles: &service.settings.handles,
            looks: HashMap::new(),
        };
        checker.load(labels).await?;
        // A release names nobody: the one who holds the alias so far is known only now.
        let mut before: HashSet<Label> = HashSet::new();
        for (label, newest) in &checker.newest {
            if label.account().is_none()
                && let Some(holder) = AliasRecord::decode(&newest.bytes)
                    .ok()
                    .and_then(|r| r.holder.clone())
            {
                before.insert(Label::Account(holder.account));
            }
        }
        before.retain(|label| !checker.newest.contains_key(label));
        checker.load(before).await?;
        Ok(checker)
    }

    async fn load(&mut self, labels: HashSet<Label>) -> Result<(), ImportError> {
        let mut asked: Vec<AkdLabel> = labels.iter().map(|l| AkdLabel(l.as_bytes().to_vec())).collect();
        asked.sort();
        let found = self
            .store
            .tree()
            .get_user_state_versions(&asked, ValueStateRetrievalFlag::MaxEpoch)
            .await
            .map_err(|e| ImportError::Publish(PublishError::Akd(e.to_string())))?;
        for label in labels {
            let Some((version, value)) = found.get(&AkdLabel(label.as_bytes().to_vec())) else {
                continue;
            };
            let version = KeyVersion::new(*version).map_err(|_| StoreError::Corrupt {
                table: "label_states",
                why: "version zero",
            })?;
            self.newest.insert(
                label,
                Newest {
                    version,
                    bytes: value.0.clone(),
                    here: false,
                },
            );
        }
        Ok(())
    }

    /// Says what is to become of the next line.
    pub(super) fn check(&mut self, line: &ReadyLine) -> Result<Verdict, ImportError> {
        let ready = match &line.record {
            Ok(ready) => ready,
            Err(why) => return Ok(Verdict::Bad(why.clone())),
        };
        let record = &ready.record;
        let label = record.label();
        if let Some(settled) = self.settled(&label, record)? {
            return Ok(settled);
        }
        match self.allowed(&label, ready) {
            Ok(true) => {}
            Ok(false) => return Ok(Verdict::Next),
            Err(error) => return Ok(Verdict::Bad(error.into())),
        }
        if let Some(why) = self.refused_handle(&label, record)? {
            return Ok(Verdict::Bad(why));
        }
        self.named.extend(record.holder().cloned());
        self.named.extend(self.holder_before(&label));
        let version = record.version();
        let newest = Newest {
            version,
            bytes: record.bytes().to_vec(),
            here: true,
        };
        self.newest.insert(label.clone(), newest);
        Ok(Verdict::New(Direct {
            label,
            version,
            record: record.bytes().to_vec(),
        }))
    }

    /// What its version alone decides: it is there already, or cannot follow.
    fn settled(&self, label: &Label, record: &Either) -> Result<Option<Verdict>, ImportError> {
        let found = record.version();
        let newest = self.newest.get(label);
        let reached = newest.map_or(0, |n| n.version.get());
        if found.get() <= reached {
            let same = match newest.filter(|n| n.version == found) {
                Some(newest) => newest.bytes == record.bytes(),
                None => {
                    let stored = self.store.version(label, found)?;
                    stored.is_some_and(|s| s.value == record.bytes())
                }
            };
            return Ok(Some(if same {
                Verdict::Known
            } else {
                Verdict::Bad(BadRecord::OtherRecord(found))
            }));
        }
        if found.get() != reached.saturating_add(1) {
            let gap = BadRecord::Gap {
                newest: reached,
                found,
            };
            return Ok(Some(Verdict::Bad(gap)));
        }
        // One version of a label in one epoch.
        Ok(newest.is_some_and(|n| n.here).then_some(Verdict::Next))
    }

    /// Whether the rules allow the record in this epoch; false: not beside what is in it already.
    fn allowed(&self, label: &Label, ready: &Ready) -> Result<bool, RecordError> {
        match &ready.record {
            Either::Account(record) => {
                if self.named.contains(&record.account) {
                    return Ok(false);
                }
                self.account(label, record, ready).map(|()| true)
            }
            Either::Alias(record) => self.alias(label, record).map(|()| true),
        }
    }

    fn account(&self, label: &Label, record: &AccountRecord, ready: &Ready) -> Result<(), RecordError> {
        let Some(newest) = self.newest.get(label) else {
            return ready.first(&self.rules, record, self.epoch);
        };
        let step = AccountStep {
            epoch: self.epoch,
            time: None,
            previous_time: None,
        };
        check_successor(&self.rules, &AccountRecord::decode(&newest.bytes)?, record, &step)
    }

    fn alias(&self, label: &Label, record: &AliasRecord) -> Result<(), RecordError> {
        let previous = self
            .newest
            .get(label)
            .map(|n| AliasRecord::decode(&n.bytes))
            .transpose()?;
        let holder = record
            .holder
            .as_ref()
            .map(|h| self.named_account(&h.account))
            .transpose()?
            .flatten();
        let before = previous
            .as_ref()
            .and_then(|p| p.holder.as_ref())
            .filter(|_| record.previous_holder.is_some());
        let previous_holder = before
            .map(|h| self.named_account(&h.account))
            .transpose()?
            .flatten();
        let step = AliasStep {
            epoch: self.epoch,
            holder: holder.as_ref(),
            previous_holder: previous_holder.as_ref(),
        };
        match &previous {
            None => check_first_alias(&self.rules, record, &step),
            Some(previous) => check_alias_successor(&self.rules, previous, record, &step),
        }
    }

    /// A claim is judged as one over HTTP would be. What the platform had before is imported as it is, and a later
    /// claim must not look like it.
    fn refused_handle(&mut self, label: &Label, record: &Either) -> Result<Option<BadRecord>, ImportError> {
        let (Label::Handle(handle), Either::Alias(record)) = (label, record) else {
            return Ok(None);
        };
        let look = match handles::check(self.handles, handle, record) {
            Ok(look) => look,
            Err(SubmitError::HandleReserved) => return Ok(Some(BadRecord::HandleReserved)),
            Err(_) => return Ok(Some(BadRecord::HandleRestricted)),
        };
        let Some((skeleton, unique)) = look else {
            return Ok(None);
        };
        let taken = match self.looks.get(&skeleton) {
            Some(first) => first != label,
            None => self.store.is_confusable(label, &skeleton)?,
        };
        if taken && unique {
            return Ok(Some(BadRecord::HandleConfusable));
        }
        self.looks.entry(skeleton).or_insert_with(|| label.clone());
        Ok(None)
    }

    /// Who held an alias until now.
    fn holder_before(&self, label: &Label) -> Option<AccountId> {
        let newest = self.newest.get(label).filter(|_| label.account().is_none())?;
        AliasRecord::decode(&newest.bytes)
            .ok()?
            .holder
            .clone()
            .map(|h| h.account)
    }

    /// The newest record of an account, as it will be in this epoch.
    fn named_account(&self, account: &AccountId) -> Result<Option<AccountRecord>, RecordError> {
        let newest = self.newest.get(&Label::Account(account.clone()));
        newest.map(|n| AccountRecord::decode(&n.bytes)).transpose()
    }
}
