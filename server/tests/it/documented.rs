//! Every answer that the description promises is given: the good one and each documented status of each operation, with
//! the media type and the shape that are described. And nothing is answered that is not described.

use std::collections::{BTreeMap, BTreeSet};

use keyglass_monitoring::Registry;
use keyglass_protocol::message::{B64, PutRequest};
use keyglass_protocol::note::{Checkpoint, Note, cosign};
use keyglass_protocol::quantity::{KeyVersion, LogHash, LogSize, Seconds};
use keyglass_protocol::record::{AccountBody, AccountKind, Role};
use keyglass_schema::test_database::Backend;
use keyglass_server::clock::Clock as _;
use keyglass_server::http;
use keyglass_server::settings::Layer;
use keyglass_testkit::tokens::Platform;
use keyglass_testkit::world::{FIRST_TIME, ORIGIN, Person};
use reqwest::Method;
use serde_json::Value;

use crate::common::witness::Witness;
use crate::common::{Place, Site, label, problem, run};

/// What was documented, and what of it was seen.
struct Coverage {
    document: Value,
    seen: BTreeMap<String, BTreeSet<u16>>,
    /// The last answer, for messages.
    last: String,
}

/// One request.
struct Ask<'a> {
    method: &'a str,
    path: String,
    headers: Vec<(&'a str, String)>,
    body: Vec<u8>,
}

impl<'a> Ask<'a> {
    fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path, Vec::new())
    }

    fn new(method: &'a str, path: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body,
        }
    }

    fn with(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn json(self) -> Self {
        self.with("content-type", "application/json")
    }

    /// A session that has verified a telephone number.
    fn session(self, account: &str, phone: &str) -> Self {
        let claims = serde_json::json!({
            "aud": ORIGIN, "sub": account, "scope": "account", "exp": FIRST_TIME.seconds().get() + 100_000,
            "phone_number": phone,
        });
        self.with(
            "authorization",
            format!("Bearer {}", Platform::new(1).token(&claims)),
        )
    }

    fn token(self, account: &str, scope: &str) -> Self {
        let token =
            Platform::new(1).session(ORIGIN, Some(account), scope, FIRST_TIME.seconds().get() + 100_000);
        self.with("authorization", format!("Bearer {token}"))
    }
}

impl Coverage {
    async fn of(site: &Site) -> Self {
        let (status, document) = site.get_json("/v1/openapi.json").await;
        assert_eq!(status, 200);
        Self {
            document,
            seen: BTreeMap::new(),
            last: String::new(),
        }
    }

    /// The operation that a request is: the template with the most fixed parts decides.
    fn operation(&self, method: &str, path: &str) -> &Value {
        let path = path.split('?').next().unwrap();
        let fits = |template: &str| {
            let (template, path): (Vec<_>, Vec<_>) =
                (template.split('/').collect(), path.split('/').collect());
            let one = |(t, p): (&&str, &&str)| match t.split_once('}') {
                Some((_, suffix)) => p.ends_with(suffix) && (!suffix.is_empty() || !p.ends_with(".p")),
                None => t == p,
            };
            (template.len() == path.len() && template.iter().zip(&path).all(one))
                .then(|| template.iter().filter(|t| !t.contains('{')).count())
        };
        let paths = self.document["paths"].as_object().unwrap().iter();
        let found = paths
            .filter_map(|(template, methods)| Some((fits(template)?, methods.get(method.to_lowercase())?)))
            .max_by_key(|(fixed, _)| *fixed);
        found
            .unwrap_or_else(|| panic!("{method} {path} is not described"))
            .1
    }

    /// Notes an answer, which must be one that is described.
    fn note(&mut self, method: &str, path: &str, status: u16, media_type: &str, body: &[u8]) {
        self.last = String::from_utf8_lossy(body).chars().take(400).collect();
        let operation = self.operation(method, path);
        let id = operation["operationId"].as_str().unwrap().to_owned();
        let described = &operation["responses"][status.to_string()];
        let shown = &self.last;
        assert!(
            !described.is_null(),
            "{id} answers {status}, which is not described: {shown}"
        );
        if let Some(content) = described["content"].as_object().filter(|_| !body.is_empty()) {
            let form = content.get(media_type);
            let form = form.unwrap_or_else(|| panic!("{id} {status}: {media_type} is not described"));
            if media_type.ends_with("json") {
                let value: Value = serde_json::from_slice(body).unwrap();
                self.check(&form["schema"], &value, &id);
            }
            if media_type == "application/problem+json" {
                let code = problem(body);
                assert!(
                    !form["examples"][&code].is_null(),
                    "{id} {status}: {code} is not described"
                );
            }
        }
        self.seen.entry(id).or_default().insert(status);
    }

