//! One request, as the tester's hooks read it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// The address of a client who has spent everything (RFC 5737).
pub(super) const SPENT: &str = "192.0.2.1";
/// A header with which the head of a request does not end.
pub(super) const NEVER_ENDS: &str = "x-never-ends";

/// A request. What is empty is as the description of the operation shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Ask {
    operation: String,
    path: BTreeMap<String, Value>,
    query: BTreeMap<String, Value>,
    headers: BTreeMap<String, String>,
    body: Option<Value>,
}

impl Ask {
    /// A request to an operation, by its id.
    pub(super) fn of(operation: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            path: BTreeMap::new(),
            query: BTreeMap::new(),
            headers: BTreeMap::new(),
            body: None,
        }
    }

    /// With a parameter in the path; the others must be given then, too.
    pub(super) fn path(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.path.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn query(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.query.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(super) fn body(mut self, body: impl Into<Value>) -> Self {
        self.body = Some(body.into());
        self
    }
}

/// What every operation refuses: 400, 408, 415, 429, 431.
pub(super) fn everywhere(operation: &str) -> Vec<Ask> {
    let ask = || Ask::of(operation);
    let many = (0..100).fold(ask(), |ask, n| ask.header(&format!("x-{n}"), "y"));
    let spent = ask().header("x-forwarded-for", SPENT);
    vec![
        ask().query("nonsense", "1"),
        ask().header(NEVER_ENDS, "yes"),
        ask().header("content-encoding", "gzip"),
        // A second may just pass and give one request back.
        spent.clone(),
        spent,
        many,
    ]
}
