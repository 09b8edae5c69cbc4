//! Lies about the versions that there were.

use akd::VersionFreshness::Fresh;
use akd::proto::specs::types::{HistoryProof as AkdHistory, NonMembershipProof};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, B64};
use keyglass_protocol::record::AccountKind;
use keyglass_protocol::record::Role;
use protobuf::{Message as _, MessageField};

use super::{Row, Scene};
use crate::world::{Person, Planted, device};

/// Lies about the versions that there were.
pub(super) const LIES: &[Row] = &[
    (
        "history-missing",
        "no history at all",
        "history-missing",
        1,
        "account:alice",
        |s| Answer {
            history: None,
            ..s.honest("account:alice")
        },
    ),
    (
        "history-of-another-label",
        "bob's history for alice's",
        "other-label",
        1,
        "account:alice",
        |s| Answer {
            history: s.honest("account:bob").history,
            ..s.honest("account:alice")
        },
    ),
    (
        "history-of-another-label-renamed",
        "bob's history with alice's name on it",
        "vrf-mismatch",
        1,
        "account:alice",
        |s| {
            let mut history = s.honest("account:bob").history.unwrap();
            history.label = "account:alice".to_owned();
            s.with_history("account:alice", history)
        },
    ),
    (
        "history-empty",
        "a history without versions",
        "history-empty",
        1,
        "account:alice",
        |s| s.edit_history(|h| h.update_proofs.clear()),
    ),
    (
        "history-truncated-at-the-old-end",
        "the first version left out",
        "history-start",
        1,
        "account:alice",
        |s| s.edit_history(|h| h.update_proofs.truncate(1)),
    ),
    (
        "history-truncated-at-the-new-end",
        "the newest version left out",
        "vrf-mismatch",
        1,
        "account:alice",
        |s| s.edit_history(|h| drop(h.update_proofs.remove(0))),
    ),
    (
        "history-with-a-version-left-out",
        "a version in the middle left out",
        "version-gap",
        1,
        "account:alice",
        |s| {
            s.alice.add_device(3, 23);
            s.world.publish(&[s.alice.entry()]);
            s.edit_history(|h| drop(h.update_proofs.remove(1)))
        },
    ),
    (
        "history-reordered",
        "oldest first",
        "version-gap",
        1,
        "account:alice",
        |s| s.edit_history(|h| h.update_proofs.reverse()),
    ),
    (
        "history-duplicated",
        "a version twice",
        "version-gap",
        1,
        "account:alice",
        |s| s.edit_history(|h| h.update_proofs.push(h.update_proofs[0].clone())),
    ),
    (
        "history-newest-blanked",
        "the newest version without its record",
        "blank-value",
        1,
        "account:alice",
        |s| s.edit_history(|h| h.update_proofs[0].set_value(Vec::new())),
    ),
    (
        "history-older-blanked",
        "an older version without its record",
        "history-blank-value",
        1,
        "account:alice",
        |s| s.edit_history(|h| h.update_proofs[1].set_value(Vec::new())),
    ),
    (
        "history-version-altered",
        "the record of an older version",
        "value-mismatch",
        1,
        "account:alice",
        |s| s.edit_history(|h| h.update_proofs[1].value.as_mut().unwrap()[40] ^= 1),
    ),
    (
        "history-epochs-swapped",
        "when the versions appeared",
        "epoch-order",
        1,
        "account:alice",
        |s| {
            s.edit_history(|h| {
                let epoch = h.update_proofs[0].epoch();
                h.update_proofs[1].set_epoch(epoch);
            })
        },
    ),
    (
        "history-does-not-show-what-was-replaced",
        "the mark that version 1 was replaced",
        "previous-missing",
        1,
        "account:alice",
        |s| {
            s.edit_history(|h| {
                h.update_proofs[0].previous_version_proof = MessageField::none();
                h.update_proofs[0].previous_version_vrf_proof = None;
            })
        },
    ),
    (
        "history-replaces-what-never-was",
        "a mark that a version before the first was replaced",
        "previous-unexpected",
        1,
        "account:alice",
        |s| {
            s.edit_history(|h| {
                let newer = h.update_proofs[0].clone();
                h.update_proofs[1].previous_version_proof = newer.previous_version_proof;
                h.update_proofs[1].previous_version_vrf_proof = newer.previous_version_vrf_proof;
            })
        },
    ),
    (
        "history-without-future-markers",
        "that no later version exists is not shown",
        "future-marker-count",
        1,
        "account:alice",
        |s| {
            s.edit_history(|h| {
                h.future_marker_vrf_proofs.clear();
                h.non_existence_of_future_marker_proofs.clear();
            })
        },
    ),
    (
        "history-with-a-past-marker-too-many",
        "a marker of a version that is shown anyway",
        "past-marker-count",
        1,
        "account:alice",
        |s| {
            s.edit_history(|h| {
                h.past_marker_vrf_proofs
                    .push(h.update_proofs[1].existence_vrf_proof().to_vec());
                h.existence_of_past_marker_proofs
                    .push(h.update_proofs[1].existence_proof.clone().unwrap());
            })
        },
    ),
    (
        "hidden-version-denied-to-the-owner",
        "a ghost version shown to a contact, its absence in the history forged",
        "child-is-prefix",
        1,
        "account:alice",
        |s| s.hidden_version(),
    ),
    (
        "history-older-than-the-lookup",
        "a history that ends before the record that is shown",
        "root-mismatch",
        1,
        "account:alice",
        |s| {
            let before = s.honest("account:alice").history;
            s.alice.add_device(3, 23);
            s.world.publish(&[s.alice.entry()]);
            Answer {
                history: before,
                ..s.honest("account:alice")
            }
        },
    ),
    (
        "two-versions-in-one-epoch",
        "an epoch in which a key came and went",
        "epoch-order",
        1,
        "account:mallory",
        |s| {
            let (label, records) = s.mallory();
            let [one, two] = &records;
            let epoch = s.world.plant(&[
                Planted::fresh(&label, 1, one),
                Planted::stale(&label, 1),
                Planted::fresh(&label, 2, two),
            ]);
            s.planted(&label, &[(1, epoch, one), (2, epoch, two)])
        },
    ),
    (
        "version-replaced-later-than-its-successor-came",
        "two versions at once were the newest for an epoch",
        "stale-mismatch",
        1,
        "account:mallory",
        |s| {
            let (label, records) = s.mallory();
            let [one, two] = &records;
            let first = s.world.plant(&[Planted::fresh(&label, 1, one)]);
            let second = s.world.plant(&[Planted::fresh(&label, 2, two)]);
            s.world.plant(&[Planted::stale(&label, 1)]);
            s.planted(&label, &[(1, first, one), (2, second, two)])
        },
    ),
    (
        "history-leaf-altered",
        "the time of a notice",
        "leaf-not-included",
        1,
        "account:carol",
        |s| {
            s.carol_with_notice();
            let mut answer = s.honest("account:carol");
            answer.history.as_mut().unwrap().leaves[0].leaf.0[18] ^= 1;
            answer
        },
    ),
    (
        "history-leaf-of-another-place",
        "the leaf of another epoch at the place of a notice",
        "leaf-not-included",
        1,
        "account:carol",
        |s| {
            s.carol_with_notice();
            let mut answer = s.honest("account:carol");
            answer.history.as_mut().unwrap().leaves[0].index -= 1;
            answer
        },
    ),
];

