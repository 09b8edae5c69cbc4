//! Updates.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_protocol::message::PutRequest;

use super::limit::{UPDATE, charge};
use super::negotiate::{Form, Keep};
use super::problem::Refusal;
use super::{State, Writes};
use super::{body, path, query, serve};

/// Most bytes of a `PUT`: a record of 16 KiB in base64, and some white space.
const MAX_PUT_BYTES: usize = 24 * 1024;

/// `PUT /v1/accounts/{id}` and its siblings.
pub(super) async fn put(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    let form = Form::accepted(&request)?;
    query::none(&request)?;
    let label = path::label(&request)?;
    let caller = state.caller(&request)?;
    caller.may_submit()?;
    charge(&request, UPDATE)?;
    let patience = state.reads.settings.request_timeout;
    let submission = match &state.writes {
        Writes::Here(_, submission) => submission.clone(),
        Writes::Elsewhere(forward) => {
            let bytes = body::bytes(&request, payload, MAX_PUT_BYTES, patience).await?;
            return forward.pass(&request, bytes).await;
        }
    };
    let update: PutRequest = body::message(&request, payload, MAX_PUT_BYTES, patience).await?;
    let answer = serve::blocking(move || submission.put(&caller, &label, &update.record.0)).await??;
    form.answer(StatusCode::ACCEPTED, &answer, Keep::Not)
}
