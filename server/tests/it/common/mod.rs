//! A whole directory in a test: a real database, real ports, a publisher that is driven by hand, and an outsider who
//! believes nothing.

pub mod faults;
pub mod lines;
pub mod outside;
pub mod witness;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use keyglass_monitoring::Registry;
use keyglass_protocol::codec::base64_decode;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutAnswer, PutRequest};
use keyglass_schema::test_database::{Backend, TestDatabase};
use keyglass_schema::{Acquired, DatabaseUrl, Store, StoreKeys};
use keyglass_server::clock::ManualClock;
use keyglass_server::guard::{Claim, FileGuard, Guard, GuardError, SharedGuard};
use keyglass_server::http::{self, Serving, State};
use keyglass_server::keys::{KeyError, Keys, Random};
use keyglass_server::publisher::{Asker, Progress, PublishError, Publisher, Step, Steps};
use keyglass_server::replica::ReplicaToken;
use keyglass_server::server;
use keyglass_server::service::Service;
use keyglass_server::settings::{Layer, Settings};
use keyglass_testkit::world::{FIRST_TIME, ORIGIN};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Every database that the server runs on.
pub const BACKENDS: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

/// Everything of a directory that survives its process.
pub struct Place {
    pub dir: tempfile::TempDir,
    pub database: TestDatabase,
    pub clock: Arc<ManualClock>,
    pub stop_at: Arc<StopAt>,
    pub layer: Layer,
    pub origin: String,
}

/// Randomness that is the same in every run.
pub struct Counter(pub Mutex<u64>);

impl Random for Counter {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), KeyError> {
        for chunk in bytes.chunks_mut(32) {
            let mut counter = self.0.lock().unwrap();
            *counter += 1;
            let digest = Sha256::digest(counter.to_be_bytes());
            chunk.copy_from_slice(&digest[..chunk.len()]);
        }
        Ok(())
    }
}

/// Ends the publisher at a step, as a crash there would.
#[derive(Default)]
pub struct StopAt {
    step: Mutex<Option<Step>>,
    pub seen: Mutex<Vec<Step>>,
}

impl StopAt {
    pub fn arm(&self, step: Option<Step>) {
        *self.step.lock().unwrap() = step;
        self.seen.lock().unwrap().clear();
    }
}

impl Steps for StopAt {
    fn reached(&self, step: Step) {
        self.seen.lock().unwrap().push(step);
        let armed = *self.step.lock().unwrap();
        if armed == Some(step) {
            self.arm(None);
            // Unwinds without the noise of a panic message.
            std::panic::resume_unwind(Box::new("stopped by the test"));
        }
    }
}

impl Place {
    pub fn new(backend: Backend) -> Self {
        Self::with(backend, Layer::default())
    }

    pub fn with(backend: Backend, layer: Layer) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            database: TestDatabase::new(backend),
            clock: Arc::new(ManualClock::new(FIRST_TIME)),
            stop_at: Arc::default(),
            layer,
            origin: ORIGIN.to_owned(),
        }
    }

    pub fn settings(&self) -> Settings {
        let mut settings = Settings::resolve(Layer {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            admin_listen: Some("127.0.0.1:0".parse().unwrap()),
            data_dir: Some(self.dir.path().join("data")),
            origin: Some(self.origin.clone()),
            ..self.layer.clone()
        })
        .unwrap();
        settings.database = self.database.url().clone();
        settings
    }

    pub fn keys(&self) -> Keys {
        let settings = self.settings();
        if !settings.key_dir().exists() {
            keyglass_server::bootstrap::generate(&settings, &Counter(Mutex::new(0))).unwrap();
        }
        keyglass_server::bootstrap::keys(&settings, &Counter(Mutex::new(0))).unwrap()
    }

    /// The private half of one of the log's keys, as in `import`.
    pub fn secret(&self, role: &str) -> SigningKey {
        self.keys();
        let path = self.settings().key_dir().join(format!("{role}.key"));
        let line = std::fs::read_to_string(path).unwrap();
        let typed = base64_decode(line.trim_end().splitn(5, '+').last().unwrap()).unwrap();
        SigningKey::from_bytes(&typed[1..].try_into().unwrap())
    }

    /// Puts another key in the place of one of the log's, as in `heartbeat.key`.
    pub fn replace_key(&self, file: &str, seed: u64) {
        self.keys();
        let elsewhere = tempfile::tempdir().unwrap();
        let settings = Settings::resolve(Layer {
            data_dir: Some(elsewhere.path().to_owned()),
            origin: Some(self.origin.clone()),
            ..Layer::default()
        })
        .unwrap();
        keyglass_server::bootstrap::generate(&settings, &Counter(Mutex::new(seed * 1_000))).unwrap();
        let to = self.settings().key_dir().join(file);
        std::fs::copy(settings.key_dir().join(file), to).unwrap();
    }

    /// Why a process does not start here.
    pub fn refusal(&self) -> &'static str {
        let registry = Registry::new("keyglass-server", "test").unwrap();
        let clock: Arc<ManualClock> = Arc::clone(&self.clock);
        match server::open(self.settings(), self.keys(), clock, &registry) {
            Ok(_) => panic!("it starts"),
            Err(error) => error.reason(),
        }
    }

    /// A clock tick, so that times differ.
    pub fn tick(&self) {
        self.clock.advance(1_000);
    }
}

