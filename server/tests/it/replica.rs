//! A replica beside a sequencer, on the same database by sessions that cannot write.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use keyglass_monitoring::{Registry, ReplicaMetrics};
use keyglass_protocol::message::{B64, PutRequest};
use keyglass_server::access::Access;
use keyglass_server::bootstrap;
use keyglass_server::http::{self, Serving, State};
use keyglass_server::publisher::Progress;
use keyglass_server::replica::{Fence, Replica, ReplicaToken, Reporter};
use keyglass_server::server::open_to_read;
use keyglass_server::service::Reads;
use keyglass_server::settings::{Layer, Settings};
use keyglass_testkit::world::Person;
use serde_json::{Value, json};
use std::time::Duration;

use crate::common::{BACKENDS, Counter, Place, Site, label, path_of, problem, run};

const TOKEN: &str = "a-secret-of-replicas-0123456789abcdef";
const LEASE: Duration = Duration::from_secs(600);

/// A replica of a place.
struct Copy {
    replica: Replica,
    reads: Arc<Reads>,
    url: String,
    admin: String,
    client: reqwest::Client,
    serving: Serving,
}

/// Where the sequencers of a replica are, or are said to be.
#[derive(Default)]
struct Sequencers {
    acknowledge_to: Vec<String>,
    updates_to: Vec<String>,
    artefacts_from: Vec<String>,
}

impl Sequencers {
    fn of(site: &Site) -> Self {
        Self {
            acknowledge_to: vec![site.admin.clone()],
            updates_to: vec![site.url.clone()],
            artefacts_from: Vec::new(),
        }
    }
}

/// A place whose sequencer takes acknowledgements.
fn place(backend: keyglass_schema::test_database::Backend) -> Place {
    let mut place = Place::new(backend);
    place.layer.replica_token = Some(token_file(&place, TOKEN));
    place
}

fn token_file(place: &Place, token: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = place.dir.path().join(format!("token-{}", token.len()));
    std::fs::write(&path, token).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn settings(place: &Place, sequencers: &Sequencers, token: &str) -> Settings {
    let data_dir = place.dir.path().join("replica");
    if !data_dir.exists() {
        std::fs::create_dir(&data_dir).unwrap();
        place.keys();
        bootstrap::export_for_reading(&place.settings(), &data_dir.join("keys")).unwrap();
    }
    let mut settings = Settings::resolve(Layer {
        role: Some("replica".to_owned()),
        listen: Some("127.0.0.1:0".parse().unwrap()),
        admin_listen: Some("127.0.0.1:0".parse().unwrap()),
        data_dir: Some(data_dir),
        sequencer: Some(if sequencers.acknowledge_to.is_empty() {
            vec!["http://127.0.0.1:1".to_owned()]
        } else {
            sequencers.acknowledge_to.clone()
        }),
        updates_to: Some(sequencers.updates_to.clone()),
        artefacts_from: Some(sequencers.artefacts_from.clone()),
        replica_token: Some(token_file(place, token)),
        ..Layer::default()
    })
    .unwrap();
    settings.database = place.database.url().clone();
    settings
}

impl Copy {
    fn open(place: &Place, sequencers: &Sequencers) -> Self {
        Self::with_token(place, sequencers, TOKEN)
    }

    fn with_token(place: &Place, sequencers: &Sequencers, token: &str) -> Self {
        let settings = settings(place, sequencers, token);
        let keys = bootstrap::reading_keys(&settings).unwrap();
        let registry = Registry::new("keyglass-server", "test").unwrap();
        let token = ReplicaToken::load(settings.replication.token.as_ref().unwrap()).unwrap();
        let urls = settings.replication.sequencers.clone();
        let clock: Arc<keyglass_server::clock::ManualClock> = Arc::clone(&place.clock);
        let reads = Arc::new(open_to_read(settings, &keys, clock, &registry).unwrap());
        let fence = Arc::new(Fence::new(LEASE));
        let reporter = Reporter::new("replica-1", token, &urls, Duration::from_secs(10)).unwrap();
        let metrics = ReplicaMetrics::register(&registry).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let state = State::of_replica(Arc::clone(&reads), Access::Open, runtime, Arc::clone(&fence)).unwrap();
        let serving = http::serve(state, registry).unwrap();
        Self {
            replica: Replica::new(Arc::clone(&reads), keys.log, fence, reporter, metrics),
            reads,
            url: format!("http://{}", serving.api),
            admin: format!("http://{}", serving.admin),
            client: reqwest::Client::new(),
            serving,
        }
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        answer(self.client.get(format!("{}{path}", self.url))).await
    }

    async fn ready(&self) -> u16 {
        answer(self.client.get(format!("{}/readyz", self.admin))).await.0
    }

    async fn metric(&self, name: &str) -> f64 {
        let (_, text) = answer(self.client.get(format!("{}/metrics", self.admin))).await;
        let text = String::from_utf8(text).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    }

    async fn put(&self, label: &keyglass_protocol::label::Label, record: &[u8]) -> (u16, Vec<u8>) {
        let body = PutRequest {
            record: B64(record.to_vec()),
        };
        let request = self.client.put(format!("{}{}", self.url, path_of(label)));
        let request = request.header("content-type", "application/json");
        answer(request.body(serde_json::to_vec(&body).unwrap())).await
    }

    async fn close(self) {
        self.serving.stop_around(async {}).await;
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Vec<u8>) {
    let response = request.send().await.unwrap();
    (
        response.status().as_u16(),
        response.bytes().await.unwrap().to_vec(),
    )
}

fn reason(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap();
    document["reason"].as_str().unwrap_or_default().to_owned()
}

/// Every kind of question, once.
fn questions(site: &Site) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/v1/accounts/alice",
        "/v1/accounts/alice?from=1",
        "/v1/accounts/alice?since=1",
        "/v1/accounts/nobody",
        "/v1/accounts/alice/history",
        "/v1/handles/alice",
        "/v1/config",
        "/log/checkpoint",
        "/log/pending",
        "/log/audit",
        "/log/tile/0/000.p/2",
        "/log/tile/entries/000.p/2",
    ]
    .map(str::to_owned)
    .into();
    paths.push(format!("/v1/config/{}", site.service.config.hash()));
    paths
}

