//! `POST /add-checkpoint` (C2SP tlog-witness).

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use keyglass_protocol::note::{AddCheckpoint, Note};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::{Request, Routes, text};
use crate::follower::PushAnswer;

pub(super) async fn add_checkpoint(request: HttpRequest, routes: Data<Routes>, body: Bytes) -> HttpResponse {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return text(HttpResponse::UnsupportedMediaType(), "content-encoding");
    }
    let push = match AddCheckpoint::parse(&body) {
        Ok(push) => push,
        Err(error) => return respond(PushAnswer::Malformed(error.reason())),
    };
    // Which log it is about; whether that log signed it is checked by its follower.
    let note = match Note::parse(&push.checkpoint) {
        Ok(note) => note,
        Err(error) => return respond(PushAnswer::Malformed(error.reason())),
    };
    let Some(followed) = routes.named_by(&note) else {
        return text(HttpResponse::NotFound(), "unknown-origin");
    };
    let (answer, answered) = oneshot::channel();
    match followed.requests.try_send(Request::Push(push, answer)) {
        Ok(()) => respond(answered.await.unwrap_or(PushAnswer::Later("stopping"))),
        Err(TrySendError::Full(_)) => respond(PushAnswer::Later("busy")),
        Err(TrySendError::Closed(_)) => respond(PushAnswer::Later("stopping")),
    }
}

fn respond(answer: PushAnswer) -> HttpResponse {
    match answer {
        PushAnswer::Cosigned(lines) => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body(lines),
        PushAnswer::Malformed(reason) => text(HttpResponse::BadRequest(), reason),
        PushAnswer::NotSigned(reason) => text(HttpResponse::Forbidden(), reason),
        PushAnswer::OtherSize(size) => HttpResponse::Conflict()
            .content_type("text/x.tlog.size")
            .body(format!("{size}\n")),
        PushAnswer::Refused(reason) => text(HttpResponse::UnprocessableEntity(), reason),
        PushAnswer::Later(reason) => later(reason),
        PushAnswer::Failed => text(HttpResponse::InternalServerError(), "internal"),
    }
}

pub(super) fn later(reason: &str) -> HttpResponse {
    let mut response = HttpResponse::ServiceUnavailable();
    response.insert_header((header::RETRY_AFTER, "1"));
    text(response, reason)
}
