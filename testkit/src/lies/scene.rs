//! A directory with some history, a client that has seen part of it, and what the directory says to it.

use std::collections::BTreeMap;

use keyglass_protocol::config::{ConfigDocument, ConfigValues};
use keyglass_protocol::epoch::{SeenHead, Trust};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, HistoryProof};
use keyglass_protocol::note::Note;
use keyglass_protocol::quantity::{ConfigHash, Epoch, Millis};
use keyglass_protocol::record::AliasRecord;

use crate::client::{Ask, Client};
use crate::world::{FIRST_TIME, Person, World};

/// A directory with some history, and a client that has seen part of it.
pub struct Scene {
    /// The directory.
    pub world: World,
    /// `account:alice`: two versions, a device was added.
    pub alice: Person,
    /// `account:bob`: two versions, the identity key changed.
    pub bob: Person,
    /// `handle:alice`, held by alice.
    pub handle: AliasRecord,
    /// The head that the client has seen: size 3.
    pub seen: SeenHead,
    /// What the client has pinned.
    pub trust: Trust,
    /// Bytes that are sent in place of the answer to a lookup.
    pub raw: Option<Vec<u8>>,
    /// Documents that are served, by the hash that they are asked for by.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// False answers to questions for a history, by label.
    pub histories: BTreeMap<String, Answer>,
    /// The false answer to a lookup.
    pub told: Option<Answer>,
}

/// Two epochs: two accounts, a handle. This is what the client has seen.
fn early(first: Millis) -> (World, Person, Person, AliasRecord) {
    let mut world = World::at(1, first);
    world.witnessed = true;
    let (alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
    world.publish(&[alice.entry(), bob.entry()]);
    let handle = alice.claim("handle:alice", None);
    world.publish(&[(handle.label(), handle.bytes().to_vec())]);
    (world, alice, bob, handle)
}

impl Scene {
    /// Six epochs: two accounts, a handle, a new device, a handle claimed and released, a new identity.
    pub fn new() -> Self {
        Self::at(FIRST_TIME)
    }

    /// The same, with a first leaf of this time.
    pub fn at(first: Millis) -> Self {
        let mut scene = Self::as_seen(first);
        let (world, alice, bob) = (&mut scene.world, &mut scene.alice, &mut scene.bob);
        alice.add_device(2, 21);
        world.publish(&[alice.entry()]);
        let old = bob.claim("handle:old", None);
        world.publish(&[(old.label(), old.bytes().to_vec())]);
        let released = bob.release(&old);
        world.publish(&[(released.label(), released.bytes().to_vec())]);
        bob.rotate(22);
        world.publish(&[bob.entry()]);
        scene
    }

    /// Only the two epochs that the client has seen.
    pub fn as_seen(first: Millis) -> Self {
        let (world, alice, bob, handle) = early(first);
        let mut client = Client {
            trust: world.trust(),
            seen: None,
            now: world.now,
        };
        let seen = client.accept(&world.bare_answer(None), None).unwrap().head();
        let documents = BTreeMap::from([(world.config.hash().to_string(), world.config.bytes().to_vec())]);
        Self {
            trust: world.trust(),
            world,
            alice,
            bob,
            handle,
            seen,
            raw: None,
            documents,
            histories: BTreeMap::new(),
            told: None,
        }
    }

    /// The client of this scene.
    pub fn client(&self) -> Client {
        Client {
            trust: self.trust.clone(),
            seen: Some(self.seen),
            now: self.world.time(),
        }
    }

    /// What an honest directory answers to this client.
    pub fn honest(&self, label: &str) -> Answer {
        let from = Some(self.seen.size.get()).filter(|from| *from <= self.world.size().get());
        self.world.lookup(&Label::parse(label).unwrap(), Some(1), from)
    }

    /// The answer to a question for a history.
    pub fn history(&self, label: &Label) -> Answer {
        self.histories
            .get(label.as_str())
            .cloned()
            .unwrap_or_else(|| self.world.history(label, 1))
    }

    /// Everything that a client is told who looks a label up, in the order in which it asks.
    pub fn answers(&self, label: &str) -> Vec<Answer> {
        let mut asking = Recorder {
            scene: self,
            given: Vec::new(),
        };
        let mut client = self.client();
        drop(client.ask(&mut asking, &Label::parse(label).unwrap()));
        asking.given
    }

    /// Replaces the checkpoint of an answer.
    pub(crate) fn with_checkpoint(answer: Answer, note: &Note) -> Answer {
        Answer {
            checkpoint: String::from_utf8(note.to_bytes()).unwrap(),
            ..answer
        }
    }

    /// Publishes any bytes under a label and answers honestly about it.
    pub(crate) fn publish(&mut self, label: Label, value: &[u8]) -> Answer {
        self.world.publish(&[(label.clone(), value.to_vec())]);
        self.honest(label.as_str())
    }

    /// The answer to a lookup of alice, its history replaced.
    pub(crate) fn with_history(&self, label: &str, history: HistoryProof) -> Answer {
        Answer {
            history: Some(history),
            ..self.honest(label)
        }
    }

    /// A configuration that differs in one thing from the one in force and names it; served, and named by an epoch.
    pub(crate) fn configure(&mut self, change: impl FnOnce(&mut ConfigValues)) {
        let mut values = ConfigValues {
            previous_config_sha256: Some(self.world.config.hash()),
            ..self.world.config.values().clone()
        };
        change(&mut values);
        self.name(ConfigDocument::create(&values).unwrap().bytes());
    }

    /// Serves these bytes as a configuration and names them by an epoch; they need not be one.
    pub(crate) fn name(&mut self, document: &[u8]) {
        use sha2::Digest as _;
        let hash = ConfigHash::new(sha2::Sha256::digest(document).into());
        self.documents.insert(hash.to_string(), document.to_vec());
        self.world.named = Some(hash);
        self.world.publish(&[Person::new("somebody", 90).entry()]);
    }

    /// Changes the last leaf, before anything is signed.
    pub(crate) fn edit_last_leaf(&mut self, edit: impl FnOnce(&mut keyglass_protocol::epoch::Leaf)) {
        let last = self.world.epoch();
        let mut leaf = *self.world.leaf(last);
        edit(&mut leaf);
        self.world.replace_leaf(last, leaf);
    }

    /// The epoch number n.
    pub(crate) fn epoch(n: u64) -> Epoch {
        Epoch::new(n)
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Ask for &Scene {
    fn lookup(&mut self, label: &Label) -> Answer {
        self.told.clone().unwrap_or_else(|| self.honest(label.as_str()))
    }

    fn history(&mut self, label: &Label) -> Answer {
        Scene::history(self, label)
    }

    fn config(&mut self, hash: &ConfigHash) -> Option<Vec<u8>> {
        self.documents.get(&hash.to_string()).cloned()
    }
}

/// Keeps what was answered.
struct Recorder<'s> {
    scene: &'s Scene,
    given: Vec<Answer>,
}

impl Ask for Recorder<'_> {
    fn lookup(&mut self, label: &Label) -> Answer {
        let mut scene = self.scene;
        self.given.push(Ask::lookup(&mut scene, label));
        self.given.last().unwrap().clone()
    }

    fn history(&mut self, label: &Label) -> Answer {
        self.given.push(self.scene.history(label));
        self.given.last().unwrap().clone()
    }

    fn config(&mut self, hash: &ConfigHash) -> Option<Vec<u8>> {
        let mut scene = self.scene;
        scene.config(hash)
    }
}
