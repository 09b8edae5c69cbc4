//! What a directory may answer over HTTP, and how much is asked of it at once.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use async_trait::async_trait;
use keyglass_auditor::source::{EpochSource, HttpSource, SILENCE, Trouble};
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

const FOUR: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour";

/// Reads the head of a request; false at the end of the connection.
fn read_request(stream: &TcpStream) -> bool {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.any(|line| line.is_empty())
}

#[tokio::test]
async fn a_directory_that_says_nothing_is_waited_for_no_longer_than_stated() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = HttpSource::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (asked, is_asked) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(read_request(&stream));
        stream.write_all(&FOUR.as_bytes()[..FOUR.len() - 1]).unwrap();
        asked.send(stream).unwrap();
    });
    let waiting = tokio::spawn(async move { source.get("/log/pending", 4).await });
    // Kept open, and silent in the middle of its answer.
    let _stream = is_asked.await.unwrap();
    tokio::time::pause();
    tokio::time::advance(SILENCE - Duration::from_millis(100)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished(), "it may still say the rest");
    tokio::time::advance(SILENCE).await;
    assert_eq!(waiting.await.unwrap(), Err(Trouble::Timeout));
}

#[tokio::test]
async fn after_a_silence_no_other_old_connection_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = HttpSource::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (stands_still, both) = (Arc::new(AtomicBool::new(false)), Arc::new(Barrier::new(2)));
    let still = Arc::clone(&stands_still);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let (still, both) = (Arc::clone(&still), Arc::clone(&both));
            std::thread::spawn(move || {
                let mut first = number < 2;
                while read_request(&stream) {
                    if first {
                        both.wait();
                    }
                    first = false;
                    // The two old connections lead to one that stands still, new ones to another.
                    if number >= 2 || !still.load(Ordering::SeqCst) {
                        (&stream).write_all(FOUR.as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    let (one, two) = tokio::join!(source.get("/a", 4), source.get("/b", 4));
    assert_eq!((one, two), (Ok(b"four".to_vec()), Ok(b"four".to_vec())));
    stands_still.store(true, Ordering::SeqCst);
    tokio::time::pause();
    assert_eq!(source.get("/c", 4).await, Err(Trouble::Timeout));
    tokio::time::resume();
    assert_eq!(source.get("/d", 4).await, Ok(b"four".to_vec()));
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
