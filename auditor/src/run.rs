//! `run`: follow every configured directory and serve the routes, until told to stop.

use std::future::Future;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{App, HttpServer};
use keyglass_monitoring::{AuditorMetrics, MonitoringError, Registry};
use keyglass_protocol::note::VerifierKey;
use keyglass_schema::auditor::{AuditorStore, AuditorStoreError};
use thiserror::Error;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::alarm::{Alarm, FIRST_PAUSE};
use crate::clock::Clock;
use crate::evidence_files::EVIDENCE_DIR;
use crate::follower::{Follower, Options, Outcome, Parts, Pins};
use crate::http::{self, Followed, Request, Routes};
use crate::keys::Keys;
use crate::lock::DataDir;
use crate::moments::Moments;
use crate::peers::Peer;
use crate::refusal::Stop;
use crate::settings::{DirectorySettings, PeerSettings, Settings};
use crate::source::EpochSource;
use crate::steps::Limits;

/// File of the database in the data directory.
pub const DATABASE_FILE: &str = "auditor.sqlite";
/// Requests that wait for a follower; one more is answered with 503.
const WAITING_REQUESTS: usize = 16;
/// Longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Threads that serve the routes.
const WORKERS: usize = 2;

/// Why the auditor cannot run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// A followed log cannot be taken up.
    #[error("{origin}: {error}")]
    Follow {
        /// The log.
        origin: String,
        /// Why.
        error: Box<Stop>,
    },
    /// The database.
    #[error("database: {0}")]
    Store(#[from] AuditorStoreError),
    /// Files or sockets.
    #[error("{what}: {error}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What went wrong.
        error: std::io::Error,
    },
    /// Metrics.
    #[error(transparent)]
    Monitoring(#[from] MonitoringError),
}

/// Makes what is read from a directory or peer at this address.
pub type MakeSource<'a> = &'a dyn Fn(&str) -> Result<Arc<dyn EpochSource>, Stop>;

/// A running auditor's parts that do not depend on the outside.
pub struct Auditor {
    followers: Vec<(Follower, mpsc::Receiver<Request>)>,
    routes: Routes,
    alarm: Alarm,
    wake: Arc<Notify>,
    listener: TcpListener,
    settings: Settings,
    _data_dir: DataDir,
}

impl Auditor {
    /// Opens state and socket. `data_dir` is the held lock of the settings' data directory.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn open(
        settings: Settings,
        data_dir: DataDir,
        keys: Keys,
        clock: Arc<dyn Clock>,
        moments: Arc<dyn Moments>,
        source: MakeSource<'_>,
    ) -> Result<Self, RunError> {
        let registry = Arc::new(Registry::new("keyglass-auditor", env!("CARGO_PKG_VERSION"))?);
        let metrics = AuditorMetrics::register(&registry)?;
        let path = settings.data_dir.join(DATABASE_FILE);
        let store = AuditorStore::open(&path)?;
        let keys = Arc::new(keys);
        let wake = Arc::new(Notify::new());
        let options = Options {
            refresh: settings.refresh_interval,
            limits: Limits {
                memory: settings.verify_memory_max_bytes,
                ..Limits::for_this_machine(settings.second_opinion_max_bytes)
            },
        };
        let mut followers = Vec::new();
        let mut logs = Vec::new();
        let mut peer_keys: Vec<VerifierKey> = Vec::new();
        for directory in &settings.directories {
            let origin = directory.log_vkey.name().to_owned();
            let failed = |error| RunError::Follow {
                origin: origin.clone(),
                error: Box::new(error),
            };
            let peers = directory.peers.iter().map(|peer| open_peer(peer, source));
            let peers: Vec<Peer> = peers.collect::<Result<_, _>>().map_err(failed)?;
            peer_keys.extend(peers.iter().filter_map(|peer| peer.key.clone()));
            let parts = Parts {
                source: source(&directory.url).map_err(failed)?,
                store: store.clone(),
                keys: Arc::clone(&keys),
                clock: Arc::clone(&clock),
                metrics: metrics.directory(&origin),
                peers,
                data_dir: settings.data_dir.clone(),
                moments: Arc::clone(&moments),
                alarm: Arc::clone(&wake),
            };
            let follower = Follower::open(pins(directory)?, options, parts)
                .await
                .map_err(failed)?;
            let (requests, requested) = mpsc::channel(WAITING_REQUESTS);
            logs.push(Followed {
                shared: follower.shared(),
                requests,
            });
            followers.push((follower, requested));
        }
        let listen = |error| RunError::Io {
            what: "listening",
            error,
        };
        let listener = TcpListener::bind(settings.listen).map_err(listen)?;
        let evidence = settings.data_dir.join(EVIDENCE_DIR);
        let alarm = Alarm {
            hooks: settings.hooks.clone(),
            auditor: keys.name().to_owned(),
            evidence: evidence.clone(),
            store: store.clone(),
            clock: Arc::clone(&clock),
            metrics,
            first_pause: FIRST_PAUSE,
        };
        let routes = Routes {
            logs,
            registry,
            clock,
            store,
            evidence,
            vkeys: keys.vkeys(),
            peers: peer_keys,
            verifying: Arc::new(Semaphore::new(1)),
        };
        Ok(Self {
            followers,
            routes,
            alarm,
            wake,
            listener,
            settings,
            _data_dir: data_dir,
        })
    }

    /// Where the routes are served.
    ///
    /// # Errors
    /// [`RunError::Io`] if the socket does not say.
    pub fn address(&self) -> Result<std::net::SocketAddr, RunError> {
        self.listener.local_addr().map_err(|error| RunError::Io {
            what: "listening",
            error,
        })
    }

    /// Follows and serves until `stop` is done; then finishes what is under way.
    ///
    /// # Errors
    /// [`RunError::Io`] if the routes cannot be served.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), RunError> {
        let serving = |error| RunError::Io {
            what: "serving",
            error,
        };
        let routes = Data::new(self.routes);
        let server = HttpServer::new(move || App::new().app_data(routes.clone()).configure(http::configure))
            .workers(WORKERS)
            .disable_signals()
            .shutdown_timeout(5)
            .listen(self.listener)
            .map_err(serving)?
            .run();
        let handle = server.handle();
        let (stopping, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (follower, pushes) in self.followers {
            tasks.spawn(follow(
                follower,
                pushes,
                self.settings.poll_interval,
                stopped.clone(),
            ));
        }
        let server = tokio::spawn(server);
        let telling = tokio::spawn(self.alarm.run(self.wake));
        stop.await;
        telling.abort();
        let _ = stopping.send(true);
        while tasks.join_next().await.is_some() {}
        handle.stop(true).await;
        match server.await {
            Ok(done) => done.map_err(serving),
            Err(error) => Err(serving(std::io::Error::other(error))),
        }
    }
}