impl Scene {
    pub(super) fn edit_history(&self, edit: impl FnOnce(&mut AkdHistory)) -> Answer {
        let mut answer = self.honest("account:alice");
        let history = answer.history.as_mut().unwrap();
        let mut proof = AkdHistory::parse_from_bytes(&history.proof.0).unwrap();
        edit(&mut proof);
        history.proof = B64(proof.write_to_bytes().unwrap());
        answer
    }

    /// A third version of alice by the operator: shown in the lookup, denied in the history.
    fn hidden_version(&mut self) -> Answer {
        let label = self.alice.label();
        let before = self.honest("account:alice").history.unwrap();
        let mut body = self.alice.next_body(AccountKind::Owner);
        body.devices.push(device(66, 66));
        let ghost = body.sign(&[(Role::Identity, &self.world.keys.log)]).unwrap();
        let epoch = self.world.plant(&[
            Planted::stale(&label, 2),
            Planted::fresh(&label, 3, ghost.bytes()),
        ]);
        let mut answer = self.honest("account:alice");
        assert_eq!(before.label, "account:alice");
        answer.lookups = vec![self.world.planted_lookup(&label, (3, epoch, ghost.bytes()))];
        let history = answer.history.as_mut().unwrap();
        let mut proof = AkdHistory::parse_from_bytes(&history.proof.0).unwrap();
        // The first version that the history must show not to exist is the hidden one.
        proof.non_existence_of_future_marker_proofs[0] =
            NonMembershipProof::from(&self.world.denied(&label, Fresh, 3));
        history.proof = B64(proof.write_to_bytes().unwrap());
        answer
    }

    /// Two good records of one account that was never published.
    fn mallory(&self) -> (Label, [Vec<u8>; 2]) {
        let mut mallory = Person::new("mallory", 80);
        let one = mallory.newest.bytes().to_vec();
        let two = mallory.add_device(2, 81).bytes().to_vec();
        (mallory.label(), [one, two])
    }

    /// A lookup of the newest planted version with the history of all.
    fn planted(&self, label: &Label, versions: &[crate::world::Shown<'_>]) -> Answer {
        let newest = versions.last().unwrap();
        Answer {
            lookups: vec![self.world.planted_lookup(label, *newest)],
            history: Some(self.world.planted_history(label, versions)),
            ..self.world.bare_answer(Some(self.seen.size.get()))
        }
    }
}
