//! Importing accounts and aliases from a file, in large batches, straight into epochs.
//!
//! The file has one record a line, `{"record": "<base64>"}`, signed by its owner or by the import key. Every record is
//! checked as one that comes over HTTP; what is checked is never queued. While it runs, the directory answers and is
//! audited as always, but takes no updates: one label must not be in the file and in the queue.
//!
//! A crash at any moment is harmless. What is in the tree is recognised by its bytes and counted as known; how far the
//! file was read is kept beside the database ([`position`]), so that a second run begins where the first one ended.

mod ahead;
mod check;
mod lines;
mod position;
mod ready;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use keyglass_protocol::quantity::Epoch;
use keyglass_schema::StoreError;
use thiserror::Error;
use tokio::sync::watch;

pub use check::BadRecord;

use crate::clock::Clock;
use crate::keys::Keys;
use crate::publisher::{Direct, PublishError, Publisher, Steps};
use crate::server::{self, Running, ServerError, StandBy};
use crate::service::Service;
use crate::settings::Settings;
use ahead::ReadAhead;
use check::{Checker, Verdict};
use lines::Lines;
use position::Position;
use ready::ReadyLine;

/// Most lines of one epoch. akd holds each node that it touches several times over while it publishes: twice as many lines
/// take half as much memory again, and are not measurably faster.
const MAX_BATCH_LINES: usize = 5_000;
/// Most bytes of records in one epoch; up to five batches are in memory. 16 MiB.
const MAX_BATCH_BYTES: usize = 16 << 20;

/// What to import.
#[derive(Debug, Clone)]
pub struct Import {
    /// The file.
    pub file: PathBuf,
    /// Whether bad lines are reported and skipped; otherwise the first one ends the import.
    pub skip_bad: bool,
}

/// What became of the lines so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines read.
    pub lines: u64,
    /// Records that are new in the tree.
    pub imported: u64,
    /// Records that were in the tree already.
    pub known: u64,
    /// Bad lines that were skipped.
    pub skipped: u64,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Advance {
    /// What became of the lines.
    pub counts: Counts,
    /// Bytes of the file that are done.
    pub offset: u64,
    /// Length of the file in bytes.
    pub length: u64,
    /// The newest epoch.
    pub epoch: Epoch,
}

/// Is told how an import goes, on the publisher's own thread.
pub trait Watcher: Send + 'static {
    /// An earlier run of the same file had come this far.
    fn resumed(&mut self, at: &Advance);
    /// An epoch is complete.
    fn advanced(&mut self, to: &Advance);
    /// A line is bad and is skipped.
    fn skipped(&mut self, line: u64, why: &BadRecord);
}

/// Why an import ended before the end of its file. Everything before is done, and the next run goes on from there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file, or the note of how far it was read, cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A line is bad, and bad lines are not to be skipped.
    #[error("line {line}: {why}; mend it, or skip bad lines with --skip-bad")]
    BadLine {
        /// Its number, from 1.
        line: u64,
        /// Why.
        why: BadRecord,
    },
    /// The database failed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// Publishing must not go on.
    #[error("publishing: {0}")]
    Publish(#[from] PublishError),
    /// The server around the import does not start, or ended.
    #[error("{0}")]
    Server(#[from] ServerError),
    /// It was asked to stop.
    #[error("stopped; the same command goes on from here")]
    Stopped,
}

impl ImportError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "import-io",
            Self::BadLine { why, .. } => why.reason(),
            Self::Store(_) => "store",
            Self::Publish(e) => e.reason(),
            Self::Server(e) => e.reason(),
            Self::Stopped => "stopped",
        }
    }
}

/// Where the outcome lies once the publisher has ended.
type Outcome = Arc<Mutex<Option<Result<Advance, ImportError>>>>;

/// An import that runs.
pub struct Importing {
    /// The server around it.
    pub server: Running,
    outcome: Outcome,
}

/// Starts the server with an import for its publisher.
///
/// # Errors
/// [`ImportError::Server`] if it does not start.
pub async fn start(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
    steps: Arc<dyn Steps>,
    import: Import,
    watcher: Box<dyn Watcher>,
) -> Result<Importing, ImportError> {
    let outcome = Outcome::default();
    let slot = Arc::clone(&outcome);
    let work = move |service: &Arc<Service>| {
        let service = Arc::clone(service);
        service.importing.store(true, Ordering::Relaxed);
        move |publisher, stop| async move {
            let run = Run {
                service,
                publisher,
                stop,
                watcher,
            };
            let result = run.all(&import).await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            Ok(())
        }
    };
    let server = server::start_with(settings, keys, clock, steps, StandBy::Ends, work).await?;
    Ok(Importing { server, outcome })
}

