//! What a directory may answer over HTTP, and how much is asked of it at once.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use keyglass_auditor::source::{EpochSource, HttpSource, Trouble};
use keyglass_auditor::step;
use keyglass_auditor::steps::{BadStep, Limits, verify_steps};
use keyglass_protocol::epoch::Leaf;
use keyglass_testkit::audited::World;

/// Answers every request with these bytes.
fn answers(answer: &'static str) -> HttpSource {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines
                .next()
                .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
            {}
            let mut stream = stream;
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    HttpSource::new(&base).unwrap()
}

async fn got(answer: &'static str) -> Result<Vec<u8>, &'static str> {
    let bytes = answers(answer).get("/log/pending", 4).await;
    bytes.map_err(|trouble| trouble.reason())
}

#[tokio::test]
async fn only_plain_bytes_within_the_limit_are_taken() {
    let good = got("HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfour").await;
    assert_eq!(good, Ok(b"four".to_vec()));
    for (answer, reason) in [
        (
            "HTTP/1.1 404 No\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfour",
            "status",
        ),
        (
            "HTTP/1.1 302 Elsewhere\r\nlocation: /\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "status",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfour",
            "compressed",
        ),
        // Too much is stated, and not waited for.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n",
            "too-large",
        ),
        // Too much is sent, and was not stated.
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
            "too-large",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfo",
            "network",
        ),
    ] {
        assert_eq!(got(answer).await, Err(reason), "{answer}");
    }
}

#[tokio::test]
async fn a_signature_that_is_not_taken_is_not_handed_in() {
    let taken = answers("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    taken.hand_in(b"note").await.unwrap();
    let refused = answers("HTTP/1.1 403 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert!(matches!(
        refused.hand_in(b"note").await,
        Err(Trouble::Status { status: 403, .. })
    ));
}

/// Has nothing, and counts who asks at once.
#[derive(Default)]
struct Counting {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl EpochSource for Counting {
    async fn get(&self, _: &str, _: u64) -> Result<Vec<u8>, Trouble> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        Err(Trouble::Timeout)
    }

    async fn hand_in(&self, _: &[u8]) -> Result<(), Trouble> {
        Ok(())
    }
}

/// Ten steps are asked for within these limits; answers the most that were under way at once.
async fn most(leaf: Leaf, steps: usize, memory: u64) -> usize {
    let counting = Arc::new(Counting::default());
    let source: Arc<dyn EpochSource> = counting.clone();
    let limits = Limits {
        steps: NonZeroUsize::new(steps).unwrap(),
        memory,
        second_opinion_max: 0,
    };
    let end = verify_steps(&source, &[leaf; 10], limits, |_, _| ()).await;
    assert_eq!(end.unwrap_err().1, BadStep::Trouble(Trouble::Timeout));
    counting.most.load(Ordering::SeqCst)
}

#[tokio::test]
async fn as_many_steps_are_under_way_as_are_allowed() {
    let leaf = World::new().await.stage(1).await.leaf;
    let one = step::memory(leaf.audit_length, 0);
    assert_eq!(most(leaf, 3, u64::MAX).await, 3);
    assert_eq!(most(leaf, 8, 2 * one).await, 2);
    assert_eq!(most(leaf, 8, 2 * one - 1).await, 1);
    // A step that needs more than there may be is verified alone.
    assert_eq!(most(leaf, 8, 0).await, 1);
}
