//! The epoch log in C2SP formats: checkpoints, tiles, entries, and cosignatures that are handed in.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_protocol::log::{TileKind, TilePath, tile_width};
use keyglass_protocol::note::MAX_NOTE_BYTES;
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::LogSize;

use super::negotiate::Keep;
use super::problem::Refusal;
use super::tag::tagged;
use super::{State, Writes};
use super::{body, query, serve};
use crate::publisher::hand_in as take;
use crate::tiles;

const NOTE_TYPE: &str = "text/plain; charset=utf-8";

/// `GET /log/checkpoint`: where readers stand.
pub(super) async fn checkpoint(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    Ok(note(
        &request,
        state.directory.head()?.checkpoint.clone().into_bytes(),
        Keep::Seconds,
    ))
}

/// `GET /log/pending`: the newest signed checkpoint. Everything about it is served already.
pub(super) async fn pending(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    state.directory.may_answer()?;
    let store = state.reads.store.clone();
    let size = state.reads.pending.size();
    let found = serve::blocking(move || store.checkpoint(size)).await??;
    Ok(note(
        &request,
        found.ok_or_else(|| Refusal::new(Problem::Unavailable))?,
        Keep::Not,
    ))
}

fn note(request: &HttpRequest, bytes: Vec<u8>, keep: Keep) -> HttpResponse {
    tagged(request, NOTE_TYPE, keep, bytes)
}

/// `GET /log/tile/…`: tiles and entries up to the newest signed checkpoint. What is not signed may still change its time
/// and must never be cached.
pub(super) async fn tile(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    let absent = || Refusal::new(Problem::NotFound);
    let path = request.uri().path().strip_prefix("/log/").unwrap_or_default();
    let tile: TilePath = path.parse().map_err(|_| absent())?;
    if !exists(&tile, state.reads.pending.size()) {
        return Err(absent());
    }
    let store = state.reads.store.clone();
    let bytes = serve::blocking(move || tiles::read(&store, &tile)).await??;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header(Keep::Forever.header())
        .body(bytes))
}

/// Whether a log of `size` has this tile: full, or partial with any width that the log has passed.
fn exists(tile: &TilePath, size: LogSize) -> bool {
    let level = match tile.kind() {
        TileKind::Hashes(level) => level,
        TileKind::Entries => 0,
    };
    tile_width(level, tile.index(), size).is_some_and(|width| tile.width() <= width)
}

/// `POST /log/cosignatures`: for cosigners that cannot be called.
pub(super) async fn hand_in(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .map(|t| t.as_bytes().to_ascii_lowercase());
    if media_type.is_some_and(|t| !t.starts_with(b"text/plain") && t != b"application/octet-stream") {
        return Err(Refusal::new(Problem::UnsupportedMediaType).close());
    }
    let patience = state.reads.settings.request_timeout;
    let bytes = body::bytes(&request, payload, MAX_NOTE_BYTES, patience).await?;
    let service = match &state.writes {
        Writes::Here(service, _) => std::sync::Arc::clone(service),
        Writes::Elsewhere(forward) => return forward.pass(&request, bytes).await,
    };
    serve::blocking(move || take(&service, &bytes)).await??;
    Ok(HttpResponse::Ok().insert_header(Keep::Not.header()).finish())
}
