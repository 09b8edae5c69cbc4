//! Entity tags: a client that has the answer already is told so (RFC 9110 section 13).

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, IF_NONE_MATCH, VARY};
use actix_web::{HttpRequest, HttpResponse};

use super::negotiate::Keep;

/// A 200 with its tag, or a 304 if the client named that tag.
pub(super) fn tagged(
    request: &HttpRequest,
    media_type: &'static str,
    keep: Keep,
    body: impl Into<actix_web::web::Bytes>,
) -> HttpResponse {
    let body = body.into();
    let tag = tag(&body);
    let known = request
        .headers()
        .get_all(IF_NONE_MATCH)
        .filter_map(|value| value.to_str().ok())
        .any(|value| names(value, &tag));
    let status = if known {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header(keep.header())
        .insert_header((ETAG, tag))
        .insert_header((VARY, "accept"));
    if known {
        response.finish()
    } else {
        response.content_type(media_type).body(body)
    }
}

/// A strong tag: the first half of the body's BLAKE3 hash, which costs less than sending it.
fn tag(body: &[u8]) -> String {
    let hash = blake3::hash(body);
    let half = hash.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
    format!("\"{}\"", hex::encode(half))
}

/// Whether an `If-None-Match` names the tag; weak comparison (RFC 9110 section 8.8.3.2).
fn names(header: &str, tag: &str) -> bool {
    header
        .split(',')
        .map(str::trim)
        .any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let tag = tag(b"body");
        assert_eq!(tag.len(), 34);
        for yes in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            assert!(names(&yes, &tag), "{yes}");
        }
        for no in ["", "\"x\"", tag.trim_matches('"'), "W/\"x\""] {
            assert!(!names(no, &tag), "{no}");
        }
    }
}
