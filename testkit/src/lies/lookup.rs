//! Lies about the newest version of a label.

use akd::VersionFreshness::{Fresh, Stale};
use akd::proto::specs::types::{LookupProof as AkdLookup, MembershipProof, NonMembershipProof};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, B64};
use protobuf::{Message as _, MessageField};

use super::{Row, Scene};
use crate::world::{Person, Planted};

/// Lies about the newest version of a label.
pub(super) const LIES: &[Row] = &[
    (
        "answer-about-another-label",
        "bob's answer to a question about alice",
        "other-label",
        1,
        "account:alice",
        |s| s.honest("account:bob"),
    ),
    (
        "another-label-under-the-asked-name",
        "bob's proof with alice's name on it",
        "vrf-mismatch",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:bob");
            answer.lookups[0].label = "account:alice".to_owned();
            answer
        },
    ),
    (
        "value-altered",
        "one bit of the record",
        "value-mismatch",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.value.as_mut().unwrap()[40] ^= 1),
    ),
    (
        "value-of-another-account",
        "bob's record in alice's proof",
        "value-mismatch",
        1,
        "account:alice",
        |s| {
            let other = s.bob.newest.bytes().to_vec();
            s.edit_lookup(|p| p.set_value(other))
        },
    ),
    (
        "value-blank",
        "a version without a record",
        "blank-value",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.set_value(Vec::new())),
    ),
    (
        "value-longer-than-any-record",
        "a value of 16 KiB and a byte",
        "value-too-long",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.set_value(vec![1; 16 * 1024 + 1])),
    ),
    (
        "version-altered",
        "the version of the newest record",
        "vrf-mismatch",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.set_version(3)),
    ),
    (
        "version-zero",
        "a version that does not exist",
        "version-zero",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.set_version(0)),
    ),
    (
        "version-above-its-epoch",
        "more versions than epochs there were",
        "version-above-epoch",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.set_epoch(1)),
    ),
    (
        "record-epoch-altered",
        "the epoch in which the record appeared",
        "value-mismatch",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.set_epoch(2)),
    ),
    (
        "record-epoch-after-the-head",
        "a record from the future",
        "record-epoch-above-head",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.set_epoch(60)),
    ),
    (
        "nonce-altered",
        "what opens the commitment",
        "value-mismatch",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.commitment_nonce.as_mut().unwrap()[0] ^= 1),
    ),
    (
        "nonce-short",
        "a nonce of 31 bytes",
        "hash-length",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.set_commitment_nonce(vec![7; 31])),
    ),
    (
        "existence-vrf-proof-altered",
        "the challenge of the VRF proof",
        "vrf-mismatch",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.existence_vrf_proof.as_mut().unwrap()[40] ^= 1),
    ),
    (
        "vrf-scalar-plus-the-group-order",
        "a second spelling of a true VRF proof",
        "vrf-scalar",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| add_group_order(p.existence_vrf_proof.as_mut().unwrap())),
    ),
    (
        "vrf-proof-of-another-length",
        "a VRF proof of 81 bytes",
        "vrf-proof-length",
        1,
        "account:alice",
        |s| s.edit_lookup(|p| p.existence_vrf_proof.as_mut().unwrap().push(0)),
    ),
    (
        "membership-path-altered",
        "a sibling's hash",
        "root-mismatch",
        1,
        "account:alice",
        |s| s.edit_path(|path| path[0].siblings[0].value.as_mut().unwrap()[0] ^= 1),
    ),
    (
        "membership-path-cut-off",
        "a path that ends below the root",
        "path-not-at-root",
        1,
        "account:alice",
        |s| s.edit_path(|path| drop(path.remove(0))),
    ),
    (
        "membership-path-on-the-other-side",
        "the direction of a step",
        "direction-mismatch",
        1,
        "account:alice",
        |s| {
            s.edit_path(|path| {
                path[0].direction = path[0].direction.map(|side| 1 - side);
            })
        },
    ),
    (
        "membership-without-a-path",
        "the root's own value as alice's leaf",
        "empty-path",
        1,
        "account:alice",
        |s| {
            let forged = MembershipProof::from(&s.world.pathless(&s.alice.label(), Fresh, 2));
            s.edit_lookup(|p| p.existence_proof = MessageField::some(forged))
        },
    ),
    (
        "membership-of-another-leaf",
        "bob's leaf under alice's VRF proof",
        "label-mismatch",
        1,
        "account:alice",
        |s| {
            let other = MembershipProof::from(&s.world.member(&s.bob.label(), Fresh, 2));
            s.edit_lookup(|p| p.existence_proof = MessageField::some(other))
        },
    ),
    (
        "stale-key-as-the-newest",
        "a key that was replaced, with a search that ends too early",
        "child-is-prefix",
        1,
        "account:bob",
        |s| s.replaced_version(),
    ),
    (
        "freshness-of-another-version",
        "bob's proof that nothing replaced the key",
        "vrf-mismatch",
        1,
        "account:alice",
        |s| {
            let other = s.world.lookup(&s.bob.label(), None, None);
            let other = AkdLookup::parse_from_bytes(&other.lookups[0].proof.0).unwrap();
            s.edit_lookup(|p| {
                p.freshness_vrf_proof = other.freshness_vrf_proof;
                p.freshness_proof = other.freshness_proof;
            })
        },
    ),
    (
        "power-marker-of-another-version",
        "the proof's own marker",
        "vrf-mismatch",
        1,
        "account:bob",
        |s| {
            s.grow_bob();
            s.edit_lookup_of("account:bob", |p| {
                p.marker_vrf_proof = p.existence_vrf_proof.clone();
                p.marker_proof = p.existence_proof.clone();
            })
        },
    ),
    (
        "marker-missing",
        "version 1 is not shown",
        "marker-set",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            answer.lookups[0].markers.clear();
            answer
        },
    ),
    (
        "marker-of-another-version",
        "the number of a marker",
        "marker-set",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            answer.lookups[0].markers[0].version = 2;
            answer
        },
    ),
    (
        "marker-too-many",
        "a marker twice",
        "marker-set",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            let again = answer.lookups[0].markers[0].clone();
            answer.lookups[0].markers.push(again);
            answer
        },
    ),
    (
        "marker-proven-by-another-leaf",
        "the leaf of the marker",
        "label-mismatch",
        1,
        "account:alice",
        |s| {
            let other = MembershipProof::from(&s.world.member(&s.alice.label(), Fresh, 2));
            let mut answer = s.honest("account:alice");
            answer.lookups[0].markers[0].proof = B64(other.write_to_bytes().unwrap());
            answer
        },
    ),
    (
        "version-eight-out-of-nothing",
        "a version that no history has, its markers left out",
        "marker-set",
        1,
        "account:alice",
        |s| {
            let mut answer = s.out_of_nothing(8);
            answer.lookups[0].markers.retain(|m| m.version == 1);
            answer
        },
    ),
    (
        "version-eight-with-a-marker-without-a-path",
        "a version that no history has, its markers forged",
        "empty-path",
        1,
        "account:alice",
        |s| {
            let mut answer = s.out_of_nothing(8);
            let forged = MembershipProof::from(&s.world.pathless(&s.alice.label(), Fresh, 4));
            answer.lookups[0].markers[1].proof = B64(forged.write_to_bytes().unwrap());
            answer
        },
    ),
    (
        "surplus-lookup",
        "a second lookup that nobody asked for",
        "surplus-lookup",
        1,
        "account:alice",
        |s| {
            let mut answer = s.honest("account:alice");
            answer.lookups.extend(s.honest("account:bob").lookups);
            answer
        },
    ),
    (
        "lookup-missing",
        "neither presence nor absence",
        "lookup-missing",
        1,
        "account:alice",
        |s| Answer {
            lookups: Vec::new(),
            ..s.honest("account:alice")
        },
    ),
    (
        "presence-and-absence",
        "both presence and absence",
        "lookup-and-absence",
        1,
        "account:alice",
        |s| {
            let absent = s.world.absence(&Label::parse("account:nobody").unwrap());
            Answer {
                absences: vec![absent],
                ..s.honest("account:alice")
            }
        },
    ),
    (
        "lookup-of-an-older-tree",
        "a replay of what was true two epochs ago",
        "root-mismatch",
        1,
        "account:alice",
        |s| {
            let older = s.honest("account:alice").lookups;
            s.world.publish(&[Person::new("somebody", 90).entry()]);
            Answer {
                lookups: older,
                ..s.honest("account:alice")
            }
        },
    ),
];

