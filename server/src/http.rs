//! The HTTP side: the route table, and nothing that decides anything.

mod admin;
mod audit;
mod body;
mod config;
mod framing;
mod lookup;
mod negotiate;
mod observe;
mod path;
mod problem;
mod query;
mod receipt;
mod serve;
mod strict;
mod submit;
mod tiles;

use std::sync::Arc;

use actix_web::guard::{self, Guard};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Route};
use tokio::runtime::Handle;

pub use serve::{Serving, serve};

use crate::directory::Directory;
use crate::service::Service;
use crate::submission::{Access, Submission};

/// What every handler has.
pub struct State {
    service: Arc<Service>,
    directory: Directory,
    submission: Submission,
}

impl State {
    /// Handlers for `service`, whose proofs are made on the runtime `readers`.
    pub fn new(service: Arc<Service>, access: Access, readers: Handle) -> Self {
        Self {
            directory: Directory::new(service.store.clone(), service.head.clone(), readers),
            submission: Submission::new(Arc::clone(&service), access),
            service,
        }
    }
}

/// Every route of the API port.
fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/v1/config").route(get().to(config::current)))
        .service(at("/v1/config/{sha256}").route(get().to(config::by_hash)))
        .service(
            at("/v1/accounts/{id}")
                .route(get().to(lookup::one))
                .route(web::put().to(submit::put)),
        )
        .service(
            at("/v1/handles/{id}")
                .route(get().to(lookup::one))
                .route(web::put().to(submit::put)),
        )
        .service(
            at("/v1/phones/{id}")
                .route(get().to(lookup::one))
                .route(web::put().to(submit::put)),
        )
        .service(at("/v1/accounts/{id}/history").route(get().to(lookup::history)))
        .service(at("/v1/handles/{id}/history").route(get().to(lookup::history)))
        .service(at("/v1/phones/{id}/history").route(get().to(lookup::history)))
        .service(at("/v1/lookups").route(web::post().to(lookup::batch)))
        .service(at("/v1/receipts/{id}").route(get().to(receipt::status)))
        .service(at("/log/checkpoint").route(get().to(tiles::checkpoint)))
        .service(at("/log/pending").route(get().to(tiles::pending)))
        .service(at("/log/tile/{path:.*}").route(get().to(tiles::tile)))
        .service(at("/log/audit").route(get().to(audit::list)))
        .service(at("/log/audit/{epoch}/{previous}/{root}").route(get().to(audit::proof)))
        .service(at("/log/cosignatures").route(web::post().to(tiles::hand_in)))
        .service(at("/.refused/{status}").route(get().to(refused)))
        .default_service(web::to(nothing_here));
}

/// Every route of the admin port.
fn admin_routes(config: &mut ServiceConfig) {
    config
        .service(at("/livez").route(get().to(admin::live)))
        .service(at("/readyz").route(get().to(admin::ready)))
        .service(at("/metrics").route(get().to(admin::metrics)))
        .service(at("/.refused/{status}").route(get().to(refused)))
        .default_service(web::to(nothing_here));
}

/// A resource that answers other methods with a problem document.
fn at(path: &str) -> Resource {
    web::resource(path).default_service(web::to(wrong_method))
}

/// GET, and HEAD as RFC 9110 demands of it.
fn get() -> Route {
    web::route().guard(reading())
}

fn reading() -> impl Guard {
    guard::Any(guard::Get()).or(guard::Head())
}

async fn nothing_here() -> Result<HttpResponse, problem::Refusal> {
    Err(problem::Refusal::new(
        keyglass_protocol::problem::Problem::NotFound,
    ))
}

async fn wrong_method() -> Result<HttpResponse, problem::Refusal> {
    Err(problem::Refusal::new(
        keyglass_protocol::problem::Problem::MethodNotAllowed,
    ))
}

/// Stands for a request that could not be read (see `strict`).
async fn refused(status: web::Path<u16>) -> Result<HttpResponse, problem::Refusal> {
    use keyglass_protocol::problem::Problem;
    Err(problem::Refusal::new(match *status {
        400 => Problem::MalformedRequest,
        408 => Problem::Timeout,
        431 => Problem::HeadersTooLarge,
        _ => Problem::NotFound,
    })
    .close())
}
