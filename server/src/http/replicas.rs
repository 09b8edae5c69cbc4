//! Acknowledgements of replicas, on the admin port.

use std::time::Instant;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_protocol::message::from_json;
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::Epoch;

use super::negotiate::{Keep, json};
use super::problem::Refusal;
use super::{State, body, query};
use crate::replica::{Ack, Acknowledged};
use crate::replicas::AckError;

/// Most bytes of an acknowledgement.
const MAX_ACK_BYTES: usize = 1024;

/// `POST /replicas/ack`.
pub(super) async fn ack(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    let (Some(service), Some(token)) = (state.writes.service(), &state.replica_token) else {
        return Err(Refusal::new(Problem::NotFound)
            .detail("this server takes no acknowledgements: it has no replica_token, or is a replica itself")
            .close());
    };
    let shown = request.headers().get(AUTHORIZATION);
    if !shown.is_some_and(|shown| token.is_shown_by(shown.as_bytes())) {
        return Err(Refusal::new(Problem::Unauthorized)
            .reason("replica-token")
            .close());
    }
    let patience = state.reads.settings.request_timeout;
    let bytes = body::bytes(&request, payload, MAX_ACK_BYTES, patience).await?;
    let ack: Ack = from_json(&bytes)?;
    // Before the first epoch there is nothing to serve; without the lease another sequencer must be told.
    let head = state.directory.head()?;
    let newest = head.leaf.epoch.get();
    // One that is two behind knows it by this answer and does not serve: it is not waited for.
    if ack.epoch.saturating_add(1) >= newest {
        service
            .replicas
            .ack(&ack.replica, Epoch::new(ack.epoch), Instant::now())
            .map_err(refusal)?;
        service.wake.notify_one();
    }
    let answer = Acknowledged { epoch: newest };
    json(&answer, Keep::Not)
}

fn refusal(error: AckError) -> Refusal {
    let problem = match error {
        AckError::NotYet => Problem::Unavailable,
        _ => Problem::MalformedBody,
    };
    Refusal::new(problem).reason(error.reason()).detail(error)
}
