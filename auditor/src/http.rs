//! The HTTP routes. They read what the followers show and pass pushes on; nothing is decided here.

mod witness;

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{Data, Path, PayloadConfig, ServiceConfig};
use actix_web::{HttpResponse, web};
use keyglass_monitoring::{Registry, TEXT_CONTENT_TYPE};
use keyglass_protocol::note::{AddCheckpoint, MAX_ADD_CHECKPOINT_BYTES};
use keyglass_schema::auditor::AuditorStore;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::evidence_files;
use crate::follower::PushAnswer;
use crate::shared::{Shared, Standing};

/// A pushed checkpoint on its way to the follower.
#[derive(Debug)]
pub struct Push {
    /// The request.
    pub request: AddCheckpoint,
    /// Where the answer goes.
    pub answer: oneshot::Sender<PushAnswer>,
}

/// One followed log, as the routes see it.
#[derive(Clone)]
pub struct Followed {
    /// What it shows.
    pub shared: Arc<Shared>,
    /// Its follower. When this is full the auditor is busy, and says so.
    pub pushes: mpsc::Sender<Push>,
}

/// What the routes need.
#[derive(Clone)]
pub struct Routes {
    /// The followed logs.
    pub logs: Vec<Followed>,
    /// The metrics.
    pub registry: Arc<Registry>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The database, for the list of evidence.
    pub store: AuditorStore,
    /// The evidence files.
    pub evidence: PathBuf,
}

/// The whole route table.
pub fn configure(config: &mut ServiceConfig) {
    config
        .app_data(PayloadConfig::new(MAX_ADD_CHECKPOINT_BYTES))
        .route("/add-checkpoint", web::post().to(witness::add_checkpoint))
        .route("/evidence", web::get().to(evidence_list))
        .route("/evidence/{name}", web::get().to(evidence_file))
        .route("/livez", web::get().to(livez))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics))
        .route("/{log}/checkpoint", web::get().to(checkpoint));
}

/// The newest cosigned checkpoint (monitoring path of tlog-witness).
async fn checkpoint(routes: Data<Routes>, log: Path<String>) -> HttpResponse {
    let followed = routes
        .logs
        .iter()
        .find(|followed| followed.shared.path_name() == *log);
    match followed.and_then(|followed| followed.shared.published()) {
        Some(published) => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "max-age=1"))
            .body(published.note),
        None => text(HttpResponse::NotFound(), "no checkpoint of this log"),
    }
}

async fn livez() -> HttpResponse {
    text(HttpResponse::Ok(), "ok")
}

async fn readyz(routes: Data<Routes>) -> HttpResponse {
    let now = routes.clock.now();
    let logs: Vec<Standing> = routes
        .logs
        .iter()
        .map(|followed| followed.shared.standing(now))
        .collect();
    let ready = logs.iter().all(|standing| standing.ready);
    let mut response = if ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    response.json(Readiness { ready, logs })
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    logs: Vec<Standing>,
}

async fn metrics(routes: Data<Routes>) -> HttpResponse {
    match routes.registry.encode() {
        Ok(body) => HttpResponse::Ok().content_type(TEXT_CONTENT_TYPE).body(body),
        Err(error) => failed(&error),
    }
}

/// One contradiction, as listed.
#[derive(Serialize)]
struct Listed {
    origin: String,
    kind: String,
    reason: String,
    file: Option<String>,
    latched_at: u64,
    cleared_at: Option<u64>,
    cleared_because: Option<String>,
}

async fn evidence_list(routes: Data<Routes>) -> HttpResponse {
    match web::block(move || list(&routes)).await {
        Ok(Ok(evidence)) => HttpResponse::Ok().json(serde_json::json!({ "evidence": evidence })),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn list(routes: &Routes) -> Result<Vec<Listed>, keyglass_schema::auditor::AuditorStoreError> {
    let mut all = Vec::new();
    for followed in &routes.logs {
        let key = followed.shared.log_key();
        let id = routes
            .store
            .register(followed.shared.origin(), &key.to_string())?;
        for latch in routes.store.latches(id)? {
            let (cleared_at, cleared_because) = match latch.cleared {
                Some((at, because)) => (Some(at.get()), Some(because)),
                None => (None, None),
            };
            all.push(Listed {
                origin: key.name().to_owned(),
                kind: latch.kind,
                reason: latch.reason,
                file: latch.file,
                latched_at: latch.at.get(),
                cleared_at,
                cleared_because,
            });
        }
    }
    Ok(all)
}

async fn evidence_file(routes: Data<Routes>, name: Path<String>) -> HttpResponse {
    match web::block(move || evidence_files::read(&routes.evidence, &name)).await {
        Ok(Ok(Some(bytes))) => HttpResponse::Ok().content_type("application/json").body(bytes),
        Ok(Ok(None)) => text(HttpResponse::NotFound(), "no such evidence"),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::fmt::Display) -> HttpResponse {
    tracing::error!(%error, "a request failed");
    text(HttpResponse::InternalServerError(), "internal")
}

fn text(mut response: actix_web::HttpResponseBuilder, body: &str) -> HttpResponse {
    response
        .content_type("text/plain; charset=utf-8")
        .body(format!("{body}\n"))
}
