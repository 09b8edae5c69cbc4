//! Lies inside the tree: records that nobody was entitled to publish. The whole log is honest about them.

use keyglass_protocol::label::Label;
use keyglass_protocol::message::Answer;
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{AccountBody, AccountKind, IdentityKey, Role};

use super::{Row, Scene};
use crate::world::{Person, device};

pub(super) const LIES: &[Row] = &[
    (
        "ghost-device-without-the-owner",
        "bad-record-signature",
        "account:alice",
        |s| {
            let mut body = s.alice.next_body(AccountKind::Owner);
            body.devices.push(device(66, 66));
            s.publish_body(&body, Role::Identity)
        },
    ),
    (
        "identity-swapped-without-the-owner",
        "bad-record-signature",
        "account:alice",
        |s| {
            let thief = Person::new("thief", 66);
            let mut body = s.alice.next_body(AccountKind::Owner);
            body.identity = IdentityKey::from(&thief.identity);
            let keys = [
                (Role::Identity, &thief.identity),
                (Role::PreviousIdentity, &s.world.keys.log),
            ];
            let record = body.sign(&keys).unwrap();
            s.publish(s.alice.label(), record.bytes())
        },
    ),
    (
        "identity-swapped-with-one-signature",
        "wrong-signature-roles",
        "account:alice",
        |s| {
            let thief = Person::new("thief", 66);
            let mut body = s.alice.next_body(AccountKind::Owner);
            body.identity = IdentityKey::from(&thief.identity);
            let record = body.sign(&[(Role::Identity, &thief.identity)]).unwrap();
            s.publish(s.alice.label(), record.bytes())
        },
    ),
    (
        "recovery-without-notice",
        "notice-missing",
        "account:carol",
        |s| {
            let mut carol = Person::new("carol", 3);
            let mut body = carol.newest.body().clone();
            body.recovery_delay = 3600;
            carol.newest = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), carol.newest.bytes());
            let thief = Person::new("thief", 66);
            let mut body = carol.next_body(AccountKind::Recovery);
            body.identity = IdentityKey::from(&thief.identity);
            let keys = [
                (Role::Identity, &thief.identity),
                (Role::Recovery, &s.world.keys.recovery),
            ];
            let record = body.sign(&keys).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "record-of-another-origin",
        "record-of-other-origin",
        "account:carol",
        |s| {
            let carol = Person::new("carol", 3);
            let body = AccountBody {
                origin: Origin::new("other.test/log").unwrap(),
                ..carol.newest.body().clone()
            };
            let record = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "record-of-another-account",
        "record-of-other-label",
        "account:carol",
        |s| {
            let bytes = s.alice.newest.bytes().to_vec();
            s.publish(Label::parse("account:carol").unwrap(), &bytes)
        },
    ),
    (
        "record-of-another-version",
        "record-of-other-version",
        "account:alice",
        |s| {
            let mut body = s.alice.next_body(AccountKind::Owner);
            body.version = KeyVersion::new(9).unwrap();
            let record = body.sign(&[(Role::Identity, &s.alice.identity)]).unwrap();
            s.publish(s.alice.label(), record.bytes())
        },
    ),
    (
        "record-that-does-not-name-its-predecessor",
        "previous-hash",
        "account:alice",
        |s| {
            let mut body = s.alice.next_body(AccountKind::Owner);
            body.previous = RecordHash::new([9; 32]);
            let record = body.sign(&[(Role::Identity, &s.alice.identity)]).unwrap();
            s.publish(s.alice.label(), record.bytes())
        },
    ),
    ("record-that-is-none", "truncated", "account:carol", |s| {
        s.publish(Label::parse("account:carol").unwrap(), b"KGA1")
    }),
    (
        "record-with-trailing-bytes",
        "trailing-bytes",
        "account:carol",
        |s| {
            let carol = Person::new("carol", 3);
            let bytes = [carol.newest.bytes(), b"x"].concat();
            s.publish(carol.label(), &bytes)
        },
    ),
    (
        "first-record-not-created",
        "not-a-first-record",
        "account:carol",
        |s| {
            let carol = Person::new("carol", 3);
            let body = AccountBody {
                kind: AccountKind::Owner,
                ..carol.newest.body().clone()
            };
            let record = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
];

impl Scene {
    /// Publishes any bytes under a label and answers honestly about it.
    fn publish(&mut self, label: Label, value: &[u8]) -> Answer {
        self.world.publish(&[(label.clone(), value.to_vec())]);
        self.honest(label.as_str())
    }

    /// Publishes a record of alice that the operator has signed with his own key instead of hers.
    fn publish_body(&mut self, body: &AccountBody, role: Role) -> Answer {
        let record = body.sign(&[(role, &self.world.keys.log)]).unwrap();
        self.publish(record.label(), record.bytes())
    }
}
