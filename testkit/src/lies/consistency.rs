//! Lies to somebody who remembers what was shown before.

use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, B64};

use super::{Row, Scene};
use crate::world::{Person, World};

/// Lies to somebody who remembers what was shown before.
pub(super) const LIES: &[Row] = &[
    (
        "consistency-proof-altered",
        "a hash of the proof that the log only grew",
        "inconsistent",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            answer.consistency_proof.as_mut().unwrap().hashes[0] = B64(vec![9; 32]);
            answer
        },
    ),
    (
        "consistency-proof-too-short",
        "a proof that the log only grew, cut off",
        "inconsistent",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            answer.consistency_proof.as_mut().unwrap().hashes.pop();
            answer
        },
    ),
    (
        "consistency-proof-too-long",
        "a proof that the log only grew, with one hash too many",
        "inconsistent",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            let proof = answer.consistency_proof.as_mut().unwrap();
            proof.hashes.push(B64(vec![9; 32]));
            answer
        },
    ),
    (
        "history-rewritten-before-the-seen-head",
        "a leaf that the client has seen",
        "inconsistent",
        1,
        "account:alice",
        |s| {
            let mut leaf = *s.world.leaf(Scene::epoch(1));
            leaf.inserted += 1;
            s.world.replace_leaf(Scene::epoch(1), leaf);
            s.honest("account:alice")
        },
    ),
    (
        "smaller-head-than-seen",
        "an older head of the same log",
        "stale-head",
        4,
        "account:alice",
        |s| {
            let mut world = s.begin_again();
            world.publish(&[Person::new("alice", 1).entry(), Person::new("bob", 2).entry()]);
            s.show(world)
        },
    ),
    (
        "fork-at-the-seen-size",
        "another log of the size that was seen",
        "fork",
        5,
        "account:alice",
        |s| {
            let mut world = s.begin_again();
            world.publish(&[Person::new("alice", 66).entry()]);
            world.publish(&[Person::new("bob", 67).entry()]);
            s.show(world)
        },
    ),
    (
        "another-log-of-a-greater-size",
        "another log, longer than what was seen",
        "inconsistent",
        1,
        "account:alice",
        |s| {
            let mut world = s.begin_again();
            for (name, seed) in [("alice", 66), ("bob", 67), ("carol", 68)] {
                world.publish(&[Person::new(name, seed).entry()]);
            }
            s.show(world)
        },
    ),
];

impl Scene {
    /// The same operator's log, begun again.
    fn begin_again(&self) -> World {
        let mut world = World::at(1, self.world.leaf(Scene::epoch(0)).time);
        world.witnessed = true;
        world
    }

    /// Shows another world from now on.
    fn show(&mut self, mut world: World) -> Answer {
        world.signed_at = Some(self.world.time());
        self.world = world;
        assert!(
            self.world
                .lookup(&Label::parse("account:alice").unwrap(), None, None)
                .absences
                .is_empty()
        );
        self.honest("account:alice")
    }
}
