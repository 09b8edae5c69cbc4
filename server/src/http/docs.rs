//! The description of the API as a page for people: our own few files, nothing from elsewhere.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_protocol::problem::Problem;

use super::negotiate::Keep;
use super::problem::Refusal;
use super::query;
use super::tag::tagged;

/// The page may load its own files and read its own server, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /docs`: to where relative links are right.
pub(super) async fn page(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    Ok(HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, "/docs/index.html"))
        .insert_header(Keep::Not.header())
        .finish())
}

/// `GET /docs/{file}`.
pub(super) async fn file(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    let (media_type, text) = match name.as_str() {
        "index.html" => ("text/html; charset=utf-8", include_str!("docs/index.html")),
        "docs.css" => ("text/css; charset=utf-8", include_str!("docs/docs.css")),
        "docs.js" => ("text/javascript; charset=utf-8", include_str!("docs/docs.js")),
        _ => return Err(Refusal::new(Problem::NotFound)),
    };
    let mut response = tagged(&request, media_type, Keep::Revalidated, text);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    Ok(response)
}
