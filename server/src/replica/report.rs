//! Acknowledging to the sequencers.

use std::time::Duration;

use keyglass_protocol::quantity::Epoch;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::token::ReplicaToken;

/// Longest answer that is read.
const MAX_ANSWER: usize = 1024;

/// `POST /replicas/ack` of the admin port: where a replica's readers stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// Name of the replica: 1 to 64 letters, digits, `.`, `-` or `_`.
    pub replica: String,
    /// The epoch that it answers from.
    pub epoch: u64,
}

/// The answer of the sequencer that publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The epoch that its own readers stand on.
    pub epoch: u64,
}

/// Sends acknowledgements to all sequencers at once: whichever publishes takes it.
#[derive(Clone)]
pub struct Reporter {
    client: reqwest::Client,
    name: String,
    token: ReplicaToken,
    urls: Vec<String>,
}

impl Reporter {
    /// A reporter of the replica `name`, which waits at most `patience` for an answer.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(
        name: &str,
        token: ReplicaToken,
        sequencers: &[String],
        patience: Duration,
    ) -> Result<Self, reqwest::Error> {
        // Whoever embeds the server may have chosen a provider already; then that one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(patience)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            client,
            name: name.to_owned(),
            token,
            urls: sequencers
                .iter()
                .map(|url| format!("{url}/replicas/ack"))
                .collect(),
        })
    }

    /// Tells every sequencer. The newest epoch that one of them answered with, as soon as one did; `None`: none took it.
    pub async fn report(&self, epoch: Epoch) -> Option<Epoch> {
        let ack = Ack {
            replica: self.name.clone(),
            epoch: epoch.get(),
        };
        let body = serde_json::to_vec(&ack).ok()?;
        let mut asked = JoinSet::new();
        for url in &self.urls {
            let request = self.client.post(url).body(body.clone());
            let request = request
                .header("content-type", "application/json")
                .header("authorization", self.token.header().as_str());
            asked.spawn(taken(url.clone(), request));
        }
        while let Some(done) = asked.join_next().await {
            if let Ok(Some(newest)) = done {
                return Some(Epoch::new(newest.epoch));
            }
        }
        None
    }
}

/// The answer of one sequencer, if it took the acknowledgement.
async fn taken(url: String, request: reqwest::RequestBuilder) -> Option<Acknowledged> {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            // A stand-by that is down is no news; the fence tells if nobody answers.
            tracing::debug!(%error, "a sequencer was not reached");
            return None;
        }
    };
    let status = response.status().as_u16();
    if status == 401 || status == 404 {
        tracing::error!(%url, status, "a sequencer does not take our acknowledgements: compare replica_token");
        return None;
    }
    let body = response.bytes().await.ok()?;
    if status != 200 || body.len() > MAX_ANSWER {
        return None;
    }
    serde_json::from_slice(&body).ok()
}
