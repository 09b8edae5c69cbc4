//! What became of an accepted update.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_protocol::message::{ReceiptAnswer, ReceiptState};
use keyglass_protocol::problem::Problem;
use keyglass_protocol::receipt::ReceiptId;

use super::State;
use super::negotiate::{Form, Keep};
use super::problem::Refusal;
use super::{query, serve};

/// `GET /v1/receipts/{id}`.
pub(super) async fn status(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    let form = Form::accepted(&request)?;
    query::none(&request)?;
    let id: ReceiptId = id.parse().map_err(|_| {
        Refusal::new(Problem::MalformedRequest).detail("a receipt's id has 64 lower-case hex digits")
    })?;
    let store = state.reads.store.clone();
    let found = serve::blocking(move || store.receipt(id.as_bytes())).await??;
    let found = found.ok_or_else(|| Refusal::new(Problem::NotFound))?;
    let proof = match found.epoch {
        // Readers may still stand on the epoch before.
        Some(epoch) => state.directory.leaf_proof(epoch).await?,
        None => None,
    };
    let status = if proof.is_some() {
        ReceiptState::Included
    } else {
        ReceiptState::Pending
    };
    let (checkpoint, epoch) = proof.unzip();
    form.answer(
        StatusCode::OK,
        &ReceiptAnswer {
            status,
            checkpoint,
            epoch,
        },
        Keep::Not,
    )
}
