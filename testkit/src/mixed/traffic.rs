//! Clients of all kinds at once: 90 % lookups, 5 % histories, 4 % updates, 1 % audit artefacts.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use keyglass_protocol::epoch::Trust;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, AuditList, from_json};
use keyglass_protocol::record::{AccountKind, AccountRecord, Role};
use sha2::{Digest as _, Sha256};

use super::Plan;
use super::people::{account, body, handle, identity, now};
use crate::client::{Client, Verified};
use crate::http::Http;
use crate::keyring::ImportKey;
use crate::kill::{Acknowledged, Random, Scene, Updater};

/// Of so many lookups, one is verified to the end.
const VERIFIED: u64 = 25;
/// Accounts of one client that get new versions.
const CHANGING: u64 = 400;
/// Versions of an account.
const VERSIONS: u64 = 20;
/// Pause after a request that was not answered.
const PAUSE: Duration = Duration::from_millis(10);

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lookup,
    History,
    Update,
    Audit,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Lookup, Self::History, Self::Update, Self::Audit];

    fn of(percent: u64) -> Self {
        match percent {
            0..90 => Self::Lookup,
            90..95 => Self::History,
            95..99 => Self::Update,
            _ => Self::Audit,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookups",
            Self::History => "histories",
            Self::Update => "updates",
            Self::Audit => "audit artefacts",
        }
    }
}

/// What the clients saw.
#[derive(Debug, Default)]
pub struct Figures {
    /// Milliseconds of each answered request, by kind.
    took: [Vec<f32>; 4],
    /// Requests that were not answered, because the server was just killed or had just started.
    pub unanswered: u64,
    /// Lookups that were verified to the end.
    pub verified: u64,
}

impl Figures {
    /// Requests that were answered.
    pub fn answered(&self) -> usize {
        self.took.iter().map(Vec::len).sum()
    }

    fn add(&mut self, other: Self) {
        for (ours, theirs) in self.took.iter_mut().zip(other.took) {
            ours.extend(theirs);
        }
        self.unanswered += other.unanswered;
        self.verified += other.verified;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, took) in Kind::ALL.into_iter().zip(&self.took) {
            let mut took = took.clone();
            took.sort_by(f32::total_cmp);
            let at = |part: f32| {
                took.get((took.len() as f32 * part) as usize)
                    .copied()
                    .unwrap_or_default()
            };
            writeln!(
                f,
                "{:>7}  {}: median {:.1} ms, 99th of 100 {:.1} ms",
                took.len(),
                kind.name(),
                at(0.5),
                at(0.99)
            )?;
        }
        writeln!(f, "{:>7}  lookups verified to the end", self.verified)?;
        writeln!(f, "{:>7}  requests not answered around kills", self.unanswered)
    }
}

/// Clients at work.
pub(super) struct Traffic {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    clients: Vec<JoinHandle<Figures>>,
}

