//! A directory over HTTP, on connections that stay open.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, header};

use super::{Damage, EpochSource, Trouble};

const CONNECT: Duration = Duration::from_secs(5);
/// Longest silence within an answer.
const SILENCE: Duration = Duration::from_secs(10);
/// Every answer may take this long, and longer by its allowed size at [`SLOWEST`].
const BASE: Duration = Duration::from_secs(15);
/// Slowest transfer that is waited for, in bytes per second.
const SLOWEST: u64 = 256 << 10;
/// Most bytes set aside before any has arrived.
const FIRST_CAPACITY: u64 = 64 << 10;

/// A directory over HTTP(S).
#[derive(Debug, Clone)]
pub struct HttpSource {
    base: String,
    client: Client,
}

impl HttpSource {
    /// The directory at `base`, such as `https://keys.example.org`.
    ///
    /// # Errors
    /// [`Trouble::Network`] if no HTTP client can be set up.
    pub fn new(base: &str) -> Result<Self, Trouble> {
        // Installing a second time fails and changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .tcp_nodelay(true)
            .redirect(Policy::none())
            .user_agent(concat!("keyglass-auditor/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| failed(&e))?;
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            client,
        })
    }
}

#[async_trait]
impl EpochSource for HttpSource {
    async fn get(&self, path: &str, max: u64) -> Result<Vec<u8>, Trouble> {
        let time = BASE.saturating_add(Duration::from_secs(max / SLOWEST));
        let request = self.client.get(format!("{}{path}", self.base)).timeout(time);
        let response = request.send().await.map_err(|e| failed(&e))?;
        read(good(response, path)?, path, max).await
    }

    async fn hand_in(&self, note: &[u8]) -> Result<(), Trouble> {
        let path = "/log/cosignatures";
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .timeout(BASE)
            .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(note.to_vec());
        good(request.send().await.map_err(|e| failed(&e))?, path).map(drop)
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

async fn read(mut response: Response, path: &str, max: u64) -> Result<Vec<u8>, Trouble> {
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
    while let Some(chunk) = response.chunk().await.map_err(|e| failed(&e))? {
        if chunk.len() > max.saturating_sub(bytes.len()) {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
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
