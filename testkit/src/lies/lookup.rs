//! Lies about a label: lookup, markers, absence, history.

use akd::proto::specs::types::{HistoryProof as AkdHistory, LookupProof as AkdLookup};
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, B64};
use protobuf::Message as _;

use super::{Row, Scene};

pub(super) const LIES: &[Row] = &[
    (
        "answer-about-another-label",
        "other-label",
        "account:alice",
        |s| s.honest("account:bob"),
    ),
    (
        "another-label-under-the-asked-name",
        "vrf-mismatch",
        "account:alice",
        |s| {
            let mut answer = s.honest("account:bob");
            answer.lookups[0].label = "account:alice".to_owned();
            answer
        },
    ),
    ("value-altered", "value-mismatch", "account:alice", |s| {
        s.edit_lookup(|p| p.value.as_mut().unwrap()[40] ^= 1)
    }),
    (
        "value-of-another-account",
        "value-mismatch",
        "account:alice",
        |s| {
            let other = s.bob.newest.bytes().to_vec();
            s.edit_lookup(|p| p.set_value(other))
        },
    ),
    ("version-altered", "vrf-mismatch", "account:alice", |s| {
        s.edit_lookup(|p| p.set_version(3))
    }),
    ("record-epoch-altered", "value-mismatch", "account:alice", |s| {
        s.edit_lookup(|p| p.set_epoch(2))
    }),
    (
        "record-epoch-after-the-head",
        "record-epoch-above-head",
        "account:alice",
        |s| s.edit_lookup(|p| p.set_epoch(60)),
    ),
    ("version-zero", "version-zero", "account:alice", |s| {
        s.edit_lookup(|p| p.set_version(0))
    }),
    ("nonce-altered", "value-mismatch", "account:alice", |s| {
        s.edit_lookup(|p| p.commitment_nonce.as_mut().unwrap()[0] ^= 1)
    }),
    (
        "existence-vrf-proof-altered",
        "vrf-mismatch",
        "account:alice",
        |s| s.edit_lookup(|p| p.existence_vrf_proof.as_mut().unwrap()[40] ^= 1),
    ),
    ("membership-path-altered", "root-mismatch", "account:alice", |s| {
        s.edit_lookup(|p| {
            let siblings = &mut p.existence_proof.as_mut().unwrap().sibling_proofs[0].siblings;
            siblings[0].value.as_mut().unwrap()[0] ^= 1;
        })
    }),
    (
        "freshness-of-another-version",
        "vrf-mismatch",
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
    ("marker-missing", "marker-set", "account:alice", |s| {
        let mut answer = s.honest("account:alice");
        answer.lookups[0].markers.clear();
        answer
    }),
    ("marker-of-another-version", "marker-set", "account:alice", |s| {
        let mut answer = s.honest("account:alice");
        answer.lookups[0].markers[0].version = 2;
        answer
    }),
    ("marker-too-many", "marker-set", "account:alice", |s| {
        let mut answer = s.honest("account:alice");
        let again = answer.lookups[0].markers[0].clone();
        answer.lookups[0].markers.push(again);
        answer
    }),
    (
        "alias-without-its-account",
        "alias-step-missing",
        "handle:alice",
        |s| {
            let mut answer = s.honest("handle:alice");
            answer.lookups.truncate(1);
            answer
        },
    ),
    ("alias-to-another-account", "other-label", "handle:alice", |s| {
        let mut answer = s.honest("handle:alice");
        answer.lookups[1] = s.honest("account:bob").lookups.remove(0);
        answer
    }),
    ("surplus-lookup", "surplus-lookup", "account:alice", |s| {
        let mut answer = s.honest("account:alice");
        answer.lookups.extend(s.honest("account:bob").lookups);
        answer
    }),
    (
        "neither-presence-nor-absence",
        "lookup-missing",
        "account:alice",
        |s| Answer {
            lookups: Vec::new(),
            ..s.honest("account:alice")
        },
    ),
    (
        "presence-and-absence",
        "lookup-and-absence",
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
        "absence-of-an-existing-user",
        "vrf-mismatch",
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
    ("absence-without-a-proof", "child-count", "account:nobody", |s| {
        let mut answer = s.honest("account:nobody");
        answer.absences[0].proof = B64(Vec::new());
        answer
    }),
    ("absence-of-another-label", "other-label", "account:nobody", |s| {
        s.honest("account:nothing")
    }),
    ("history-missing", "history-missing", "account:alice", |s| {
        Answer {
            history: None,
            ..s.honest("account:alice")
        }
    }),
    ("history-of-another-label", "other-label", "account:alice", |s| {
        Answer {
            history: s.honest("account:bob").history,
            ..s.honest("account:alice")
        }
    }),
    (
        "history-truncated-at-the-old-end",
        "history-start",
        "account:alice",
        |s| s.edit_history(|h| h.update_proofs.truncate(1)),
    ),
    (
        "history-truncated-at-the-new-end",
        "vrf-mismatch",
        "account:alice",
        |s| {
            s.edit_history(|h| {
                h.update_proofs.remove(0);
            })
        },
    ),
    ("history-reordered", "version-gap", "account:alice", |s| {
        s.edit_history(|h| h.update_proofs.reverse())
    }),
    ("history-duplicated", "version-gap", "account:alice", |s| {
        s.edit_history(|h| h.update_proofs.push(h.update_proofs[0].clone()))
    }),
    ("history-newest-blanked", "blank-value", "account:alice", |s| {
        s.edit_history(|h| h.update_proofs[0].set_value(Vec::new()))
    }),
    (
        "history-older-blanked",
        "history-blank-value",
        "account:alice",
        |s| s.edit_history(|h| h.update_proofs[1].set_value(Vec::new())),
    ),
];

impl Scene {
    fn edit_lookup(&self, edit: impl FnOnce(&mut AkdLookup)) -> Answer {
        let mut answer = self.honest("account:alice");
        let mut proof = AkdLookup::parse_from_bytes(&answer.lookups[0].proof.0).unwrap();
        edit(&mut proof);
        answer.lookups[0].proof = B64(proof.write_to_bytes().unwrap());
        answer
    }

    fn edit_history(&self, edit: impl FnOnce(&mut AkdHistory)) -> Answer {
        let mut answer = self.honest("account:alice");
        let history = answer.history.as_mut().unwrap();
        let mut proof = AkdHistory::parse_from_bytes(&history.proof.0).unwrap();
        edit(&mut proof);
        history.proof = B64(proof.write_to_bytes().unwrap());
        answer
    }
}
