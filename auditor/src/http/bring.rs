//! What clients bring: heads to be compared, and evidence.
//!
//! Anybody may bring anything. A head counts if the log signed it, evidence if it convinces a stranger.

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_protocol::evidence::{Evidence, EvidenceError, Finding};
use keyglass_protocol::note::{MAX_NOTE_BYTES, Note};
use serde_json::json;
use tokio::sync::oneshot;

use super::witness::later;
use super::{Conviction, Followed, Request, Routes, failed, text};
use crate::evidence_files;
use crate::follower::Compared;

/// Longest evidence file that is taken. Larger ones can be checked with `evidence verify`.
pub(super) const MAX_EVIDENCE_BYTES: usize = 16 << 20;

/// `POST /compare`: a checkpoint note that somebody holds.
pub(super) async fn head(request: HttpRequest, routes: Data<Routes>, body: Bytes) -> HttpResponse {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return text(HttpResponse::UnsupportedMediaType(), "content-encoding");
    }
    if body.len() > MAX_NOTE_BYTES {
        return text(HttpResponse::PayloadTooLarge(), "too-large");
    }
    let note = match Note::parse(&body) {
        Ok(note) => note,
        Err(error) => return text(HttpResponse::BadRequest(), error.reason()),
    };
    let Some(followed) = routes.named_by(&note) else {
        return text(HttpResponse::NotFound(), "unknown-origin");
    };
    let (answer, answered) = oneshot::channel();
    if followed
        .requests
        .try_send(Request::Compare(body.to_vec(), answer))
        .is_err()
    {
        return later("busy");
    }
    match answered.await {
        Ok(compared) => respond(&compared),
        Err(_) => later("stopping"),
    }
}

fn respond(compared: &Compared) -> HttpResponse {
    let verdict = |verdict: &str, reason: &str| json!({ "verdict": verdict, "reason": reason });
    match compared {
        Compared::Consistent => {
            HttpResponse::Ok().json(verdict("consistent", "a-prefix-of-what-was-verified"))
        }
        Compared::Ahead => HttpResponse::Accepted().json(verdict("unknown", "ahead")),
        Compared::Before => HttpResponse::Ok().json(verdict("unknown", "before-the-start")),
        Compared::Contradiction(reason) => {
            HttpResponse::UnprocessableEntity().json(verdict("contradiction", reason))
        }
        Compared::Malformed(reason) => text(HttpResponse::BadRequest(), reason),
        Compared::NotSigned(reason) => text(HttpResponse::Forbidden(), reason),
        Compared::Later(reason) => later(reason),
    }
}

/// `POST /evidence`: an evidence file against a followed log.
pub(super) async fn evidence(request: HttpRequest, routes: Data<Routes>, body: Bytes) -> HttpResponse {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return text(HttpResponse::UnsupportedMediaType(), "content-encoding");
    }
    let Ok(_permit) = routes.verifying.try_acquire() else {
        return later("busy");
    };
    let judging = routes.clone();
    let judged = web::block(move || judge(&judging, &body)).await;
    let (place, conviction) = match judged {
        Ok(Judged::Proven(place, conviction)) => (place, conviction),
        Ok(Judged::Disputed(reason)) => {
            return HttpResponse::Ok().json(json!({ "finding": "disputed", "reason": reason }));
        }
        Ok(Judged::Nothing(error)) => return text(HttpResponse::UnprocessableEntity(), error.reason()),
        Ok(Judged::Malformed(error)) => return text(HttpResponse::BadRequest(), error.reason()),
        Ok(Judged::File(error)) => return failed(&error),
        Err(error) => return failed(&error),
    };
    let answer = json!({ "finding": "proven", "reason": conviction.reason, "file": conviction.file });
    match convict(routes.logs.get(place), conviction).await {
        true => HttpResponse::Ok().json(answer),
        false => later("busy"),
    }
}

async fn convict(followed: Option<&Followed>, conviction: Conviction) -> bool {
    let Some(followed) = followed else { return false };
    let (answer, answered) = oneshot::channel();
    // If the follower takes no more, nobody answers.
    drop(followed.requests.try_send(Request::Convict(conviction, answer)));
    answered.await.unwrap_or(false)
}

enum Judged {
    /// Against the log at this place, and stored.
    Proven(usize, Conviction),
    Disputed(String),
    Nothing(EvidenceError),
    Malformed(EvidenceError),
    File(std::io::Error),
}

/// Looks for the followed log whose signatures are in the file.
fn judge(routes: &Routes, body: &[u8]) -> Judged {
    let evidence = match Evidence::parse(body) {
        Ok(evidence) => evidence,
        Err(error) => return Judged::Malformed(error),
    };
    let mut refused = EvidenceError::NoContradiction;
    for (place, followed) in routes.logs.iter().enumerate() {
        match evidence.verify(followed.shared.log_key()) {
            Ok(Finding::Proven { reason }) => return proven(routes, place, &evidence, reason),
            Ok(Finding::Disputed { reason }) => return Judged::Disputed(reason),
            Err(error) => refused = error,
        }
    }
    Judged::Nothing(refused)
}

fn proven(routes: &Routes, place: usize, evidence: &Evidence, reason: String) -> Judged {
    let kind = evidence.claim.kind();
    let bytes = match evidence.to_bytes() {
        Ok(bytes) => bytes,
        Err(error) => return Judged::Nothing(error),
    };
    match evidence_files::store(&routes.evidence, kind, &bytes) {
        Ok(file) => {
            let kind = kind.to_owned();
            Judged::Proven(place, Conviction { kind, reason, file })
        }
        Err(error) => Judged::File(error),
    }
}
