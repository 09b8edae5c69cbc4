//! The routes for what clients bring, and for what the auditor says about itself, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::sync::Arc;

use keyglass_auditor::clock::SystemClock;
use keyglass_auditor::lock::DataDir;
use keyglass_auditor::moments::Unwatched;
use keyglass_auditor::run::{Auditor, DATABASE_FILE};
use keyglass_auditor::settings::Layer;
use keyglass_auditor::source::EpochSource;
use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::auditor::{AuditorStore, BrokenWrites};
use keyglass_testkit::audited::lies::{Scene, Verdict, all};
use keyglass_testkit::audited::{World, auditor_keys, note};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running auditor that has cosigned what the world shows.
struct Served {
    dir: TempDir,
    base: String,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Served {
    async fn start(world: &World, peers: Vec<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layer = Layer {
            directory: Some("http://unused.example".to_owned()),
            log_vkey: Some(world.log_key().to_string()),
            data_dir: Some(dir.path().to_owned()),
            listen: Some("127.0.0.1:0".to_owned()),
            poll_interval_ms: Some(5),
            peers: Some(peers),
            ..Layer::default()
        };
        let source = world.source.clone();
        let make = move |_: &str| Ok(source.clone() as Arc<dyn EpochSource>);
        let lock = DataDir::open(dir.path()).unwrap();
        let auditor = Auditor::open(
            layer.settings().unwrap(),
            lock,
            auditor_keys(0),
            Arc::new(SystemClock),
            Arc::new(Unwatched),
            &make,
        )
        .await
        .unwrap();
        let base = format!("http://{}", auditor.address().unwrap());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move { auditor.run(async { drop(stopped.await) }).await.unwrap() });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let served = Self {
            dir,
            base,
            client: reqwest::Client::new(),
            stop,
            running,
        };
        while served.get("/readyz").await.0 != 200 {
            tokio::task::yield_now().await;
        }
        served
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let url = format!("{}{path}", self.base);
        let response = self.client.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
        let url = format!("{}{path}", self.base);
        let response = self.client.post(url).body(body).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap();
    }
}

fn log_path() -> String {
    hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"log.example/1"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_says_what_it_is() {
    let world = World::new().await;
    let peer = auditor_keys(1);
    let peers = vec![format!("{} http://peer.example", peer.verifier())];
    let served = Served::start(&world, peers).await;
    let (status, body) = served.get(&format!("/{}/statement", log_path())).await;
    assert_eq!(status, 200);
    let said: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&said["verified_from"], &said["signed_size"]),
        (&0.into(), &1.into())
    );
    assert_eq!(said["vkeys"].as_array().unwrap().len(), 2);
    assert_eq!(said["log_vkey"], world.log_key().to_string());
    assert!(said["signed_at"].as_u64() <= said["checked_at"].as_u64().map(|ms| ms / 1000));
    assert_eq!(served.get("/00/statement").await.0, 404);
    let key = peer.verifier().key_id();
    assert_eq!(served.get(&format!("/{}/seen/{key}", log_path())).await.0, 404);
    assert_eq!(served.get(&format!("/{}/seen/00000000", log_path())).await.0, 404);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_taken_from_anybody() {
    let world = World::new().await;
    let served = Served::start(&world, Vec::new()).await;
    let other_log = String::from_utf8(world.checkpoint(10)).unwrap();
    let other_log = other_log.replace("log.example/1", "other.example");
    for (body, status, word) in [
        (world.checkpoint(10), 200, "consistent"),
        (note(10, LogSize::new(7), LogHash::new([3; 32])), 202, "ahead"),
        (
            note(66, LogSize::new(1), LogHash::new([3; 32])),
            403,
            "signature-missing",
        ),
        (other_log.into_bytes(), 404, "unknown-origin"),
        (b"x".to_vec(), 400, "note-blank-line"),
        (vec![b'x'; 600 << 10], 413, ""),
        (
            note(10, LogSize::new(1), LogHash::new([3; 32])),
            422,
            "two-roots-at-one-size",
        ),
    ] {
        let (found, text) = served.post("/compare", body).await;
        assert!(
            found == status && text.contains(word),
            "{found} {text}: {status} {word}"
        );
    }
    let (status, body) = served.get("/readyz").await;
    assert!(status == 503 && body.contains("two-roots-at-one-size"), "{body}");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_is_taken_from_anybody() {
    // Another auditor has met a lie and published its evidence.
    let (lie, _) = all()
        .into_iter()
        .find(|(lie, _)| lie.verdict == Verdict::Proven("bad-append"))
        .unwrap();
    let mut scene = Scene::new().await;
    (lie.tell)(&mut scene);
    scene.rig.round().await.unwrap_err();
    let dir = scene.rig.dir.path().join("evidence");
    let file = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let evidence = std::fs::read(file).unwrap();

    let world = World::new().await;
    let served = Served::start(&world, Vec::new()).await;
    let mut damaged: Value = serde_json::from_slice(&evidence).unwrap();
    damaged["items"]["audit_proof"] = "AAAA".into();
    for (body, status, word) in [
        (b"{}".to_vec(), 400, ""),
        (damaged.to_string().into_bytes(), 422, "other-audit-proof"),
    ] {
        let (found, text) = served.post("/evidence", body).await;
        assert!(found == status && text.contains(word), "{found} {text}");
    }
    assert_eq!(served.get("/readyz").await.0, 200);
    // It is not said to be taken before it is latched.
    let store = AuditorStore::open(&served.dir.path().join(DATABASE_FILE)).unwrap();
    store.break_writes(BrokenWrites::Latches).unwrap();
    let (status, text) = served.post("/evidence", evidence.clone()).await;
    assert_eq!(status, 503, "{text}");
    store.mend_writes().unwrap();
    let (status, text) = served.post("/evidence", evidence.clone()).await;
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&answer["finding"], &answer["reason"]),
        (&"proven".into(), &lie.reason.into())
    );
    let (status, kept) = served
        .get(&format!("/evidence/{}", answer["file"].as_str().unwrap()))
        .await;
    assert_eq!((status, kept.as_bytes()), (200, evidence.as_slice()));
    assert_eq!(served.get("/readyz").await.0, 503);
    // The same again changes nothing.
    assert_eq!(served.post("/evidence", evidence).await.0, 200);
    let listed: Value = serde_json::from_str(&served.get("/evidence").await.1).unwrap();
    assert_eq!(listed["evidence"].as_array().unwrap().len(), 1);
    served.end().await;
}
