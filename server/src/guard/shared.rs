//! A guard that several sequencers share: it also keeps the fencing number, and refuses every smaller one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::{GuardRow, GuardStore};

use super::claim::{Claim, Mark, State};
use super::versions::Versions;
use super::{Guard, GuardError, Guarded};
use crate::settings::Settings;

/// Most attempts at one change while others change it as well.
const ATTEMPTS: usize = 8;

/// A guard of the log `origin`. Clones are the same sequencer.
#[derive(Clone)]
pub struct SharedGuard {
    inner: Arc<Inner>,
}

struct Inner {
    origin: String,
    place: Place,
    /// The number under which this process has claimed it.
    own: Mutex<Option<u64>>,
}

enum Place {
    Files(Versions),
    Postgres(GuardStore),
}

impl SharedGuard {
    /// The guard of the settings. Nobody is kept out by opening it.
    ///
    /// # Errors
    /// What reading it may answer.
    pub fn open(settings: &Settings, origin: &str) -> Result<Self, GuardError> {
        let place = match &settings.guard_database {
            Some(url) => Place::Postgres(GuardStore::open(url)?),
            None => Place::Files(Versions::new(&settings.guard)),
        };
        let guard = Self {
            inner: Arc::new(Inner {
                origin: origin.to_owned(),
                place,
                own: Mutex::new(None),
            }),
        };
        guard.state()?;
        Ok(guard)
    }

    /// Everything that it remembers.
    ///
    /// # Errors
    /// It cannot be read, or belongs to another log.
    pub fn state(&self) -> Result<State, GuardError> {
        Ok(self.inner.read()?.1)
    }

    /// Claims it: from here on no sequencer with a smaller number moves it. The same one again changes what is remembered of
    /// the database.
    ///
    /// # Errors
    /// [`GuardError::Fenced`] if a sequencer with this or a larger number has claimed it.
    pub fn claim(&self, claim: &Claim) -> Result<(), GuardError> {
        let mut own = self.inner.own.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.change(|found| found.claimed(*own, claim))?;
        *own = Some(claim.fence);
        Ok(())
    }

    /// Whether no sequencer with a larger number than `ours` has claimed it, as far as it can be read.
    ///
    /// # Errors
    /// [`GuardError::Fenced`].
    pub fn still_ours(&self, ours: u64) -> Result<(), GuardError> {
        match self.state() {
            Ok(state) => state.not_above(ours),
            Err(error) => {
                tracing::debug!(reason = error.reason(), %error, "the guard was not asked");
                Ok(())
            }
        }
    }

    /// Remembers that `database` is complete enough to go on from, whatever was remembered before. By hand only.
    ///
    /// # Errors
    /// It cannot be read or written, or was never claimed.
    pub fn accept(&self, database: &Mark) -> Result<Claim, GuardError> {
        let mut accepted = None;
        self.inner.change(|found| {
            let before = found.claim.as_ref().ok_or(GuardError::NeverClaimed)?;
            let claim = accepted.insert(Claim {
                fence: before.fence,
                database: database.clone(),
            });
            Ok(State {
                guarded: found.guarded,
                claim: Some(claim.clone()),
            })
        })?;
        accepted.ok_or(GuardError::NeverClaimed)
    }
}

impl Guard for SharedGuard {
    /// Whoever was replaced is told so: to it, what the next one has signed looks as if its own database were an old backup.
    fn read(&self) -> Result<Option<Guarded>, GuardError> {
        let own = *self.inner.own.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state()?;
        own.map_or(Ok(()), |own| state.not_above(own))?;
        Ok(state.guarded)
    }

    fn swap(&self, expected: Option<Guarded>, next: Guarded) -> Result<(), GuardError> {
        let own = self.inner.own.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.change(|found| found.swapped(*own, expected, next))
    }
}

/// What a state was read from, and must still be when it is replaced.
enum Seen {
    Version(u64),
    Row(Option<GuardRow>),
}

impl Inner {
    fn read(&self) -> Result<(Seen, State), GuardError> {
        match &self.place {
            Place::Files(files) => {
                let (version, state) = files.newest(&self.origin)?;
                Ok((Seen::Version(version), state))
            }
            Place::Postgres(store) => {
                let row = store.read(&self.origin)?;
                let state = match &row {
                    None => State::default(),
                    Some(row) => {
                        let (size, root) = (LogSize::new(row.size), LogHash::new(row.root));
                        State::of_parts(size, root, row.fence, &row.database)
                            .ok_or_else(|| GuardError::Malformed(PathBuf::from("keyglass_guard")))?
                    }
                };
                Ok((Seen::Row(row), state))
            }
        }
    }

    /// Compare-and-swap of the whole state. Whoever comes in between is seen, and judged again.
    fn change(&self, mut next: impl FnMut(&State) -> Result<State, GuardError>) -> Result<(), GuardError> {
        for _ in 0..ATTEMPTS {
            let (seen, found) = self.read()?;
            if self.replace(seen, &next(&found)?)? {
                return Ok(());
            }
        }
        Err(GuardError::Busy)
    }

    fn replace(&self, seen: Seen, next: &State) -> Result<bool, GuardError> {
        match (&self.place, seen) {
            (Place::Files(files), Seen::Version(version)) => {
                files.replace(version, next.to_text(&self.origin).as_bytes())
            }
            (Place::Postgres(store), Seen::Row(row)) => {
                Ok(store.replace(&self.origin, row.as_ref(), &columns(next))?)
            }
            _ => Ok(false),
        }
    }
}

fn columns(state: &State) -> GuardRow {
    let claim = state.claim.as_ref();
    GuardRow {
        size: state.guarded.map_or(0, |guarded| guarded.size.get()),
        root: state.guarded.map_or([0; 32], |guarded| *guarded.root.as_bytes()),
        fence: claim.map_or(0, |claim| claim.fence),
        database: claim.map_or_else(String::new, |claim| claim.database.to_string()),
    }
}

/// Where the guard is, for people.
pub fn place(settings: &Settings) -> String {
    match &settings.guard_database {
        Some(url) => url.to_string(),
        None => Path::display(&settings.guard).to_string(),
    }
}
