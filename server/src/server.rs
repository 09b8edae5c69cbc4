//! Puts the parts together, runs them, stops them.

mod leased;
mod replica;
mod running;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use keyglass_monitoring::{MonitoringError, Registry, ServerMetrics};
use keyglass_schema::{Store, StoreError, StoreKeys};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, oneshot, watch};

use crate::access::{Access, KeySetError};
use crate::affinity::Affinity;
use crate::artefacts::Artefacts;
use crate::bootstrap::open_store;
use crate::clock::Clock;
use crate::configuration::{Configuration, ConfigurationError};
use crate::cosigners::{CosignerError, Cosigners};
use crate::guard::{Guard, GuardError};
use crate::http::{self, Serving, State};
use crate::journal::{Journal, JournalError};
use crate::keys::{KeyError, Keys};
use crate::lease::{Held, LeaseError};
use crate::priority::Priority;
use crate::publisher::{self, AskError, Asker, PublishError, Publisher, Steps};
use crate::replica::{ReplicaToken, TokenFileError};
use crate::replicas::Replicas;
use crate::service::{Reads, Service};
use crate::settings::Settings;

pub(crate) use leased::Leased;
pub use replica::{open_to_read, start_replica};
pub use running::{Running, Stopper};

/// Why the server does not start, or ended by itself.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A folder, port or thread is not to be had.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        error: io::Error,
    },
    /// The database refuses.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// Keys or settings are not those of this log.
    #[error("{0}")]
    Configuration(#[from] ConfigurationError),
    /// The cosigners cannot be used.
    #[error("{0}")]
    Cosigners(#[from] CosignerError),
    /// The token keys cannot be used.
    #[error("{0}")]
    TokenKeys(#[from] KeySetError),
    /// The guard refuses.
    #[error("{0}")]
    Guard(#[from] GuardError),
    /// Cosigners cannot be asked.
    #[error("{0}")]
    Asker(#[from] AskError),
    /// The journal cannot be opened.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// Metrics cannot be set up.
    #[error("metrics: {0}")]
    Metrics(#[from] MonitoringError),
    /// The secret of replicas and sequencers cannot be used.
    #[error("{0}")]
    ReplicaToken(#[from] TokenFileError),
    /// A replica has no secret to show.
    #[error("a replica needs replica_token")]
    NoReplicaToken,
    /// A key is missing or no randomness is to be had.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// Other servers cannot be asked.
    #[error("no HTTP client: {0}")]
    HttpClient(String),
    /// Publishing must not go on.
    #[error("publishing: {0}")]
    Publish(#[from] PublishError),
    /// The lease is not to be had, or was lost.
    #[error("{0}")]
    Lease(#[from] LeaseError),
    /// The publisher's thread died.
    #[error("the publisher died")]
    PublisherDied,
}

impl ServerError {
    /// Stable kebab-case name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::Store(StoreError::WrongKey) => "wrong-storage-key",
            Self::Store(StoreError::NewerSchema { .. }) => "newer-schema",
            Self::Store(StoreError::OlderSchema { .. }) => "older-schema",
            Self::Store(StoreError::NoDirectory) => "no-directory",
            Self::Store(_) => "store",
            Self::Configuration(e) => e.reason(),
            Self::Cosigners(e) => e.reason(),
            Self::TokenKeys(e) => e.reason(),
            Self::Guard(e) => e.reason(),
            Self::Asker(_) => "http-client",
            Self::Journal(e) => e.reason(),
            Self::Metrics(e) => e.reason(),
            Self::ReplicaToken(e) => e.reason(),
            Self::NoReplicaToken => "no-replica-token",
            Self::Key(e) => e.reason(),
            Self::HttpClient(_) => "http-client",
            Self::Publish(e) => e.reason(),
            Self::Lease(e) => e.reason(),
            Self::PublisherDied => "publisher-died",
        }
    }
}

/// Starts the server. It answers as soon as this returns; the first epoch may still be on its way.
///
/// # Errors
/// [`ServerError`] with the reason; then nothing runs.
pub async fn start(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
    steps: Arc<dyn Steps>,
) -> Result<Running, ServerError> {
    start_with(settings, keys, clock, steps, StandBy::Waits, |_| publisher::run).await
}

/// What a process does while another sequencer holds the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandBy {
    /// It waits, and takes over.
    Waits,
    /// It says so and ends.
    Ends,
}

/// Starts the server with other work for its publisher than to publish what comes.
///
/// # Errors
/// As [`start`].
pub(crate) async fn start_with<W, Fut>(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
    steps: Arc<dyn Steps>,
    stand_by: StandBy,
    work: impl FnOnce(&Arc<Service>) -> W,
) -> Result<Running, ServerError>
where
    W: FnOnce(Publisher, watch::Receiver<bool>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), PublishError>>,
{
    let registry = Registry::new("keyglass-server", env!("CARGO_PKG_VERSION"))?;
    let metrics = ServerMetrics::register(&registry)?;
    let (leased, guard, store) =
        leased::wait(&settings, &keys, &clock, &registry, &metrics, stand_by).await?;
    let parts = Parts {
        store,
        metrics,
        lease: leased.held(),
        promises: leased.promises(),
    };
    let begun = begin(settings, keys, clock, parts, registry, |service| {
        leased.watch(service);
        let publisher = Publisher::new(Arc::clone(service), guard, steps, Asker::new()?);
        Ok((publisher, work(service)))
    });
    match begun.await {
        Ok(begun) => Ok(begun.with(leased)),
        Err(error) => {
            leased.release().await;
            Err(error)
        }
    }
}

/// A server that runs, without its lease.
struct Begun {
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    ports: Serving,
    publisher: oneshot::Receiver<Result<(), PublishError>>,
    readers: Runtime,
}

impl Begun {
    fn with(self, leased: Leased) -> Running {
        let service = &self.service;
        Running {
            origin: service.keys.origin().to_owned(),
            log_vkey: service.keys.log.verifier().clone(),
            config_sha256: service.config.hash(),
            api: self.ports.api,
            admin: self.ports.admin,
            stop: self.stop,
            ports: self.ports,
            publisher: self.publisher,
            leased,
            readers: Some(self.readers),
        }
    }
}

/// Starts everything once the lease is ours.
async fn begin<W, Fut>(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
    parts: Parts,
    registry: Registry,
    publisher: impl FnOnce(&Arc<Service>) -> Result<(Publisher, W), ServerError>,
) -> Result<Begun, ServerError>
where
    W: FnOnce(Publisher, watch::Receiver<bool>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), PublishError>>,
{
    let service = Arc::new(open_with(settings, keys, clock, parts, Configuration::load)?);
    let access = access(&service)?;
    let token = &service.settings.replication.token;
    let token = token.as_deref().map(ReplicaToken::load).transpose()?;
    let (publisher, work) = publisher(&service)?;
    let (stop, stopped) = watch::channel(false);
    let publisher = spawn_publisher(publisher, stopped, work).await?;
    let readers = runtime("readers", Priority::Answers)?;
    let state = State::new(Arc::clone(&service), access, readers.handle().clone())
        .map_err(|e| ServerError::HttpClient(e.to_string()))?
        .with_replicas(token);
    let ports = match http::serve(state, registry) {
        Ok(ports) => ports,
        Err(error) => {
            stop.send_replace(true);
            let _ended = publisher.await;
            readers.shutdown_background();
            return Err(ServerError::Io {
                what: "listening",
                error,
            });
        }
    };
    Ok(Begun {
        service,
        stop,
        ports,
        publisher,
        readers,
    })
}

/// How callers are known, by the settings. Open registration is said loudly.
///
/// # Errors
/// [`KeySetError`] if the file of the token keys cannot be used.
pub fn access(service: &Service) -> Result<Access, KeySetError> {
    if service.settings.token_keys.is_none() {
        tracing::warn!(
            "open registration: anybody may publish keys for any account that does not exist yet; set token_keys"
        );
        service.metrics.open_registration(true);
    }
    access_to(&service.reads, service.keys.origin())
}

fn access_to(reads: &Reads, origin: &str) -> Result<Access, KeySetError> {
    let settings = &reads.settings;
    let Some(file) = &settings.token_keys else {
        return Ok(Access::Open);
    };
    Access::tokens(
        file,
        origin,
        settings.phone_lookups,
        Arc::clone(&reads.clock),
        reads.metrics.clone(),
    )
}

/// Opens everything that the parts share.
///
/// # Errors
/// [`ServerError`].
pub fn open(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Service, ServerError> {
    let parts = Parts::free(&settings, &keys, ServerMetrics::register(registry)?)?;
    open_with(settings, keys, clock, parts, Configuration::load)
}

/// What exists before the service does.
pub(crate) struct Parts {
    store: Store,
    metrics: ServerMetrics,
    lease: Arc<Held>,
    promises: Arc<AtomicBool>,
}

impl Parts {
    /// Without a lease: a lock keeps others out.
    fn free(settings: &Settings, keys: &Keys, metrics: ServerMetrics) -> Result<Self, StoreError> {
        Ok(Self {
            store: open_store(settings, keys)?,
            metrics,
            lease: Arc::default(),
            promises: Arc::new(AtomicBool::new(true)),
        })
    }
}

/// What replays a journal: the service under the document that the newest leaf names, since settings may have changed since
/// the database was backed up, and the guard. Nothing else publishes until the lease is released.
///
/// # Errors
/// [`ServerError`].
pub(crate) async fn open_for_replay(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
) -> Result<(Service, Box<dyn Guard>, Leased), ServerError> {
    let registry = Registry::new("keyglass-server", env!("CARGO_PKG_VERSION"))?;
    let metrics = ServerMetrics::register(&registry)?;
    let (leased, guard, store) = leased::for_replay(&settings, &keys, &clock, &metrics).await?;
    let parts = Parts {
        store,
        metrics,
        lease: leased.held(),
        promises: leased.promises(),
    };
    match open_with(settings, keys, clock, parts, Configuration::named_last) {
        Ok(service) => Ok((service, guard, leased)),
        Err(error) => {
            leased.release().await;
            Err(error)
        }
    }
}

fn open_with(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
    parts: Parts,
    configuration: impl FnOnce(&Store, &Keys, &Settings) -> Result<Configuration, ConfigurationError>,
) -> Result<Service, ServerError> {
    let folder = |error| ServerError::Io {
        what: "the data folder",
        error,
    };
    std::fs::create_dir_all(&settings.data_dir).map_err(folder)?;
    let artefacts = Artefacts::open(&settings.artefacts_dir).map_err(folder)?;
    let store_keys = StoreKeys::from_secret(keys.storage.expose());
    let journal = Journal::open(&settings.journal_dir, store_keys)?;
    let store = parts.store;
    let config = configuration(&store, &keys, &settings)?;
    Ok(Service {
        cosigners: Cosigners::from_settings(&settings)?,
        degraded: AtomicBool::new(false),
        importing: AtomicBool::new(false),
        lease: parts.lease,
        promises: parts.promises,
        replicas: Arc::new(Replicas::new(settings.replica_lease)),
        wake: Notify::new(),
        reads: Arc::new(Reads::new(
            settings,
            &keys.vrf,
            store,
            artefacts,
            parts.metrics,
            clock,
        )),
        keys,
        config,
        journal,
    })
}

/// Runs the publisher on a thread of its own, once it has found the database to be the newest state of its log.
async fn spawn_publisher<W, Fut>(
    mut publisher: Publisher,
    stopped: watch::Receiver<bool>,
    publish: W,
) -> Result<oneshot::Receiver<Result<(), PublishError>>, ServerError>
where
    W: FnOnce(Publisher, watch::Receiver<bool>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), PublishError>>,
{
    let runtime = runtime("publisher", Priority::Publishing)?;
    let (started, wait) = oneshot::channel();
    let (ended, mut result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("publisher".to_owned());
    let work = move || {
        Priority::Publishing.take();
        let outcome = runtime.block_on(async move {
            publisher.start().await?;
            let _nobody_waits = started.send(());
            publish(publisher, stopped).await
        });
        let _nobody_waits = ended.send(outcome);
    };
    thread.spawn(work).map_err(|error| ServerError::Io {
        what: "the publisher's thread",
        error,
    })?;
    if wait.await.is_ok() {
        return Ok(result);
    }
    match (&mut result).await {
        Ok(Err(error)) => Err(error.into()),
        _ => Err(ServerError::PublisherDied),
    }
}

/// A runtime all of whose threads have this priority. Workers that make answers have a processor each.
fn runtime(name: &'static str, priority: Priority) -> Result<Runtime, ServerError> {
    let affinity = match priority {
        Priority::Answers => Affinity::one_each(),
        Priority::Publishing | Priority::Ahead => Affinity::default(),
    };
    let mut builder = Builder::new_multi_thread();
    if affinity.workers() > 0 {
        builder.worker_threads(affinity.workers());
    }
    let at_start = affinity.clone();
    let runtime = builder
        .thread_name(name)
        .on_thread_start(move || {
            priority.take();
            at_start.unbind();
        })
        .enable_all()
        .build()
        .map_err(|error| ServerError::Io {
            what: "a runtime",
            error,
        })?;
    affinity.bind_workers(&runtime);
    Ok(runtime)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_thread_of_the_publisher_gives_way_to_those_that_answer() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let seen = |priority| {
            let runtime = runtime("test", priority).unwrap();
            let worker = runtime.spawn(async move { nice() });
            let blocking = runtime.spawn_blocking(nice);
            runtime.block_on(async { (worker.await.unwrap(), blocking.await.unwrap()) })
        };
        let before = nice();
        assert_eq!(seen(Priority::Answers), (before, before));
        assert_eq!(seen(Priority::Publishing), (before.max(15), before.max(15)));
    }

    /// Whoever waits for a disk must not keep a worker's processor to itself.
    #[test]
    fn workers_have_a_processor_each_and_what_blocks_runs_anywhere() {
        let usable = || {
            let set = rustix::thread::sched_getaffinity(None).unwrap();
            let all = 0..rustix::thread::CpuSet::MAX_CPU;
            all.filter(|processor| set.is_set(*processor)).collect::<Vec<_>>()
        };
        let (all, bound) = (usable(), Affinity::one_each().workers());
        let runtime = runtime("test", Priority::Answers).unwrap();
        // All at the same time, so that each worker runs one.
        let all_here = Arc::new(std::sync::Barrier::new(bound.max(1)));
        let both = |_| {
            let all_here = Arc::clone(&all_here);
            runtime.spawn(async move {
                all_here.wait();
                (usable(), tokio::task::spawn_blocking(usable).await.unwrap())
            })
        };
        let both: Vec<_> = (0..bound.max(1)).map(both).collect();
        let seen = both.into_iter().map(|both| runtime.block_on(both).unwrap());
        let (mut workers, blocking): (Vec<_>, Vec<_>) = seen.unzip();
        workers.sort();
        let alone: Vec<_> = all.iter().map(|processor| vec![*processor]).collect();
        assert_eq!(workers, if bound == 0 { vec![all.clone()] } else { alone });
        assert!(blocking.iter().all(|usable| *usable == all), "{blocking:?}");
        assert_eq!(usable(), all);
    }
}
