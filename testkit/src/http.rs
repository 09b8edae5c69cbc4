//! A small HTTP client for tests.

use std::time::Duration;

use reqwest::blocking::Client;

/// Talks to one address.
#[derive(Clone)]
pub struct Http {
    client: Client,
    base: String,
}

/// No answer: the other side was not there, or went away meanwhile.
#[derive(Debug)]
pub struct NoAnswer;

impl Http {
    /// A client of `http://127.0.0.1:<port>`.
    pub fn local(port: u16) -> Self {
        Self::new(&format!("http://127.0.0.1:{port}"))
    }

    /// A client of this address.
    pub fn new(base: &str) -> Self {
        // The first one who comes sets it; all set the same.
        let _set_already = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(Duration::from_secs(20))
            .no_proxy()
            .build()
            .unwrap();
        Self {
            client,
            base: base.to_owned(),
        }
    }

    /// Its address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Status and body.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn get(&self, path: &str) -> Result<(u16, Vec<u8>), NoAnswer> {
        let answer = self.client.get(format!("{}{path}", self.base)).send();
        let answer = answer.map_err(|_| NoAnswer)?;
        Ok((
            answer.status().as_u16(),
            answer.bytes().map_err(|_| NoAnswer)?.to_vec(),
        ))
    }

    /// The body of a 200.
    ///
    /// # Panics
    /// Another status, or no answer.
    pub fn body(&self, path: &str) -> Vec<u8> {
        let (status, body) = self.get(path).unwrap_or_else(|_| panic!("{path}: no answer"));
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        body
    }

    /// Status and body of a `PUT` of JSON.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub fn put(&self, path: &str, json: Vec<u8>) -> Result<(u16, Vec<u8>), NoAnswer> {
        let request = self.client.put(format!("{}{path}", self.base));
        let answer = request
            .header("content-type", "application/json")
            .body(json)
            .send();
        let answer = answer.map_err(|_| NoAnswer)?;
        Ok((
            answer.status().as_u16(),
            answer.bytes().map_err(|_| NoAnswer)?.to_vec(),
        ))
    }
}
