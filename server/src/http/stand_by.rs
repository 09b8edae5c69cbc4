//! What a sequencer answers that waits for the lease of another one.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use keyglass_protocol::problem::Problem;

use super::problem::Refusal;
use super::{READ, admin, at, get};

/// Seconds after which a client may try again: a takeover takes about as long.
const RETRY_SECONDS: u64 = 5;

/// Every route of the admin port.
pub(super) fn admin_routes(config: &mut ServiceConfig) {
    config
        .service(at("/livez", READ).route(get().to(admin::live)))
        .service(at("/metrics", READ).route(get().to(admin::metrics)))
        .default_service(web::to(refuse));
}

/// Everything else: another server has what is asked for.
pub(super) async fn refuse(_request: HttpRequest) -> Result<HttpResponse, Refusal> {
    Err(Refusal::new(Problem::Unavailable)
        .reason("stand-by")
        .detail("this server stands by for another one")
        .retry_after(RETRY_SECONDS)
        .close())
}
