//! The HTTP side: the route table, and nothing that decides anything.

mod admin;
mod audit;
mod body;
mod caller;
mod client;
mod config;
mod connections;
mod cors;
mod docs;
mod forward;
mod framing;
mod limit;
mod lookup;
mod negotiate;
mod observe;
mod openapi;
mod path;
mod problem;
mod query;
mod receipt;
mod replicas;
mod serve;
mod stand_by;
mod strict;
mod submit;
mod tag;
mod tiles;

use std::sync::Arc;

use actix_web::guard::{self, Guard};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route};
use keyglass_protocol::problem::Problem;
use tokio::runtime::Handle;

use forward::Forward;
pub use serve::{Serving, serve, serve_stand_by};

use crate::access::Access;
use crate::audits::Audits;
use crate::directory::Directory;
use crate::replica::{Fence, ReplicaToken};
use crate::service::{Reads, Service};
use crate::submission::Submission;

/// What every handler has.
pub struct State {
    reads: Arc<Reads>,
    directory: Directory,
    access: Access,
    writes: Writes,
    audits: Audits,
    /// What replicas have to show.
    replica_token: Option<ReplicaToken>,
}

/// Where updates and cosignatures go.
enum Writes {
    /// Into the queue of this process.
    Here(Arc<Service>, Submission),
    /// To a sequencer.
    Elsewhere(Forward),
}

impl Writes {
    /// The directory that is written here; none at a replica.
    fn service(&self) -> Option<&Arc<Service>> {
        match self {
            Self::Here(service, _) => Some(service),
            Self::Elsewhere(_) => None,
        }
    }
}

impl State {
    /// Handlers for `service`, whose proofs are made on the runtime `readers`.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(service: Arc<Service>, access: Access, readers: Handle) -> Result<Self, reqwest::Error> {
        let reads = Arc::clone(&service.reads);
        Ok(Self {
            audits: Audits::new(Arc::clone(&reads))?,
            directory: Directory::new(reads.store.clone(), reads.head.clone(), readers)
                .leased(Arc::clone(&service.lease)),
            writes: Writes::Here(Arc::clone(&service), Submission::new(service)),
            access,
            reads,
            replica_token: None,
        })
    }

    /// Takes acknowledgements of replicas that show `token`.
    #[must_use]
    pub fn with_replicas(mut self, token: Option<ReplicaToken>) -> Self {
        self.replica_token = token;
        self
    }

    /// Handlers of a replica, behind its fence.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn of_replica(
        reads: Arc<Reads>,
        access: Access,
        readers: Handle,
        fence: Arc<Fence>,
    ) -> Result<Self, reqwest::Error> {
        let directory = Directory::new(reads.store.clone(), reads.head.clone(), readers);
        Ok(Self {
            directory: directory.behind(fence),
            audits: Audits::new(Arc::clone(&reads))?,
            writes: Writes::Elsewhere(Forward::new(&reads.settings.replication.updates_to)?),
            access,
            reads,
            replica_token: None,
        })
    }
}

/// Every route of the API port.
fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/v1/config", READ).route(get().to(config::current)))
        .service(at("/v1/config/{sha256}", READ).route(get().to(config::by_hash)))
        .service(
            at("/v1/accounts/{id}", READ_WRITE)
                .route(get().to(lookup::one))
                .route(web::put().to(submit::put)),
        )
        .service(
            at("/v1/handles/{handle}", READ_WRITE)
                .route(get().to(lookup::one))
                .route(web::put().to(submit::put)),
        )
        .service(
            at("/v1/phones/{e164}", READ_WRITE)
                .route(get().to(lookup::one))
                .route(web::put().to(submit::put)),
        )
        .service(at("/v1/accounts/{id}/history", READ).route(get().to(lookup::history)))
        .service(at("/v1/handles/{handle}/history", READ).route(get().to(lookup::history)))
        .service(at("/v1/phones/{e164}/history", READ).route(get().to(lookup::history)))
        .service(at("/v1/lookups", POST).route(web::post().to(lookup::batch)))
        .service(at("/v1/receipts/{id}", READ).route(get().to(receipt::status)))
        .service(at("/v1/openapi.json", READ).route(get().to(openapi::document)))
        .service(at("/docs", READ).route(get().to(docs::page)))
        .service(at("/docs/{file}", READ).route(get().to(docs::file)))
        .service(at("/log/checkpoint", READ).route(get().to(tiles::checkpoint)))
        .service(at("/log/pending", READ).route(get().to(tiles::pending)))
        .service(at("/log/tile/{path:.*}", READ).route(get().to(tiles::tile)))
        .service(at("/log/audit", READ).route(get().to(audit::list)))
        .service(at("/log/audit/{epoch}/{previous}/{root}", READ).route(get().to(audit::proof)))
        .service(at("/log/cosignatures", POST).route(web::post().to(tiles::hand_in)))
        .service(at(REFUSED, READ).route(get().to(refused)))
        .default_service(web::to(nothing_here));
}

/// Every route of the admin port.
fn admin_routes(config: &mut ServiceConfig) {
    config
        .service(at("/livez", READ).route(get().to(admin::live)))
        .service(at("/readyz", READ).route(get().to(admin::ready)))
        .service(at("/metrics", READ).route(get().to(admin::metrics)))
        .service(at("/replicas/ack", POST).route(web::post().to(replicas::ack)))
        .service(at(REFUSED, READ).route(get().to(refused)))
        .default_service(web::to(nothing_here));
}

/// Where a request goes that could not be read (see `strict`).
const REFUSED: &str = "/.refused/{status}";
const READ: &str = "GET, HEAD";
const READ_WRITE: &str = "GET, HEAD, PUT";
const POST: &str = "POST";

/// A resource that answers other methods with a problem document and the ones that it allows.
fn at(path: &str, allow: &'static str) -> Resource {
    let wrong_method = move || async move {
        Err::<HttpResponse, _>(problem::Refusal::new(Problem::MethodNotAllowed).allow(allow))
    };
    web::resource(path).default_service(web::to(wrong_method))
}

/// GET, and HEAD as RFC 9110 demands of it.
fn get() -> Route {
    web::route().guard(reading())
}

fn reading() -> impl Guard {
    guard::Any(guard::Get()).or(guard::Head())
}

async fn nothing_here(request: HttpRequest) -> Result<HttpResponse, problem::Refusal> {
    // `/v1/accounts/` has an empty label.
    if request.path().ends_with('/') {
        path::label(&request)?;
    }
    Err(problem::Refusal::new(Problem::NotFound))
}

/// Stands for a request that could not be read (see `strict`).
async fn refused(status: web::Path<u16>) -> Result<HttpResponse, problem::Refusal> {
    Err(problem::Refusal::new(match *status {
        400 => Problem::MalformedRequest,
        408 => Problem::Timeout,
        431 => Problem::HeadersTooLarge,
        _ => Problem::NotFound,
    })
    .close())
}
