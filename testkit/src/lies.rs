//! A directory that lies with every key its operator holds.
//!
//! Each lie breaks one rule; everything else in the answer is true and freshly signed, so that only the check of
//! that rule can catch it. The auditor's key is used too: a lie must be caught even if the auditor was fooled.

mod epoch;
mod lookup;
mod record;

use keyglass_protocol::epoch::SeenHead;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::Answer;
use keyglass_protocol::note::Note;
use keyglass_protocol::record::AliasRecord;

use crate::client::Client;
use crate::world::{Person, World};

/// One lie, by name.
pub struct Lie {
    /// What is false.
    pub name: &'static str,
    /// The reason with which a verifier must refuse it.
    pub reason: &'static str,
    /// The label that is asked for.
    pub label: &'static str,
    /// Tells it.
    pub tell: fn(&mut Scene) -> Answer,
}

/// All lies.
pub fn all() -> Vec<Lie> {
    [epoch::LIES, lookup::LIES, record::LIES]
        .concat()
        .into_iter()
        .map(|(name, reason, label, tell)| Lie {
            name,
            reason,
            label,
            tell,
        })
        .collect()
}

/// How the tables below write a [`Lie`].
pub(crate) type Row = (&'static str, &'static str, &'static str, fn(&mut Scene) -> Answer);

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
}

impl Scene {
    /// Six epochs: two accounts, a handle, a new device, a new identity, a handle claimed and released.
    pub fn new() -> Self {
        let mut world = World::new(1);
        let (mut alice, mut bob) = (Person::new("alice", 1), Person::new("bob", 2));
        world.publish(&[alice.entry(), bob.entry()]);
        let handle = alice.claim("handle:alice", None);
        world.publish(&[(handle.label(), handle.bytes().to_vec())]);
        let client = Client {
            trust: world.trust(),
            seen: None,
            now: world.now,
        };
        let seen = client.verify_epoch(&world.bare_answer(None)).unwrap().head();
        alice.add_device(2, 21);
        world.publish(&[alice.entry()]);
        let old = bob.claim("handle:old", None);
        world.publish(&[(old.label(), old.bytes().to_vec())]);
        let released = bob.release(&old);
        world.publish(&[(released.label(), released.bytes().to_vec())]);
        bob.rotate(22);
        world.publish(&[bob.entry()]);
        Self {
            world,
            alice,
            bob,
            handle,
            seen,
        }
    }

    /// The client of this scene.
    pub fn client(&self) -> Client {
        Client {
            trust: self.world.trust(),
            seen: Some(self.seen),
            now: self.world.now,
        }
    }

    /// What an honest directory answers to this client.
    pub fn honest(&self, label: &str) -> Answer {
        self.world
            .lookup(&Label::parse(label).unwrap(), Some(1), Some(self.seen.size.get()))
    }

    /// Replaces the checkpoint of an answer.
    pub(crate) fn with_checkpoint(answer: Answer, note: &Note) -> Answer {
        Answer {
            checkpoint: String::from_utf8(note.to_bytes()).unwrap(),
            ..answer
        }
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}
