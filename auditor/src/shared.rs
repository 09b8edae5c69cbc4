//! What others may see of a followed log: its newest cosigned checkpoint, and how it stands.

use std::sync::{Mutex, MutexGuard, PoisonError};

use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::{LogSize, Millis, Seconds};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::refusal::Stop;

/// Longest time without a successful fetch in which the auditor calls itself ready, in ms.
const MAX_SILENCE: u64 = 300_000;

/// A cosigned checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its size.
    pub size: LogSize,
    /// Time in the cosignature.
    pub at: Seconds,
    /// The note with the log's and our lines.
    pub note: Vec<u8>,
    /// Our lines only.
    pub lines: String,
}

/// How a log stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The log.
    pub origin: String,
    /// Whether heads are being fetched and nothing is refused.
    pub ready: bool,
    /// Why not; stable kebab-case.
    pub reason: Option<String>,
    /// First epoch that this auditor verified itself; what lies before it was taken on trust. 0: nothing was.
    pub verified_from: u64,
    /// Size of the newest cosigned checkpoint.
    pub signed_size: Option<u64>,
    /// Time in the newest cosignature, s since 1970.
    pub signed_at: Option<u64>,
    /// When the head that was found good last was asked for, ms since 1970.
    pub checked_at: Option<u64>,
}

/// Why the last round ended without a signature.
#[derive(Debug, Clone, Copy)]
struct Stopped {
    reason: &'static str,
    /// Something was missing or damaged: a single lost answer is no reason to call an operator.
    trouble: bool,
}

#[derive(Debug, Default)]
struct State {
    published: Option<Published>,
    checked: Option<Millis>,
    stopped: Option<Stopped>,
    latched: Option<String>,
    start: LogSize,
}

/// Shared by the follower, who writes, and the HTTP routes.
#[derive(Debug)]
pub struct Shared {
    log_key: VerifierKey,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(log_key: &VerifierKey) -> Self {
        Self {
            log_key: log_key.clone(),
            state: Mutex::default(),
        }
    }

    pub(crate) fn start(&self, size: LogSize) {
        self.state().start = size;
    }

    /// Name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.log_key.name()
    }

    /// The log's key.
    #[must_use]
    pub fn log_key(&self) -> &VerifierKey {
        &self.log_key
    }

    /// Hex SHA-256 of the origin: first part of the monitoring path.
    #[must_use]
    pub fn path_name(&self) -> String {
        hex::encode(Sha256::digest(self.origin().as_bytes()))
    }

    /// The newest cosigned checkpoint.
    #[must_use]
    pub fn published(&self) -> Option<Published> {
        self.state().published.clone()
    }

    /// How the log stands at `now`.
    #[must_use]
    pub fn standing(&self, now: Millis) -> Standing {
        let state = self.state();
        let silent = state
            .checked
            .is_none_or(|checked| now.since(checked) > MAX_SILENCE);
        let reason = match (&state.latched, state.stopped) {
            (Some(reason), _) => Some(reason.clone()),
            (None, Some(stopped)) if stopped.trouble && !silent => None,
            (None, Some(stopped)) => Some(stopped.reason.to_owned()),
            (None, None) if silent => Some("not-checked-yet".to_owned()),
            (None, None) => None,
        };
        Standing {
            origin: self.origin().to_owned(),
            ready: reason.is_none(),
            reason,
            verified_from: state.start.get(),
            signed_size: state.published.as_ref().map(|published| published.size.get()),
            signed_at: state.published.as_ref().map(|published| published.at.get()),
            checked_at: state.checked.map(Millis::get),
        }
    }

    pub(crate) fn publish(&self, published: Published) {
        self.state().published = Some(published);
    }

    pub(crate) fn checked(&self, now: Millis) {
        self.state().checked = Some(now);
    }

    /// How the last round ended.
    pub(crate) fn stopped(&self, stop: Option<&Stop>) {
        self.state().stopped = stop.map(|stop| Stopped {
            reason: stop.reason(),
            trouble: matches!(stop, Stop::Trouble(_)),
        });
    }

    pub(crate) fn latched(&self) -> Option<String> {
        self.state().latched.clone()
    }

    pub(crate) fn latch(&self, reason: Option<String>) {
        self.state().latched = reason;
    }

    /// The data stays valid whatever a panicking thread did with it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
