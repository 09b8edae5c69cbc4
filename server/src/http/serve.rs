//! Two ports, each with its routes and limits.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use keyglass_monitoring::Registry;
use keyglass_protocol::problem::Problem;

use super::observe::observe;
use super::problem::Refusal;
use super::{State, admin_routes, routes};

/// Seconds that open requests have when the server stops.
const SHUTDOWN_SECONDS: u64 = 10;
/// Connections that are open at once, per worker.
const MAX_CONNECTIONS: usize = 10_000;

/// Both ports while they serve.
pub struct Serving {
    /// Address of the API.
    pub api: SocketAddr,
    /// Address of health and metrics.
    pub admin: SocketAddr,
    pub(crate) servers: [Server; 2],
}

impl Serving {
    /// Handles with which the ports are closed.
    pub(crate) fn handles(&self) -> [ServerHandle; 2] {
        let [api, admin] = &self.servers;
        [api.handle(), admin.handle()]
    }
}

/// Binds both ports. They serve as soon as the servers are awaited.
///
/// # Errors
/// A port cannot be bound.
pub fn serve(state: State, registry: Registry) -> io::Result<Serving> {
    let settings = &state.service.settings;
    let (timeout, workers) = (settings.request_timeout, 2);
    let api = TcpListener::bind(settings.listen)?;
    let admin = TcpListener::bind(settings.admin_listen)?;
    let (api_address, admin_address) = (api.local_addr()?, admin.local_addr()?);
    let (state, registry) = (
        web::Data::from(Arc::new(state)),
        web::Data::from(Arc::new(registry)),
    );
    let for_admin = state.clone();
    let api = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .wrap(from_fn(observe))
            .configure(routes)
    })
    .client_request_timeout(timeout)
    .max_connections(MAX_CONNECTIONS)
    .workers(workers)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals()
    .listen(api)?
    .run();
    let admin = HttpServer::new(move || {
        App::new()
            .app_data(for_admin.clone())
            .app_data(registry.clone())
            .configure(admin_routes)
    })
    .client_request_timeout(timeout)
    .workers(1)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(admin)?
    .run();
    Ok(Serving {
        api: api_address,
        admin: admin_address,
        servers: [api, admin],
    })
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
