//! Beside SQLite a lock on the guard keeps other processes out; on Postgres it is the lease, for which this one may wait.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use keyglass_monitoring::{Registry, ServerMetrics};
use keyglass_schema::{DatabaseUrl, Store};

use super::{ServerError, StandBy};
use crate::bootstrap::open_store;
use crate::clock::Clock;
use crate::guard::{FileGuard, Guard, SharedGuard};
use crate::http;
use crate::keys::{Keys, SystemRandom};
use crate::lease::{
    self, Held, Keeper, Keeping, LeaseError, Place, Taken, TakenOver, Terms, take_as_it_is, take_over,
};
use crate::service::Service;
use crate::settings::Settings;

/// The lease of a running server, if it needs one.
#[derive(Default)]
pub(crate) struct Leased(Option<Lease>);

struct Lease {
    keeper: Keeper,
    store: Store,
    held: Arc<Held>,
    promises: Arc<AtomicBool>,
    found: TakenOver,
    /// Kept locked.
    _place: Arc<Place>,
}

/// What a server may publish with.
type Ready = (Leased, Box<dyn Guard>, Store);

/// Database and guard, before there is a lease.
enum Opened {
    /// The lock on the guard is held already.
    Alone(Box<Ready>),
    Shared(Store, SharedGuard, Arc<Place>),
}

impl Opened {
    fn new(settings: &Settings, keys: &Keys) -> Result<Self, ServerError> {
        if matches!(settings.database, DatabaseUrl::Sqlite(_)) {
            let guard = FileGuard::open(&settings.guard, keys.origin())?;
            let store = open_store(settings, keys)?;
            return Ok(Self::Alone(Box::new((Leased::default(), Box::new(guard), store))));
        }
        let place = Arc::new(Place::open(&settings.data_dir, &SystemRandom)?);
        let store = open_store(settings, keys)?;
        let guard = SharedGuard::open(settings, keys.origin())?;
        Ok(Self::Shared(store, guard, place))
    }
}

/// Opens database and guard, and takes the lease, waiting for it if it must.
pub(super) async fn wait(
    settings: &Settings,
    keys: &Keys,
    clock: &Arc<dyn Clock>,
    registry: &Registry,
    metrics: &ServerMetrics,
    stand_by: StandBy,
) -> Result<Ready, ServerError> {
    let (store, guard, place) = match Opened::new(settings, keys)? {
        Opened::Alone(ready) => return Ok(*ready),
        Opened::Shared(store, guard, place) => (store, guard, place),
    };
    let taken = free_or_waited_for(settings, registry, metrics, stand_by, &store, &place).await?;
    let at = At {
        store,
        guard,
        place,
        taken,
    };
    at.lease(settings, clock, metrics, take_over).await
}

/// The same for the replay of a journal, which does not wait, and is what a database needs that may not be gone on from.
pub(super) async fn for_replay(
    settings: &Settings,
    keys: &Keys,
    clock: &Arc<dyn Clock>,
    metrics: &ServerMetrics,
) -> Result<Ready, ServerError> {
    let (store, guard, place) = match Opened::new(settings, keys)? {
        Opened::Alone(ready) => return Ok(*ready),
        Opened::Shared(store, guard, place) => (store, guard, place),
    };
    let above = guard.state()?.claim.map_or(0, |claim| claim.fence);
    let taken = lease::take(&store, &place, terms(settings), above)?;
    let at = At {
        store,
        guard,
        place,
        taken,
    };
    at.lease(settings, clock, metrics, take_as_it_is).await
}

/// A lease that was just taken.
struct At {
    store: Store,
    guard: SharedGuard,
    place: Arc<Place>,
    taken: Taken,
}

/// How the guard is claimed.
type Claiming = fn(&Store, &SharedGuard, &Taken, &Settings) -> Result<TakenOver, LeaseError>;

