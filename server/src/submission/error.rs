//! Why an update is not accepted.

use keyglass_protocol::quantity::KeyVersion;
use keyglass_protocol::record::RecordError;
use keyglass_schema::StoreError;
use thiserror::Error;

use crate::access::Denied;

/// An update that gets no receipt.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The caller may not do this.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// There is no epoch yet.
    #[error("not ready")]
    NotReady,
    /// The quorum is late: no promise can be given.
    #[error("the cosigners are late")]
    Holding,
    /// The record is not one, is not authorised, or breaks a rule.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// The log has ended: another one continues it.
    #[error("this log has ended; updates go to the log with the key {successor}")]
    LogEnded {
        /// Verifier key of the log that continues this one.
        successor: String,
    },
    /// Imports end before the record could be published.
    #[error("imports end before this record could be published")]
    ImportTooLate,
    /// The account that the alias names is closed.
    #[error("the account that the alias names is closed")]
    HolderClosed,
    /// The closed account's records were erased: nothing may follow.
    #[error("the records of this closed account were erased: nothing may follow")]
    Erased,
    /// The handle, or one that it looks like, is reserved.
    #[error("the handle is reserved, or looks like one that is")]
    HandleReserved,
    /// The handle mixes scripts that are not written together, or uses letters that UTS 39 keeps out of identifiers.
    #[error(
        "the handle mixes scripts that are not written together, or has letters that are not in general use"
    )]
    HandleRestricted,
    /// The handle looks like one that was claimed before.
    #[error("the handle looks like one that was claimed before")]
    HandleConfusable,
    /// An account that once held the alias was erased, so nobody could verify how it changed hands.
    #[error("an account that once held this alias was erased: it cannot change hands any more")]
    HandleRetired,
    /// The record is not the next version of its label.
    #[error("the record does not follow the newest version")]
    Stale {
        /// The newest stored version, if there is one.
        newest: Option<KeyVersion>,
    },
    /// Another update stands in the way until its epoch.
    #[error("another update is pending")]
    UpdatePending,
    /// The database failed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The receipt key did not sign. The update is durable: the same bytes again get its receipt.
    #[error("{0}")]
    Sign(#[from] crate::keys::SignError),
    /// A stored receipt is damaged.
    #[error("a stored receipt is damaged")]
    Damaged,
}
