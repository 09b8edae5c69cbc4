//! HTTP to a directory. Nothing that comes back is trusted; its size and time are bounded.

use std::io::Read as _;
use std::time::Duration;

use keyglass_protocol::message::MAX_ANSWER_BYTES;
use keyglass_protocol::problem::Problem;
use reqwest::blocking::{Client, Response};
use reqwest::{Method, Url};

use crate::exit::Exit;
use crate::output::foreign;
use crate::report::Failure;
use crate::secret::Token;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a whole answer.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(60);

/// A directory's address.
pub(crate) struct Http {
    client: Client,
    base: Url,
    token: Option<Token>,
}

/// What came back.
pub(crate) struct Received {
    /// HTTP status.
    pub(crate) status: u16,
    /// The `type` of a problem document that this program knows.
    pub(crate) problem: Option<Problem>,
    /// At most [`MAX_ANSWER_BYTES`].
    pub(crate) body: Vec<u8>,
}

/// Reads an address: `http` or `https`, no user, query or fragment.
pub(crate) fn parse_base(text: &str) -> Result<Url, Failure> {
    let bad = |why: &str| {
        Failure::usage(
            "bad-url",
            format!("{} is no address of a directory: {why}", foreign(text)),
        )
        .next("give it as https://keys.example.org")
    };
    let url = Url::parse(text).map_err(|e| bad(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("only http and https are spoken"));
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(bad("it has a user, query or fragment"));
    }
    Ok(url)
}