    /// Whether a value has the members that its schema demands and, where proofs are, no others.
    fn check(&self, schema: &Value, value: &Value, at: &str) {
        if let Some(pointer) = schema["$ref"].as_str() {
            let schema = self.document.pointer(pointer.trim_start_matches('#')).unwrap();
            return self.check(schema, value, &format!("{at} {pointer}"));
        }
        if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
            list.iter().for_each(|item| self.check(items, item, at));
        }
        let (Some(properties), Some(members)) = (schema["properties"].as_object(), value.as_object()) else {
            return;
        };
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(
                members.contains_key(name.as_str().unwrap()),
                "{at}: {name} is missing in {value}"
            );
        }
        let closed = !at.contains("Configuration") && !at.contains("Description");
        for (name, member) in members {
            match properties.get(name) {
                Some(schema) => self.check(schema, member, &format!("{at}.{name}")),
                None => assert!(!closed, "{at}: {name} is not described"),
            }
        }
    }

    async fn send(&mut self, site: &Site, ask: Ask<'_>) -> u16 {
        let method = Method::from_bytes(ask.method.as_bytes()).unwrap();
        let mut request = site.client.request(method, format!("{}{}", site.url, ask.path));
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let response = request.body(ask.body).send().await.unwrap();
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type");
        let kind = kind.map(|k| k.to_str().unwrap().to_owned()).unwrap_or_default();
        let body = response.bytes().await.unwrap();
        self.note(ask.method, &ask.path, status, &kind, &body);
        status
    }

    /// Sends bytes as they are.
    async fn raw(&mut self, site: &Site, method: &str, path: &str, bytes: &[u8]) {
        let answer = crate::bad_input::raw(site, bytes).await;
        self.note_raw(method, path, &answer);
    }

    fn note_raw(&mut self, method: &str, path: &str, answer: &str) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let kind = head
            .lines()
            .find_map(|l| l.strip_prefix("content-type: "))
            .unwrap_or_default();
        self.note(method, path, status, kind, body.as_bytes());
    }

    /// What is documented and was never seen.
    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let paths = self.document["paths"].as_object().unwrap().values();
        for operation in paths.flat_map(|methods| methods.as_object().unwrap().values()) {
            let id = operation["operationId"].as_str().unwrap();
            let seen = self.seen.get(id);
            for status in operation["responses"].as_object().unwrap().keys() {
                if !seen.is_some_and(|s| s.contains(&status.parse().unwrap())) {
                    missing.push(format!("{id} {status}"));
                }
            }
        }
        missing
    }
}

/// A place with tokens.
fn guarded(layer: Layer) -> Place {
    let mut place = Place::with(Backend::Sqlite, layer);
    let file = place.dir.path().join("token-keys.json");
    std::fs::write(&file, Platform::new(1).key_set()).unwrap();
    place.layer.token_keys = Some(file);
    place
}

fn update(record: &[u8]) -> Vec<u8> {
    let record = B64(record.to_vec());
    serde_json::to_vec(&PutRequest { record }).unwrap()
}

/// One path for each operation, with the method and a body of its type.
fn each_operation() -> Vec<(&'static str, String, &'static str)> {
    let json = "application/json";
    let mut all: Vec<(&str, String, &str)> = Vec::new();
    for name in ["accounts/alice", "handles/alice", "phones/+14155550100"] {
        all.push(("GET", format!("/v1/{name}"), ""));
        all.push(("GET", format!("/v1/{name}/history"), ""));
        all.push(("PUT", format!("/v1/{name}"), json));
    }
    all.push(("POST", "/v1/lookups".to_owned(), json));
    all.push(("GET", format!("/v1/receipts/{}", "ab".repeat(32)), ""));
    all.push(("GET", "/v1/config".to_owned(), ""));
    all.push(("GET", format!("/v1/config/{}", "ab".repeat(32)), ""));
    for path in [
        "/v1/openapi.json",
        "/log/checkpoint",
        "/log/pending",
        "/log/audit",
    ] {
        all.push(("GET", path.to_owned(), ""));
    }
    for path in ["0/000", "0/000.p/1", "entries/000", "entries/000.p/1"] {
        all.push(("GET", format!("/log/tile/{path}"), ""));
    }
    let roots = format!("{}/{}", "ab".repeat(32), "cd".repeat(32));
    all.push(("GET", format!("/log/audit/1/{roots}"), ""));
    all.push(("POST", "/log/cosignatures".to_owned(), "text/plain"));
    all
}

