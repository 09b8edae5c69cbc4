//! Lies about who does not exist.

use akd::VersionFreshness::Fresh;
use akd::proto::specs::types::NonMembershipProof;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, B64};
use protobuf::Message as _;

use super::{Row, Scene};

/// Lies about who does not exist.
pub(super) const LIES: &[Row] = &[
    (
        "absence-of-an-existing-user",
        "a search that ends too early",
        "child-is-prefix",
        1,
        "account:alice",
        |s| s.denied("account:alice"),
    ),
    (
        "absence-of-an-existing-handle",
        "a search that ends too early",
        "child-is-prefix",
        1,
        "handle:alice",
        |s| s.denied("handle:alice"),
    ),
    (
        "absence-proven-by-another-name",
        "nobody's absence with alice's name on it",
        "vrf-mismatch",
        1,
        "account:alice",
        |s| {
            let mut absent = s.world.absence(&Label::parse("account:nobody").unwrap());
            absent.label = "account:alice".to_owned();
            Answer {
                lookups: Vec::new(),
                absences: vec![absent],
                ..s.honest("account:alice")
            }
        },
    ),
    (
        "absence-of-another-leaf",
        "the leaf of somebody else who does not exist",
        "label-mismatch",
        1,
        "account:nobody",
        |s| {
            let other = s.honest("account:nothing");
            let mut answer = s.honest("account:nobody");
            answer.absences[0].proof = other.absences[0].proof.clone();
            answer
        },
    ),
    (
        "absence-without-a-proof",
        "an empty proof",
        "child-count",
        1,
        "account:nobody",
        |s| {
            let mut answer = s.honest("account:nobody");
            answer.absences[0].proof = B64(Vec::new());
            answer
        },
    ),
    (
        "absence-of-another-label",
        "the absence of somebody who was not asked for",
        "other-label",
        1,
        "account:nobody",
        |s| s.honest("account:nothing"),
    ),
    (
        "absence-with-children-swapped",
        "left and right below the end of the search",
        "child-on-wrong-side",
        1,
        "account:nobody",
        |s| s.edit_absence(|p| p.longest_prefix_children.reverse()),
    ),
    (
        "absence-with-a-child-altered",
        "a hash below the end of the search",
        "prefix-hash-mismatch",
        1,
        "account:nobody",
        |s| s.edit_absence(|p| p.longest_prefix_children[0].value.as_mut().unwrap()[0] ^= 1),
    ),
    (
        "absence-in-an-older-tree",
        "a replay of an absence that has ended",
        "root-mismatch",
        1,
        "account:late",
        |s| {
            let before = s.world.absence(&Label::parse("account:late").unwrap());
            let late = crate::world::Person::new("late", 70);
            s.world.publish(&[late.entry()]);
            Answer {
                lookups: Vec::new(),
                absences: vec![before],
                history: None,
                ..s.honest("account:late")
            }
        },
    ),
];

impl Scene {
    /// "Nobody has this label", although somebody has.
    fn denied(&self, label: &str) -> Answer {
        let parsed = Label::parse(label).unwrap();
        let denied = NonMembershipProof::from(&self.world.denied(&parsed, Fresh, 1));
        let mut absent = self.world.absence(&parsed);
        absent.proof = B64(denied.write_to_bytes().unwrap());
        Answer {
            lookups: Vec::new(),
            absences: vec![absent],
            history: None,
            ..self.honest(label)
        }
    }

    fn edit_absence(&self, edit: impl FnOnce(&mut NonMembershipProof)) -> Answer {
        let mut answer = self.honest("account:nobody");
        let mut proof = NonMembershipProof::parse_from_bytes(&answer.absences[0].proof.0).unwrap();
        edit(&mut proof);
        answer.absences[0].proof = B64(proof.write_to_bytes().unwrap());
        answer
    }
}
