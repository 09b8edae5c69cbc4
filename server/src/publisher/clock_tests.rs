//! Clocks that step and quorums that come late must not make an honest operator sign evidence against himself.

use std::sync::Mutex;

use ed25519_dalek::SigningKey;
use keyglass_monitoring::Registry;
use keyglass_protocol::label::{AccountId, Label};
use keyglass_protocol::message::PutAnswer;
use keyglass_protocol::note::{SignedCheckpoint, VerifierKey, cosign};
use keyglass_protocol::quantity::{KeyVersion, Millis, RecordHash, Seconds};
use keyglass_protocol::receipt::{Receipt, SignedReceipt};
use keyglass_protocol::record::{AccountBody, AccountKind, IdentityKey, KeyAnnouncement, Role};

use super::*;
use crate::access::Caller;
use crate::clock::Clock;
use crate::guard::FileGuard;
use crate::keys::SystemRandom;
use crate::settings::Settings;
use crate::submission::Submission;

const START: u64 = 1_767_225_600_000;

/// A clock that goes wherever it is set.
struct Stepping(Mutex<Millis>);

impl Clock for Stepping {
    fn now(&self) -> Millis {
        *self.0.lock().unwrap()
    }
}

impl Stepping {
    fn set(&self, seconds_after_start: u64) {
        *self.0.lock().unwrap() = Millis::new(START + seconds_after_start * 1000);
    }
}

struct Rig {
    _dir: tempfile::TempDir,
    clock: Arc<Stepping>,
    publisher: Publisher,
    submission: Submission,
}

impl Rig {
    fn new(cosigner: Option<&VerifierKey>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::local(dir.path()).unwrap();
        settings
            .cosigners
            .extend(cosigner.map(|key| key.to_string().parse().unwrap()));
        let keys = crate::bootstrap::keys(&settings, &SystemRandom).unwrap();
        let guard = FileGuard::open(&settings.guard, keys.origin()).unwrap();
        let clock = Arc::new(Stepping(Mutex::new(Millis::new(START))));
        let registry = Registry::new("test", "0").unwrap();
        let service = crate::server::open(settings, keys, Arc::<Stepping>::clone(&clock), &registry).unwrap();
        let service = Arc::new(service);
        let asker = Asker::new().unwrap();
        Self {
            _dir: dir,
            clock,
            submission: Submission::new(Arc::clone(&service)),
            publisher: Publisher::new(service, Box::new(guard), Arc::new(NoSteps), asker),
        }
    }

    fn put(&self, id: &str) -> Receipt {
        let identity = SigningKey::from_bytes(&[9; 32]);
        let service = &self.publisher.service;
        let body = AccountBody {
            kind: AccountKind::Created,
            origin: service.keys.log.verifier().origin().clone(),
            account: AccountId::parse(id).unwrap(),
            version: KeyVersion::FIRST,
            previous: RecordHash::ZERO,
            identity: IdentityKey::from(&identity),
            recovery_delay: 0,
            announced: KeyAnnouncement::NONE,
            devices: Vec::new(),
            extension: Vec::new(),
        };
        let record = body.sign(&[(Role::Identity, &identity)]).unwrap();
        let label = Label::Account(body.account);
        let answer: PutAnswer = self
            .submission
            .put(&Caller::Anyone, &label, record.bytes())
            .unwrap();
        let key = &service.config.values().receipt_vkey;
        SignedReceipt::open(answer.receipt.as_bytes(), key)
            .unwrap()
            .receipt()
            .clone()
    }

    fn heartbeat(&self) -> Option<Seconds> {
        let (_, note) = self.publisher.service.store.head().unwrap().unwrap();
        let service = &self.publisher.service;
        let head = SignedCheckpoint::open(&note, service.keys.log.verifier()).unwrap();
        head.cosignature(&service.config.values().heartbeat_vkey).unwrap()
    }

    fn leaf_time(&self, epoch: u64) -> Millis {
        self.publisher.service.leaf(Epoch::new(epoch)).unwrap().time
    }

    /// Hands the cosigner's line for the newest signed checkpoint in.
    fn cosign(&self, name: &str, key: &SigningKey) {
        let service = &self.publisher.service;
        let signed = service.signed_checkpoint(service.pending.size()).unwrap();
        let text = signed.note().text().to_owned();
        let line = cosign(name, key, &text, service.clock.now().seconds());
        let note = signed.note().clone().with_line(line).unwrap();
        hand_in(service, &note.to_bytes()).unwrap();
    }
}

/// `broken-receipt` relies on it: an epoch earlier than the acceptance cannot hold the update.
#[tokio::test]
async fn a_leaf_is_never_earlier_than_what_its_batch_was_promised() {
    let mut rig = Rig::new(None);
    rig.publisher.advance().await.unwrap();
    rig.clock.set(20);
    let receipt = rig.put("ann");
    rig.clock.set(15);
    rig.publisher.advance().await.unwrap();
    assert!(rig.leaf_time(1) >= receipt.accepted, "{:?}", rig.leaf_time(1));
}

/// Else a leaf that is there already could be the first one behind the deadline.
#[tokio::test]
async fn nothing_is_accepted_earlier_than_the_newest_leaf() {
    let mut rig = Rig::new(None);
    rig.clock.set(30);
    rig.publisher.advance().await.unwrap();
    rig.clock.set(0);
    let receipt = rig.put("ann");
    assert!(receipt.accepted >= rig.leaf_time(0));
}

/// A larger head with an earlier heartbeat than a smaller one is evidence `freeze`.
#[tokio::test]
async fn heartbeats_never_go_back_in_time() {
    let mut rig = Rig::new(None);
    rig.clock.set(30);
    rig.publisher.advance().await.unwrap();
    let on_smaller = rig.heartbeat().unwrap();
    rig.put("ann");
    rig.clock.set(10);
    rig.publisher.advance().await.unwrap();
    assert!(rig.heartbeat().unwrap() >= on_smaller);
    // Once the clock has caught up, they follow it again.
    rig.clock.set(3600);
    rig.publisher.refresh().await.unwrap();
    assert_eq!(rig.heartbeat().unwrap().get(), START / 1000 + 3600);
}

/// A heartbeat beside an update that is overdue beyond the grace is evidence `broken-receipt`.
#[tokio::test]
async fn a_head_that_comes_after_a_long_hold_has_no_heartbeat_beside_overdue_updates() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let cosigner = VerifierKey::new_cosignature("witness.test/w", key.verifying_key().as_bytes()).unwrap();
    let mut rig = Rig::new(Some(&cosigner));
    assert_eq!(rig.publisher.advance().await.unwrap(), Progress::AwaitingQuorum);
    rig.cosign("witness.test/w", &key);
    rig.publisher.advance().await.unwrap();
    rig.put("ann");
    assert_eq!(rig.publisher.advance().await.unwrap(), Progress::AwaitingQuorum);
    // Promised while epoch 1 waits for its quorum, and before that counts as late.
    rig.put("ben");
    rig.clock.set(60 + 661 + 5);
    rig.cosign("witness.test/w", &key);
    rig.publisher.cosign(LogSize::new(2)).await.unwrap();
    assert_eq!(rig.heartbeat(), None);
    assert_eq!(rig.publisher.advance().await.unwrap(), Progress::AwaitingQuorum);
    rig.cosign("witness.test/w", &key);
    rig.publisher.advance().await.unwrap();
    assert!(rig.heartbeat().is_some());
}
