//! Answers in the form that the client accepts: JSON by default, protobuf on request.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, CACHE_CONTROL, VARY};
use actix_web::{HttpRequest, HttpResponse};
use keyglass_protocol::message::{PROTOBUF_MEDIA_TYPE, ProtoMessage};
use keyglass_protocol::problem::Problem;
use serde::Serialize;

use super::problem::Refusal;
use super::tag::tagged;
use crate::directory::Served;

/// How long an answer may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keep {
    /// For ever: it is named by what it contains.
    Forever,
    /// For a second or two: the head moves.
    Seconds,
    /// By anybody, but asked for again each time; a tag says whether it changed.
    Revalidated,
    /// The same, by the client alone: nobody else shall know whom he looked up.
    Privately,
    /// Not at all.
    Not,
}

impl Keep {
    pub(super) fn header(self) -> (actix_web::http::header::HeaderName, &'static str) {
        let value = match self {
            Self::Forever => "public, max-age=31536000, immutable",
            Self::Seconds => "public, max-age=1",
            Self::Revalidated => "public, no-cache",
            Self::Privately => "private, no-cache",
            Self::Not => "no-store",
        };
        (CACHE_CONTROL, value)
    }
}

/// What a client accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Protobuf,
}

impl Form {
    /// The form of the answer. To be asked before any work is done.
    pub(super) fn accepted(request: &HttpRequest) -> Result<Self, Refusal> {
        let mut ranges = Vec::new();
        for value in request.headers().get_all(ACCEPT) {
            let text = value
                .to_str()
                .map_err(|_| Refusal::new(Problem::MalformedRequest))?;
            ranges.extend(text.split(',').map(|range| parse(range.trim())));
        }
        choose(&ranges).ok_or_else(|| Refusal::new(Problem::NotAcceptable))
    }

    /// An answer of the directory in this form, encoded before if somebody has asked for it; a 304 if the client has it.
    pub(super) fn served(
        self,
        request: &HttpRequest,
        served: &Served,
        keep: Keep,
    ) -> Result<HttpResponse, Refusal> {
        let (media_type, body) = match self {
            Self::Json => ("application/json", served.json().map_err(unencodable)?),
            Self::Protobuf => (PROTOBUF_MEDIA_TYPE, served.protobuf()),
        };
        Ok(tagged(request, media_type, keep, body))
    }

    /// A message in this form.
    pub(super) fn answer<T: Serialize + ProtoMessage>(
        self,
        status: StatusCode,
        message: &T,
        keep: Keep,
    ) -> Result<HttpResponse, Refusal> {
        let (media_type, body) = match self {
            Self::Json => ("application/json", json_bytes(message)?),
            Self::Protobuf => (PROTOBUF_MEDIA_TYPE, message.to_protobuf()),
        };
        Ok(HttpResponse::build(status)
            .content_type(media_type)
            .insert_header(keep.header())
            .insert_header((VARY, "accept"))
            .body(body))
    }
}

/// A message that only has a JSON form.
pub(super) fn json<T: Serialize>(message: &T, keep: Keep) -> Result<HttpResponse, Refusal> {
    let body = json_bytes(message)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(keep.header())
        .body(body))
}

fn json_bytes<T: Serialize>(message: &T) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(message).map_err(unencodable)
}

fn unencodable(error: serde_json::Error) -> Refusal {
    tracing::error!(%error, "an answer does not encode");
    Refusal::new(Problem::Internal)
}

/// A media range with its weight in thousandths (RFC 9110 section 12.5.1).
fn parse(range: &str) -> (String, u32) {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|p| p.strip_prefix("q=")).map_or(1000, thousandths);
    (media_type, weight)
}

fn thousandths(weight: &str) -> u32 {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    format!("{whole}{digits}").parse::<u32>().unwrap_or(0).min(1000)
}

fn choose(ranges: &[(String, u32)]) -> Option<Form> {
    if ranges.is_empty() {
        return Some(Form::Json);
    }
    let weight = |names: [&str; 3]| {
        // The most specific range that names the type decides.
        names
            .iter()
            .find_map(|n| ranges.iter().find(|(range, _)| range == n))
            .map_or(0, |(_, w)| *w)
    };
    let json = weight(["application/json", "application/*", "*/*"]);
    let protobuf = weight([PROTOBUF_MEDIA_TYPE, "application/*", "*/*"]);
    match (json, protobuf) {
        (0, 0) => None,
        (json, protobuf) if protobuf > json => Some(Form::Protobuf),
        _ => Some(Form::Json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<Form> {
        choose(&accept.split(',').map(|r| parse(r.trim())).collect::<Vec<_>>())
    }

    #[test]
    fn json_unless_protobuf_is_preferred() {
        assert_eq!(choose(&[]), Some(Form::Json));
        for json in [
            "*/*",
            "application/json",
            "text/html, */*;q=0.1",
            "application/x-protobuf;q=0.5, application/json",
        ] {
            assert_eq!(chosen(json), Some(Form::Json), "{json}");
        }
        for protobuf in [
            "application/x-protobuf",
            "application/x-protobuf, application/json;q=0.9",
            "Application/X-Protobuf",
        ] {
            assert_eq!(chosen(protobuf), Some(Form::Protobuf), "{protobuf}");
        }
        for neither in ["text/html", "application/json;q=0", "image/*", "*/*;q=0"] {
            assert_eq!(chosen(neither), None, "{neither}");
        }
    }
}
