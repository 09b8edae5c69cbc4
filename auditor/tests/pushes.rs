//! `add-checkpoint`: the statuses of tlog-witness, and the routes around it, over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::sync::Arc;

use keyglass_auditor::clock::Clock as _;
use keyglass_auditor::follower::PushAnswer;
use keyglass_auditor::keys::Keys;
use keyglass_auditor::lock::DataDir;
use keyglass_auditor::moments::Unwatched;
use keyglass_auditor::run::Auditor;
use keyglass_auditor::settings::Layer;
use keyglass_auditor::source::EpochSource;
use keyglass_protocol::note::{AddCheckpoint, SignedCheckpoint};
use keyglass_protocol::quantity::{LogHash, LogSize};
use keyglass_schema::auditor::BrokenWrites;
use keyglass_testkit::audited::{Rig, World, note};

#[tokio::test]
async fn every_case_of_the_witness_table_has_its_answer() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    assert!(matches!(
        rig.pushes(&world, 0, world.checkpoint(10)).await,
        PushAnswer::Cosigned(_)
    ));
    let staged = world.stage(3).await;
    world.put(&staged);
    world.sign();
    let two = world.checkpoint(10);
    let answer = rig.pushes(&world, 0, two.clone()).await;
    assert_eq!(
        answer,
        PushAnswer::OtherSize(LogSize::new(1)),
        "old is not what is stored"
    );
    let answer = rig.pushes(&world, 3, two.clone()).await;
    assert_eq!(answer, PushAnswer::Malformed("old-larger-than-checkpoint"));
    let answer = rig.pushes(&world, 1, world.checkpoint(66)).await;
    assert_eq!(answer, PushAnswer::NotSigned("signature-missing"));
    let mut bad = two.clone();
    let last = bad.len() - 4;
    bad[last] = if bad[last] == b'A' { b'B' } else { b'A' };
    assert_eq!(
        rig.pushes(&world, 1, bad).await,
        PushAnswer::NotSigned("signature-bad")
    );
    let wrong = AddCheckpoint {
        old: LogSize::new(1),
        proof: vec![LogHash::new([1; 32])],
        checkpoint: two.clone(),
    };
    let answer = rig.follower.pushed(&wrong).await;
    assert_eq!(answer, PushAnswer::Refused("new-root-mismatch"));
    let none = AddCheckpoint {
        old: LogSize::new(1),
        proof: Vec::new(),
        checkpoint: two.clone(),
    };
    assert_eq!(
        rig.follower.pushed(&none).await,
        PushAnswer::Refused("proof-too-short")
    );
    assert!(matches!(
        rig.pushes(&world, 1, two.clone()).await,
        PushAnswer::Cosigned(_)
    ));
    assert!(
        matches!(rig.pushes(&world, 2, two.clone()).await, PushAnswer::Cosigned(_)),
        "the same again"
    );
    let fork = note(10, LogSize::new(2), LogHash::new([3; 32]));
    let answer = rig.pushes(&world, 2, fork).await;
    assert_eq!(answer, PushAnswer::Refused("two-roots-at-one-size"));
    assert_eq!(rig.evidence().unwrap().0, "fork");
    assert_eq!(rig.pushes(&world, 2, two).await, PushAnswer::Refused("latched"));
}

#[tokio::test]
async fn a_pushed_head_gets_a_fresh_time_only_if_the_directory_still_shows_it() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let old = world.checkpoint(10);
    let first = rig.watched().unwrap().at;
    rig.clock.advance(10_000);
    world.source.remove("/log/pending");
    assert_eq!(
        rig.pushes(&world, 1, old.clone()).await,
        PushAnswer::Later("status")
    );
    assert_eq!(rig.watched().unwrap().at, first);
    world.publish(1).await;
    let request = AddCheckpoint {
        old: LogSize::new(1),
        proof: Vec::new(),
        checkpoint: old,
    };
    assert_eq!(
        rig.follower.pushed(&request).await,
        PushAnswer::OtherSize(LogSize::new(2))
    );
    assert_eq!(rig.watched().unwrap().size, 2);
}

#[tokio::test]
async fn a_push_whose_proofs_are_not_there_yet_is_tried_again() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let staged = world.stage(1).await;
    world.put(&staged);
    let checkpoint = world.checkpoint(10);
    assert_eq!(
        rig.pushes(&world, 1, checkpoint.clone()).await,
        PushAnswer::Later("status")
    );
    world.serve_tiles();
    assert!(matches!(
        rig.pushes(&world, 1, checkpoint).await,
        PushAnswer::Cosigned(_)
    ));
}

#[tokio::test]
async fn a_push_finds_what_the_directory_shows_to_others() {
    let world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let other = note(10, LogSize::new(1), LogHash::new([3; 32]));
    world.source.put("/log/pending", other);
    assert_eq!(
        rig.pushes(&world, 1, world.checkpoint(10)).await,
        PushAnswer::Refused("two-roots-at-one-size")
    );
    assert_eq!(rig.evidence().unwrap().0, "fork");
}

#[tokio::test]
async fn a_push_that_cannot_be_stored_is_not_answered_with_a_signature() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    rig.clock.advance(1000);
    rig.store().break_writes(BrokenWrites::Times).unwrap();
    assert_eq!(
        rig.pushes(&world, 1, world.checkpoint(10)).await,
        PushAnswer::Failed
    );
    rig.store().mend_writes().unwrap();
    world.publish(1).await;
    rig.store().break_writes(BrokenWrites::Leaves).unwrap();
    assert_eq!(
        rig.pushes(&world, 1, world.checkpoint(10)).await,
        PushAnswer::Failed
    );
    assert_eq!(rig.watched().unwrap().size, 1);
}

