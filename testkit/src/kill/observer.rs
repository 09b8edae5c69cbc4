//! Somebody outside who notes every head that is ever shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use keyglass_protocol::epoch::Trust;
use keyglass_protocol::note::{SignedCheckpoint, VerifierKey};
use keyglass_protocol::quantity::{LogHash, LogSize};

use super::Scene;
use crate::http::Http;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// The root that was shown for each size.
pub type Heads = BTreeMap<LogSize, LogHash>;

/// Looks at the readers' head, the newest signed one, and the auditor's, all the time.
pub struct Observer {
    stop: Arc<AtomicBool>,
    watch: Option<JoinHandle<Heads>>,
}

impl Observer {
    /// Starts to look at a directory and its auditor.
    pub fn start(scene: &Scene, trust: &Trust) -> Self {
        let mut places = vec![
            (scene.http(), "/log/checkpoint".to_owned()),
            (scene.http(), "/log/pending".to_owned()),
        ];
        places.extend(scene.auditors_head());
        Self::of(places, trust)
    }

    /// Starts to look at these paths, each of which shows a checkpoint that never goes back.
    pub fn of(places: Vec<(Http, String)>, trust: &Trust) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, log_key) = (Arc::clone(&stop), trust.log_key().clone());
        let watch = std::thread::spawn(move || look(&places, &log_key, &stopped));
        Self {
            stop,
            watch: Some(watch),
        }
    }

    /// Demands that nothing contradictory was seen.
    ///
    /// # Panics
    /// It was.
    pub fn must_run(&self) {
        assert!(
            !self.watch.as_ref().is_some_and(JoinHandle::is_finished),
            "the observer saw a contradiction"
        );
    }

    /// Stops to look; all heads that were seen.
    pub fn finish(mut self) -> Heads {
        self.stop.store(true, Ordering::Relaxed);
        self.watch.take().unwrap().join().unwrap()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn look(places: &[(Http, String)], log_key: &VerifierKey, stop: &AtomicBool) -> Heads {
    let mut heads = Heads::new();
    let mut newest = vec![LogSize::ZERO; places.len()];
    while !stop.load(Ordering::Relaxed) {
        for ((http, path), newest) in places.iter().zip(&mut newest) {
            let Ok((200, note)) = http.get(path) else {
                continue;
            };
            let signed = SignedCheckpoint::open(&note, log_key).unwrap();
            let head = signed.checkpoint();
            assert!(
                head.size >= *newest,
                "{path} went back from {newest} to {}",
                head.size
            );
            *newest = head.size;
            let known = heads.entry(head.size).or_insert(head.root);
            assert_eq!(*known, head.root, "{path}: a second root of size {}", head.size);
        }
        std::thread::sleep(PAUSE);
    }
    heads
}