/// Looks at the newest checkpoint in the poll interval, and at a pushed one at once.
///
/// A stop does not wait: whatever was recorded is whole, and is taken up again on the next start.
async fn follow(
    mut follower: Follower,
    mut requests: mpsc::Receiver<Request>,
    interval: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    let mut next = Instant::now();
    let mut failures: u32 = 0;
    let mut reported = None;
    loop {
        tokio::select! {
            biased;
            _ = stopped.changed() => return,
            Some(request) = requests.recv() => tokio::select! {
                _ = stopped.changed() => return,
                () = answer(&mut follower, request) => {}
            },
            () = tokio::time::sleep_until(next) => {
                let result = tokio::select! {
                    _ = stopped.changed() => return,
                    result = follower.round() => result,
                };
                failures = if result.is_ok() { 0 } else { failures.saturating_add(1) };
                next = Instant::now() + backoff(interval, failures);
                report(&mut reported, &result, follower.shared().origin());
                tokio::select! {
                    _ = stopped.changed() => return,
                    seen = follower.watch() => if let Err(error) = seen {
                        tracing::warn!(origin = follower.shared().origin(), reason = error.reason(), %error, "others");
                    }
                }
            }
        }
    }
}

/// Does what is asked for. The asker may have gone; what was signed or stored stays.
async fn answer(follower: &mut Follower, request: Request) {
    match request {
        Request::Push(push, answer) => {
            let _ = answer.send(follower.pushed(&push).await);
        }
        Request::Compare(note, answer) => {
            let _ = answer.send(follower.compare(&note).await);
        }
        Request::Convict(proof, answer) => {
            let stored = follower.convicted(&proof.kind, &proof.reason, &proof.file).await;
            let _ = answer.send(stored.is_ok());
        }
    }
}

/// Twice as long after every failure.
fn backoff(interval: Duration, failures: u32) -> Duration {
    interval
        .saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX))
        .min(LONGEST_PAUSE.max(interval))
}

/// One line when something begins to be wrong, and one when it is over.
fn report(reported: &mut Option<&'static str>, result: &Result<Outcome, Stop>, origin: &str) {
    let reason = result.as_ref().err().map(Stop::reason);
    if reason == *reported {
        return;
    }
    match result {
        Err(error) => tracing::warn!(origin, reason, %error, "not signing"),
        Ok(_) => tracing::info!(origin, "following again"),
    }
    *reported = reason;
}

fn open_peer(settings: &PeerSettings, source: MakeSource<'_>) -> Result<Peer, Stop> {
    Ok(Peer {
        key: settings.key.clone(),
        url: settings.url.clone(),
        source: source(&settings.url)?,
    })
}

fn pins(directory: &DirectorySettings) -> Result<Pins, RunError> {
    let from_checkpoint = directory
        .from_checkpoint
        .as_deref()
        .map(read_checkpoint)
        .transpose()?;
    Ok(Pins {
        log_key: directory.log_vkey.clone(),
        config: directory.config_sha256,
        from_checkpoint,
    })
}

fn read_checkpoint(path: &Path) -> Result<Vec<u8>, RunError> {
    std::fs::read(path).map_err(|error| RunError::Io {
        what: "reading the checkpoint to start from",
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_capped() {
        let interval = Duration::from_millis(150);
        assert_eq!(backoff(interval, 0), interval);
        assert_eq!(backoff(interval, 3), Duration::from_millis(1200));
        assert_eq!(backoff(interval, 400), LONGEST_PAUSE);
        assert_eq!(backoff(Duration::from_secs(100), 1), Duration::from_secs(100));
    }
}