/// A directory that runs.
pub struct Site {
    pub service: Arc<Service>,
    pub publisher: Option<Publisher>,
    pub url: String,
    pub admin: String,
    pub client: reqwest::Client,
    serving: Serving,
}

impl Site {
    /// Starts a process, as it were.
    pub async fn open(place: &Place) -> Self {
        Self::try_open(place).await.unwrap()
    }

    pub async fn try_open(place: &Place) -> Result<Self, PublishError> {
        let settings = place.settings();
        std::fs::create_dir_all(&settings.data_dir).unwrap();
        Self::with_guard(place, guard(place, &settings)?).await
    }

    pub async fn with_guard(place: &Place, guard: Box<dyn Guard>) -> Result<Self, PublishError> {
        let registry = Registry::new("keyglass-server", "test").unwrap();
        let clock: Arc<ManualClock> = Arc::clone(&place.clock);
        let service = server::open(place.settings(), place.keys(), clock, &registry).unwrap();
        let service = Arc::new(service);
        let steps: Arc<StopAt> = Arc::clone(&place.stop_at);
        let mut publisher = Publisher::new(Arc::clone(&service), guard, steps, Asker::new().unwrap());
        publisher.start().await?;
        let readers = tokio::runtime::Handle::current();
        let access = server::access(&service).unwrap();
        let token = &service.settings.replication.token;
        let token = token.as_deref().map(|file| ReplicaToken::load(file).unwrap());
        let state = State::new(Arc::clone(&service), access, readers)
            .unwrap()
            .with_replicas(token);
        let serving = http::serve(state, registry).unwrap();
        Ok(Self {
            service,
            publisher: Some(publisher),
            url: format!("http://{}", serving.api),
            admin: format!("http://{}", serving.admin),
            client: reqwest::Client::new(),
            serving,
        })
    }

    /// A directory whose epoch 0 readers see.
    pub async fn begun(place: &Place) -> Self {
        let mut site = Self::open(place).await;
        assert_eq!(site.advance().await.unwrap(), Progress::Idle);
        site
    }

    /// One turn of the publisher. `None`: it was stopped at a step.
    pub async fn try_advance(&mut self) -> Option<Result<Progress, PublishError>> {
        let mut publisher = self.publisher.take().expect("the publisher was stopped");
        let turn = tokio::spawn(async move {
            let outcome = publisher.advance().await;
            (publisher, outcome)
        });
        let (publisher, outcome) = turn.await.ok()?;
        self.publisher = Some(publisher);
        Some(outcome)
    }

    pub async fn advance(&mut self) -> Result<Progress, PublishError> {
        self.try_advance().await.expect("the publisher was stopped")
    }

    pub async fn turn(&mut self) -> Result<Progress, PublishError> {
        self.publisher.as_mut().unwrap().turn().await
    }

    /// A line of the metrics: what stands behind its name and labels.
    pub async fn metric(&self, name: &str) -> Option<String> {
        let text = self
            .client
            .get(format!("{}/metrics", self.admin))
            .send()
            .await
            .unwrap();
        let text = text.text().await.unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.map(str::to_owned)
    }

