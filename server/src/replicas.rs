//! Which replicas serve, and how far each of them is: the sequencer begins no epoch that would leave one of them two behind.
//!
//! A replica acknowledges the epoch that it stands on, again and again. It stops serving by itself once its last
//! acknowledgement is older than the lease; it counts from before it was sent, the sequencer from when it came, so the
//! replica is always the first to give up. Whoever has given up is not waited for.
//!
//! The names of all that may serve are noted in the lease before an acknowledgement counts. So whoever takes over knows for
//! whom to wait: until each of them has acknowledged to him, or has given up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use keyglass_protocol::quantity::Epoch;
use thiserror::Error;

/// Most replicas that are waited for at once: the admin port is not public, but a mistake there shall not fill the memory.
const MAX_REPLICAS: usize = 1_000;
/// Longest name of a replica in bytes.
const MAX_ID: usize = 64;
/// Noted in place of a name: others may serve as well.
const ANYBODY: &str = "*";

/// Why an acknowledgement does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AckError {
    /// The name is empty, longer than 64 bytes, or has other characters than letters, digits, `.`, `-` and `_`.
    #[error("a replica's name is 1 to 64 letters, digits, '.', '-' or '_'")]
    Id,
    /// More replicas than a sequencer waits for.
    #[error("more than {MAX_REPLICAS} replicas")]
    TooMany,
    /// The lease does not name it yet: whoever takes over would not wait for it.
    #[error("a new replica is noted in the lease first: ask again")]
    NotYet,
}

impl AckError {
    /// Stable kebab-case name.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Id => "replica-id",
            Self::TooMany => "too-many-replicas",
            Self::NotYet => "replicas-not-noted",
        }
    }
}

/// A reader that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Its name; `None`: readers of which only the one before has heard.
    pub replica: Option<String>,
    /// When it has given up at the latest.
    pub until: Instant,
}

/// What the metrics say about the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Replicas whose lease runs.
    pub alive: usize,
    /// Epochs that the slowest of them is behind.
    pub most_behind: u64,
}

/// Who may serve that acknowledged to the sequencer before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strangers {
    /// Their names.
    pub named: BTreeSet<String>,
    /// Whether there may be others.
    pub others: bool,
}

impl Strangers {
    /// What the lease says, read from a server of which it is not known that it had the newest renewal if `others` is set.
    pub fn noted(readers: &BTreeSet<String>, others: bool) -> Self {
        let mut named = readers.clone();
        let anybody = named.remove(ANYBODY);
        Self {
            named,
            others: others || anybody,
        }
    }

    /// What the lease is to say.
    pub fn to_note(&self) -> BTreeSet<String> {
        let anybody = self.others.then(|| ANYBODY.to_owned());
        self.named.iter().cloned().chain(anybody).collect()
    }
}

/// The acknowledgements of a sequencer's replicas. Times are handed in.
#[derive(Debug)]
pub struct Replicas {
    lease: Duration,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    replicas: BTreeMap<String, Heard>,
    /// Until when readers may serve that nobody has named.
    others: Option<Instant>,
    /// Whom the next sequencer would know; `None`: there can be no other one.
    noted: Option<BTreeSet<String>>,
}

/// What is known of a replica, and when it is forgotten.
#[derive(Debug, Clone, Copy)]
struct Heard {
    stands: Stands,
    until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// It does not serve: it is to be noted first.
    Asks,
    /// It may serve: it acknowledged to the one before.
    Somewhere,
    /// It may serve, from this epoch.
    On(Epoch),
}

impl Stands {
    /// Whether it may stand before `epoch`.
    fn before(self, epoch: Epoch) -> bool {
        match self {
            Self::Asks => false,
            Self::Somewhere => true,
            Self::On(own) => own < epoch,
        }
    }
}

impl Replicas {
    /// Replicas that give up `lease` after their last acknowledgement.
    pub fn new(lease: Duration) -> Self {
        Self {
            lease,
            known: Mutex::default(),
        }
    }

    /// Replica `id` stands on `epoch`, at `now`.
    ///
    /// # Errors
    /// [`AckError`]; then the replica is not waited for, and must not serve.
    pub fn ack(&self, id: &str, epoch: Epoch, now: Instant) -> Result<(), AckError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(allowed) {
            return Err(AckError::Id);
        }
        let mut known = self.known();
        known.forget(now);
        if known.replicas.len() >= MAX_REPLICAS && !known.replicas.contains_key(id) {
            return Err(AckError::TooMany);
        }
        let noted = known.noted.as_ref().is_none_or(|noted| noted.contains(id));
        let stands = if noted { Stands::On(epoch) } else { Stands::Asks };
        let until = later(now, self.lease);
        known.replicas.insert(id.to_owned(), Heard { stands, until });
        if noted { Ok(()) } else { Err(AckError::NotYet) }
    }

    /// This process has just taken over at `now`, and another one may take over from it: `strangers` may serve that
    /// acknowledged to the one before, which may have taken acknowledgements for `patience` still. From here on new ones count
    /// once they are noted.
    pub fn expect(&self, strangers: &Strangers, patience: Duration, now: Instant) {
        let until = later(now, patience.saturating_add(self.lease));
        let mut known = self.known();
        known.others = strangers.others.then_some(until);
        let stands = Stands::Somewhere;
        let named = strangers.named.iter().cloned();
        known.replicas = named.map(|name| (name, Heard { stands, until })).collect();
        known.noted = Some(strangers.named.clone());
    }

    /// Who is to be noted in the lease at `now`. Whoever is not among them counts no more from here on.
    pub fn to_note(&self, now: Instant) -> BTreeSet<String> {
        let mut known = self.known();
        known.forget(now);
        let all = Strangers {
            named: known.replicas.keys().cloned().collect(),
            others: known.others.is_some(),
        };
        if let Some(noted) = &mut known.noted {
            noted.retain(|name| all.named.contains(name));
        }
        all.to_note()
    }

    /// These are noted now.
    pub fn noted(&self, names: BTreeSet<String>) {
        self.known().noted = Some(names);
    }

    /// A reader that serves and may not stand on `epoch` yet; `None`: the epoch after it may be begun.
    pub fn behind(&self, epoch: Epoch, now: Instant) -> Option<Behind> {
        let mut known = self.known();
        known.forget(now);
        if let Some(until) = known.others {
            return Some(Behind { replica: None, until });
        }
        let mut all = known.replicas.iter();
        all.find(|(_, heard)| heard.stands.before(epoch))
            .map(|(id, heard)| Behind {
                replica: Some(id.clone()),
                until: heard.until,
            })
    }

    /// How the replicas stand at `now`, while this process's own readers stand on `epoch`.
    pub fn standing(&self, epoch: Epoch, now: Instant) -> Standing {
        let mut known = self.known();
        known.forget(now);
        let behind = known.replicas.values().filter_map(|heard| match heard.stands {
            Stands::On(own) => Some(epoch.get().saturating_sub(own.get())),
            Stands::Asks | Stands::Somewhere => None,
        });
        Standing {
            alive: behind.clone().count(),
            most_behind: behind.max().unwrap_or_default(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whose lease has run out has given up.
    fn forget(&mut self, now: Instant) {
        self.replicas.retain(|_, heard| heard.until > now);
        self.others = self.others.filter(|until| *until > now);
    }
}

/// A time that no clock reaches counts as one that is not waited for.
fn later(now: Instant, by: Duration) -> Instant {
    now.checked_add(by).unwrap_or(now)
}

#[cfg(test)]
mod tests;