impl Scene {
    pub(super) fn edit_lookup(&self, edit: impl FnOnce(&mut AkdLookup)) -> Answer {
        self.edit_lookup_of("account:alice", edit)
    }

    fn edit_lookup_of(&self, label: &str, edit: impl FnOnce(&mut AkdLookup)) -> Answer {
        let mut answer = self.honest(label);
        let mut proof = AkdLookup::parse_from_bytes(&answer.lookups[0].proof.0).unwrap();
        edit(&mut proof);
        answer.lookups[0].proof = B64(proof.write_to_bytes().unwrap());
        answer
    }

    fn edit_path(&self, edit: impl FnOnce(&mut Vec<akd::proto::specs::types::SiblingProof>)) -> Answer {
        self.edit_lookup(|p| edit(&mut p.existence_proof.as_mut().unwrap().sibling_proofs))
    }

    /// Bob's replaced version 1 as if it were the newest: all of it true but that nothing replaced it.
    fn replaced_version(&self) -> Answer {
        let label = self.bob.label();
        let old = Scene::as_seen(self.world.leaf(Scene::epoch(0)).time);
        let shown = old.world.lookup(&label, None, None);
        let mut proof = AkdLookup::parse_from_bytes(&shown.lookups[0].proof.0).unwrap();
        let member = MembershipProof::from(&self.world.member(&label, Fresh, 1));
        proof.existence_proof = MessageField::some(member.clone());
        proof.marker_proof = MessageField::some(member);
        let denied = NonMembershipProof::from(&self.world.denied(&label, Stale, 1));
        proof.freshness_proof = MessageField::some(denied);
        let mut answer = self.honest("account:bob");
        answer.lookups[0].proof = B64(proof.write_to_bytes().unwrap());
        answer.lookups[0].markers.clear();
        answer
    }

    /// Gives bob a third version, whose marker is not its own existence.
    fn grow_bob(&mut self) {
        self.bob.add_device(3, 23);
        self.world.publish(&[self.bob.entry()]);
    }

    /// Alice's record by the operator, planted as a version far above the newest; her history stays as it is.
    fn out_of_nothing(&mut self, version: u64) -> Answer {
        let label = self.alice.label();
        let ghost = Person::new("alice", 66);
        while self.world.epoch().get() < version {
            let stranger = format!("somebody{}", self.world.epoch());
            self.world.publish(&[Person::new(&stranger, 90).entry()]);
        }
        let record = ghost.newest.bytes();
        let epoch = self.world.plant(&[Planted::fresh(&label, version, record)]);
        Answer {
            lookups: vec![self.world.planted_lookup(&label, (version, epoch, record))],
            ..self.honest("account:alice")
        }
    }
}

/// Adds 2^252 + 27742317777372353535851937790883648493 to the scalar of a VRF proof.
fn add_group_order(proof: &mut [u8]) {
    add_group_order_at(proof, 48);
}

/// The same to the scalar that begins at an offset.
pub(super) fn add_group_order_at(bytes: &mut [u8], at: usize) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (byte, add) in bytes[at..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
}