fn head_of(method: &str, path: &str, media_type: &str) -> String {
    let kind = match media_type {
        "" => String::new(),
        kind => format!("content-type: {kind}\r\n"),
    };
    format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{kind}")
}

/// What every operation refuses before it is looked at: 400, 408, 415, 429 and 431; and 413 where there is a body.
async fn everywhere(coverage: &mut Coverage) {
    let slow = Place::with(
        Backend::Sqlite,
        Layer {
            request_timeout: Some("300ms".parse().unwrap()),
            ..Layer::default()
        },
    );
    let site = Site::begun(&slow).await;
    // Heads that never end, all at once.
    let operations = each_operation();
    let address = site.url.trim_start_matches("http://").to_owned();
    let slow_ones = operations.iter().map(|(method, path, kind)| {
        let head = head_of(method, path, kind).into_bytes();
        tokio::spawn(crate::bad_input::raw_at(address.clone(), head))
    });
    let slow_ones: Vec<_> = slow_ones.collect();
    for ((method, path, _), answer) in operations.iter().zip(slow_ones) {
        coverage.note_raw(method, path, &answer.await.unwrap());
    }
    for (method, path, media_type) in operations {
        let head = head_of(method, &path, media_type);
        let many = format!("{head}{}\r\n", "x: y\r\n".repeat(100));
        coverage.raw(&site, method, &path, many.as_bytes()).await;
        let lengths = format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nab");
        coverage.raw(&site, method, &path, lengths.as_bytes()).await;
        let encoded = format!("{head}content-encoding: gzip\r\n\r\n");
        coverage.raw(&site, method, &path, encoded.as_bytes()).await;
        if !media_type.is_empty() {
            let long = format!("{head}content-length: 99999999\r\n\r\n");
            coverage.raw(&site, method, &path, long.as_bytes()).await;
        }
    }
    site.close().await;
}

/// A client who has spent everything.
async fn spent(coverage: &mut Coverage) {
    let place = Place::with(
        Backend::Sqlite,
        Layer {
            trusted_proxy: Some(vec!["127.0.0.1".to_owned()]),
            rate_limit: Some(1),
            rate_burst: Some(500),
            ..Layer::default()
        },
    );
    let site = Site::begun(&place).await;
    let phones: Vec<String> = (100..200).map(|n| format!("phone:+14155550{n}")).collect();
    let body = serde_json::to_vec(&serde_json::json!({ "labels": phones })).unwrap();
    while coverage
        .send(&site, Ask::new("POST", "/v1/lookups", body.clone()).json())
        .await
        != 429
    {}
    for (method, path, media_type) in each_operation() {
        // A second may pass and give one request back.
        while coverage
            .send(
                &site,
                Ask::new(method, &path, Vec::new()).with("content-type", media_type),
            )
            .await
            != 429
        {}
    }
    site.close().await;
}

/// Before the first epoch is complete.
async fn unready(coverage: &mut Coverage) {
    let place = Place::new(Backend::Sqlite);
    let site = Site::open(&place).await;
    let alice = Person::new("alice", 1);
    for (method, path, media_type) in each_operation() {
        let body = match (method, path.as_str()) {
            ("PUT", _) => update(alice.newest.bytes()),
            ("POST", "/v1/lookups") => br#"{"labels":["account:a"]}"#.to_vec(),
            _ => Vec::new(),
        };
        coverage
            .send(
                &site,
                Ask::new(method, &path, body).with("content-type", media_type),
            )
            .await;
    }
    site.close().await;
}

