//! The durable queue: updates that were acknowledged with a receipt and wait for their epoch.
//!
//! An update stays a row of `updates` from acceptance until [`Store::finish_batch`] of its epoch. Until then it
//! blocks what could contradict it; its record is kept sealed. Its receipt stays for good.

mod batch;
mod closings;
mod conditions;
mod enqueue;
mod receipt;
mod replay;

use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::KeyVersion;

#[cfg(doc)]
use crate::Store;
pub use closings::{Closing, Erasure};
pub use conditions::{Conditions, Noted};
pub use receipt::{ReceiptRow, ReceiptStatus};
pub use replay::GivenReceipt;

/// An update to accept. The caller has checked it against the newest stored record of its label.
#[derive(Debug, Clone, Copy)]
pub struct NewUpdate<'a> {
    /// The label it changes.
    pub label: &'a Label,
    /// The whole record.
    pub record: &'a [u8],
    /// The record's version: one more than the newest stored.
    pub version: KeyVersion,
    /// Aliases: the account that the record names, if any.
    pub holder: Option<Holder<'a>>,
    /// Aliases: the account that the record takes the label from (release, transfer, reassign).
    pub previous_holder: Option<Holder<'a>>,
    /// Accounts: aliases that name it might become invalid (the identity key changes, or the account closes).
    pub changes_identity: bool,
    /// The receipt to give.
    pub receipt: &'a ReceiptRow,
    /// What else must hold when it is accepted.
    pub conditions: Conditions<'a>,
}

/// An account that an alias record names, as the caller saw it.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// Its newest stored version when the caller checked the alias against it.
    pub newest: KeyVersion,
}

/// What became of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Enqueued {
    /// Accepted and durable: hand out its receipt.
    New,
    /// The byte-identical record is pending or newest: this receipt was given for it.
    Same(ReceiptRow),
    /// Another pending update stands in the way; it will be gone after its epoch.
    Conflict(Conflict),
    /// The version is not the one after the newest stored version (`None`: the label has none).
    Stale {
        /// The newest stored version.
        newest: Option<KeyVersion>,
    },
    /// It could not be published in the last epoch that may contain it.
    TooLate,
    /// Another handle with the same skeleton was accepted before.
    Confusable,
    /// The records of an account that proves the alias were erased.
    Retired,
    /// The records below the closing that it follows were erased.
    Erased,
    /// A holder got a new version since the caller looked: check the alias again.
    HolderMoved {
        /// The holder's newest stored version.
        newest: Option<KeyVersion>,
    },
}

/// Which pending update stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// Another update of the same label, with this version.
    Label(KeyVersion),
    /// A change of the identity key of an account that this alias names.
    HolderChanges,
    /// An alias that names this account, whose identity key would change.
    AliasPending,
}

/// One update of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The label.
    pub label: Label,
    /// The version that the record has.
    pub version: KeyVersion,
    /// The whole record.
    pub record: Vec<u8>,
    /// The receipt that was given for it.
    pub receipt: ReceiptRow,
}
