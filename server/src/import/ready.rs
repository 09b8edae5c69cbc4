//! Lines made ready on threads of their own while the batch before them is published: read, decoded, judged as far as a
//! record can be judged alone, and their places in the tree computed.

use std::io;
use std::sync::Arc;

use keyglass_protocol::error::FormatError;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{Epoch, KeyVersion, LeafLabel};
use keyglass_protocol::record::{AccountRecord, AliasRecord, RecordError, Rules, check_first};
use keyglass_schema::Tree;

use super::MAX_BATCH_BYTES;
use super::check::BadRecord;
use super::lines::{Line, Lines};
use crate::keys::Vrf;

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
    /// What these rules say of it as an account's first version in this epoch.
    first: Option<(Arc<Rules>, Epoch, Result<(), RecordError>)>,
    /// Where it lies in the tree if it is published; unknown of one that will not be.
    place: Option<LeafLabel>,
}

impl Ready {
    fn new(bytes: &[u8], rules: &Arc<Rules>, epoch: Epoch) -> Result<Self, RecordError> {
        let record = Either::decode(bytes)?;
        let first = match &record {
            Either::Account(account) if account.version == KeyVersion::FIRST => {
                Some((Arc::clone(rules), epoch, check_first(rules, account, epoch)))
            }
            _ => None,
        };
        Ok(Self {
            record,
            first,
            place: None,
        })
    }

    /// Whether it is the first version of a label that has none in this tree.
    pub(super) fn is_new_in(&self, tree: &Tree) -> bool {
        let first = self.place.filter(|_| self.record.version() == KeyVersion::FIRST);
        first.is_some_and(|place| !tree.contains(&place))
    }

    /// The verdict on an account's first version; made now if it was foreseen under other rules or keys.
    pub(super) fn first(
        &self,
        rules: &Rules,
        record: &AccountRecord,
        epoch: Epoch,
    ) -> Result<(), RecordError> {
        match &self.first {
            Some((under, foreseen, verdict)) if **under == *rules && rules.same_keys(*foreseen, epoch) => {
                verdict.clone()
            }
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

/// What lines are made ready with.
pub(super) struct Readier {
    pub(super) rules: Arc<Rules>,
    /// The epoch that they will probably come into.
    pub(super) epoch: Epoch,
    pub(super) vrf: Vrf,
}

impl Readier {
    fn line(&self, line: Line) -> ReadyLine {
        ReadyLine {
            number: line.number,
            end: line.end,
            hash: line.hash,
            record: line.record.and_then(|bytes| self.record(&bytes)),
        }
    }

    fn record(&self, bytes: &[u8]) -> Result<Ready, BadRecord> {
        let mut ready = Ready::new(bytes, &self.rules, self.epoch)?;
        if !matches!(ready.first, Some((_, _, Err(_)))) {
            let place = self.vrf.foresee(&ready.record.label(), ready.record.version());
            ready.place = Some(place);
        }
        Ok(ready)
    }

    /// In the order of the file.
    pub(super) fn all(&self, lines: Vec<Line>) -> Vec<ReadyLine> {
        lines.into_iter().map(|line| self.line(line)).collect()
    }
}

/// Lines of one batch.
pub(super) struct Batch<L = ReadyLine> {
    pub(super) lines: Vec<L>,
    /// Whether the file ends here.
    pub(super) ended: bool,
}

/// Reads at most `most` lines.
pub(super) fn read(from: &mut Lines, most: usize) -> io::Result<Batch<Line>> {
    let (mut lines, mut bytes) = (Vec::new(), 0_usize);
    while lines.len() < most && bytes < MAX_BATCH_BYTES {
        let Some(line) = from.next()? else {
            return Ok(Batch { lines, ended: true });
        };
        bytes = bytes.saturating_add(line.len());
        lines.push(line);
    }
    Ok(Batch { lines, ended: false })
}