/// While another server has the lease.
async fn standing_by(coverage: &mut Coverage) {
    let place = Place::new(Backend::Sqlite);
    let registry = Registry::new("keyglass-server", "test").unwrap();
    let serving = http::serve_stand_by(&place.settings(), registry).unwrap();
    for (method, path, media_type) in each_operation() {
        let request = format!("{}\r\n", head_of(method, &path, media_type));
        let answer = crate::bad_input::raw_at(serving.api.to_string(), request.into_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{method} {path}: {answer}");
        coverage.note_raw(method, &path, &answer);
    }
    serving.stop_around(async {}).await;
}

#[test]
fn every_documented_answer_is_given_and_no_other() {
    run(async {
        let witness = Witness::start("auditor.example", 3, FIRST_TIME.seconds());
        let place = guarded(Layer {
            cosigner: Some(vec![witness.setting()]),
            quorum: Some("0".to_owned()),
            ..Layer::default()
        });
        witness.state.lock().unwrap().log = Some(place.keys().log.verifier().clone());
        let mut site = Site::begun(&place).await;
        let mut coverage = Coverage::of(&site).await;
        let alice = published(&mut coverage, &place, &mut site).await;
        reading(&mut coverage, &site).await;
        writing(&mut coverage, &site, &alice).await;
        log(&mut coverage, &place, &site, &witness).await;
        site.close().await;
        unready(&mut coverage).await;
        standing_by(&mut coverage).await;
        everywhere(&mut coverage).await;
        spent(&mut coverage).await;
        assert_eq!(
            coverage.missing(),
            Vec::<String>::new(),
            "documented and never answered"
        );
    });
}

/// Alice, her handle and her telephone number, and enough epochs for a full tile.
async fn published(coverage: &mut Coverage, place: &Place, site: &mut Site) -> Person {
    let mut alice = Person::new("alice", 1);
    let put = |path: &str, record: &[u8]| Ask::new("PUT", path, update(record)).json();
    let own = put("/v1/accounts/alice", alice.newest.bytes()).token("alice", "account");
    assert_eq!(coverage.send(site, own).await, 202);
    site.advance().await.unwrap();
    let claim = alice.claim("handle:alice", None);
    let claim = put("/v1/handles/alice", claim.bytes()).token("alice", "account");
    assert_eq!(coverage.send(site, claim).await, 202);
    let claim = alice.claim("phone:+14155550100", None);
    let claim = put("/v1/phones/+14155550100", claim.bytes()).session("alice", "+14155550100");
    assert_eq!(coverage.send(site, claim).await, 202);
    site.advance().await.unwrap();
    for seed in 0..255 {
        place.tick();
        let next = alice.rotate(seed);
        let own = put("/v1/accounts/alice", next.bytes()).token("alice", "account");
        assert_eq!(coverage.send(site, own).await, 202, "{seed}");
        site.advance().await.unwrap();
    }
    alice
}

async fn reading(coverage: &mut Coverage, site: &Site) {
    for (name, absent) in [
        ("accounts/alice", "accounts/nobody"),
        ("handles/alice", "handles/nobody"),
        ("phones/+14155550100", "phones/+14155550199"),
    ] {
        for tail in ["", "/history"] {
            let good = || Ask::get(format!("/v1/{name}{tail}")).token("alice", "lookup");
            assert_eq!(coverage.send(site, good()).await, 200);
            let binary = good().with("accept", "application/x-protobuf");
            assert_eq!(coverage.send(site, binary).await, 200);
            assert_eq!(coverage.send(site, good().with("if-none-match", "*")).await, 304);
            assert_eq!(coverage.send(site, good().with("accept", "text/html")).await, 406);
            let with = |path: String| Ask::get(path).token("alice", "lookup");
            assert_eq!(
                coverage.send(site, with(format!("/v1/{absent}{tail}"))).await,
                404
            );
            let beyond = with(format!("/v1/{name}{tail}?since=1001"));
            assert_eq!(coverage.send(site, beyond).await, 409);
            let unknown = with(format!("/v1/{name}{tail}?from=100000"));
            assert_eq!(coverage.send(site, unknown).await, 409);
            let kind = name.split('/').next().unwrap();
            assert_eq!(
                coverage.send(site, with(format!("/v1/{kind}/%00{tail}"))).await,
                400
            );
            let bad = Ask::get(format!("/v1/{name}{tail}")).with("authorization", "Bearer x");
            assert_eq!(coverage.send(site, bad).await, 401);
        }
    }
    for path in ["/v1/phones/+14155550100", "/v1/phones/+14155550100/history"] {
        let account = Ask::get(path).token("alice", "account");
        assert_eq!(coverage.send(site, account).await, 403);
        assert_eq!(coverage.send(site, Ask::get(path)).await, 401);
    }
    let batch = |body: &str| Ask::new("POST", "/v1/lookups", body.as_bytes().to_vec()).json();
    let good = r#"{"labels":["handle:alice","account:nobody"]}"#;
    assert_eq!(coverage.send(site, batch(good)).await, 200);
    assert_eq!(
        coverage.send(site, batch(good).with("accept", "text/html")).await,
        406
    );
    assert_eq!(coverage.send(site, batch("{}")).await, 400);
    let phone = r#"{"labels":["phone:+14155550100"]}"#;
    assert_eq!(coverage.send(site, batch(phone)).await, 401);
    assert_eq!(
        coverage.send(site, batch(phone).token("alice", "account")).await,
        403
    );
    let config = format!("/v1/config/{}", site.service.config.hash());
    for path in [
        "/v1/config",
        &config,
        "/v1/openapi.json",
        "/log/checkpoint",
        "/log/pending",
    ] {
        assert_eq!(coverage.send(site, Ask::get(path)).await, 200);
        assert_eq!(
            coverage
                .send(site, Ask::get(path).with("if-none-match", "*"))
                .await,
            304
        );
    }
    let unknown = format!("/v1/config/{}", "0".repeat(64));
    assert_eq!(coverage.send(site, Ask::get(unknown)).await, 404);
}

async fn writing(coverage: &mut Coverage, site: &Site, alice: &Person) {
    let (bob, stranger) = (Person::new("bob", 7), Person::new("bob", 8));
    let own = || {
        Ask::new("PUT", "/v1/accounts/bob", update(bob.newest.bytes()))
            .json()
            .token("bob", "account")
    };
    assert_eq!(coverage.send(site, own()).await, 202);
    let mut other = own();
    other.body = update(stranger.newest.bytes());
    assert_eq!(coverage.send(site, other).await, 409);
    let receipt = bob.newest.clone();
    let given = site.client.put(format!("{}/v1/accounts/bob", site.url));
    let token = Platform::new(1).session(
        ORIGIN,
        Some("bob"),
        "account",
        FIRST_TIME.seconds().get() + 100_000,
    );
    let given = given
        .header("content-type", "application/json")
        .bearer_auth(token);
    let given: Value = serde_json::from_slice(
        &given
            .body(update(receipt.bytes()))
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap(),
    )
    .unwrap();
    let path = format!("/v1/receipts/{}", given["id"].as_str().unwrap());
    assert_eq!(coverage.send(site, Ask::get(&path)).await, 200);
    assert_eq!(
        coverage
            .send(site, Ask::get(&path).with("accept", "text/html"))
            .await,
        406
    );
    // Not the first version of an account, and aliases of an account that does not exist.
    let ghost = Person::new("ghost", 9);
    let owner = ghost.next_body(AccountKind::Owner);
    let owner = AccountBody {
        version: KeyVersion::FIRST,
        ..owner
    };
    let owner = owner.sign(&[(Role::Identity, &ghost.identity)]).unwrap();
    for (path, record) in [
        ("/v1/accounts/ghost", owner.bytes().to_vec()),
        (
            "/v1/handles/ghost",
            ghost.claim("handle:ghost", None).bytes().to_vec(),
        ),
        (
            "/v1/phones/+14155550111",
            ghost.claim("phone:+14155550111", None).bytes().to_vec(),
        ),
    ] {
        let put = Ask::new("PUT", path, update(&record))
            .json()
            .session("ghost", "+14155550111");
        assert_eq!(coverage.send(site, put).await, 422, "{path}: {}", coverage.last);
    }
    let unknown = format!("/v1/receipts/{}", "0".repeat(64));
    assert_eq!(coverage.send(site, Ask::get(unknown)).await, 404);

    for path in [
        "/v1/accounts/alice",
        "/v1/handles/alice",
        "/v1/phones/+14155550100",
    ] {
        let put = |body: Vec<u8>| {
            Ask::new("PUT", path, body)
                .json()
                .session("alice", "+14155550100")
        };
        assert_eq!(coverage.send(site, put(b"{}".to_vec())).await, 400);
        assert_eq!(coverage.send(site, put(vec![b' '; 30_000])).await, 413);
        assert_eq!(
            coverage
                .send(site, put(update(b"KGA1")).with("accept", "text/html"))
                .await,
            406
        );
        let nobody = Ask::new("PUT", path, update(b"KGA1")).json();
        assert_eq!(coverage.send(site, nobody).await, 401);
        let label = label(&path.replace("/v1/", "").replace("s/", ":"));
        // Version 1 once more: its place is taken.
        let taken = match label.account() {
            Some(_) => Person::new("alice", 1).newest.bytes().to_vec(),
            None => alice.claim(label.as_str(), None).bytes().to_vec(),
        };
        let status = coverage.send(site, put(update(&taken))).await;
        assert_eq!(status, 409, "{path}: {}", coverage.last);
        let forbidden = Ask::new("PUT", path, update(&taken))
            .json()
            .token("alice", "lookup");
        assert_eq!(coverage.send(site, forbidden).await, 403);
    }
}

async fn log(coverage: &mut Coverage, place: &Place, site: &Site, witness: &Witness) {
    for path in [
        "0/000",
        "0/001.p/1",
        "0/000.p/7",
        "entries/000",
        "entries/001.p/1",
    ] {
        assert_eq!(
            coverage.send(site, Ask::get(format!("/log/tile/{path}"))).await,
            200,
            "{path}"
        );
    }
    for path in ["0/009", "0/009.p/1", "entries/009", "entries/009.p/1"] {
        assert_eq!(
            coverage.send(site, Ask::get(format!("/log/tile/{path}"))).await,
            404,
            "{path}"
        );
    }
    assert_eq!(coverage.send(site, Ask::get("/log/audit")).await, 200);
    let (_, list) = site.get_json("/log/audit").await;
    let entry = &list["epochs"][0];
    let (epoch, text) = (&entry["epoch"], |name: &str| {
        entry[name].as_str().unwrap().to_owned()
    });
    let proof = format!("/log/audit/{epoch}/{}/{}", text("previous_root"), text("root"));
    assert_eq!(coverage.send(site, Ask::get(proof)).await, 200);
    let absent = format!("/log/audit/1/{}/{}", "ab".repeat(32), "cd".repeat(32));
    assert_eq!(coverage.send(site, Ask::get(absent)).await, 404);
    cosignatures(coverage, place, site, witness).await;
}

/// A checkpoint that is handed in: good, foreign, of another size, of a stranger, of a fork.
async fn cosignatures(coverage: &mut Coverage, place: &Place, site: &Site, witness: &Witness) {
    let (_, pending) = site.get("/log/pending").await;
    let note = Note::parse(&pending).unwrap();
    let now = Seconds::new(place.clock.now().seconds().get());
    let line = |text: &str| cosign("auditor.example", &witness.key, text, now);
    let with = |note: &Note, line| {
        let mut lines = note.signatures().to_vec();
        lines.push(line);
        Note::new(note.text(), lines).unwrap().to_bytes()
    };
    let hand_in =
        |note: Vec<u8>| Ask::new("POST", "/log/cosignatures", note).with("content-type", "text/plain");
    assert_eq!(
        coverage.send(site, hand_in(with(&note, line(note.text())))).await,
        200
    );
    assert_eq!(coverage.send(site, hand_in(b"no note".to_vec())).await, 400);
    assert_eq!(coverage.send(site, hand_in(pending.clone())).await, 403);
    assert_eq!(coverage.send(site, hand_in(vec![b'x'; 1 << 20])).await, 413);
    let foreign = String::from_utf8(pending)
        .unwrap()
        .replace(ORIGIN, "other.example");
    assert_eq!(coverage.send(site, hand_in(foreign.into_bytes())).await, 404);
    // Signed by the log itself: another size, and another root of this size.
    let keys = place.keys();
    let signed = |size: u64, root: [u8; 32]| {
        let text = Checkpoint {
            origin: keys.log.verifier().origin().clone(),
            size: LogSize::new(size),
            root: LogHash::new(root),
        }
        .to_text();
        let own = keys.log.sign_text(&text).unwrap();
        Note::new(&text, vec![own, line(&text)]).unwrap().to_bytes()
    };
    assert_eq!(coverage.send(site, hand_in(signed(1, [1; 32]))).await, 409);
    let size = site.service.pending.size().get();
    assert_eq!(coverage.send(site, hand_in(signed(size, [1; 32]))).await, 422);
}
