//! Audit proofs: the list, and the immutable artefacts.

use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::message::{AuditEntry, AuditList};
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::{Epoch, RootHash};

use super::State;
use super::negotiate::{Keep, json};
use super::problem::Refusal;
use super::{query, serve};
use crate::artefacts::AuditName;

/// Epochs on one page.
const PAGE: u64 = 100;

/// `GET /log/audit`: newest first, `?before=<epoch>` for the next page.
pub(super) async fn list(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    let [before] = query::numbers(&request, ["before"])?;
    // Epoch 0 is the empty tree: no step leads into it.
    let end = state
        .reads
        .pending
        .size()
        .get()
        .min(before.unwrap_or(u64::MAX))
        .max(1);
    let first = end.saturating_sub(PAGE).max(1);
    let count = usize::try_from(end.saturating_sub(first)).unwrap_or_default();
    let store = state.reads.store.clone();
    let leaves = serve::blocking(move || store.leaves(Epoch::new(first), count)).await??;
    let epochs = leaves.iter().rev().map(entry).collect();
    json(
        &AuditList {
            epochs,
            next_before: (first > 1).then_some(first),
        },
        Keep::Not,
    )
}

fn entry(leaf: &Leaf) -> AuditEntry {
    AuditEntry {
        epoch: leaf.epoch.get(),
        previous_root: leaf.previous_root.to_string(),
        root: leaf.root.to_string(),
        length: leaf.audit_length,
        sha256: leaf.audit_hash.to_string(),
    }
}

/// `GET /log/audit/{epoch}/{previous root}/{root}`.
pub(super) async fn proof(
    request: HttpRequest,
    name: web::Path<(String, String, String)>,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    query::none(&request)?;
    let absent = || Refusal::new(Problem::NotFound);
    let name = parse(&name).ok_or_else(absent)?;
    if name.epoch.get() >= state.reads.pending.size().get() {
        return Err(absent());
    }
    let bytes = state.audits.get(name).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header(Keep::Forever.header())
        .body(bytes))
}

/// Exactly one spelling of each name: others are not there.
fn parse((epoch, previous_root, root): &(String, String, String)) -> Option<AuditName> {
    let number: u64 = epoch.parse().ok()?;
    let previous_root: RootHash = previous_root.parse().ok()?;
    (number.to_string() == *epoch).then_some(())?;
    Some(AuditName {
        epoch: Epoch::new(number),
        previous_root,
        root: root.parse().ok()?,
    })
}
