//! Two ports, each with its routes and limits.

use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, web};
use keyglass_monitoring::Registry;
use keyglass_protocol::problem::Problem;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::connections::Connections;
use super::cors::cors;
use super::limit::{Limits, limit};
use super::observe::observe;
use super::problem::Refusal;
use super::strict::Strict;
use super::{State, admin_routes, routes, stand_by};
use crate::settings::Settings;

/// Seconds that open requests have when the server stops.
const SHUTDOWN_SECONDS: u64 = 10;
/// Connections that are open at once, per worker. Each may hold a head of 16 KiB.
const MAX_CONNECTIONS: usize = 4_096;
/// Threads that talk to the API's clients; proofs are made elsewhere.
const API_WORKERS: usize = 2;
/// How long an idle connection stays open.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long a connection that is being closed may still send.
const LINGER: Duration = Duration::from_secs(1);

/// Both ports while they serve.
pub struct Serving {
    /// Address of the API.
    pub api: SocketAddr,
    /// Address of health and metrics.
    pub admin: SocketAddr,
    handles: [ServerHandle; 2],
    closing: watch::Sender<bool>,
}

impl Serving {
    /// Stops the API once open requests are answered, then waits for `between`, then stops the admin port: a load balancer
    /// and a supervisor can watch the end.
    pub async fn stop_around<T>(&self, between: impl Future<Output = T>) -> T {
        let [api, admin] = &self.handles;
        // Idle connections close at once instead of being waited for.
        self.closing.send_replace(true);
        api.stop(true).await;
        let result = between.await;
        admin.stop(true).await;
        result
    }
}

/// Binds both ports and serves them on the runtime of the caller.
///
/// # Errors
/// A port cannot be bound.
pub fn serve(state: State, registry: Registry) -> io::Result<Serving> {
    let settings = state.reads.settings.clone();
    let ports = Ports::bind(&settings)?;
    let (state, registry) = (
        web::Data::from(Arc::new(state)),
        web::Data::from(Arc::new(registry)),
    );
    let for_api = state.clone();
    // One for all workers: a client may come through any of them.
    let limits = Limits::new(settings.rate_limit, &settings.trusted_proxies);
    let limits = web::Data::new(limits);
    let api = move || {
        App::new()
            .app_data(for_api.clone())
            .app_data(limits.clone())
            .wrap(from_fn(limit))
            .wrap(from_fn(observe))
            .wrap(from_fn(cors))
            .configure(routes)
    };
    let admin = move || {
        App::new()
            .app_data(state.clone())
            .app_data(registry.clone())
            .wrap(from_fn(observe))
            .configure(admin_routes)
    };
    Ok(Serving {
        handles: [ports.api.serve(api)?, ports.admin.serve(admin)?],
        api: ports.addresses.0,
        admin: ports.addresses.1,
        closing: ports.closing,
    })
}

/// Serves both ports of a sequencer that stands by: it lives, is not ready, and shows its metrics.
///
/// # Errors
/// A port cannot be bound.
pub fn serve_stand_by(settings: &Settings, registry: Registry) -> io::Result<Serving> {
    let mut ports = Ports::bind(settings)?;
    // Nobody is waited for when it takes over.
    (ports.api.workers, ports.api.grace) = (ports.admin.workers, ports.admin.grace);
    let registry = web::Data::from(Arc::new(registry));
    let api = || {
        App::new()
            .wrap(from_fn(observe))
            .wrap(from_fn(cors))
            .default_service(web::to(stand_by::refuse))
    };
    let admin = move || {
        App::new()
            .app_data(registry.clone())
            .wrap(from_fn(observe))
            .configure(stand_by::admin_routes)
    };
    Ok(Serving {
        handles: [ports.api.serve(api)?, ports.admin.serve(admin)?],
        api: ports.addresses.0,
        admin: ports.addresses.1,
        closing: ports.closing,
    })
}

/// Both ports, bound.
struct Ports {
    api: Port,
    admin: Port,
    addresses: (SocketAddr, SocketAddr),
    closing: watch::Sender<bool>,
}

impl Ports {
    fn bind(settings: &Settings) -> io::Result<Self> {
        let (closing, closed) = watch::channel(false);
        let port = |listener, workers, grace| Port {
            listener,
            workers,
            grace,
            patience: settings.request_timeout,
            connections: Connections::new(&settings.trusted_proxies),
            closed: closed.clone(),
        };
        let api = TcpListener::bind(settings.listen)?;
        let admin = TcpListener::bind(settings.admin_listen)?;
        Ok(Self {
            addresses: (api.local_addr()?, admin.local_addr()?),
            api: port(api, API_WORKERS, SHUTDOWN_SECONDS),
            admin: port(admin, 1, 1),
            closing,
        })
    }
}

/// One port with its limits.
struct Port {
    listener: TcpListener,
    workers: usize,
    /// Seconds that open requests have when the port closes.
    grace: u64,
    patience: Duration,
    connections: Arc<Connections>,
    closed: watch::Receiver<bool>,
}

impl Port {
    /// Serves `app` on connections that pass on only well-framed requests, each within its time.
    fn serve<F, A, B>(self, app: F) -> io::Result<ServerHandle>
    where
        F: Fn() -> App<A> + Send + Clone + 'static,
        A: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let Self {
            listener,
            workers,
            grace,
            patience,
            connections,
            closed,
        } = self;
        let service = move || {
            let closed = closed.clone();
            let signal = move || {
                let mut closed = closed.clone();
                async move { drop(closed.wait_for(|closed| *closed).await) }
            };
            let http = HttpService::build()
                .keep_alive(KEEP_ALIVE)
                // The connection itself knows when a request began.
                .client_request_timeout(Duration::ZERO)
                .client_disconnect_timeout(LINGER)
                .graceful_shutdown_signal(signal)
                .h1(map_config(app(), |()| AppConfig::default()));
            let connections = Arc::clone(&connections);
            let connection = fn_service(move |stream: TcpStream| {
                let peer = stream.peer_addr().ok();
                let held = peer.and_then(|peer| connections.admit(peer.ip()));
                // Answers are written in one piece: there is nothing to wait for.
                let _slower = stream.set_nodelay(true);
                ready(Ok::<_, DispatchError>((
                    Strict::new(stream, patience, held),
                    peer,
                )))
            });
            connection.and_then(http)
        };
        let server = Server::build()
            .workers(workers)
            .max_concurrent_connections(MAX_CONNECTIONS)
            .shutdown_timeout(grace)
            .disable_signals()
            .listen("http", listener, service)?
            .run();
        let handle = server.handle();
        drop(tokio::spawn(server));
        Ok(handle)
    }
}

/// Runs a blocking call beside the threads that talk to clients.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    web::block(work).await.map_err(|_| {
        tracing::error!("no thread for a blocking call");
        Refusal::new(Problem::Unavailable)
    })
}
