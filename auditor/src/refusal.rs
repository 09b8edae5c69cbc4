//! Why nothing was signed.
//!
//! Three things that must not be mixed up. [`Trouble`]: something is missing or damaged, which proves nothing and
//! is tried again. [`Refusal`]: a rule of this auditor is broken, so it does not sign, but a stranger could not be
//! shown why. [`Contradiction`]: the directory's own signatures contradict each other or a rule of the log; a
//! stranger can be shown, and nothing is signed any more until the auditor's owner has looked.

use keyglass_protocol::config::ConfigError;
use keyglass_protocol::evidence::Claim;
use keyglass_protocol::note::NoteError;
use keyglass_protocol::quantity::{Epoch, LogSize, Millis};
use keyglass_schema::auditor::AuditorStoreError;
use thiserror::Error;

use crate::source::Trouble;
use crate::window::MissingSubtree;

/// A rule of this auditor that is broken. No accusation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The checkpoint does not carry the log's signature, or is malformed.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// The head is older than the one signed last: a lagging replica, a cache, or worse.
    #[error("the head of size {found} is older than the signed one of size {signed}")]
    StaleHead {
        /// Size signed last.
        signed: LogSize,
        /// Size of this head.
        found: LogSize,
    },
    /// A leaf's time lies ahead of this machine's clock.
    #[error("epoch {epoch}: its time {time} lies ahead of the clock {now}")]
    LeafTimeAhead {
        /// The epoch.
        epoch: Epoch,
        /// Its time, ms.
        time: Millis,
        /// The clock, ms.
        now: Millis,
    },
    /// A leaf's time lies far before a time at which the log was smaller.
    #[error("epoch {epoch}: its time {time} lies before {signed}, when the log was smaller")]
    LeafTimeBehind {
        /// The epoch.
        epoch: Epoch,
        /// Its time, ms.
        time: Millis,
        /// Time of our newest cosignature, ms.
        signed: Millis,
    },
    /// The last leaf under the starting checkpoint names a configuration document that is none, or is another log's.
    #[error("epoch {epoch}: configuration document: {error}")]
    Config {
        /// The epoch.
        epoch: Epoch,
        /// What is wrong.
        error: ConfigError,
    },
    /// The pinned configuration document is named by no leaf so far.
    #[error("no leaf names the pinned configuration document")]
    PinnedConfigUnseen,
    /// Our verifier accepts a step and akd's does not.
    #[error("epoch {epoch}: {error}")]
    SecondOpinion {
        /// The epoch.
        epoch: Epoch,
        /// What akd says.
        error: String,
    },
    /// The directory holds a cosignature of ours that we know nothing of: our state is an old copy.
    #[error(
        "the directory has our own signature of size {seen}, we remember size {signed}: our state is an old copy"
    )]
    OwnStateRolledBack {
        /// Size that carries our signature.
        seen: LogSize,
        /// Size that we remember.
        signed: LogSize,
    },
    /// A contradiction stands and is not cleared.
    #[error("latched: {0}")]
    Latched(String),
    /// The starting checkpoint cannot be used.
    #[error("the checkpoint to start from: {0}")]
    Start(&'static str),
}

impl Refusal {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Checkpoint(e) => e.reason(),
            Self::StaleHead { .. } => "stale-head",
            Self::LeafTimeAhead { .. } => "leaf-time-ahead",
            Self::LeafTimeBehind { .. } => "leaf-time-behind",
            Self::Config { error, .. } => error.reason(),
            Self::PinnedConfigUnseen => "pinned-config-unseen",
            Self::SecondOpinion { .. } => "verifiers-disagree",
            Self::OwnStateRolledBack { .. } => "own-state-rolled-back",
            Self::Latched(_) => "latched",
            Self::Start(_) => "start-checkpoint",
        }
    }

    /// Whether it may go away by itself.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::StaleHead { .. } | Self::LeafTimeAhead { .. })
    }
}

/// The directory's signatures contradict each other or a rule of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Kind of evidence.
    pub kind: &'static str,
    /// Stable name of the broken rule.
    pub reason: &'static str,
    /// What a stranger is shown; none where no kind of evidence can show it.
    pub claim: Option<Claim>,
    /// The configuration document in force, if it is another than that of the newest leaf.
    pub config: Option<Vec<u8>>,
}

/// Why a round ended without a signature.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Stop {
    /// Tried again later.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// Not signed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Not signed, and proven.
    #[error("contradiction: {}", .0.reason)]
    Contradiction(Box<Contradiction>),
    /// The auditor's own database failed, or refused.
    #[error(transparent)]
    Store(#[from] AuditorStoreError),
    /// A file of the auditor's own could not be read or written.
    #[error("{what}: {error}")]
    File {
        /// What was being done.
        what: &'static str,
        /// What went wrong.
        error: std::io::Error,
    },
    /// A mistake of this program.
    #[error("internal: {0}")]
    Internal(String),
}

impl Stop {
    /// Stable kebab-case name.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Trouble(e) => e.reason(),
            Self::Refused(e) => e.reason(),
            Self::Contradiction(e) => e.reason,
            Self::Store(e) => e.reason(),
            Self::File { .. } => "own-file",
            Self::Internal(_) => "internal",
        }
    }

    pub(crate) fn contradiction(kind: &'static str, reason: &'static str, claim: Option<Claim>) -> Self {
        Self::Contradiction(Box::new(Contradiction {
            kind,
            reason,
            claim,
            config: None,
        }))
    }
}

impl From<MissingSubtree> for Stop {
    fn from(error: MissingSubtree) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<NoteError> for Stop {
    fn from(error: NoteError) -> Self {
        Self::Refused(Refusal::Checkpoint(error))
    }
}
