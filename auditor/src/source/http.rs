//! A directory over HTTP, on connections that stay open.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, header};

use super::{Damage, EpochSource, Trouble};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(4);
/// Longest silence before and within an answer. Whoever replaced a sequencer that stands still waits for us so long.
pub const SILENCE: Duration = Duration::from_secs(4);
/// Every answer may take this long, and longer by its allowed size at [`SLOWEST`].
const BASE: Duration = Duration::from_secs(15);
/// Slowest transfer that is waited for, in bytes per second.
const SLOWEST: u64 = 256 << 10;
/// Most bytes set aside before any has arrived.
const FIRST_CAPACITY: u64 = 64 << 10;

/// A directory over HTTP(S).
#[derive(Debug)]
pub struct HttpSource {
    base: String,
    client: RwLock<Client>,
}

impl HttpSource {
    /// The directory at `base`, such as `https://keys.example.org`.
    ///
    /// # Errors
    /// [`Trouble::Network`] if no HTTP client can be set up.
    pub fn new(base: &str) -> Result<Self, Trouble> {
        // Installing a second time fails and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = RwLock::new(connectionless()?);
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            client,
        })
    }

    fn client(&self) -> Client {
        self.client.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What went wrong. After a silence every other connection is given up too: a balancer leads new ones to somebody who
    /// answers, and would let old ones wait, each in its turn.
    fn failed(&self, error: &reqwest::Error) -> Trouble {
        let trouble = failed(error);
        if trouble == Trouble::Timeout
            && let Ok(fresh) = connectionless()
        {
            *self.client.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        trouble
    }

    async fn read(&self, mut response: Response, path: &str, max: u64) -> Result<Vec<u8>, Trouble> {
        let too_large = || Trouble::TooLarge {
            path: path.to_owned(),
            max,
        };
        let stated = response.content_length();
        if stated.is_some_and(|length| length > max) {
            return Err(too_large());
        }
        let capacity = stated.unwrap_or(0).min(FIRST_CAPACITY);
        let mut bytes = Vec::with_capacity(usize::try_from(capacity).unwrap_or(0));
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        while let Some(chunk) = response.chunk().await.map_err(|e| self.failed(&e))? {
            if chunk.len() > max.saturating_sub(bytes.len()) {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// A client without any connection yet.
fn connectionless() -> Result<Client, Trouble> {
    Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .tcp_nodelay(true)
        .redirect(Policy::none())
        .user_agent(concat!("keyglass-auditor/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| failed(&e))
}

#[async_trait]
impl EpochSource for HttpSource {
    async fn get(&self, path: &str, max: u64) -> Result<Vec<u8>, Trouble> {
        let time = BASE.saturating_add(Duration::from_secs(max / SLOWEST));
        let request = self.client().get(format!("{}{path}", self.base)).timeout(time);
        let response = request.send().await.map_err(|e| self.failed(&e))?;
        self.read(good(response, path)?, path, max).await
    }

    async fn hand_in(&self, note: &[u8]) -> Result<(), Trouble> {
        let path = "/log/cosignatures";
        let request = self
            .client()
            .post(format!("{}{path}", self.base))
            .timeout(BASE)
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(note.to_vec());
        good(request.send().await.map_err(|e| self.failed(&e))?, path).map(drop)
    }
}

fn good(response: Response, path: &str) -> Result<Response, Trouble> {
    let status = response.status();
    if !status.is_success() {
        return Err(Trouble::Status {
            status: status.as_u16(),
            path: path.to_owned(),
        });
    }
    // We asked for none; what is signed are the plain bytes.
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(Damage::Compressed.at(path));
    }
    Ok(response)
}

/// Without the URL: it may carry a user's secret.
fn failed(error: &reqwest::Error) -> Trouble {
    if error.is_timeout() {
        return Trouble::Timeout;
    }
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    Trouble::Network(if text.is_empty() {
        "no connection".to_owned()
    } else {
        text
    })
}
