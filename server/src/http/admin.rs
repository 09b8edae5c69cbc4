//! Health and metrics, on a port of their own.

use actix_web::{HttpResponse, web};
use keyglass_monitoring::{Registry, TEXT_CONTENT_TYPE};
use keyglass_protocol::problem::Problem;

use super::State;
use super::problem::Refusal;

/// `GET /livez`: the process runs.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ok\n")
}

/// `GET /readyz`: readers stand on a signed head, and the database answers; of a replica also that its fence is open.
pub(super) async fn ready(state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    // First: a database that does not answer at all keeps whoever asks waiting.
    state.directory.may_answer()?;
    let store = state.reads.store.clone();
    super::serve::blocking(move || store.tree_epoch()).await??;
    if state.reads.head.get().is_none() {
        return Err(Refusal::new(Problem::Unavailable).detail("no epoch is complete yet"));
    }
    state.directory.may_answer()?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ready\n"))
}

/// `GET /metrics`.
pub(super) async fn metrics(registry: web::Data<Registry>) -> Result<HttpResponse, Refusal> {
    let text = registry.encode().map_err(|error| {
        tracing::error!(%error, "metrics do not encode");
        Refusal::new(Problem::Internal)
    })?;
    Ok(HttpResponse::Ok().content_type(TEXT_CONTENT_TYPE).body(text))
}
