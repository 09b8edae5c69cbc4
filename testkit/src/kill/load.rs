//! Clients that publish all the time, and keep every receipt.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keyglass_protocol::epoch::Trust;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutAnswer, PutRequest, from_json};
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::{KeyVersion, Nonce};
use keyglass_protocol::receipt::{Receipt, ReceiptId, SignedReceipt};
use keyglass_protocol::tree::{Freshness, verify_vrf};

use super::PATIENCE;
use crate::http::Http;
use crate::process::poll;
use crate::world::Person;

/// Clients at the same time.
const CLIENTS: u8 = 3;
/// Accounts of a client that get new versions in turn.
const PEOPLE: usize = 3;
/// Versions of an account; then the client takes a new one.
const VERSIONS: u64 = 8;
/// Pause of a client whose update cannot be taken right now.
const PAUSE: Duration = Duration::from_millis(10);

/// An update for which the server gave a receipt.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The label.
    pub label: Label,
    /// Its version.
    pub version: KeyVersion,
    /// What was published.
    pub record: Vec<u8>,
    /// The promise, its signature verified.
    pub receipt: Receipt,
    /// Its name.
    pub id: ReceiptId,
}

/// Clients at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts the clients of the directory at `http`.
    pub fn start(http: &Http, trust: &Trust) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let clients = (0..CLIENTS).map(|number| {
            let client = Client {
                http: http.clone(),
                trust: trust.clone(),
                stop: Arc::clone(&stop),
                acknowledged: Arc::clone(&acknowledged),
                answered: AtomicUsize::new(0),
            };
            std::thread::spawn(move || client.publish(number))
        });
        Self {
            clients: clients.collect(),
            stop,
            acknowledged,
        }
    }

    /// Demands that no client has met anything unexpected.
    ///
    /// # Panics
    /// A client has.
    pub fn must_run(&self) {
        assert!(!self.clients.iter().any(JoinHandle::is_finished), "a client died");
    }

    /// Waits until that many updates are acknowledged.
    pub fn wait_for(&self, updates: usize) {
        poll("acknowledged updates", PATIENCE, || {
            self.must_run();
            (self.acknowledged.lock().unwrap().len() >= updates).then_some(())
        });
    }

    /// What was acknowledged so far, in order.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Stops the clients; everything that was acknowledged, in order.
    pub fn finish(mut self) -> Vec<Acknowledged> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().unwrap();
        }
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Sends updates until they are acknowledged, and keeps every receipt.
pub(crate) struct Updater {
    client: Client,
}

impl Updater {
    pub(crate) fn new(
        http: &Http,
        trust: &Trust,
        stop: &Arc<AtomicBool>,
        acknowledged: &Arc<Mutex<Vec<Acknowledged>>>,
    ) -> Self {
        let client = Client {
            http: http.clone(),
            trust: trust.clone(),
            stop: Arc::clone(stop),
            acknowledged: Arc::clone(acknowledged),
            answered: AtomicUsize::new(0),
        };
        Self { client }
    }

    /// Sends an update until it is acknowledged; false if it is to stop.
    pub(crate) fn submit(&self, label: &Label, record: &[u8]) -> bool {
        self.client.submit(label, record)
    }
}

struct Client {
    http: Http,
    trust: Trust,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    answered: AtomicUsize,
}

impl Client {
    fn publish(&self, number: u8) {
        let mut people: Vec<Person> = Vec::new();
        for turn in 0_u32.. {
            let seed = turn as u8;
            if people.len() < PEOPLE {
                let new = Person::new(&format!("client{number}-{turn}"), seed);
                if !self.submit(&new.label(), new.newest.bytes()) {
                    return;
                }
                people.push(new);
            }
            let next = turn as usize % people.len();
            let person = &mut people[next];
            let version = person.newest.body().version.get();
            person.add_device(version as u32 + 1, seed);
            if !self.submit(&person.label(), person.newest.bytes()) {
                return;
            }
            if version + 1 >= VERSIONS {
                people.remove(next);
            }
        }
    }

    /// Sends an update until it is acknowledged; false if the client is to stop.
    fn submit(&self, label: &Label, record: &[u8]) -> bool {
        let mut may_be_known = false;
        let until = Instant::now() + PATIENCE;
        while !self.stop.load(Ordering::Relaxed) {
            assert!(Instant::now() < until, "{label:?}: not taken within {PATIENCE:?}");
            match self.send(label, record) {
                Some((202, body)) => {
                    self.keep(label, record, &body, may_be_known);
                    return true;
                }
                // The version before is not published yet, or the server has just started.
                Some((409, body)) if waits(&body) => {}
                Some((503, _)) => {}
                Some((status, body)) => {
                    panic!("{label:?}: {status} {}", String::from_utf8_lossy(&body))
                }
                // Taken or not: only the next answer tells.
                None => may_be_known = true,
            }
            std::thread::sleep(PAUSE);
        }
        false
    }

    fn send(&self, label: &Label, record: &[u8]) -> Option<(u16, Vec<u8>)> {
        let request = PutRequest {
            record: B64(record.to_vec()),
        };
        let path = format!(
            "/v1/accounts/{}",
            label.as_str().strip_prefix("account:").unwrap()
        );
        self.http.put(&path, serde_json::to_vec(&request).unwrap()).ok()
    }

    /// Checks a receipt as a client must, and keeps it.
    fn keep(&self, label: &Label, record: &[u8], body: &[u8], repeated: bool) {
        let answer: PutAnswer = from_json(body).unwrap();
        let config = self.trust.document().values();
        let signed = SignedReceipt::open(answer.receipt.as_bytes(), &config.receipt_vkey).unwrap();
        let receipt = signed.receipt();
        let version = KeyVersion::new(answer.version).unwrap();
        let nonce = Nonce::try_from(answer.nonce.0.as_slice()).unwrap();
        receipt.check_opening(&nonce, record).unwrap();
        assert_eq!(
            (&receipt.origin, receipt.config),
            (&config.origin, self.trust.document().hash())
        );
        assert_eq!(
            verify_vrf(
                self.trust.vrf(),
                label.as_bytes(),
                Freshness::Fresh,
                version,
                &answer.vrf_proof.0
            ),
            Ok(receipt.leaf_label)
        );
        assert_eq!(answer.id, receipt.id().to_string());
        // Now and then: the same bytes again get the same receipt.
        let again = self.answered.fetch_add(1, Ordering::Relaxed).is_multiple_of(8);
        if (again || repeated)
            && let Some((202, second)) = self.send(label, record)
        {
            assert_eq!(from_json::<PutAnswer>(&second).unwrap(), answer);
        }
        self.acknowledged.lock().unwrap().push(Acknowledged {
            label: label.clone(),
            version,
            record: record.to_vec(),
            receipt: receipt.clone(),
            id: receipt.id(),
        });
    }
}

/// Whether a refusal says that the version before is not published yet.
fn waits(body: &[u8]) -> bool {
    let document: serde_json::Value = serde_json::from_slice(body).unwrap();
    let problem = Problem::from_uri(document["type"].as_str().unwrap());
    matches!(problem, Some(Problem::UpdatePending | Problem::StaleVersion))
}