impl Traffic {
    pub(super) fn start(scene: &Scene, trust: &Trust, plan: &Plan) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let key = ImportKey::load(&scene.dir().join("directory/keys/import.key")).unwrap();
        let key = Arc::new(key);
        let clients = (0..plan.clients).map(|number| {
            let one = One {
                http: scene.http(),
                trust: trust.clone(),
                updater: Updater::new(&scene.http(), trust, &stop, &acknowledged),
                stop: Arc::clone(&stop),
                random: Random(plan.seed.wrapping_mul(1_000).wrapping_add(u64::from(number))),
                plan: *plan,
                own: own(plan, number, &key),
                figures: Figures::default(),
            };
            std::thread::spawn(move || one.run())
        });
        Self {
            clients: clients.collect(),
            stop,
            acknowledged,
        }
    }

    /// Demands that no client has met anything unexpected.
    pub(super) fn must_run(&self) {
        assert!(!self.clients.iter().any(JoinHandle::is_finished), "a client died");
    }

    pub(super) fn finish(mut self) -> (Figures, Vec<Acknowledged>) {
        self.stop.store(true, Ordering::Relaxed);
        let mut figures = Figures::default();
        for client in self.clients.drain(..) {
            figures.add(client.join().unwrap());
        }
        (figures, std::mem::take(&mut *self.acknowledged.lock().unwrap()))
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The accounts that one client changes: nobody else does.
fn own(plan: &Plan, client: u8, key: &ImportKey) -> Vec<(u64, AccountRecord)> {
    let numbers = (u64::from(client)..plan.accounts).step_by(usize::from(plan.clients));
    let first = numbers.take(CHANGING as usize);
    first
        .map(|number| (number, body(number).sign(&[(Role::Import, key.key())]).unwrap()))
        .collect()
}

/// One client.
struct One {
    http: Http,
    trust: Trust,
    updater: Updater,
    stop: Arc<AtomicBool>,
    random: Random,
    plan: Plan,
    own: Vec<(u64, AccountRecord)>,
    figures: Figures,
}

impl One {
    fn run(mut self) -> Figures {
        while !self.stop.load(Ordering::Relaxed) {
            let kind = Kind::of(self.random.below(100));
            let began = Instant::now();
            let answered = match kind {
                Kind::Lookup => self.lookup(),
                Kind::History => self.history(),
                Kind::Update => self.update(),
                Kind::Audit => self.audit(),
            };
            if answered {
                let index = Kind::ALL.iter().position(|k| *k == kind).unwrap();
                self.figures.took[index].push(began.elapsed().as_secs_f32() * 1_000.0);
            } else {
                self.figures.unanswered += 1;
                std::thread::sleep(PAUSE);
            }
        }
        self.figures
    }

    fn somebody(&mut self) -> Label {
        let number = self.random.below(self.plan.accounts);
        if self.random.below(2) == 0 {
            account(number)
        } else {
            handle(number)
        }
    }

    /// The body of a 200; `None` if the server is not there.
    fn get(&self, path: &str) -> Option<Vec<u8>> {
        match self.http.get(path) {
            Ok((200, body)) => Some(body),
            Ok((503, _)) | Err(_) => None,
            Ok((status, body)) => panic!("{path}: {status} {}", String::from_utf8_lossy(&body)),
        }
    }

    fn lookup(&mut self) -> bool {
        let label = self.somebody();
        let whole = self.random.below(VERIFIED) == 0;
        let query = if whole { "?since=1" } else { "" };
        let Some(answer) = self.get(&format!("/v1/{}s/{}{query}", label.kind(), label.name())) else {
            return false;
        };
        let answer: Answer = from_json(&answer).unwrap();
        if whole {
            let client = Client {
                trust: self.trust.clone(),
                seen: None,
                now: now(),
            };
            let verified = client.verify(&label, &answer).unwrap();
            assert!(matches!(verified, Verified::Account(_)), "{label:?} is not there");
            self.figures.verified += 1;
        }
        true
    }

    fn history(&mut self) -> bool {
        let label = account(self.random.below(self.plan.accounts));
        self.get(&format!("/v1/accounts/{}/history", label.name()))
            .is_some()
    }

    /// Publishes the next version of one of its own accounts; answers once it is acknowledged.
    fn update(&mut self) -> bool {
        let index = self.random.below(self.own.len() as u64) as usize;
        let (number, newest) = &mut self.own[index];
        if newest.version.get() >= VERSIONS {
            return true;
        }
        let mut next = newest.body().clone();
        next.kind = AccountKind::Owner;
        next.version = newest.version.next().unwrap();
        next.previous = newest.hash();
        next.extension = next.version.get().to_be_bytes().to_vec();
        let record = next.sign(&[(Role::Identity, &identity(*number))]).unwrap();
        let taken = self.updater.submit(&record.label(), record.bytes());
        if taken {
            *newest = record;
        }
        taken
    }

    fn audit(&mut self) -> bool {
        let Some(list) = self.get("/log/audit") else {
            return false;
        };
        let list: AuditList = from_json(&list).unwrap();
        if list.epochs.is_empty() {
            return true;
        }
        let entry = &list.epochs[self.random.below(list.epochs.len() as u64) as usize];
        let path = format!(
            "/log/audit/{}/{}/{}",
            entry.epoch, entry.previous_root, entry.root
        );
        let Some(proof) = self.get(&path) else {
            return false;
        };
        let hash: String = Sha256::digest(&proof)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hash, entry.sha256, "{path}");
        true
    }
}
