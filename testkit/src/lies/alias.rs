//! Lies about who holds a handle.

use keyglass_protocol::label::Label;
use keyglass_protocol::message::Answer;
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{
    AliasBody, AliasKind, AliasRecord, Holder, IdentityKey, PreviousHolder, Role,
};

use super::{Row, Scene};
use crate::world::Person;

/// Lies about who holds a handle.
pub(super) const LIES: &[Row] = &[
    (
        "alias-without-its-account",
        "the account that the handle points to left out",
        "alias-step-missing",
        1,
        "handle:alice",
        |s| {
            let mut answer = s.honest("handle:alice");
            answer.lookups.truncate(1);
            answer
        },
    ),
    (
        "alias-to-another-account",
        "another account than the one that the handle points to",
        "other-label",
        1,
        "handle:alice",
        |s| {
            let mut answer = s.honest("handle:alice");
            answer.lookups[1] = s.honest("account:bob").lookups.remove(0);
            answer
        },
    ),
    (
        "alias-history-missing",
        "no history of the handle",
        "history-missing",
        1,
        "handle:alice",
        |s| {
            let bare = s.world.bare_answer(None);
            s.tell_history(bare)
        },
    ),
    (
        "alias-history-of-another-handle",
        "another handle's history",
        "other-label",
        1,
        "handle:alice",
        |s| {
            let other = s.world.history(&Label::parse("handle:old").unwrap(), 1);
            s.tell_history(other)
        },
    ),
    (
        "alias-history-of-an-older-tree",
        "a history of the handle from before",
        "root-mismatch",
        1,
        "handle:alice",
        |s| {
            let older = s.world.history(&s.handle.label(), 1);
            s.world.publish(&[Person::new("somebody", 90).entry()]);
            let answer = s.world.bare_answer(None);
            s.tell_history(Answer {
                history: older.history,
                ..answer
            })
        },
    ),
    (
        "claim-without-the-holder",
        "a handle that its holder did not claim",
        "bad-record-signature",
        1,
        "handle:new",
        |s| {
            let body = s.claim_by_bob();
            let record = body.sign(&[(Role::Identity, &s.world.keys.log)]).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "claim-with-a-signature-too-many",
        "a claim that the recovery key signed too",
        "wrong-signature-roles",
        1,
        "handle:new",
        |s| {
            let keys = [
                (Role::Identity, &s.bob.identity),
                (Role::Recovery, &s.world.keys.recovery),
            ];
            let record = s.claim_by_bob().sign(&keys).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "claim-by-a-key-that-was-given-up",
        "a claim by bob's old key",
        "alias-holder-key",
        1,
        "handle:new",
        |s| {
            let old = Person::new("bob", 2);
            let mut body = s.claim_by_bob();
            body.holder.as_mut().unwrap().key = IdentityKey::from(&old.identity);
            let record = body.sign(&[(Role::Identity, &old.identity)]).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "claim-by-a-version-to-come",
        "a claim by a version of bob that does not exist",
        "alias-holder-version",
        1,
        "handle:new",
        |s| {
            let mut body = s.claim_by_bob();
            body.holder.as_mut().unwrap().version = KeyVersion::new(9).unwrap();
            let record = body.sign(&[(Role::Identity, &s.bob.identity)]).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "claim-before-its-holder-existed",
        "a handle that pointed to nobody",
        "alias-account-absent",
        1,
        "handle:new",
        |s| {
            let dan = Person::new("dan", 5);
            let claim = dan.claim("handle:new", None);
            s.world.publish(&[(claim.label(), claim.bytes().to_vec())]);
            s.world.publish(&[dan.entry()]);
            s.honest("handle:new")
        },
    ),
    (
        "claim-of-a-held-handle",
        "alice's handle claimed by bob",
        "alias-not-released",
        1,
        "handle:alice",
        |s| {
            let body = AliasBody {
                holder: Some(s.bob_as_holder()),
                ..s.next_of_handle(AliasKind::Claim)
            };
            let record = body.sign(&[(Role::Identity, &s.bob.identity)]).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "transfer-without-the-previous-holder",
        "alice's handle given away without her",
        "bad-record-signature",
        1,
        "handle:alice",
        |s| {
            let keys = [
                (Role::Identity, &s.bob.identity),
                (Role::PreviousIdentity, &s.world.keys.log),
            ];
            let record = s.transfer_to_bob().sign(&keys).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "transfer-with-one-signature",
        "alice's handle given away, signed by bob only",
        "wrong-signature-roles",
        1,
        "handle:alice",
        |s| {
            let record = s
                .transfer_to_bob()
                .sign(&[(Role::Identity, &s.bob.identity)])
                .unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "transfer-by-another-key-than-the-holder's",
        "a key that alice never had, as hers",
        "alias-holder-key",
        1,
        "handle:alice",
        |s| {
            let thief = Person::new("thief", 66);
            let mut body = s.transfer_to_bob();
            body.previous_holder.as_mut().unwrap().key = IdentityKey::from(&thief.identity);
            let keys = [
                (Role::Identity, &s.bob.identity),
                (Role::PreviousIdentity, &thief.identity),
            ];
            let record = body.sign(&keys).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "reassigned-without-the-recovery-key",
        "alice's handle given away by a key that may not",
        "bad-record-signature",
        1,
        "handle:alice",
        |s| {
            let body = AliasBody {
                holder: Some(s.bob_as_holder()),
                ..s.next_of_handle(AliasKind::Reassign)
            };
            let keys = [
                (Role::Identity, &s.bob.identity),
                (Role::Recovery, &s.world.keys.import),
            ];
            let record = body.sign(&keys).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "release-without-the-holder",
        "alice's handle released without her",
        "bad-record-signature",
        1,
        "handle:alice",
        |s| {
            let body = AliasBody {
                previous_holder: Some(s.alice_before()),
                ..s.next_of_handle(AliasKind::Release)
            };
            let record = body.sign(&[(Role::PreviousIdentity, &s.world.keys.log)]).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "release-of-what-nobody-holds",
        "a handle released twice",
        "alias-not-held",
        1,
        "handle:old",
        |s| {
            let label = Label::parse("handle:old").unwrap();
            let value = crate::world::tree_value(&s.honest("handle:old").lookups[0]);
            let released = AliasRecord::decode(&value).unwrap();
            let body = AliasBody {
                version: released.body().version.next().unwrap(),
                previous: released.hash(),
                ..released.body().clone()
            };
            assert_eq!(body.alias, label);
            let record = body.sign(&[(Role::PreviousIdentity, &s.bob.identity)]).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "release-that-keeps-a-holder",
        "a released handle that still points to somebody",
        "alias-holder",
        1,
        "handle:alice",
        |s| {
            let mut body = s.transfer_to_bob();
            body.kind = AliasKind::Release;
            let keys = [
                (Role::Identity, &s.bob.identity),
                (Role::PreviousIdentity, &s.alice.identity),
            ];
            let record = body.sign(&keys).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "imported-over-a-handle",
        "alice's handle imported again",
        "only-a-first-record",
        1,
        "handle:alice",
        |s| {
            let body = AliasBody {
                holder: Some(s.bob_as_holder()),
                ..s.next_of_handle(AliasKind::Imported)
            };
            let record = body.sign(&[(Role::Import, &s.world.keys.import)]).unwrap();
            s.publish_alias(&record)
        },
    ),
    (
        "alias-that-does-not-name-its-predecessor",
        "the hash of the version before",
        "previous-hash",
        1,
        "handle:alice",
        |s| {
            let mut body = s.transfer_to_bob();
            body.previous = RecordHash::new([9; 32]);
            let record = s.signed_by_both(&body);
            s.publish_alias(&record)
        },
    ),
    (
        "alias-of-another-origin",
        "a handle's record made for another directory",
        "record-of-other-origin",
        1,
        "handle:alice",
        |s| {
            let mut body = s.transfer_to_bob();
            body.origin = Origin::new("other.test/log").unwrap();
            let record = s.signed_by_both(&body);
            s.publish_alias(&record)
        },
    ),
    (
        "alias-of-another-handle",
        "the record of another handle",
        "record-of-other-label",
        1,
        "handle:new",
        |s| {
            let bytes = s.handle.bytes().to_vec();
            s.publish(Label::parse("handle:new").unwrap(), &bytes)
        },
    ),
    (
        "alias-of-another-version",
        "a record made for another version of the handle",
        "record-of-other-version",
        1,
        "handle:alice",
        |s| {
            let mut body = s.transfer_to_bob();
            body.version = KeyVersion::new(9).unwrap();
            let record = s.signed_by_both(&body);
            s.publish_alias(&record)
        },
    ),
];

impl Scene {
    /// Answers honestly to the lookup of alice's handle, and with this to the question for its history.
    fn tell_history(&mut self, answer: Answer) -> Answer {
        self.histories.insert("handle:alice".to_owned(), answer);
        self.honest("handle:alice")
    }

    fn publish_alias(&mut self, record: &AliasRecord) -> Answer {
        self.publish(record.label(), record.bytes())
    }

    fn claim_by_bob(&self) -> AliasBody {
        self.bob.claim("handle:new", None).body().clone()
    }

    fn bob_as_holder(&self) -> Holder {
        self.claim_by_bob().holder.unwrap()
    }

    fn alice_before(&self) -> PreviousHolder {
        PreviousHolder {
            version: self.alice.newest.body().version,
            key: IdentityKey::from(&self.alice.identity),
        }
    }

    /// The next version of alice's handle, pointing nowhere yet.
    fn next_of_handle(&self, kind: AliasKind) -> AliasBody {
        AliasBody {
            kind,
            version: self.handle.body().version.next().unwrap(),
            previous: self.handle.hash(),
            holder: None,
            previous_holder: None,
            ..self.handle.body().clone()
        }
    }

    fn transfer_to_bob(&self) -> AliasBody {
        AliasBody {
            holder: Some(self.bob_as_holder()),
            previous_holder: Some(self.alice_before()),
            ..self.next_of_handle(AliasKind::Transfer)
        }
    }

    fn signed_by_both(&self, body: &AliasBody) -> AliasRecord {
        let keys = [
            (Role::Identity, &self.bob.identity),
            (Role::PreviousIdentity, &self.alice.identity),
        ];
        body.sign(&keys).unwrap()
    }
}
