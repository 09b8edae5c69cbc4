//! Request bodies: bounded in length and time, of the declared type, strictly read.

use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, web};
use keyglass_protocol::message::{PROTOBUF_MEDIA_TYPE, ProtoMessage, from_json};
use keyglass_protocol::problem::Problem;
use serde::de::DeserializeOwned;

use super::problem::Refusal;

/// The whole body, at most `max` bytes, arrived within `patience`.
pub(super) async fn bytes(
    request: &HttpRequest,
    payload: web::Payload,
    max: usize,
    patience: Duration,
) -> Result<web::Bytes, Refusal> {
    let too_large = || {
        Refusal::new(Problem::TooLarge)
            .detail(format_args!("at most {max} bytes"))
            .close()
    };
    let declared = request
        .headers()
        .get("content-length")
        .and_then(|l| l.to_str().ok());
    if declared
        .and_then(|l| l.parse::<u64>().ok())
        .is_some_and(|l| usize::try_from(l).map_or(true, |l| l > max))
    {
        return Err(too_large());
    }
    match tokio::time::timeout(patience, payload.to_bytes_limited(max)).await {
        Err(_) => Err(Refusal::new(Problem::Timeout).close()),
        Ok(Err(_)) => Err(too_large()),
        Ok(Ok(Err(error))) => Err(Refusal::new(Problem::MalformedRequest).detail(error).close()),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

/// A message, in JSON or in protobuf as its `Content-Type` says.
pub(super) async fn message<T: DeserializeOwned + ProtoMessage>(
    request: &HttpRequest,
    payload: web::Payload,
    max: usize,
    patience: Duration,
) -> Result<T, Refusal> {
    let form = form(request).ok_or_else(|| Refusal::new(Problem::UnsupportedMediaType).close())?;
    let bytes = bytes(request, payload, max, patience).await?;
    Ok(match form {
        Form::Json => from_json(&bytes)?,
        Form::Protobuf => T::from_protobuf(&bytes)?,
    })
}

enum Form {
    Json,
    Protobuf,
}

fn form(request: &HttpRequest) -> Option<Form> {
    let mut values = request.headers().get_all(CONTENT_TYPE);
    let value = values.next()?.to_str().ok()?.to_ascii_lowercase();
    if values.next().is_some() {
        return None;
    }
    let mut parts = value.split(';').map(str::trim);
    let form = match parts.next()? {
        "application/json" => Form::Json,
        PROTOBUF_MEDIA_TYPE => Form::Protobuf,
        _ => return None,
    };
    parts
        .all(|p| p == "charset=utf-8" || p == "charset=\"utf-8\"")
        .then_some(form)
}
