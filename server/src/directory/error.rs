//! Why a question is not answered with a proof of what was asked.

use keyglass_protocol::error::FormatError;
use keyglass_protocol::log::ProveError as LogProveError;
use keyglass_protocol::message::Answer;
use keyglass_protocol::quantity::LogSize;
use keyglass_protocol::record::RecordError;
use keyglass_schema::StoreError;
use thiserror::Error;

use super::prover::ProveError;
use crate::replica::Fenced;

/// A lookup or history that has another answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The label does not exist; the answer proves it.
    #[error("the label does not exist")]
    Absent(Box<Answer>),
    /// `since` lies beyond the newest version, which the answer proves.
    #[error("since lies beyond the newest version")]
    SinceBeyondNewest(Box<Answer>),
    /// `from` is larger than the log.
    #[error("the log has {size} leaves")]
    UnknownSize {
        /// Size of the readers' head.
        size: LogSize,
    },
    /// There is no head yet, or too much to do.
    #[error("not ready")]
    Unavailable,
    /// This replica must not answer now.
    #[error("{0}")]
    Fenced(#[from] Fenced),
    /// The database failed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A proof could not be made.
    #[error("proof: {0}")]
    Prove(ProveError),
    /// What is stored does not fit together.
    #[error("stored data is damaged: {0}")]
    Damaged(&'static str),
    /// A stored record is not canonical.
    #[error("a stored record is damaged: {0}")]
    Record(#[from] RecordError),
    /// A stored value is not canonical.
    #[error("a stored value is damaged: {0}")]
    Format(#[from] FormatError),
    /// A worker died.
    #[error("a worker died")]
    WorkerDied,
}

impl From<ProveError> for LookupError {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Store(error) => Self::Store(error),
            other => Self::Prove(other),
        }
    }
}

impl From<LogProveError<StoreError>> for LookupError {
    fn from(error: LogProveError<StoreError>) -> Self {
        match error {
            LogProveError::Source(e) => Self::Store(e),
            _ => Self::Damaged("the log is smaller than its checkpoint"),
        }
    }
}