    pub async fn refresh(&mut self) -> Result<(), PublishError> {
        self.publisher.as_mut().unwrap().refresh().await
    }

    /// Ends the process.
    pub async fn close(self) {
        self.serving.stop_around(async {}).await;
    }

    pub async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let response = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (
            response.status().as_u16(),
            response.bytes().await.unwrap().to_vec(),
        )
    }

    pub async fn get_json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub async fn put_raw(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Vec<u8>) {
        let request = self.client.put(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json").body(body);
        let response = request.send().await.unwrap();
        (
            response.status().as_u16(),
            response.bytes().await.unwrap().to_vec(),
        )
    }

    /// Submits a record, whatever comes of it.
    pub async fn put(&self, label: &Label, record: &[u8]) -> (u16, Vec<u8>) {
        let body = serde_json::to_vec(&PutRequest {
            record: B64(record.to_vec()),
        })
        .unwrap();
        self.put_raw(&path_of(label), body).await
    }

    /// Submits a record that must be accepted.
    pub async fn accept(&self, label: &Label, record: &[u8]) -> PutAnswer {
        let (status, body) = self.put(label, record).await;
        assert_eq!(status, 202, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Submits a record that must be refused, and says with which status, type and `reason`.
    pub async fn refuse_for(&self, label: &Label, record: &[u8]) -> (u16, String, String) {
        let (status, body) = self.put(label, record).await;
        let document: Value = serde_json::from_slice(&body).unwrap();
        let reason = document["reason"].as_str().unwrap_or_default();
        (status, problem(&body), reason.to_owned())
    }

    /// Submits a record that must be accepted, and publishes it a tick later.
    pub async fn publish(&mut self, place: &Place, label: &Label, record: &[u8]) -> PutAnswer {
        let given = self.accept(label, record).await;
        place.tick();
        assert_eq!(self.advance().await.unwrap(), Progress::Published);
        given
    }

    /// Submits a record that must be refused, and says with which status and `reason` or type.
    pub async fn refuse(&self, label: &Label, record: &[u8]) -> (u16, String) {
        let (status, body) = self.put(label, record).await;
        (status, problem(&body))
    }
}

/// The guard in a file of its own; once a server has claimed it, the one that servers share, under a lease that lasts for no
/// time, so that whoever comes next may have it.
fn guard(place: &Place, settings: &Settings) -> Result<Box<dyn Guard>, PublishError> {
    let shared = match &settings.database {
        DatabaseUrl::Sqlite(_) => None,
        DatabaseUrl::Postgres(_) => Some(SharedGuard::open(settings, &place.origin)?),
    };
    let claimed = shared.map(|guard| Ok::<_, GuardError>((guard.state()?.claim, guard)));
    let Some((Some(claim), guard)) = claimed.transpose()? else {
        return Ok(Box::new(FileGuard::open(&settings.guard, &place.origin)?));
    };
    let store = Store::open(
        &settings.database,
        StoreKeys::from_secret(place.keys().storage.expose()),
    )?;
    let holder = store.lease()?.holder;
    let taken = store.acquire_lease("site", Some(&holder), Duration::ZERO, claim.fence)?;
    let Acquired::Ours { fence, .. } = taken else {
        panic!("{taken:?}")
    };
    guard.claim(&Claim {
        fence: fence.number,
        ..claim
    })?;
    Ok(Box::new(guard))
}

/// The code of a problem document.
pub fn problem(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body)
        .unwrap_or_else(|e| panic!("no problem document ({e}): {}", String::from_utf8_lossy(body)));
    let uri = document["type"].as_str().expect("a problem has a type");
    let problem = keyglass_protocol::problem::Problem::from_uri(uri).expect("a known type");
    assert_eq!(document["status"], problem.status());
    assert_eq!(document["title"], problem.title());
    problem.code().to_owned()
}

/// The route of a label.
pub fn path_of(label: &Label) -> String {
    format!("/v1/{}s/{}", label.kind(), label.name())
}

pub fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

/// A runtime as the server has one.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}
