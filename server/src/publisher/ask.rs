//! Asking cosigners: `add-checkpoint` of tlog-witness.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyglass_protocol::log::{self, ProveError as LogProveError};
use keyglass_protocol::note::{
    AddCheckpoint, MAX_NOTE_BYTES, MAX_PROOF_HASHES, NoteError, SignatureLine, SignedCheckpoint, VerifierKey,
    parse_lines,
};
use keyglass_protocol::quantity::LogSize;
use keyglass_schema::{Store, StoreError};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a cosigner may take to say what it has seen: who takes over answers nobody before.
const HEAD_TIMEOUT: Duration = Duration::from_secs(4);
/// Attempts at one cosigner: the first may only teach us its size.
const ATTEMPTS: usize = 2;
/// Media type of a 409 that states the cosigner's size.
const SIZE_TYPE: &str = "text/x.tlog.size";

/// Why a cosigner gave no cosignature.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// It could not be reached in time.
    #[error("not reached: {0}")]
    Network(String),
    /// It answered with this status. 403, 422 and an odd 409 can mean that it suspects a fork.
    #[error("answered with status {0}")]
    Status(u16),
    /// Its answer is too long.
    #[error("the answer is too long")]
    TooLong,
    /// Its answer is malformed.
    #[error("malformed answer: {0}")]
    Malformed(#[from] NoteError),
    /// It claims to have seen a larger log.
    #[error("claims to have seen size {0}")]
    Ahead(LogSize),
    /// The consistency proof could not be made.
    #[error("no consistency proof: {0}")]
    Store(#[from] StoreError),
    /// The HTTP client cannot be set up.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// Talks to cosigners and remembers how much of the log each has seen.
#[derive(Clone)]
pub struct Asker {
    client: reqwest::Client,
    seen: Arc<Mutex<HashMap<String, LogSize>>>,
}

impl Asker {
    /// An asker that knows nothing about anybody yet.
    ///
    /// # Errors
    /// [`AskError::Client`] if TLS cannot be set up.
    pub fn new() -> Result<Self, AskError> {
        // Whoever embeds the server may have chosen a provider already; then that one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| AskError::Client(e.to_string()))?;
        Ok(Self {
            client,
            seen: Arc::default(),
        })
    }

    /// The signature lines that the cosigner at `url` answers with. They are not verified.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn cosign(
        &self,
        store: &Store,
        url: &str,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Vec<SignatureLine>, AskError> {
        let size = checkpoint.checkpoint().size;
        let mut last = AskError::Status(409);
        for _ in 0..ATTEMPTS {
            let old = self.seen_by(url).min(size);
            match self.add_checkpoint(store, url, old, checkpoint).await {
                Ok(lines) => {
                    self.remember(url, size);
                    return Ok(lines);
                }
                // The same size too: it has cosigned this very checkpoint, and we died before its answer was stored.
                Err(AskError::Ahead(theirs)) if theirs <= size && theirs != old => self.remember(url, theirs),
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
        Err(last)
    }

    /// The newest checkpoint of `log` that the cosigner at `url` holds, if our own log key signed it.
    ///
    /// # Errors
    /// [`AskError`]; [`AskError::Status`] 404 if it holds none.
    pub async fn head(&self, url: &str, log: &VerifierKey) -> Result<SignedCheckpoint, AskError> {
        let name = hex::encode(Sha256::digest(log.name()));
        let request = self
            .client
            .get(format!("{url}/{name}/checkpoint"))
            .timeout(HEAD_TIMEOUT);
        let response = request
            .send()
            .await
            .map_err(|e| AskError::Network(e.to_string()))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(AskError::Status(response.status().as_u16()));
        }
        Ok(SignedCheckpoint::open(&body(response).await?, log)?)
    }

    async fn add_checkpoint(
        &self,
        store: &Store,
        url: &str,
        old: LogSize,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Vec<SignatureLine>, AskError> {
        let size = checkpoint.checkpoint().size;
        let proof = log::consistency_proof(store, old, size).map_err(|e| match e {
            LogProveError::Source(e) => AskError::Store(e),
            _ => AskError::Status(409),
        })?;
        debug_assert!(proof.len() <= MAX_PROOF_HASHES);
        let request = AddCheckpoint {
            old,
            proof,
            checkpoint: checkpoint.note().to_bytes(),
        };
        let request = self
            .client
            .post(format!("{url}/add-checkpoint"))
            .body(request.to_bytes());
        let response = request
            .send()
            .await
            .map_err(|e| AskError::Network(e.to_string()))?;
        let status = response.status().as_u16();
        let states_size = response
            .headers()
            .get("content-type")
            .is_some_and(|t| t == SIZE_TYPE);
        match status {
            200 => Ok(parse_lines(&body(response).await?)?),
            409 if states_size => {
                Err(parse_size(&body(response).await?).map_or(AskError::Status(409), AskError::Ahead))
            }
            other => Err(AskError::Status(other)),
        }
    }

    fn seen_by(&self, url: &str) -> LogSize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(url).copied().unwrap_or_default()
    }

    fn remember(&self, url: &str, size: LogSize) {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(url.to_owned(), size);
    }
}

fn parse_size(body: &[u8]) -> Option<LogSize> {
    let text = core::str::from_utf8(body).ok()?.strip_suffix('\n')?;
    let size: u64 = text.parse().ok()?;
    (size.to_string() == text).then(|| LogSize::new(size))
}

/// The body, up to the length of a note.
async fn body(mut response: reqwest::Response) -> Result<Vec<u8>, AskError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|e| AskError::Network(e.to_string()))?
    {
        if bytes.len().saturating_add(chunk.len()) > MAX_NOTE_BYTES {
            return Err(AskError::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use ed25519_dalek::SigningKey;
    use keyglass_protocol::note::{Checkpoint, Note, Origin, cosign, sign_note};
    use keyglass_protocol::quantity::{LogHash, Seconds};
    use keyglass_schema::{DatabaseUrl, StoreKeys};

    use super::*;

    const ORIGIN: &str = "log.example";

    /// Size 1, signed by the log.
    fn signed() -> SignedCheckpoint {
        let key = SigningKey::from_bytes(&[1; 32]);
        let text = Checkpoint {
            origin: Origin::new(ORIGIN).unwrap(),
            size: LogSize::new(1),
            root: LogHash::new([7; 32]),
        }
        .to_text();
        let note = Note::new(&text, vec![sign_note(ORIGIN, &key, &text)]).unwrap();
        let vkey = VerifierKey::new_ed25519(ORIGIN, key.verifying_key().as_bytes()).unwrap();
        SignedCheckpoint::open(&note.to_bytes(), &vkey).unwrap()
    }

    /// Answers one request per connection; hands back the first line of each body.
    fn cosigner(answers: Vec<(&'static str, String)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for (head, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"=\n") {
                    let mut some = [0; 1024];
                    let count = stream.read(&mut some).unwrap();
                    request.extend_from_slice(&some[..count]);
                }
                let text = String::from_utf8(request).unwrap();
                asked.push(
                    text.split("\r\n\r\n")
                        .nth(1)
                        .unwrap()
                        .lines()
                        .next()
                        .unwrap()
                        .to_owned(),
                );
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                )
                .unwrap();
            }
            asked
        });
        (url, thread)
    }

    #[tokio::test]
    async fn a_cosigner_whose_answer_was_lost_is_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::sqlite(&dir.path().join("db"));
        let store = Store::open(&url, StoreKeys::from_secret(&[5; 32])).unwrap();
        let checkpoint = signed();
        let key = SigningKey::from_bytes(&[2; 32]);
        let line = cosign("witness.example", &key, checkpoint.note().text(), Seconds::new(9));
        let (url, cosigner) = cosigner(vec![
            ("409 Conflict\r\ncontent-type: text/x.tlog.size", "1\n".to_owned()),
            ("200 OK", format!("{}\n", line.to_line())),
        ]);
        // A fresh process: it knows nothing of what the cosigner has seen.
        let lines = Asker::new()
            .unwrap()
            .cosign(&store, &url, &checkpoint)
            .await
            .unwrap();
        assert_eq!(lines, [line]);
        assert_eq!(cosigner.join().unwrap(), ["old 0", "old 1"]);
    }
}
