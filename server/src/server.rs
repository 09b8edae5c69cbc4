//! Puts the parts together, runs them, stops them.

mod replica;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use keyglass_monitoring::{MonitoringError, Registry, ServerMetrics};
use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::quantity::ConfigHash;
use keyglass_schema::{Store, StoreError, StoreKeys};
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, oneshot, watch};

use crate::access::{Access, KeySetError};
use crate::artefacts::Artefacts;
use crate::clock::Clock;
use crate::configuration::{Configuration, ConfigurationError};
use crate::cosigners::{CosignerError, Cosigners};
use crate::directory::{HeadCell, ProofSource};
use crate::guard::{FileGuard, GuardError};
use crate::http::{self, Serving, State};
use crate::journal::{Journal, JournalError};
use crate::keys::{KeyError, Keys};
use crate::publisher::{self, AskError, Asker, PublishError, Publisher, Steps};
use crate::replica::{ReplicaToken, TokenFileError};
use crate::replicas::Replicas;
use crate::service::{PendingCell, Reads, Service};
use crate::settings::Settings;

pub use replica::{open_to_read, start_replica};

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
            Self::PublisherDied => "publisher-died",
        }
    }
}

/// A server that runs.
pub struct Running {
    /// Name of the log.
    pub origin: String,
    /// The log's verifier key.
    pub log_vkey: VerifierKey,
    /// SHA-256 of the configuration document.
    pub config_sha256: ConfigHash,
    /// Address of the API.
    pub api: SocketAddr,
    /// Address of health and metrics.
    pub admin: SocketAddr,
    stop: watch::Sender<bool>,
    ports: Serving,
    publisher: oneshot::Receiver<Result<(), PublishError>>,
    readers: Option<Runtime>,
}

/// Asks a running server to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<bool>);

impl Stopper {
    /// Asks it to finish what it is doing and to end.
    pub fn stop(&self) {
        self.0.send_replace(true);
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
    start_with(settings, keys, clock, steps, |_| publisher::run).await
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
    work: impl FnOnce(&Arc<Service>) -> W,
) -> Result<Running, ServerError>
where
    W: FnOnce(Publisher, watch::Receiver<bool>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), PublishError>>,
{
    let registry = Registry::new("keyglass-server", env!("CARGO_PKG_VERSION"))?;
    let guard = FileGuard::open(&settings.guard, keys.origin())?;
    let service = Arc::new(open(settings, keys, clock, &registry)?);
    let access = access(&service)?;
    let asker = Asker::new()?;
    let token = &service.settings.replication.token;
    let token = token.as_deref().map(ReplicaToken::load).transpose()?;
    let publisher = Publisher::new(Arc::clone(&service), Box::new(guard), steps, asker);
    let (stop, stopped) = watch::channel(false);
    let publisher = spawn_publisher(publisher, stopped, work(&service)).await?;
    let readers = runtime("readers")?;
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
    Ok(Running {
        origin: service.keys.origin().to_owned(),
        log_vkey: service.keys.log.verifier().clone(),
        config_sha256: service.config.hash(),
        api: ports.api,
        admin: ports.admin,
        stop,
        ports,
        publisher,
        readers: Some(readers),
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
    open_with(settings, keys, clock, registry, Configuration::load)
}

/// As [`open`], under the document that the newest leaf names: settings may have changed since the database was backed up.
///
/// # Errors
/// [`ServerError`].
pub(crate) fn open_for_replay(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Service, ServerError> {
    open_with(settings, keys, clock, registry, Configuration::named_last)
}

fn open_with(
    settings: Settings,
    keys: Keys,
    clock: Arc<dyn Clock>,
    registry: &Registry,
    configuration: impl FnOnce(&Store, &Keys, &Settings) -> Result<Configuration, ConfigurationError>,
) -> Result<Service, ServerError> {
    let folder = |error| ServerError::Io {
        what: "the data folder",
        error,
    };
    std::fs::create_dir_all(&settings.data_dir).map_err(folder)?;
    let artefacts = Artefacts::open(&settings.artefacts_dir).map_err(folder)?;
    let store_keys = StoreKeys::from_secret(keys.storage.expose());
    let journal = Journal::open(&settings.journal_dir, store_keys.clone())?;
    let store = Store::open(&settings.database, store_keys)?;
    let config = configuration(&store, &keys, &settings)?;
    let source = {
        let (proofs, answers) = (settings.proof_cache.get(), settings.answer_cache.get());
        ProofSource::new(&store, &keys.vrf, proofs, answers)
    };
    Ok(Service {
        cosigners: Cosigners::from_settings(&settings)?,
        degraded: AtomicBool::new(false),
        importing: AtomicBool::new(false),
        replicas: Replicas::new(settings.replica_lease),
        wake: Notify::new(),
        reads: Arc::new(Reads {
            source,
            metrics: ServerMetrics::register(registry)?,
            head: HeadCell::default(),
            pending: PendingCell::default(),
            settings,
            store,
            artefacts,
            clock,
        }),
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
    let runtime = runtime("publisher")?;
    let (started, wait) = oneshot::channel();
    let (ended, mut result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("publisher".to_owned());
    let work = move || {
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

fn runtime(name: &'static str) -> Result<Runtime, ServerError> {
    Builder::new_multi_thread()
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|error| ServerError::Io {
            what: "a runtime",
            error,
        })
}

impl Running {
    /// A handle with which the server is stopped.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Serves until it is stopped or must not go on. What was begun is finished first.
    ///
    /// # Errors
    /// [`ServerError`] if the server ended by itself.
    pub async fn wait(mut self) -> Result<(), ServerError> {
        let mut stopped = self.stop.subscribe();
        let ended = tokio::select! {
            ended = &mut self.publisher => Some(ended),
            _ = stopped.wait_for(|stop| *stop) => None,
        };
        let (stop, publisher) = (&self.stop, &mut self.publisher);
        let publisher_ends = async move {
            stop.send_replace(true);
            match ended {
                Some(ended) => ended,
                None => publisher.await,
            }
        };
        let ended = self.ports.stop_around(publisher_ends).await;
        match ended {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(ServerError::PublisherDied),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(readers) = self.readers.take() {
            readers.shutdown_background();
        }
    }
}