/// The paths of all audit proofs, the newest first.
async fn audits(site: &Site) -> Vec<String> {
    let (_, list) = site.get_json("/log/audit").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let path = |e: &Value| {
        let (before, after) = (text(&e["previous_root"]), text(&e["root"]));
        format!("/log/audit/{}/{before}/{after}", e["epoch"])
    };
    list["epochs"].as_array().unwrap().iter().map(path).collect()
}

#[test]
fn older_audit_proofs_come_from_elsewhere_and_are_checked() {
    run(async {
        let place = place(keyglass_schema::test_database::Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        for (number, name) in ["a", "b", "c"].iter().enumerate() {
            let person = Person::new(name, number as u8);
            site.publish(&place, &person.label(), person.newest.bytes()).await;
        }
        let paths = audits(&site).await;
        let [newest, before, oldest] = paths.as_slice() else {
            panic!("{paths:?}")
        };
        // It starts here, with the newest tree and the one before.
        let mut copy = Copy::open(&place, &Sequencers::of(&site));
        copy.replica.turn().await.unwrap();
        for path in [newest, before] {
            assert_eq!(copy.get(path).await, site.get(path).await, "{path}");
        }
        let (status, body) = copy.get(oldest).await;
        assert_eq!((status, reason(&body).as_str()), (503, "audit-proof-missing"));
        let no_step = oldest.replace("/1/", "/7/");
        assert_eq!(copy.get(&no_step).await.0, 404);
        copy.close().await;

        let mut sequencers = Sequencers::of(&site);
        sequencers.artefacts_from = vec!["http://127.0.0.1:1".to_owned(), site.url.clone()];
        let mut copy = Copy::open(&place, &sequencers);
        let (file, whole) = (
            place.settings().artefacts_dir.join(&oldest[1..]),
            site.get(oldest).await.1,
        );
        let mut other = whole.clone();
        other[7] ^= 1;
        std::fs::write(&file, &other).unwrap();
        copy.replica.turn().await.unwrap();
        assert_eq!(
            copy.get(oldest).await.0,
            503,
            "a proof that the leaf does not name"
        );
        std::fs::write(&file, &whole).unwrap();
        assert_eq!(copy.get(oldest).await, (200, whole.clone()));
        // From now on it has it.
        site.close().await;
        assert_eq!(copy.get(oldest).await, (200, whole));
        copy.close().await;
    });
}

#[test]
fn it_gives_the_sequencers_answers_to_the_byte() {
    for backend in BACKENDS {
        run(async {
            let place = place(backend);
            let mut site = Site::begun(&place).await;
            let mut copy = Copy::open(&place, &Sequencers::of(&site));
            copy.replica.turn().await.unwrap();
            let mut alice = Person::new("alice", 1);
            let given = site.publish(&place, &alice.label(), alice.newest.bytes()).await;
            let next = alice.rotate(2);
            site.accept(&alice.label(), next.bytes()).await;
            place.tick();
            // It would be two behind.
            assert_eq!(site.advance().await.unwrap(), Progress::AwaitingReplicas);
            copy.replica.turn().await.unwrap();
            assert_eq!(site.advance().await.unwrap(), Progress::Published);
            copy.replica.turn().await.unwrap();
            let claim = alice.claim("handle:alice", None);
            site.publish(&place, &label("handle:alice"), claim.bytes()).await;

            // The durable head moved, the replica's not yet.
            let (_, before) = copy.get("/log/checkpoint").await;
            assert_ne!(site.get("/log/checkpoint").await.1, before);
            copy.replica.turn().await.unwrap();
            let mut paths = questions(&site);
            paths.push(format!("/v1/receipts/{}", given.id));
            for path in paths {
                let (ours, theirs) = (site.get(&path).await, copy.get(&path).await);
                assert!(ours.0 == 200 || path.ends_with("nobody"), "{path}: {}", ours.0);
                assert_eq!(ours, theirs, "{path}");
            }
            // Audit proofs are made from the trees that it followed.
            for path in audits(&site).await {
                assert_eq!(site.get(&path).await, copy.get(&path).await, "{path}");
            }
            assert_eq!(copy.metric("keyglass_server_head_epoch").await, 3.0);
            assert_eq!(copy.metric("keyglass_replica_fenced").await, 0.0);
            assert!(copy.metric("keyglass_server_heartbeat_timestamp_seconds").await > 0.0);

            // Fresher signatures on the same head.
            place.clock.advance(60_000);
            site.refresh().await.unwrap();
            copy.replica.turn().await.unwrap();
            assert_eq!(
                site.get("/log/checkpoint").await,
                copy.get("/log/checkpoint").await
            );
            assert_eq!(copy.reads.head_size(), site.service.head_size());
            copy.close().await;
            site.close().await;
        });
    }
}

#[test]
fn it_answers_nothing_until_a_sequencer_knows_of_it() {
    for backend in BACKENDS {
        run(async {
            let place = place(backend);
            let mut site = Site::begun(&place).await;
            let alice = Person::new("alice", 1);
            site.publish(&place, &alice.label(), alice.newest.bytes()).await;
            // Nobody is there; then somebody to whom another secret is shown.
            let other = TOKEN.replace("0123", "another");
            for (sequencers, token) in [
                (Sequencers::default(), TOKEN),
                (Sequencers::of(&site), other.as_str()),
            ] {
                let mut copy = Copy::with_token(&place, &sequencers, token);
                copy.replica.turn().await.unwrap();
                for path in [
                    "/v1/accounts/alice",
                    "/v1/accounts/nobody",
                    "/log/checkpoint",
                    "/log/pending",
                    "/v1/config",
                ] {
                    let request = copy.client.get(format!("{}{path}", copy.url));
                    let response = request.send().await.unwrap();
                    assert_eq!(response.status().as_u16(), 503, "{path}");
                    assert_eq!(response.headers()["retry-after"], "1", "{path}");
                    let body = response.bytes().await.unwrap();
                    assert_eq!(
                        (problem(&body), reason(&body)),
                        ("unavailable".into(), "replica-unacknowledged".into())
                    );
                }
                // What never changes is true whoever knows of us.
                assert_eq!(copy.get("/log/tile/0/000.p/2").await.0, 200);
                assert_eq!(copy.ready().await, 503);
                assert_eq!(copy.metric("keyglass_replica_fenced").await, 1.0);
                copy.close().await;
            }
            let mut copy = Copy::open(&place, &Sequencers::of(&site));
            copy.replica.turn().await.unwrap();
            assert_eq!(
                (copy.ready().await, copy.get("/v1/accounts/alice").await.0),
                (200, 200)
            );
            copy.close().await;
            site.close().await;
        });
    }
}

#[test]
fn a_database_that_went_back_is_not_answered_from() {
    run(async {
        let place = place(keyglass_schema::test_database::Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        site.publish(&place, &alice.label(), alice.newest.bytes()).await;
        let mut copy = Copy::open(&place, &Sequencers::of(&site));
        copy.replica.turn().await.unwrap();
        assert_eq!(copy.get("/v1/accounts/alice").await.0, 200);
        // As if a standby without the last epoch, or without any, had been promoted.
        place.database.execute("DELETE FROM head");
        for before in [
            "SELECT 1",
            "INSERT INTO head SELECT 1, epoch, note FROM checkpoints WHERE epoch = 0",
        ] {
            place.database.execute(before);
            let refused = copy.replica.turn().await.unwrap_err();
            assert_eq!(refused.reason(), "database-behind");
            let (status, body) = copy.get("/v1/accounts/alice").await;
            assert_eq!((status, reason(&body).as_str()), (503, "replica-database-behind"));
        }
        let caught_up = "UPDATE head SET epoch = 1, note = (SELECT note FROM checkpoints WHERE epoch = 1)";
        place.database.execute(caught_up);
        copy.replica.turn().await.unwrap();
        assert_eq!(copy.get("/v1/accounts/alice").await.0, 200);
        copy.close().await;
        site.close().await;
    });
}

#[test]
fn a_head_that_the_log_did_not_sign_moves_nobody() {
    run(async {
        let place = place(keyglass_schema::test_database::Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let mut copy = Copy::open(&place, &Sequencers::of(&site));
        copy.replica.turn().await.unwrap();
        let before = copy.get("/log/checkpoint").await;
        let alice = Person::new("alice", 1);
        site.publish(&place, &alice.label(), alice.newest.bytes()).await;
        place
            .database
            .execute("UPDATE head SET note = (SELECT note FROM checkpoints WHERE epoch = 0)");
        assert_eq!(copy.replica.turn().await.unwrap_err().reason(), "head-other-size");
        place.database.execute("UPDATE head SET note = x'00'");
        assert!(copy.replica.turn().await.is_err());
        assert_eq!(copy.get("/log/checkpoint").await, before);
        copy.close().await;
        site.close().await;
    });
}

#[test]
fn updates_and_cosignatures_go_to_the_sequencer_that_takes_them() {
    for backend in BACKENDS {
        run(async {
            let place = place(backend);
            let site = Site::begun(&place).await;
            // The first one is down.
            let mut sequencers = Sequencers::of(&site);
            sequencers.updates_to.insert(0, "http://127.0.0.1:1".to_owned());
            let copy = Copy::open(&place, &sequencers);
            let alice = Person::new("alice", 1);
            let (status, receipt) = copy.put(&alice.label(), alice.newest.bytes()).await;
            assert_eq!(status, 202, "{}", String::from_utf8_lossy(&receipt));
            assert_eq!(
                site.put(&alice.label(), alice.newest.bytes()).await,
                (202, receipt)
            );
            // A refusal is handed back as it is.
            let (status, body) = copy.put(&label("account:bob"), alice.newest.bytes()).await;
            assert_eq!((status, problem(&body)), (400, "malformed-record".to_owned()));
            let note = copy
                .client
                .post(format!("{}/log/cosignatures", copy.url))
                .body("nothing");
            let (status, body) = answer(note).await;
            assert_eq!((status, problem(&body)), (400, "malformed-body".to_owned()));
            site.close().await;

            let (status, body) = copy.put(&alice.label(), alice.newest.bytes()).await;
            assert_eq!(
                (status, problem(&body), reason(&body).as_str()),
                (503, "unavailable".into(), "no-sequencer")
            );
            copy.close().await;
        });
    }
}

#[test]
fn acknowledgements_need_the_secret_and_their_form() {
    run(async {
        let place = place(keyglass_schema::test_database::Backend::Sqlite);
        let site = Site::begun(&place).await;
        let copy = Copy::open(&place, &Sequencers::of(&site));
        let good = json!({ "replica": "replica-1", "epoch": 0 }).to_string();
        let ask = |admin: &str, token: Option<&str>, body: &str| {
            let mut request = site
                .client
                .post(format!("{admin}/replicas/ack"))
                .body(body.to_owned());
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            answer(request)
        };
        let (status, body) = ask(&site.admin, Some(TOKEN), &good).await;
        assert_eq!(
            (status, serde_json::from_slice::<Value>(&body).unwrap()),
            (200, json!({ "epoch": 0 }))
        );
        for token in [None, Some(""), Some("wrong"), Some(&TOKEN[1..])] {
            let (status, body) = ask(&site.admin, token, &good).await;
            assert_eq!(
                (status, reason(&body).as_str()),
                (401, "replica-token"),
                "{token:?}"
            );
        }
        for (bad, why) in [
            ("{", ""),
            (r#"{"replica":"a","epoch":0,"more":1}"#, ""),
            (r#"{"replica":"a b","epoch":0}"#, "replica-id"),
        ] {
            let (status, body) = ask(&site.admin, Some(TOKEN), bad).await;
            assert_eq!(
                (status, problem(&body)),
                (400, "malformed-body".to_owned()),
                "{bad}"
            );
            assert!(why.is_empty() || reason(&body) == why, "{bad}");
        }
        // A replica takes none, nor does the port of the API.
        assert_eq!(ask(&copy.admin, Some(TOKEN), &good).await.0, 404);
        assert_eq!(ask(&site.url, Some(TOKEN), &good).await.0, 404);
        copy.close().await;
        site.close().await;
    });
}

#[test]
fn one_that_is_two_behind_is_told_and_not_waited_for() {
    run(async {
        let place = place(keyglass_schema::test_database::Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        for (number, name) in ["a", "b", "c"].iter().enumerate() {
            let person = Person::new(name, number as u8);
            site.publish(&place, &person.label(), person.newest.bytes()).await;
        }
        for (epoch, waited_for) in [(1, false), (2, true)] {
            let ack = json!({ "replica": format!("at-{epoch}"), "epoch": epoch }).to_string();
            let request = site.client.post(format!("{}/replicas/ack", site.admin)).body(ack);
            let (status, body) = answer(request.header("authorization", format!("Bearer {TOKEN}"))).await;
            assert_eq!(
                (status, serde_json::from_slice::<Value>(&body).unwrap()),
                (200, json!({ "epoch": 3 }))
            );
            let now = std::time::Instant::now();
            let behind = site
                .service
                .replicas
                .behind(keyglass_protocol::quantity::Epoch::new(3), now);
            assert_eq!(behind.is_some(), waited_for, "{epoch}");
        }
        site.close().await;
    });
}

#[test]
fn without_a_directory_or_with_the_keys_of_another_it_does_not_start() {
    for backend in BACKENDS {
        run(async {
            let place = place(backend);
            let start = || async {
                let settings = settings(&place, &Sequencers::default(), TOKEN);
                let keys = bootstrap::reading_keys(&settings).unwrap();
                let random = Counter(Mutex::new(7));
                let clock: Arc<keyglass_server::clock::ManualClock> = Arc::clone(&place.clock);
                let started = keyglass_server::server::start_replica(settings, keys, clock, &random).await;
                started.map(drop).map_err(|e| e.reason())
            };
            assert_eq!(start().await, Err("older-schema"));
            place.database.migrate().unwrap();
            assert_eq!(start().await, Err("no-directory"));
            let site = Site::begun(&place).await;
            assert_eq!(start().await, Ok(()));
            site.close().await;
        });
    }
}
