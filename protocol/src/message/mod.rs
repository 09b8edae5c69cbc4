//! Bodies of requests and answers: what travels between a client and the directory.
//!
//! Nothing here is verified; [`crate::verify`] turns these into verdicts. JSON is the default and `proto`
//! carries the same in protobuf. Binary is standard base64 with padding in JSON, raw in protobuf.
//! Answers may grow new fields, so clients ignore unknown ones; request bodies refuse them.

mod answer;
mod bytes;
mod proto;
mod submission;

pub use answer::{
    AbsenceProof, Answer, AuditEntry, AuditList, BatchRequest, ConsistencyProof, EpochProof, HistoryProof,
    LookupProof, MarkerProof,
};
pub use bytes::B64;
pub use proto::{PROTOBUF_MEDIA_TYPE, ProtoMessage};
pub use submission::{PutAnswer, PutRequest, ReceiptAnswer, ReceiptState};

use crate::error::FormatError;

/// Longest answer that a client reads: a complete history of the longest allowed chain fits. 64 MiB.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Most labels in one batch lookup.
pub const MAX_BATCH: usize = 100;

/// Decodes a JSON body into one of the messages.
///
/// # Errors
/// [`FormatError::TooLong`] above [`MAX_ANSWER_BYTES`], [`FormatError::BadJson`] for anything else that is wrong.
pub fn from_json<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, FormatError> {
    from_json_within(bytes, MAX_ANSWER_BYTES)
}

/// The same with another limit.
pub(crate) fn from_json_within<'a, T: serde::Deserialize<'a>>(
    bytes: &'a [u8],
    max: usize,
) -> Result<T, FormatError> {
    if bytes.len() > max {
        let found = bytes.len();
        return Err(FormatError::TooLong { max, found });
    }
    serde_json::from_slice(bytes).map_err(|e| FormatError::BadJson {
        line: e.line(),
        column: e.column(),
    })
}
