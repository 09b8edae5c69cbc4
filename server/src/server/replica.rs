//! Starting a replica.

use std::sync::Arc;
use std::time::Duration;

use keyglass_monitoring::{Registry, ReplicaMetrics, ServerMetrics};
use keyglass_schema::{Store, StoreError, StoreKeys};
use tokio::sync::{oneshot, watch};

use super::{Leased, Running, ServerError, access_to, runtime};
use crate::artefacts::Artefacts;
use crate::clock::Clock;
use crate::http::{self, State};
use crate::keys::{Random, ReadingKeys};
use crate::priority::Priority;
use crate::replica::{self, Fence, Replica, ReplicaToken, Reporter};
use crate::service::Reads;
use crate::settings::Settings;

/// How long a sequencer may take to take an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts a replica: it has no key that signs, writes nothing, and follows what the sequencers make durable. It answers once
/// it has read the tree and a sequencer knows of it.
///
/// # Errors
/// [`ServerError`] with the reason; then nothing runs.
pub async fn start_replica(
    settings: Settings,
    keys: ReadingKeys,
    clock: Arc<dyn Clock>,
    random: &dyn Random,
) -> Result<Running, ServerError> {
    let registry = Registry::new("keyglass-server", env!("CARGO_PKG_VERSION"))?;
    let reads = Arc::new(open_to_read(settings, &keys, clock, &registry)?);
    let newest = reads.store.log_size()?.last_epoch();
    let newest = newest.map(|epoch| reads.store.leaf(epoch)).transpose()?.flatten();
    let config_sha256 = newest.ok_or(StoreError::NoDirectory)?.config;

    let fence = Arc::new(Fence::new(reads.settings.replica_lease));
    let reporter = reporter(&reads.settings, random)?;
    let metrics = ReplicaMetrics::register(&registry)?;
    if reads.settings.token_keys.is_none() {
        tracing::warn!("no token_keys: anybody may look telephone numbers up; set it as at the sequencer");
    }
    let access = access_to(&reads, keys.log.name())?;
    let readers = runtime("readers", Priority::Answers)?;
    let (runs_on, shared) = (readers.handle().clone(), Arc::clone(&reads));
    let client = |e: reqwest::Error| ServerError::HttpClient(e.to_string());
    let state = State::of_replica(shared, access, runs_on, Arc::clone(&fence)).map_err(client)?;
    let ports = http::serve(state, registry).map_err(|error| ServerError::Io {
        what: "listening",
        error,
    })?;

    let (stop, stopped) = watch::channel(false);
    let (ended, follower) = oneshot::channel();
    let replica = Replica::new(reads, keys.log.clone(), fence, reporter, metrics);
    readers.spawn(async move {
        replica::run(replica, stopped).await;
        let _nobody_waits = ended.send(Ok(()));
    });
    Ok(Running {
        origin: keys.log.name().to_owned(),
        log_vkey: keys.log,
        config_sha256,
        api: ports.api,
        admin: ports.admin,
        stop,
        ports,
        publisher: follower,
        leased: Leased::default(),
        readers: Some(readers),
    })
}

/// Opens everything that answers are made from.
///
/// # Errors
/// [`ServerError`].
pub fn open_to_read(
    settings: Settings,
    keys: &ReadingKeys,
    clock: Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Reads, ServerError> {
    let artefacts = Artefacts::open(&settings.artefacts_dir).map_err(|error| ServerError::Io {
        what: "the folder of artefacts",
        error,
    })?;
    let store = Store::open_to_read(&settings.database, StoreKeys::from_secret(keys.storage.expose()))?;
    let metrics = ServerMetrics::register(registry)?;
    Ok(Reads::new(settings, &keys.vrf, store, artefacts, metrics, clock))
}

/// Who tells the sequencers, under the replica's name or one for this run.
fn reporter(settings: &Settings, random: &dyn Random) -> Result<Reporter, ServerError> {
    let replication = &settings.replication;
    let name = match &replication.name {
        Some(name) => name.clone(),
        None => {
            let mut bytes = [0; 8];
            random.fill(&mut bytes)?;
            hex::encode(bytes)
        }
    };
    let token = replication.token.as_deref().map(ReplicaToken::load).transpose()?;
    let token = token.ok_or(ServerError::NoReplicaToken)?;
    // A sequencer that hangs must not use the lease up: the next one is asked when this one was given up.
    let patience = (settings.replica_lease / 3).min(PATIENCE);
    Reporter::new(&name, token, &replication.sequencers, patience)
        .map_err(|e| ServerError::HttpClient(e.to_string()))
}
