//! Lines made ready on threads of their own while the batch before them is published: read, decoded, judged as far as a
//! record can be judged alone, and their places in the tree computed.

use std::io;
use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};

use keyglass_protocol::error::FormatError;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::quantity::{Epoch, KeyVersion};
use keyglass_protocol::record::{AccountRecord, AliasRecord, RecordError, Rules, check_first};

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

/// What lines are made ready with.
#[derive(Clone)]
pub(super) struct Readier {
    pub(super) rules: Rules,
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
        let ready = Ready::new(bytes, &self.rules, self.epoch)?;
        if !matches!(ready.first, Some((_, Err(_)))) {
            self.vrf.foresee(&ready.record.label(), ready.record.version());
        }
        Ok(ready)
    }

    /// On all cores, in the order of the file.
    fn all(&self, lines: Vec<Line>) -> Vec<ReadyLine> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let share = lines.len().div_ceil(cores).max(1);
        let mut lines = lines.into_iter();
        thread::scope(|scope| {
            let mut threads = Vec::with_capacity(cores);
            while lines.len() > 0 {
                let share: Vec<_> = lines.by_ref().take(share).collect();
                threads
                    .push(scope.spawn(|| share.into_iter().map(|line| self.line(line)).collect::<Vec<_>>()));
            }
            let done = threads.into_iter().map(ScopedJoinHandle::join);
            done.flat_map(|part| part.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        })
    }
}

/// Lines of one batch.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) lines: Vec<ReadyLine>,
    /// Whether the file ends here.
    pub(super) ended: bool,
}

/// Reads at most `most` lines and makes them ready.
pub(super) fn read(lines: &mut Lines, most: usize, readier: &Readier) -> io::Result<Batch> {
    let (mut read, mut bytes, mut ended) = (Vec::new(), 0_usize, false);
    while read.len() < most && bytes < MAX_BATCH_BYTES {
        let Some(line) = lines.next()? else {
            ended = true;
            break;
        };
        bytes = bytes.saturating_add(line.len());
        read.push(line);
    }
    let lines = readier.all(read);
    Ok(Batch { lines, ended })
}
