//! The HTTP routes. They read what the followers show and pass pushes on; nothing is decided here.

mod bring;
mod witness;

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::{Data, Path, PayloadConfig, ServiceConfig};
use actix_web::{HttpResponse, web};
use keyglass_monitoring::{Registry, TEXT_CONTENT_TYPE};
use keyglass_protocol::note::{AddCheckpoint, MAX_ADD_CHECKPOINT_BYTES, Note, VerifierKey};
use keyglass_schema::auditor::AuditorStore;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::clock::Clock;
use crate::evidence_files;
use crate::follower::{Compared, PushAnswer};
use crate::shared::{Shared, Standing};

/// Something for a follower to do, and where the answer goes. Whoever asked may have gone by then.
#[derive(Debug)]
pub enum Request {
    /// A pushed checkpoint.
    Push(AddCheckpoint, oneshot::Sender<PushAnswer>),
    /// A head that a client holds.
    Compare(Vec<u8>, oneshot::Sender<Compared>),
    /// An evidence file that a client brought, verified and stored.
    Convict(Conviction, oneshot::Sender<bool>),
}

/// What a verified evidence file proves.
#[derive(Debug)]
pub struct Conviction {
    /// Kind of the evidence.
    pub kind: String,
    /// Stable name of the broken rule.
    pub reason: String,
    /// Name of the stored file.
    pub file: String,
}

/// One followed log, as the routes see it.
#[derive(Clone)]
pub struct Followed {
    /// What it shows.
    pub shared: Arc<Shared>,
    /// Its follower. When this is full the auditor is busy, and says so.
    pub requests: mpsc::Sender<Request>,
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
    /// The auditor's vkeys.
    pub vkeys: Vec<String>,
    /// Peers whose newest cosignatures are remembered.
    pub peers: Vec<VerifierKey>,
    /// Held while evidence of a stranger is verified: one at a time.
    pub verifying: Arc<Semaphore>,
}

/// The whole route table.
pub fn configure(config: &mut ServiceConfig) {
    config
        .app_data(PayloadConfig::new(MAX_ADD_CHECKPOINT_BYTES))
        .route("/add-checkpoint", web::post().to(witness::add_checkpoint))
        .route("/compare", web::post().to(bring::head))
        .service(
            web::resource("/evidence")
                .app_data(PayloadConfig::new(bring::MAX_EVIDENCE_BYTES))
                .route(web::get().to(evidence_list))
                .route(web::post().to(bring::evidence)),
        )
        .route("/evidence/{name}", web::get().to(evidence_file))
        .route("/livez", web::get().to(livez))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics))
        .route("/{log}/checkpoint", web::get().to(checkpoint))
        .route("/{log}/statement", web::get().to(statement))
        .route("/{log}/seen/{key_id}", web::get().to(seen));
}

/// The newest cosigned checkpoint (monitoring path of tlog-witness).
async fn checkpoint(routes: Data<Routes>, log: Path<String>) -> HttpResponse {
    match routes
        .followed(&log)
        .and_then(|followed| followed.shared.published())
    {
        Some(published) => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "max-age=1"))
            .body(published.note),
        None => text(HttpResponse::NotFound(), "no checkpoint of this log"),
    }
}

/// What this auditor says about itself and this log: what its keys mean, and from where on it verified.
#[derive(Serialize)]
struct Statement {
    schema: u32,
    log_vkey: String,
    vkeys: Vec<String>,
    /// What a cosignature of these keys means.
    meaning: &'static str,
    #[serde(flatten)]
    standing: Standing,
}

const MEANING: &str = "every leaf and audit proof from epoch verified_from up to the cosigned size was verified, \
                       and the log only grew since the last cosignature";

async fn statement(routes: Data<Routes>, log: Path<String>) -> HttpResponse {
    match routes.followed(&log) {
        Some(followed) => HttpResponse::Ok().json(Statement {
            schema: 1,
            log_vkey: followed.shared.log_key().to_string(),
            vkeys: routes.vkeys.clone(),
            meaning: MEANING,
            standing: followed.shared.standing(routes.clock.now()),
        }),
        None => text(HttpResponse::NotFound(), "not a log that is followed here"),
    }
}

/// The newest checkpoint under which a cosignature of this peer was seen.
async fn seen(routes: Data<Routes>, path: Path<(String, String)>) -> HttpResponse {
    let (log, key_id) = path.into_inner();
    let nothing = || text(HttpResponse::NotFound(), "nothing was seen of this key");
    let key = routes.peers.iter().find(|key| key.key_id().to_string() == key_id);
    let (Some(followed), Some(key)) = (routes.followed(&log).cloned(), key.cloned()) else {
        return nothing();
    };
    let found = web::block(move || {
        let log_key = followed.shared.log_key().to_string();
        let id = routes.store.register(followed.shared.origin(), &log_key)?;
        routes.store.peer_head(id, &key.to_string())
    });
    match found.await {
        Ok(Ok(Some(head))) => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body(head.note),
        Ok(Ok(None)) => nothing(),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

impl Routes {
    /// The followed log of this path.
    fn followed(&self, path_name: &str) -> Option<&Followed> {
        self.logs
            .iter()
            .find(|followed| followed.shared.path_name() == path_name)
    }

    /// The followed log that a checkpoint note names in its first line.
    fn named_by(&self, note: &Note) -> Option<&Followed> {
        let origin = note.text().split('\n').next().unwrap_or_default();
        self.logs
            .iter()
            .find(|followed| followed.shared.origin() == origin)
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
