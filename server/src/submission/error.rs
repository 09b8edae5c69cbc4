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
    /// A kind of record that is not accepted here.
    #[error("this kind of record is not accepted")]
    KindNotAccepted,
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