impl At {
    /// Renews it from here on, claims the guard, and hands out what is published with.
    async fn lease(
        self,
        settings: &Settings,
        clock: &Arc<dyn Clock>,
        metrics: &ServerMetrics,
        claiming: Claiming,
    ) -> Result<Ready, ServerError> {
        let Self {
            store,
            guard,
            place,
            taken,
        } = self;
        store.write_under(taken.fence.clone());
        let promises = Arc::new(AtomicBool::new(true));
        let held = Arc::<Held>::default();
        let keeping = Keeping {
            store: store.clone(),
            guard: guard.clone(),
            fence: taken.fence.clone(),
            terms: terms(settings),
            require_synchronous: settings.require_synchronous,
            held: Arc::clone(&held),
            promises: Arc::clone(&promises),
            metrics: metrics.clone(),
            clock: Arc::clone(clock),
        };
        // What follows may take longer than it lasts.
        let keeper = Keeper::start(keeping, taken.at).map_err(LeaseError::from)?;
        match claimed(claiming, settings, &store, &guard, taken).await {
            Ok(found) => {
                let lease = Lease {
                    keeper,
                    store: store.clone(),
                    held,
                    promises,
                    found,
                    _place: place,
                };
                Ok((Leased(Some(lease)), Box::new(guard), store))
            }
            Err(error) => {
                give_back(keeper).await;
                Err(error.into())
            }
        }
    }
}

async fn free_or_waited_for(
    settings: &Settings,
    registry: &Registry,
    metrics: &ServerMetrics,
    stand_by: StandBy,
    store: &Store,
    place: &Arc<Place>,
) -> Result<Taken, ServerError> {
    let terms = terms(settings);
    let (asking, from) = (store.clone(), Arc::clone(place));
    let asked = tokio::task::spawn_blocking(move || lease::take(&asking, &from, terms, 0));
    match asked.await.map_err(|_| ServerError::PublisherDied)? {
        Err(LeaseError::Held(_)) if stand_by == StandBy::Waits => {}
        other => return Ok(other?),
    }
    let ports = http::serve_stand_by(settings, registry.clone()).map_err(|error| ServerError::Io {
        what: "listening",
        error,
    })?;
    let taken = lease::wait(store, place, terms, metrics).await;
    ports.stop_around(async {}).await;
    Ok(taken?)
}

async fn claimed(
    claiming: Claiming,
    settings: &Settings,
    store: &Store,
    guard: &SharedGuard,
    taken: Taken,
) -> Result<TakenOver, LeaseError> {
    let (settings, store, guard) = (settings.clone(), store.clone(), guard.clone());
    let work = move || claiming(&store, &guard, &taken, &settings);
    let claimed = tokio::task::spawn_blocking(work).await;
    claimed.map_err(|_| keyglass_schema::StoreError::ThreadDied)?
}

fn terms(settings: &Settings) -> Terms {
    Terms {
        ttl: settings.lease_ttl,
        renew: settings.lease_renew,
    }
}

impl Leased {
    /// Until when this process may answer and promise.
    pub(super) fn held(&self) -> Arc<Held> {
        self.0
            .as_ref()
            .map_or_else(Arc::default, |lease| Arc::clone(&lease.held))
    }

    /// Whether it may promise.
    pub(super) fn promises(&self) -> Arc<AtomicBool> {
        let free = || Arc::new(AtomicBool::new(true));
        self.0
            .as_ref()
            .map_or_else(free, |lease| Arc::clone(&lease.promises))
    }

    /// Tells the keeper what the guard remembers, and the publisher for whom it has to wait.
    pub(super) fn watch(&self, service: &Arc<Service>) {
        let Some(lease) = &self.0 else { return };
        let replicas = Arc::clone(&service.replicas);
        replicas.expect(&lease.found.strangers, service.settings.lease_ttl, Instant::now());
        lease.keeper.claimed(lease.found.mark.clone(), replicas);
    }

    /// Waits until the lease is lost; for ever without one.
    pub(super) async fn lost(&mut self) -> LeaseError {
        match &mut self.0 {
            Some(lease) => lease.keeper.lost().await,
            None => std::future::pending().await,
        }
    }

    /// Whether some write found it lost.
    pub(super) fn why_lost(&self) -> Option<LeaseError> {
        let lease = self.0.as_ref()?;
        lease.store.still_leased().err().map(LeaseError::from)
    }

    /// Gives it back.
    pub(crate) async fn release(self) {
        if let Some(lease) = self.0 {
            give_back(lease.keeper).await;
        }
    }
}

/// Gives a lease back. A database that does not answer, such as a primary that was cut off from its standbys, is waited for no
/// longer than the lease lasts: then it has ended by itself.
async fn give_back(keeper: Keeper) {
    let limit = keeper.ttl();
    let released = tokio::task::spawn_blocking(move || keeper.release());
    match tokio::time::timeout(limit, released).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => tracing::error!("the lease is not given back"),
        Err(_) => tracing::warn!("the lease is not given back: the database does not answer"),
    }
}