impl Http {
    /// Opens nothing yet.
    pub(crate) fn new(base: &str, token: Option<Token>) -> Result<Self, Failure> {
        let base = parse_base(base)?;
        if token.is_some() && base.scheme() == "http" && !is_loopback(&base) {
            return Err(
                Failure::usage("token-over-http", "the token would travel unencrypted")
                    .next("use an https address"),
            );
        }
        // Only fails when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("keyglass/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| {
                Failure::internal(
                    "http-client",
                    format!("the HTTP client does not start: {}", chain(&e)),
                )
            })?;
        Ok(Self { client, base, token })
    }

    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Result<Received, Failure> {
        self.send(Method::GET, path, None)
    }

    /// `PUT path` or `POST path` with a JSON body.
    pub(crate) fn send_json(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Received, Failure> {
        self.send(method, path, Some(body))
    }

    fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Received, Failure> {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut request = self
            .client
            .request(method, url)
            .header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().map_err(|e| self.unreachable(&e))?;
        self.receive(response)
    }

    /// Reads the body up to the cap, whatever length the server declares.
    fn receive(&self, response: Response) -> Result<Received, Failure> {
        let status = response.status().as_u16();
        let mut body = Vec::new();
        let cap = u64::try_from(MAX_ANSWER_BYTES).unwrap_or(u64::MAX);
        response
            .take(cap.saturating_add(1))
            .read_to_end(&mut body)
            .map_err(|e| {
                self.network(
                    "connection-lost",
                    format!("the connection broke while the answer came: {e}"),
                )
            })?;
        if body.len() > MAX_ANSWER_BYTES {
            return Err(self.network(
                "answer-too-large",
                format!("the answer is larger than {MAX_ANSWER_BYTES} bytes"),
            ));
        }
        let problem = (status >= 400).then(|| problem_of(&body)).flatten();
        Ok(Received {
            status,
            problem,
            body,
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let reason = if error.is_timeout() {
            "timeout"
        } else {
            "unreachable"
        };
        self.network(
            reason,
            format!("{} cannot be reached: {}", self.base, chain(error)),
        )
    }

    fn network(&self, reason: &'static str, failed: String) -> Failure {
        Failure::new(Exit::Network, reason, foreign(&failed))
            .meaning("the network or the directory is down; this says nothing about any key")
            .next("try again, or give another address of the directory with --directory URL")
    }

    /// An answer that is neither what was asked for nor a problem that the caller deals with.
    pub(crate) fn unexpected(&self, received: &Received) -> Failure {
        let detail = problem_detail(&received.body);
        let status = received.status;
        let (exit, reason) = match received.problem {
            Some(Problem::MalformedLabel) => (Exit::Malformed, "malformed-label"),
            Some(p @ (Problem::Unauthorized | Problem::Forbidden)) => (Exit::Unverifiable, p.code()),
            Some(p) => (Exit::Network, p.code()),
            None => (Exit::Network, "unexpected-answer"),
        };
        let failure = Failure::new(
            exit,
            reason,
            format!("the directory answered with status {status}{detail}"),
        );
        match received.problem {
            Some(Problem::Unauthorized | Problem::Forbidden) => failure
                .meaning("this directory wants to know who asks")
                .next("give the token of your session with --token-file FILE"),
            Some(Problem::TooManyRequests | Problem::Unavailable | Problem::Holding) => failure
                .meaning("the directory is busy or waits for its cosigners")
                .next("try again in a minute"),
            _ => failure
                .meaning(
                    "this is no Keyglass directory, another version of one, or a proxy in between answered",
                )
                .next("check the address; keyglass trust show prints the pinned one"),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|a| a.is_loopback()),
        None => false,
    }
}

fn problem_of(body: &[u8]) -> Option<Problem> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    Problem::from_uri(value.get("type")?.as_str()?)
}

/// `: title (detail)` of a problem document, if there is one.
pub(crate) fn problem_detail(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
        return String::new();
    };
    let text = |name: &str| value.get(name).and_then(|v| v.as_str()).map(foreign);
    match (text("title"), text("detail")) {
        (Some(title), Some(detail)) => format!(": {title} ({detail})"),
        (Some(one), None) | (None, Some(one)) => format!(": {one}"),
        (None, None) => String::new(),
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// One path segment: everything but unreserved characters (RFC 3986 section 2.3) is percent-encoded, because
/// URL parsers rewrite some of what an account id may contain.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::io::Write as _;
    use std::net::TcpListener;

    #[test]
    fn segments_survive_url_parsers() {
        assert_eq!(segment("a\\b;c"), "a%5Cb%3Bc");
        assert_eq!(segment("ä"), "%C3%A4");
        assert_eq!(segment("+4912"), "%2B4912");
    }

    #[test]
    fn addresses_that_are_none() {
        for text in [
            "ftp://a.example",
            "https://u:p@a.example",
            "https://a.example/?q",
            "nonsense",
        ] {
            assert_eq!(parse_base(text).unwrap_err().reason, "bad-url", "{text}");
        }
        assert!(parse_base("http://127.0.0.1:8600").is_ok());
    }

    #[test]
    fn a_token_never_travels_unencrypted() {
        let token = || Some(Token::new("secret".into()));
        assert_eq!(
            Http::new("http://keys.example", token()).err().unwrap().reason,
            "token-over-http"
        );
        assert!(Http::new("http://127.0.0.1:1", token()).is_ok());
        assert!(Http::new("http://[::1]:1", token()).is_ok());
    }

    #[test]
    fn nobody_there_is_a_network_error() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let failure = Http::new(&format!("http://{address}"), None)
            .unwrap()
            .get("/x")
            .err()
            .unwrap();
        assert_eq!((failure.exit, failure.reason), (Exit::Network, "unreachable"));
    }

    #[test]
    fn an_endless_answer_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
                .unwrap();
            let chunk = vec![b' '; 1 << 20];
            // Ends when the client hangs up.
            while stream.write_all(&chunk).is_ok() {}
        });
        let failure = Http::new(&format!("http://{address}"), None)
            .unwrap()
            .get("/x")
            .err()
            .unwrap();
        assert_eq!(
            (failure.exit, failure.reason),
            (Exit::Network, "answer-too-large")
        );
        server.join().unwrap();
    }
}
