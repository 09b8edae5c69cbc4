//! Lookups and histories.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_monitoring::LookupOutcome;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, BatchRequest, MAX_BATCH};
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::{KeyVersion, LogSize};

use super::State;
use super::limit::{HISTORY, charge, price};
use super::negotiate::{Form, Keep};
use super::problem::Refusal;
use super::{body, path, query};
use crate::directory::{Extras, LookupError};

/// Most bytes of a batch request: 100 labels of the longest kind, escaped.
const MAX_BATCH_BYTES: usize = 64 * 1024;

/// `GET /v1/accounts/{id}` and its siblings.
pub(super) async fn one(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    let form = Form::accepted(&request)?;
    let [from, since] = query::numbers(&request, ["from", "since"])?;
    let extras = Extras {
        from: from.map(LogSize::new),
        since: since.map(version).transpose()?,
    };
    let label = path::label(&request)?;
    state.caller(&request)?.may_read(label.kind())?;
    let times = if extras.since.is_some() { HISTORY } else { 1 };
    charge(&request, price(label.kind()).saturating_mul(times))?;
    let outcome = state.directory.lookup(label, extras).await;
    state.count(outcome.as_ref().map(|served| served.answer()));
    form.served(&request, &*outcome?, Keep::Privately)
}

/// `GET /v1/accounts/{id}/history` and its siblings.
pub(super) async fn history(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Refusal> {
    let form = Form::accepted(&request)?;
    let [from, since] = query::numbers(&request, ["from", "since"])?;
    let since = since.map_or(Ok(KeyVersion::FIRST), version)?;
    let label = path::label(&request)?;
    state.caller(&request)?.may_read(label.kind())?;
    charge(&request, price(label.kind()).saturating_mul(HISTORY))?;
    let outcome = state
        .directory
        .history(label, since, from.map(LogSize::new))
        .await;
    state.count(outcome.as_ref().map(|served| served.answer()));
    form.served(&request, &*outcome?, Keep::Privately)
}

/// `POST /v1/lookups`.
pub(super) async fn batch(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    let form = Form::accepted(&request)?;
    query::none(&request)?;
    let caller = state.caller(&request)?;
    let patience = state.reads.settings.request_timeout;
    let asked: BatchRequest = body::message(&request, payload, MAX_BATCH_BYTES, patience).await?;
    let labels = labels(&asked)?;
    // One label that may not be asked for refuses the whole batch.
    labels
        .iter()
        .try_for_each(|label| caller.may_read(label.kind()))?;
    charge(&request, labels.iter().map(|label| price(label.kind())).sum())?;
    let outcome = state.directory.batch(labels).await;
    state.count(outcome.as_ref());
    form.answer(StatusCode::OK, &outcome?, Keep::Not)
}

fn labels(asked: &BatchRequest) -> Result<Vec<Label>, Refusal> {
    let malformed = |why: &str| Refusal::new(Problem::MalformedBody).detail(why);
    if asked.labels.is_empty() || asked.labels.len() > MAX_BATCH {
        return Err(malformed("a batch has 1 to 100 labels"));
    }
    let mut labels = Vec::with_capacity(asked.labels.len());
    for text in &asked.labels {
        let label = Label::parse(text)?;
        if labels.contains(&label) {
            return Err(malformed("a label stands twice"));
        }
        labels.push(label);
    }
    Ok(labels)
}

fn version(number: u64) -> Result<KeyVersion, Refusal> {
    KeyVersion::new(number).map_err(|e| {
        Refusal::new(Problem::MalformedRequest)
            .reason(e.reason())
            .detail(e)
    })
}

impl State {
    fn count(&self, outcome: Result<&Answer, &LookupError>) {
        let metrics = &self.reads.metrics;
        match outcome {
            Ok(answer) => {
                answer
                    .lookups
                    .iter()
                    .chain(None)
                    .for_each(|_| metrics.lookup(LookupOutcome::Found));
                answer
                    .absences
                    .iter()
                    .for_each(|_| metrics.lookup(LookupOutcome::Absent));
            }
            Err(LookupError::Absent(_)) => metrics.lookup(LookupOutcome::Absent),
            Err(LookupError::SinceBeyondNewest(_) | LookupError::UnknownSize { .. }) => {
                metrics.lookup(LookupOutcome::Refused);
            }
            Err(_) => metrics.lookup(LookupOutcome::Failed),
        }
    }
}