impl Importing {
    /// Waits for the end; what became of the file.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn wait(self) -> Result<Advance, ImportError> {
        self.server.wait().await?;
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.unwrap_or(Err(ImportError::Server(ServerError::PublisherDied)))
    }
}

/// One run of an import.
struct Run {
    service: Arc<Service>,
    publisher: Publisher,
    stop: watch::Receiver<bool>,
    watcher: Box<dyn Watcher>,
}

/// Lines that go into one epoch.
#[derive(Default)]
struct Epochful {
    records: Vec<Direct>,
    bytes: usize,
}

impl Run {
    async fn all(mut self, import: &Import) -> Result<Advance, ImportError> {
        self.settle().await?;
        let io = |error| ImportError::Io {
            path: import.file.clone(),
            error,
        };
        let known = position::load(&self.service)?;
        let (lines, counts) = match known {
            Some(known) => match Lines::resume(&import.file, &known).map_err(io)? {
                Some(lines) => (lines, known.counts),
                None => (Lines::open(&import.file).map_err(io)?, Counts::default()),
            },
            None => (Lines::open(&import.file).map_err(io)?, Counts::default()),
        };
        let mut at = Advance {
            counts,
            offset: lines.offset(),
            length: lines.length(),
            epoch: self.epoch()?,
        };
        if at.offset > 0 {
            self.watcher.resumed(&at);
        }
        let mut batches = ReadAhead::start(lines, Arc::clone(&self.service), at.epoch);
        loop {
            let batch = batches.next().await.map_err(io)?;
            let mut left = batch.lines;
            while !left.is_empty() {
                left = self.epochful(import, left, &mut at).await?;
            }
            if batch.ended {
                return Ok(at);
            }
        }
    }

    /// Fills one epoch from the front of these lines and publishes it; the lines that belong into a later one.
    async fn epochful(
        &mut self,
        import: &Import,
        read: Vec<ReadyLine>,
        at: &mut Advance,
    ) -> Result<Vec<ReadyLine>, ImportError> {
        let mut checker = Checker::new(&self.service, &read).await?;
        let mut full = Epochful::default();
        let mut bad = None;
        let mut left = Vec::new();
        let mut rest = read.into_iter();
        let mut last = None;
        for line in rest.by_ref() {
            match checker.check(&line)? {
                Verdict::Next => {
                    left.push(line);
                    break;
                }
                Verdict::Bad(why) if !import.skip_bad => {
                    bad = Some((line.number, why));
                    break;
                }
                Verdict::Bad(why) => {
                    self.watcher.skipped(line.number, &why);
                    at.counts.skipped = at.counts.skipped.saturating_add(1);
                }
                Verdict::Known => at.counts.known = at.counts.known.saturating_add(1),
                Verdict::New(record) => {
                    at.counts.imported = at.counts.imported.saturating_add(1);
                    full.bytes = full.bytes.saturating_add(record.record.len());
                    full.records.push(record);
                }
            }
            at.counts.lines = line.number;
            last = Some((line.end, line.hash));
        }
        left.extend(rest);
        self.publish(full, last, at).await?;
        if let Some((line, why)) = bad {
            return Err(ImportError::BadLine { line, why });
        }
        Ok(left)
    }

    /// Publishes what an epoch is filled with, and notes how far the file is done.
    async fn publish(
        &mut self,
        full: Epochful,
        last: Option<(u64, [u8; 32])>,
        at: &mut Advance,
    ) -> Result<(), ImportError> {
        if !full.records.is_empty() {
            tracing::debug!(records = full.records.len(), bytes = full.bytes, "importing");
            self.publisher.publish_direct(full.records).await?;
        }
        self.settle().await?;
        let Some((end, hash)) = last else { return Ok(()) };
        at.offset = end;
        at.epoch = self.epoch()?;
        let position = Position {
            offset: end,
            hash,
            counts: at.counts,
            epoch: at.epoch,
        };
        position::save(&self.service, &position)?;
        self.watcher.advanced(at);
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), ImportError> {
        if self.publisher.settle(&mut self.stop).await? {
            Ok(())
        } else {
            Err(ImportError::Stopped)
        }
    }

    fn epoch(&self) -> Result<Epoch, ImportError> {
        Ok(self.service.store.tree_epoch()?.unwrap_or_default())
    }
}
