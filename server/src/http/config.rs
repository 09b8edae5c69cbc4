//! The configuration document, byte for byte: its hash is what leaves name.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::ConfigHash;

use super::State;
use super::negotiate::Keep;
use super::problem::Refusal;
use super::tag::tagged;
use super::{query, serve};

/// `GET /v1/config`: the document that the newest signed leaf names.
pub(super) async fn current(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    state.directory.may_answer()?;
    let store = state.reads.store.clone();
    let last = state
        .reads
        .pending
        .size()
        .last_epoch()
        .ok_or_else(|| Refusal::new(Problem::Unavailable))?;
    let found = serve::blocking(move || match store.leaf(last)? {
        Some(leaf) => store.config(&leaf.config),
        None => Ok(None),
    });
    let mut response = document(&request, found.await??, Keep::Revalidated)?;
    // Beside the document, not in it: whether tokens are needed is no promise of the log.
    response.headers_mut().insert(
        HeaderName::from_static("keyglass-registration"),
        HeaderValue::from_static(if state.access.is_open() { "open" } else { "token" }),
    );
    Ok(response)
}

/// `GET /v1/config/{sha256}`.
pub(super) async fn by_hash(
    request: HttpRequest,
    hash: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    let hash: ConfigHash = hash
        .parse()
        .map_err(|_| Refusal::new(Problem::MalformedRequest).detail("a hash has 64 lower-case hex digits"))?;
    let store = state.reads.store.clone();
    document(
        &request,
        serve::blocking(move || store.config(&hash)).await??,
        Keep::Forever,
    )
}

fn document(request: &HttpRequest, bytes: Option<Vec<u8>>, keep: Keep) -> Result<HttpResponse, Refusal> {
    let bytes = bytes.ok_or_else(|| Refusal::new(Problem::NotFound))?;
    Ok(tagged(request, "application/json", keep, bytes))
}
