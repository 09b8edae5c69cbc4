//! The one place that turns errors into problem documents (RFC 9457).

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use keyglass_protocol::error::FormatError;
use keyglass_protocol::label::LabelError;
use keyglass_protocol::message::Answer;
use keyglass_protocol::problem::{MEDIA_TYPE, Problem};
use keyglass_protocol::quantity::LogSize;
use keyglass_protocol::record::{RecordError, RecordErrorClass};
use keyglass_schema::StoreError;
use serde::Serialize;

use crate::access::{Denied, TokenError};
use crate::audits::AuditError;
use crate::directory::LookupError;
use crate::publisher::HandInError;
use crate::submission::SubmitError;

/// Seconds after which a client may try again while updates are held or the service starts.
const RETRY_SECONDS: u64 = 5;

/// A request that is answered with a problem document.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Problem,
    detail: Option<String>,
    reason: Option<&'static str>,
    answer: Option<Box<Answer>>,
    size: Option<LogSize>,
    close: bool,
    retry_after: u64,
    allow: Option<&'static str>,
}

/// The document. `reason` is the stable name of the broken rule; the rest are proofs that belong to the refusal.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    uri: &'static str,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(flatten)]
    answer: Option<&'a Answer>,
}

impl Refusal {
    pub(crate) fn new(problem: Problem) -> Self {
        Self {
            problem,
            detail: None,
            reason: None,
            answer: None,
            size: None,
            close: false,
            retry_after: RETRY_SECONDS,
            allow: None,
        }
    }

    pub(crate) fn detail(mut self, detail: impl ToString) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    pub(crate) fn reason(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Seconds after which the client may try again, where the problem is one that passes.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = seconds;
        self
    }

    /// The methods that the route has.
    pub(crate) fn allow(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Ends the connection after the answer: the rest of the request is not read.
    pub(crate) fn close(mut self) -> Self {
        self.close = true;
        self
    }

    fn with(problem: Problem, answer: Box<Answer>) -> Self {
        Self {
            answer: Some(answer),
            ..Self::new(problem)
        }
    }

    /// A failure of the service. Logged here, once; the client learns nothing about it.
    fn failed(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(Problem::Internal)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.problem.title())
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        response.extensions_mut().insert(self.problem);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if self.problem.status() == 503 || self.problem.status() == 429 {
            response.insert_header((RETRY_AFTER, self.retry_after));
        }
        if let Some(methods) = self.allow {
            response.insert_header((ALLOW, methods));
        }
        if self.problem == Problem::Unauthorized {
            response.insert_header((WWW_AUTHENTICATE, "Bearer realm=\"keyglass\""));
        }
        if self.close {
            response.force_close();
        }
        if let Some(size) = self.size {
            // tlog-witness: the conflict states the size that we have.
            return response
                .content_type("text/x.tlog.size")
                .body(format!("{size}\n"));
        }
        let document = Document {
            uri: self.problem.uri(),
            title: self.problem.title(),
            status: self.problem.status(),
            detail: self.detail.as_deref(),
            reason: self.reason,
            answer: self.answer.as_deref(),
        };
        match serde_json::to_vec(&document) {
            Ok(body) => response.content_type(MEDIA_TYPE).body(body),
            Err(error) => {
                tracing::error!(%error, "a problem document does not encode");
                response.finish()
            }
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            error if error.is_outage() => {
                tracing::error!(%error, "the database is not to be had");
                Self::new(Problem::Unavailable)
            }
            other => Self::failed(&other),
        }
    }
}

impl From<LabelError> for Refusal {
    fn from(error: LabelError) -> Self {
        Self::new(Problem::MalformedLabel)
            .reason(error.reason())
            .detail(error)
    }
}

impl From<FormatError> for Refusal {
    fn from(error: FormatError) -> Self {
        Self::new(Problem::MalformedBody)
            .reason(error.reason())
            .detail(error)
    }
}

impl From<LookupError> for Refusal {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Absent(answer) => Self::with(Problem::Absent, answer),
            LookupError::SinceBeyondNewest(answer) => Self::with(Problem::SinceBeyondNewest, answer),
            LookupError::UnknownSize { .. } => Self::new(Problem::UnknownSize).detail(error),
            LookupError::Fenced(why) => Self::new(Problem::Unavailable)
                .reason(why.reason())
                .detail(why)
                .retry_after(1),
            LookupError::Unavailable => Self::new(Problem::Unavailable),
            LookupError::Store(error) => error.into(),
            other => Self::failed(&other),
        }
    }
}

