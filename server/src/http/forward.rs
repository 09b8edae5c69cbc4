//! What a replica does with an update: it hands it to a sequencer and the sequencer's answer back, unread.
//!
//! Not by a redirect: clients drop their token when they are sent to another host, and ours follow none.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use keyglass_protocol::problem::Problem;
use reqwest::Response;

use super::problem::Refusal;

/// What of a request is passed on.
const ASKED: [&str; 4] = ["accept", "authorization", "content-type", "x-forwarded-for"];
/// What of an answer is passed back.
const ANSWERED: [&str; 7] = [
    "cache-control",
    "content-type",
    "keyglass-registration",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
];
/// Longest answer that is passed back: a receipt, a refusal.
const MAX_ANSWER: usize = 64 * 1024;

/// The sequencers' addresses, tried in turn.
pub(crate) struct Forward {
    client: reqwest::Client,
    to: Vec<String>,
}

impl Forward {
    /// Hands updates to whichever of `to` takes them.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub(crate) fn new(to: &[String]) -> Result<Self, reqwest::Error> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(std::time::Duration::from_secs(2))
            .timeout(std::time::Duration::from_secs(8))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            to: to.to_vec(),
        })
    }

    /// The answer of the first sequencer that does not say 503; else the last 503. The same update twice gets the same
    /// receipt, so that trying again is harmless.
    pub(super) async fn pass(
        &self,
        request: &HttpRequest,
        body: web::Bytes,
    ) -> Result<HttpResponse, Refusal> {
        let mut last = Err(Refusal::new(Problem::Unavailable)
            .reason("no-sequencer")
            .detail("a replica takes no updates, and no sequencer is to be had"));
        for base in &self.to {
            match self.ask(base, request, body.clone()).await {
                Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE.as_u16() => {
                    last = back(response).await;
                }
                Ok(response) => return back(response).await,
                // Its URL would name the label.
                Err(error) => tracing::warn!(error = %error.without_url(), "an update was not passed on"),
            }
        }
        last
    }

    async fn ask(&self, base: &str, request: &HttpRequest, body: web::Bytes) -> reqwest::Result<Response> {
        let method = request.method().as_str().parse().unwrap_or(reqwest::Method::PUT);
        let mut asked = self
            .client
            .request(method, format!("{base}{}", request.uri().path()));
        for name in ASKED {
            for value in request.headers().get_all(name) {
                asked = asked.header(name, value.as_bytes());
            }
        }
        if let Some(peer) = request.peer_addr() {
            asked = asked.header("x-forwarded-for", peer.ip().to_string());
        }
        asked.body(body).send().await
    }
}

async fn back(response: Response) -> Result<HttpResponse, Refusal> {
    let unusable = || Refusal::new(Problem::Unavailable).reason("no-sequencer");
    let status = StatusCode::from_u16(response.status().as_u16()).map_err(|_| unusable())?;
    let mut headers = HeaderMap::new();
    for name in ANSWERED {
        let value = response.headers().get(name).map(|v| v.as_bytes().try_into());
        if let Some(Ok(value)) = value {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if response
        .content_length()
        .is_some_and(|l| usize::try_from(l).map_or(true, |l| l > MAX_ANSWER))
    {
        return Err(unusable());
    }
    let body = response.bytes().await.map_err(|_| unusable())?;
    let mut answer = HttpResponse::build(status);
    for (name, value) in &headers {
        answer.insert_header((name.clone(), value.clone()));
    }
    Ok(answer.body(body))
}