#[tokio::test]
async fn what_may_pass_is_answered_with_later() {
    let mut world = World::new().await;
    let mut rig = Rig::new(&world).await;
    rig.signs(1).await;
    let mut staged = world.stage(1).await;
    staged.leaf.time = rig.clock.now().plus(61_000);
    world.put(&staged);
    world.sign();
    assert_eq!(
        rig.pushes(&world, 1, world.checkpoint(10)).await,
        PushAnswer::Later("leaf-time-ahead")
    );
}

struct Served {
    base: String,
    client: reqwest::Client,
}

impl Served {
    async fn get(&self, path: &str) -> (u16, String) {
        let response = self
            .client
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn push(&self, body: Vec<u8>) -> (u16, Option<String>, String) {
        let request = self
            .client
            .post(format!("{}/add-checkpoint", self.base))
            .body(body);
        let response = request.send().await.unwrap();
        let kind = response
            .headers()
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), kind, response.text().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_program_serves_its_routes() {
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let layer = Layer {
        directory: Some("http://unused.example".to_owned()),
        log_vkey: Some(world.log_key().to_string()),
        data_dir: Some(dir.path().to_owned()),
        listen: Some("127.0.0.1:0".to_owned()),
        poll_interval_ms: Some(3_600_000),
        ..Layer::default()
    };
    let keys = Keys::from_seeds("auditor.example", &[21; 32], &[22; 32]).unwrap();
    let vkeys = keys.verifiers().clone();
    let source = world.source.clone();
    let make = move |_: &str| Ok(source.clone() as Arc<dyn EpochSource>);
    let lock = DataDir::open(dir.path()).unwrap();
    let clock = Arc::new(keyglass_auditor::clock::SystemClock);
    let auditor = Auditor::open(
        layer.settings().unwrap(),
        lock,
        keys,
        clock,
        Arc::new(Unwatched),
        &make,
    )
    .await
    .unwrap();
    let base = format!("http://{}", auditor.address().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(auditor.run(async move { drop(stopped.await) }));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let served = Served {
        base,
        client: reqwest::Client::new(),
    };

    assert_eq!(served.get("/livez").await.0, 200);
    let body = |old, checkpoint| {
        AddCheckpoint {
            old: LogSize::new(old),
            proof: Vec::new(),
            checkpoint,
        }
        .to_bytes()
    };
    // The first round may have signed it already: the size in the 409 says so.
    let (status, kind, text) = served.push(body(0, world.checkpoint(10))).await;
    let (status, text) = if status == 409 {
        assert_eq!(
            (kind.as_deref(), text.as_str()),
            (Some("text/x.tlog.size"), "1\n")
        );
        let (status, _, text) = served.push(body(1, world.checkpoint(10))).await;
        (status, text)
    } else {
        (status, text)
    };
    assert_eq!(status, 200, "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.lines()
            .all(|line| line.starts_with("\u{2014} auditor.example ")),
        "{text}"
    );
    let name = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(b"log.example/1"));
    let (status, shown) = served.get(&format!("/{name}/checkpoint")).await;
    assert_eq!(status, 200);
    let shown = SignedCheckpoint::open(shown.as_bytes(), &world.log_key()).unwrap();
    for vkey in &vkeys {
        assert!(shown.cosignature(vkey).unwrap().is_some());
    }
    assert_eq!(served.get("/readyz").await.0, 200);
    assert!(
        served
            .get("/metrics")
            .await
            .1
            .contains("keyglass_auditor_signed_size")
    );
    assert_eq!(
        served.get("/evidence").await,
        (200, r#"{"evidence":[]}"#.to_owned())
    );
    assert_eq!(served.get("/evidence/x.json").await.0, 404);
    assert_eq!(served.get("/00/checkpoint").await.0, 404);

    let foreign = String::from_utf8(world.checkpoint(10))
        .unwrap()
        .replace("log.example/1", "other.example");
    for (request, expected) in [
        (b"old x\n\nnote".to_vec(), 400),
        (b"".to_vec(), 400),
        (body(1, foreign.into_bytes()), 404),
        (body(1, world.checkpoint(66)), 403),
        (body(7, world.checkpoint(10)), 400),
        (body(0, world.checkpoint(10)), 409),
        (vec![b'x'; 300 << 10], 413),
        (body(1, note(10, LogSize::new(1), LogHash::new([3; 32]))), 422),
        (body(1, world.checkpoint(10)), 422),
    ] {
        assert_eq!(served.push(request).await.0, expected);
    }
    assert_eq!(served.get("/readyz").await.0, 503);
    let evidence: serde_json::Value = serde_json::from_str(&served.get("/evidence").await.1).unwrap();
    assert_eq!(evidence["evidence"][0]["reason"], "two-roots-at-one-size");
    let file = evidence["evidence"][0]["file"].as_str().unwrap().to_owned();
    let (status, text) = served.get(&format!("/evidence/{file}")).await;
    assert_eq!(status, 200);
    let evidence = keyglass_protocol::evidence::Evidence::parse(text.as_bytes()).unwrap();
    assert!(evidence.verify(&world.log_key()).is_ok());
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
