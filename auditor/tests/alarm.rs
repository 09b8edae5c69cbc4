//! The owner is told of evidence: bounded attempts, remembered, and again by the next process if they all failed.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use keyglass_auditor::alarm::{Alarm, Hooks};
use keyglass_monitoring::{AuditorMetrics, Registry};
use keyglass_protocol::quantity::Millis;
use keyglass_schema::auditor::{AuditorStore, DirectoryId, NewLatch};
use keyglass_testkit::audited::{ManualClock, START};
use serde_json::Value;
use tempfile::TempDir;

struct Scene {
    dir: TempDir,
    store: AuditorStore,
    log: DirectoryId,
    registry: Registry,
    metrics: AuditorMetrics,
}

impl Scene {
    /// A contradiction is latched.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = AuditorStore::open(&dir.path().join("db")).unwrap();
        let log = store.register("log.example/1", "vkey").unwrap();
        let new = NewLatch {
            kind: "fork",
            reason: "two-roots-at-one-size",
            file: Some("fork-0.json"),
            at: Millis::new(START),
        };
        store.latch(log, &new).unwrap();
        let registry = Registry::new("keyglass-auditor", "0").unwrap();
        let metrics = AuditorMetrics::register(&registry).unwrap();
        Self {
            dir,
            store,
            log,
            registry,
            metrics,
        }
    }

    async fn tell(&self, hooks: Hooks) {
        let alarm = Alarm {
            hooks,
            auditor: "auditor0.example".to_owned(),
            evidence: PathBuf::from("/evidence"),
            store: self.store.clone(),
            clock: Arc::new(ManualClock::at(START + 5)),
            metrics: self.metrics.clone(),
            first_pause: Duration::from_millis(1),
        };
        let mut given_up = HashSet::new();
        alarm.tell_all(&mut given_up).await;
        alarm.tell_all(&mut given_up).await;
    }

    fn told(&self) -> Option<u64> {
        self.store.latches(self.log).unwrap()[0].told.map(Millis::get)
    }

    fn failures(&self) -> String {
        let text = self.registry.encode().unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("keyglass_auditor_hook_failures_total"));
        line.unwrap().rsplit(' ').next().unwrap().to_owned()
    }

    /// A program with this shell script in it.
    fn program(&self, script: &str) -> PathBuf {
        let path = self.dir.path().join("hook");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }
}

/// Answers with these statuses, one connection each; gives the last body.
fn webhook(statuses: &'static [&'static str]) -> (String, JoinHandle<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?secret=1", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut body = Value::Null;
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut some = [0; 1024];
                let count = stream.read(&mut some).unwrap();
                request.extend_from_slice(&some[..count]);
            }
            let text = String::from_utf8(request).unwrap();
            body = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            .unwrap();
        }
        body
    });
    (url, thread)
}

#[tokio::test]
async fn a_webhook_is_tried_again_and_then_left_alone() {
    let scene = Scene::new();
    let (url, hook) = webhook(&["500 No", "302 Elsewhere", "204 Thanks"]);
    let hooks = Hooks {
        webhook: Some(url),
        command: None,
    };
    scene.tell(hooks.clone()).await;
    let message = hook.join().unwrap();
    assert_eq!(
        message,
        serde_json::json!({
            "schema": 1, "auditor": "auditor0.example", "origin": "log.example/1", "kind": "fork",
            "reason": "two-roots-at-one-size", "file": "/evidence/fork-0.json", "latched_at": START,
        })
    );
    assert_eq!((scene.told(), scene.failures().as_str()), (Some(START + 5), "2"));
    // Nobody listens there any more; nobody is told again either.
    scene.tell(hooks).await;
    assert_eq!(scene.failures(), "2");
}

#[tokio::test]
async fn a_command_gets_message_and_file() {
    let scene = Scene::new();
    let out = scene.dir.path().join("out");
    let program = scene.program(&format!("echo \"$1\" > {0}; cat >> {0}", out.display()));
    let hooks = Hooks {
        webhook: None,
        command: Some(program),
    };
    scene.tell(hooks).await;
    let text = std::fs::read_to_string(out).unwrap();
    let (file, message) = text.split_once('\n').unwrap();
    assert_eq!(file, "/evidence/fork-0.json");
    let message: Value = serde_json::from_str(message).unwrap();
    assert_eq!(message["reason"], "two-roots-at-one-size");
    assert_eq!(scene.told(), Some(START + 5));
}

#[tokio::test]
async fn what_fails_is_given_up_and_left_to_the_next_process() {
    let scene = Scene::new();
    let failing = Hooks {
        webhook: None,
        command: Some(scene.program("exit 3")),
    };
    scene.tell(failing).await;
    assert_eq!((scene.told(), scene.failures().as_str()), (None, "6"));
    let missing = Hooks {
        webhook: None,
        command: Some(Path::new("/nowhere/at/all").to_owned()),
    };
    scene.tell(missing).await;
    assert_eq!((scene.told(), scene.failures().as_str()), (None, "12"));
    let good = Hooks {
        webhook: None,
        command: Some(scene.program("exit 0")),
    };
    scene.tell(good).await;
    assert_eq!(scene.told(), Some(START + 5));
}

#[tokio::test]
async fn a_hook_that_was_reached_is_not_asked_again_because_of_the_other() {
    let scene = Scene::new();
    let (url, hook) = webhook(&["200 Good"]);
    let marker = scene.dir.path().join("second");
    let program = scene.program(&format!(
        "test -e {0} || {{ touch {0}; exit 1; }}",
        marker.display()
    ));
    scene
        .tell(Hooks {
            webhook: Some(url),
            command: Some(program),
        })
        .await;
    assert_eq!(hook.join().unwrap()["kind"], "fork");
    assert_eq!((scene.told(), scene.failures().as_str()), (Some(START + 5), "1"));
}

#[tokio::test]
async fn what_was_cleared_is_not_told() {
    let scene = Scene::new();
    scene
        .store
        .clear_latches(scene.log, "seen", Millis::new(START + 1))
        .unwrap();
    let hooks = Hooks {
        webhook: None,
        command: Some(scene.program("exit 1")),
    };
    scene.tell(hooks).await;
    assert_eq!((scene.told(), scene.failures().as_str()), (None, "0"));
}
