//! The second lock: the account's own key, and the rules for what may follow what.

use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{Epoch, KeyVersion, Millis};
use keyglass_protocol::record::{AccountKind, AccountRecord, AliasKind};
use keyglass_schema::{Conditions, Holder, Stored};

use super::{SubmitError, account, alias};
use crate::access::Caller;
use crate::service::Service;

/// A record that is to follow what is stored.
pub(super) struct Case<'a> {
    pub(super) service: &'a Service,
    /// Who asks; `None` for the publisher, which asks again.
    pub(super) caller: Option<&'a Caller>,
    pub(super) label: &'a Label,
    pub(super) bytes: &'a [u8],
    pub(super) newest: Option<&'a Stored>,
    /// Epoch of the tree: the record enters a later one.
    pub(super) at: Epoch,
    /// The leaf of the record's epoch will not be earlier than this.
    pub(super) not_before: Millis,
}

/// A record that may enter the queue.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) version: Option<KeyVersion>,
    pub(super) holder: Option<Named>,
    pub(super) previous_holder: Option<Named>,
    /// Aliases of the account exclude it: its identity key changes, or it closes.
    pub(super) changes_identity: bool,
    /// The account closes.
    pub(super) closes: bool,
    /// It reopens a closed account, or announces that.
    pub(super) follows_closed: bool,
    /// Last epoch that may contain it.
    pub(super) publish_by: Option<Epoch>,
    /// What a handle looks like, and whether nobody else's may look like it.
    pub(super) skeleton: Option<(String, bool)>,
    /// Accounts whose histories prove the alias.
    pub(super) relies_on: Vec<AccountId>,
}

impl Checked {
    pub(super) fn conditions(&self, max_batch: usize) -> Conditions<'_> {
        Conditions {
            publish_by: self.publish_by,
            max_batch,
            skeleton: self.skeleton.as_ref().map(|(text, _)| text.as_str()),
            skeleton_is_unique: self.skeleton.as_ref().is_some_and(|(_, unique)| *unique),
            relies_on: &self.relies_on,
            closes: self.closes,
            follows_closed: self.follows_closed,
        }
    }
}

/// An account that an alias names, as it was when the alias was checked.
pub(super) struct Named {
    pub(super) account: AccountId,
    pub(super) record: AccountRecord,
}

impl Named {
    pub(super) fn holder(&self) -> Holder<'_> {
        Holder {
            account: &self.account,
            newest: self.record.version,
        }
    }
}

impl Case<'_> {
    /// Checks the record against everything that is stored.
    pub(super) fn check(&self) -> Result<Checked, SubmitError> {
        match self.label {
            Label::Account(_) => account::check(self),
            Label::Handle(_) | Label::Phone(_) => alias::check(self),
        }
    }

    /// The epoch that the record enters at the earliest. Its keys and limits are those of every epoch until the next
    /// configuration document, which waits until the queue is empty.
    pub(super) fn epoch(&self) -> Epoch {
        self.at.next().unwrap_or(self.at)
    }

    /// Whether this is the newest stored record once more: the store answers it with the receipt that was given.
    pub(super) fn repeats(&self) -> bool {
        self.newest.is_some_and(|stored| stored.value == self.bytes)
    }

    /// Demands the version after the newest stored one. Said before the signatures are looked at: it is the usual reason.
    pub(super) fn follows(&self, version: KeyVersion) -> Result<(), SubmitError> {
        let newest = self.newest.map(|s| s.version);
        let expected = newest.map_or(Some(KeyVersion::FIRST), KeyVersion::next);
        if expected == Some(version) {
            Ok(())
        } else {
            Err(SubmitError::Stale { newest })
        }
    }

    /// The last epoch of imports, for an imported record.
    pub(super) fn end_of_imports(&self, imported: bool) -> Option<Epoch> {
        let in_force = self.service.config.in_force();
        in_force.newest().import_closed_after_epoch.filter(|_| imported)
    }
}

/// Whether the rules of this record look at the clock or at a key of the platform, so that the publisher asks again.
pub(super) fn is_conditional(label: &Label, bytes: &[u8]) -> bool {
    /// Where the kind stands in both records: behind four bytes of magic.
    const KIND: usize = 4;
    let Some(kind) = bytes.get(KIND) else {
        return false;
    };
    match label {
        Label::Account(_) => [AccountKind::Notice, AccountKind::Recovery, AccountKind::Closed]
            .iter()
            .any(|k| k.number() == *kind),
        Label::Handle(_) | Label::Phone(_) => AliasKind::Reassign.number() == *kind,
    }
}

/// Whether the record is signed by the import key.
pub(super) fn is_imported(label: &Label, bytes: &[u8]) -> bool {
    let kind = match label {
        Label::Account(_) => AccountKind::Imported.number(),
        Label::Handle(_) | Label::Phone(_) => AliasKind::Imported.number(),
    };
    bytes.get(4) == Some(&kind)
}