impl From<AuditError> for Refusal {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::NoStep => Self::new(Problem::NotFound),
            AuditError::Missing(_) => {
                tracing::error!(%error, "set artefacts_from, or bring the folder of artefacts back");
                Self::new(Problem::Unavailable)
                    .reason("audit-proof-missing")
                    .detail(error)
            }
            AuditError::Stored(error) => error.into(),
            AuditError::Folder(_) => Self::failed(&error),
        }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Denied::from(error).into()
    }
}

impl From<Denied> for Refusal {
    fn from(error: Denied) -> Self {
        let problem = match error {
            Denied::Unauthorized(_) => Problem::Unauthorized,
            Denied::Forbidden(_) => Problem::Forbidden,
        };
        Self::new(problem).reason(error.reason()).detail(error)
    }
}

impl From<SubmitError> for Refusal {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Denied(error) => error.into(),
            SubmitError::NotReady => Self::new(Problem::Unavailable),
            SubmitError::Holding => Self::new(Problem::Holding),
            SubmitError::Record(error) => record(&error),
            SubmitError::LogEnded { .. } => Self::new(Problem::LogEnded).detail(error),
            SubmitError::ImportTooLate => Self::new(Problem::KindNotAccepted)
                .reason("import-closed")
                .detail(error),
            SubmitError::HolderClosed => Self::new(Problem::AccountAbsent)
                .reason("alias-account-closed")
                .detail(error),
            SubmitError::Erased => Self::new(Problem::RuleBroken)
                .reason("account-erased")
                .detail(error),
            SubmitError::HandleReserved => handle("handle-reserved", &error),
            SubmitError::HandleRestricted => handle("handle-restricted", &error),
            SubmitError::HandleConfusable => handle("handle-confusable", &error),
            SubmitError::HandleRetired => handle("handle-retired", &error),
            SubmitError::Stale { newest } => {
                let refusal = Self::new(Problem::StaleVersion);
                match newest {
                    Some(newest) => refusal.detail(format_args!("the newest version is {newest}")),
                    None => refusal.detail("the label has no version yet"),
                }
            }
            SubmitError::UpdatePending => Self::new(Problem::UpdatePending),
            SubmitError::Store(error) => error.into(),
            SubmitError::Sign(_) | SubmitError::Damaged => Self::failed(&error),
        }
    }
}

fn handle(reason: &'static str, error: &SubmitError) -> Refusal {
    Refusal::new(Problem::HandleRefused).reason(reason).detail(error)
}

fn record(error: &RecordError) -> Refusal {
    let problem = match (error, error.class()) {
        (RecordError::Key(_), _) => Problem::BadKey,
        (RecordError::OtherLabel | RecordError::OtherOrigin, _) => Problem::MalformedRecord,
        (RecordError::NoImportKey | RecordError::ImportClosed { .. } | RecordError::NoRecoveryKey, _) => {
            Problem::KindNotAccepted
        }
        (RecordError::VersionLimit { .. }, _) => Problem::VersionLimit,
        (RecordError::AccountAbsent | RecordError::HolderKey | RecordError::HolderVersion { .. }, _) => {
            Problem::AccountAbsent
        }
        (_, RecordErrorClass::Malformed) => Problem::MalformedRecord,
        (_, RecordErrorClass::BadSignature) => Problem::BadSignature,
        (_, RecordErrorClass::Rule | RecordErrorClass::Limit | RecordErrorClass::Unproven) => {
            Problem::RuleBroken
        }
    };
    Refusal::new(problem).reason(error.reason()).detail(error)
}

impl From<HandInError> for Refusal {
    fn from(error: HandInError) -> Self {
        match error {
            HandInError::Malformed(ref e) => Self::new(Problem::MalformedBody).reason(e.reason()).detail(e),
            HandInError::OtherOrigin => Self::new(Problem::NotFound).detail(error),
            HandInError::OtherSize { ours } => Self {
                size: Some(ours),
                ..Self::new(Problem::UnknownSize)
            },
            HandInError::Fork => Self::new(Problem::UnprocessableProof).detail(error),
            HandInError::Store(error) => error.into(),
            other => Self::new(Problem::Forbidden).detail(other),
        }
    }
}
