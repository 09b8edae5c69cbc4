//! `guard accept`: an operator says that a database may be gone on from, although nobody can know that it has everything.

use std::sync::Arc;

use keyglass_protocol::quantity::LogSize;
use keyglass_schema::{DatabaseUrl, StoreError};
use thiserror::Error;

use crate::bootstrap::open_store;
use crate::guard::{GuardError, Mark, SharedGuard};
use crate::keys::{Keys, Random};
use crate::lease::{LeaseError, Place, Terms, take};
use crate::settings::Settings;

/// Why nothing was accepted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// SQLite has no promotions.
    #[error("only a database in Postgres can be promoted")]
    NotPostgres,
    /// Signed epochs are missing: that is never accepted.
    #[error(
        "the guard is at size {guard}, the database at {database}: signed epochs are missing; run `restore --replay`"
    )]
    GuardAhead {
        /// Size that was signed.
        guard: LogSize,
        /// Size of the log in the database.
        database: LogSize,
    },
    /// The database failed.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// The guard cannot be used.
    #[error("{0}")]
    Guard(#[from] GuardError),
    /// A sequencer runs.
    #[error("{0}")]
    Lease(#[from] LeaseError),
}

impl AcceptError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotPostgres => "not-postgres",
            Self::GuardAhead { .. } => "guard-ahead",
            Self::Store(_) => "store",
            Self::Guard(e) => e.reason(),
            Self::Lease(e) => e.reason(),
        }
    }
}

/// What was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// What the guard remembered.
    pub before: Option<Mark>,
    /// What it remembers now.
    pub now: Mark,
    /// The fencing number, larger than any before.
    pub fence: u64,
}

/// Accepts the database of the settings as it is. No sequencer may run. Acknowledged updates that it lacks are lost; signed
/// epochs must all be there. Blocking.
///
/// # Errors
/// [`AcceptError`]; then the guard remembers what it did.
pub fn accept(settings: &Settings, keys: &Keys, random: &dyn Random) -> Result<Accepted, AcceptError> {
    if matches!(settings.database, DatabaseUrl::Sqlite(_)) {
        return Err(AcceptError::NotPostgres);
    }
    let place = Arc::new(Place::open(&settings.data_dir, random)?);
    let store = open_store(settings, keys)?;
    let guard = SharedGuard::open(settings, keys.origin())?;
    let state = guard.state()?;
    let (signed, database) = (
        state.guarded.map(|guarded| guarded.size).unwrap_or_default(),
        store.log_size()?,
    );
    if signed > database {
        return Err(AcceptError::GuardAhead {
            guard: signed,
            database,
        });
    }
    let above = state.claim.as_ref().map_or(0, |claim| claim.fence);
    let terms = Terms {
        ttl: settings.lease_ttl,
        renew: settings.lease_renew,
    };
    let taken = take(&store, &place, terms, above)?;
    let accepted = store
        .instance()
        .map_err(AcceptError::from)
        .and_then(|instance| Ok(guard.accept(&Mark::of(&instance))?));
    store.release_lease(&taken.fence)?;
    let accepted = Accepted {
        before: state.claim.map(|claim| claim.database),
        now: accepted?.database,
        fence: taken.fence.number,
    };
    tracing::warn!(
        before = %accepted.before.as_ref().map(ToString::to_string).unwrap_or_default(),
        now = %accepted.now,
        "an operator accepted this database by hand: acknowledged updates that it lacks are lost"
    );
    Ok(accepted)
}
