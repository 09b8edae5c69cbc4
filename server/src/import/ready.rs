//! Lines made ready on a thread of their own while the batch before them is published: read, decoded, and judged as far as a
//! record can be judged alone.

use std::io;

use keyglass_protocol::error::FormatError;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_protocol::record::{AccountRecord, AliasRecord, RecordError, Rules, check_first};

use super::MAX_BATCH_BYTES;
use super::check::BadRecord;
use super::lines::{Line, Lines};

/// A record of either kind.
pub(super) enum Either {
    Account(Box<AccountRecord>),
    Alias(Box<AliasRecord>),
}

impl Either {
    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match AccountRecord::decode(bytes) {
            Ok(record) => Ok(Self::Account(Box::new(record))),
            // Each kind begins with its own four letters.
            Err(RecordError::Format(FormatError::BadMagic)) => {
                AliasRecord::decode(bytes).map(|record| Self::Alias(Box::new(record)))
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Account(record) => record.bytes(),
            Self::Alias(record) => record.bytes(),
        }
    }

    pub(super) fn label(&self) -> Label {
        match self {
            Self::Account(record) => record.label(),
            Self::Alias(record) => record.label(),
        }
    }

    pub(super) fn version(&self) -> KeyVersion {
        match self {
            Self::Account(record) => record.version,
            Self::Alias(record) => record.version,
        }
    }

    /// The account that an alias points to.
    pub(super) fn holder(&self) -> Option<&AccountId> {
        match self {
            Self::Account(_) => None,
            Self::Alias(record) => record.holder.as_ref().map(|h| &h.account),
        }
    }
}

/// A decoded record.
pub(super) struct Ready {
    pub(super) record: Either,
    /// What the rules say of it as an account's first version in this epoch.
    first: Option<(Epoch, Result<(), RecordError>)>,
}

impl Ready {
    fn new(bytes: &[u8], rules: &Rules, epoch: Epoch) -> Result<Self, RecordError> {
        let record = Either::decode(bytes)?;
        let first = match &record {
            Either::Account(account) if account.version == KeyVersion::FIRST => {
                Some((epoch, check_first(rules, account, epoch)))
            }
            _ => None,
        };
        Ok(Self { record, first })
    }

    /// The verdict on an account's first version; made now if it was foreseen for another epoch.
    pub(super) fn first(
        &self,
        rules: &Rules,
        record: &AccountRecord,
        epoch: Epoch,
    ) -> Result<(), RecordError> {
        match &self.first {
            Some((foreseen, verdict)) if *foreseen == epoch => verdict.clone(),
            _ => check_first(rules, record, epoch),
        }
    }
}

/// A line whose record is ready.
pub(super) struct ReadyLine {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Where the next one begins in the file.
    pub(super) end: u64,
    /// SHA-256 of the file up to there.
    pub(super) hash: [u8; 32],
    /// The record in it.
    pub(super) record: Result<Ready, BadRecord>,
}

impl ReadyLine {
    fn new(line: Line, rules: &Rules, epoch: Epoch) -> Self {
        let ready = |bytes: Vec<u8>| Ready::new(&bytes, rules, epoch).map_err(BadRecord::from);
        Self {
            number: line.number,
            end: line.end,
            hash: line.hash,
            record: line.record.and_then(ready),
        }
    }
}

/// Lines of one batch.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<ReadyLine>,
    /// Whether the file ends here.
    pub(super) ended: bool,
}

/// Reads at most `most` lines and makes them ready for `epoch`.
pub(super) fn read(lines: &mut Lines, most: usize, rules: &Rules, epoch: Epoch) -> io::Result<Batch> {
    let (mut batch, mut bytes) = (Batch::default(), 0_usize);
    while batch.lines.len() < most && bytes < MAX_BATCH_BYTES {
        let Some(line) = lines.next()? else {
            batch.ended = true;
            break;
        };
        bytes = bytes.saturating_add(line.len());
        batch.lines.push(ReadyLine::new(line, rules, epoch));
    }
    Ok(batch)
}
