//! Clients that look the same people up again and again, at several replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use keyglass_protocol::epoch::Trust;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, from_json};
use keyglass_protocol::quantity::Millis;

use crate::client::{Client, Verified};
use crate::http::Http;

/// Pause after a request that was not answered.
const PAUSE: Duration = Duration::from_millis(10);

/// Who asks whom for what.
#[derive(Clone)]
pub struct Asking {
    /// The replicas, in turn.
    pub replicas: Vec<Http>,
    /// What clients pin.
    pub trust: Trust,
    /// Accounts that exist.
    pub accounts: Vec<Label>,
    /// Clients at the same time.
    pub clients: usize,
    /// Of so many lookups one is asked for with its whole history and verified to the end.
    pub verified: usize,
}

/// What the clients saw.
#[derive(Debug, Default)]
pub struct Figures {
    /// How long each answered lookup took.
    pub took: Vec<Duration>,
    /// Lookups that were verified to the end.
    pub verified: usize,
    /// Lookups that were not answered, with the status, or 0 if nobody was there.
    pub refused: Vec<(Duration, u16)>,
}

impl Figures {
    /// The time within which this part of all lookups was answered.
    pub fn within(&self, part: f64) -> Duration {
        let mut took = self.took.clone();
        took.sort();
        let index = (took.len() as f64 * part) as usize;
        took.get(index).or(took.last()).copied().unwrap_or_default()
    }

    fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.refused.extend(other.refused);
        self.verified += other.verified;
    }
}

/// Clients at work.
pub struct Readers {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Figures>>,
}

impl Readers {
    /// Starts the clients.
    pub fn start(asking: &Asking) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..asking.clients).map(|number| {
            let (asking, stop) = (asking.clone(), Arc::clone(&stop));
            std::thread::spawn(move || asking.run(number, &stop))
        });
        Self {
            clients: clients.collect(),
            stop,
        }
    }

    /// Stops them; what they saw.
    ///
    /// # Panics
    /// An answer did not verify.
    pub fn finish(mut self) -> Figures {
        self.stop.store(true, Ordering::Relaxed);
        let mut figures = Figures::default();
        for client in self.clients.drain(..) {
            figures.add(client.join().unwrap());
        }
        figures
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Asking {
    fn run(&self, number: usize, stop: &AtomicBool) -> Figures {
        let (mut figures, began) = (Figures::default(), Instant::now());
        for turn in number.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let replica = &self.replicas[turn % self.replicas.len()];
            let label = &self.accounts[turn.wrapping_mul(7) % self.accounts.len()];
            let whole = turn % self.verified == 0;
            let query = if whole { "?since=1" } else { "" };
            let asked = Instant::now();
            match replica.get(&format!("/v1/accounts/{}{query}", label.name())) {
                Ok((200, body)) => {
                    figures.took.push(asked.elapsed());
                    if whole {
                        self.verify(label, &body);
                        figures.verified += 1;
                    }
                }
                other => {
                    let status = other.map_or(0, |(status, _)| status);
                    figures.refused.push((began.elapsed(), status));
                    std::thread::sleep(PAUSE);
                }
            }
        }
        figures
    }

    fn verify(&self, label: &Label, body: &[u8]) {
        let answer: Answer = from_json(body).unwrap();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let client = Client {
            trust: self.trust.clone(),
            seen: None,
            now: Millis::new(since.as_millis() as u64),
        };
        let verified = client.verify(label, &answer).unwrap();
        assert!(matches!(verified, Verified::Account(_)), "{label:?} is not there");
    }
}
