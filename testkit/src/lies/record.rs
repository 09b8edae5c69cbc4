//! Lies inside the tree: records that nobody was entitled to publish. The whole log is honest about them.

use keyglass_protocol::label::Label;
use keyglass_protocol::message::Answer;
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{AccountBody, AccountKind, IdentityKey, KeyAnnouncement, Role};

use super::{Row, Scene};
use crate::world::{Person, device};

/// Records of accounts that nobody was entitled to publish.
pub(super) const LIES: &[Row] = &[
    (
        "ghost-device-without-the-owner",
        "a device that the owner did not sign",
        "bad-record-signature",
        1,
        "account:alice",
        |s| {
            let mut body = s.alice.next_body(AccountKind::Owner);
            body.devices.push(device(66, 66));
            s.publish_body(&body, Role::Identity)
        },
    ),
    (
        "identity-swapped-without-the-owner",
        "a new identity that the old one did not sign",
        "bad-record-signature",
        1,
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
        "a new identity, signed by itself only",
        "wrong-signature-roles",
        1,
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
        "signature-from-another-version",
        "the signature of the version before",
        "bad-record-signature",
        1,
        "account:alice",
        |s| {
            let mut body = s.alice.next_body(AccountKind::Owner);
            body.devices.push(device(66, 66));
            let record = body.with_signatures(s.alice.newest.signatures()).unwrap();
            s.publish(s.alice.label(), record.bytes())
        },
    ),
    (
        "recovery-without-notice",
        "a recovery that was not announced",
        "notice-missing",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(3600);
            s.recovered(&carol, &Person::new("thief", 66))
        },
    ),
    (
        "recovery-too-early",
        "a recovery before the delay was over",
        "recovery-too-early",
        1,
        "account:carol",
        |s| {
            let carol = s.carol_with_notice();
            s.recovered(&carol, &Person::new("thief", 66))
        },
    ),
    (
        "recovery-of-another-key",
        "a recovery to a key that was not announced",
        "not-what-was-announced",
        1,
        "account:carol",
        |s| {
            let carol = s.carol_with_notice();
            s.wait(3600);
            s.recovered(&carol, &Person::new("other-thief", 67))
        },
    ),
    (
        "recovery-without-its-dates",
        "the leaves that date notice and recovery left out",
        "leaf-time-missing",
        1,
        "account:carol",
        |s| {
            let carol = s.carol_with_notice();
            s.wait(3600);
            let mut answer = s.recovered(&carol, &Person::new("thief", 66));
            answer.history.as_mut().unwrap().leaves.clear();
            answer
        },
    ),
    (
        "recovery-without-the-recovery-key",
        "a recovery that the platform did not sign",
        "bad-record-signature",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(0);
            let thief = Person::new("thief", 66);
            let mut body = carol.next_body(AccountKind::Recovery);
            body.identity = IdentityKey::from(&thief.identity);
            let keys = [
                (Role::Identity, &thief.identity),
                (Role::Recovery, &s.world.keys.import),
            ];
            let record = body.sign(&keys).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "notice-that-adds-a-device",
        "a notice that changes more than it announces",
        "notice-changes-record",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(3600);
            let mut body = s.notice(&carol, &Person::new("thief", 66));
            body.devices.push(device(66, 66));
            s.publish_signed(&body, Role::Recovery)
        },
    ),
    (
        "notice-by-the-import-key",
        "a notice that the recovery key did not sign",
        "bad-record-signature",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(3600);
            let body = s.notice(&carol, &Person::new("thief", 66));
            let record = body.sign(&[(Role::Recovery, &s.world.keys.import)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "announcement-outside-a-notice",
        "an announcement in a version that is none",
        "announcement-outside-notice",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(0);
            let mut body = carol.next_body(AccountKind::Owner);
            body.announced = IdentityKey::from(&Person::new("thief", 66).identity).announcement();
            let record = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "closing-without-notice",
        "an account closed by the platform overnight",
        "notice-missing",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(3600);
            let mut body = carol.next_body(AccountKind::Closed);
            body.devices.clear();
            s.publish_signed(&body, Role::Recovery)
        },
    ),
    (
        "closing-with-a-device-left",
        "a closed account with a device",
        "closed-with-devices",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(0);
            let body = carol.next_body(AccountKind::Closed);
            let record = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "closing-with-another-identity",
        "a closing that swaps the identity",
        "closed-changes-identity",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(0);
            let thief = Person::new("thief", 66);
            let mut body = carol.next_body(AccountKind::Closed);
            body.devices.clear();
            body.identity = IdentityKey::from(&thief.identity);
            let record = body.sign(&[(Role::Identity, &thief.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "closing-with-another-delay",
        "a closing that takes the delay away",
        "closed-changes-delay",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(3600);
            let mut body = carol.next_body(AccountKind::Closed);
            body.devices.clear();
            body.recovery_delay = 0;
            let record = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "version-above-a-closing",
        "an account that came back without a recovery",
        "after-closed",
        1,
        "account:carol",
        |s| {
            let mut carol = s.carol(0);
            let mut body = carol.next_body(AccountKind::Closed);
            body.devices.clear();
            carol.newest = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), carol.newest.bytes());
            let body = carol.next_body(AccountKind::Owner);
            let record = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "created-twice",
        "a second beginning",
        "only-a-first-record",
        1,
        "account:carol",
        |s| {
            let carol = s.carol(0);
            let body = carol.next_body(AccountKind::Created);
            let record = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "imported-by-another-key",
        "an imported account that the import key did not sign",
        "bad-record-signature",
        1,
        "account:carol",
        |s| {
            let carol = Person::new("carol", 3);
            let body = AccountBody {
                kind: AccountKind::Imported,
                ..carol.newest.body().clone()
            };
            let record = body.sign(&[(Role::Import, &s.world.keys.recovery)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "imported-signed-by-its-owner-too",
        "an imported account with a signature too many",
        "wrong-signature-roles",
        1,
        "account:carol",
        |s| {
            let carol = Person::new("carol", 3);
            let body = AccountBody {
                kind: AccountKind::Imported,
                ..carol.newest.body().clone()
            };
            let keys = [
                (Role::Identity, &carol.identity),
                (Role::Import, &s.world.keys.import),
            ];
            let record = body.sign(&keys).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "first-record-not-created",
        "an account that begins in the middle",
        "not-a-first-record",
        1,
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
    (
        "first-record-with-a-predecessor",
        "a first version that follows something",
        "previous-hash",
        1,
        "account:carol",
        |s| {
            let carol = Person::new("carol", 3);
            let body = AccountBody {
                previous: RecordHash::new([9; 32]),
                ..carol.newest.body().clone()
            };
            let record = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "record-that-does-not-name-its-predecessor",
        "the hash of the version before",
        "previous-hash",
        1,
        "account:alice",
        |s| {
            let mut body = s.alice.next_body(AccountKind::Owner);
            body.previous = RecordHash::new([9; 32]);
            let record = body.sign(&[(Role::Identity, &s.alice.identity)]).unwrap();
            s.publish(s.alice.label(), record.bytes())
        },
    ),
    (
        "record-of-another-origin",
        "a record made for another directory",
        "record-of-other-origin",
        1,
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
        "a record made for another account",
        "record-of-other-label",
        1,
        "account:carol",
        |s| {
            let bytes = s.alice.newest.bytes().to_vec();
            s.publish(Label::parse("account:carol").unwrap(), &bytes)
        },
    ),
    (
        "record-of-another-version",
        "a record made for another version",
        "record-of-other-version",
        1,
        "account:alice",
        |s| {
            let mut body = s.alice.next_body(AccountKind::Owner);
            body.version = KeyVersion::new(9).unwrap();
            let record = body.sign(&[(Role::Identity, &s.alice.identity)]).unwrap();
            s.publish(s.alice.label(), record.bytes())
        },
    ),
    (
        "older-record-of-another-origin",
        "an older version made for another directory",
        "record-other-origin",
        1,
        "account:carol",
        |s| {
            let mut carol = Person::new("carol", 3);
            let body = AccountBody {
                origin: Origin::new("other.test/log").unwrap(),
                ..carol.newest.body().clone()
            };
            carol.newest = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), carol.newest.bytes());
            let mut body = carol.next_body(AccountKind::Owner);
            body.origin = Origin::new(crate::world::ORIGIN).unwrap();
            let record = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
            s.publish(carol.label(), record.bytes())
        },
    ),
    (
        "record-that-is-none",
        "four bytes for a record",
        "truncated",
        1,
        "account:carol",
        |s| s.publish(Label::parse("account:carol").unwrap(), b"KGA1"),
    ),
    (
        "record-of-another-kind",
        "an alias's record for an account's",
        "bad-magic",
        1,
        "account:carol",
        |s| {
            let bytes = s.handle.bytes().to_vec();
            s.publish(Label::parse("account:carol").unwrap(), &bytes)
        },
    ),
    (
        "record-with-trailing-bytes",
        "a record with a byte that nobody signed",
        "trailing-bytes",
        1,
        "account:carol",
        |s| {
            let carol = Person::new("carol", 3);
            let bytes = [carol.newest.bytes(), b"x"].concat();
            s.publish(carol.label(), &bytes)
        },
    ),
    (
        "identity-key-of-low-order",
        "an identity key that any signature fits",
        "ed25519-key-low-order",
        1,
        "account:carol",
        |s| {
            let carol = Person::new("carol", 3);
            let mut bytes = carol.newest.bytes().to_vec();
            let key = carol.newest.body().identity;
            let at = bytes.windows(32).position(|w| w == key.as_bytes()).unwrap();
            bytes[at..at + 32].fill(0);
            bytes[at] = 1;
            s.publish(carol.label(), &bytes)
        },
    ),
];

impl Scene {
    /// Publishes a record that the operator has signed with his own key instead of hers.
    fn publish_body(&mut self, body: &AccountBody, role: Role) -> Answer {
        let record = body.sign(&[(role, &self.world.keys.log)]).unwrap();
        self.publish(record.label(), record.bytes())
    }

    /// Publishes a record that only the recovery key has signed.
    fn publish_signed(&mut self, body: &AccountBody, role: Role) -> Answer {
        let record = body.sign(&[(role, &self.world.keys.recovery)]).unwrap();
        self.publish(record.label(), record.bytes())
    }

    /// Carol's account with a recovery delay, published.
    fn carol(&mut self, recovery_delay: u32) -> Person {
        let mut carol = Person::new("carol", 3);
        let mut body = carol.newest.body().clone();
        body.recovery_delay = recovery_delay;
        carol.newest = body.sign(&[(Role::Identity, &carol.identity)]).unwrap();
        self.publish(carol.label(), carol.newest.bytes());
        carol
    }

    fn notice(&self, carol: &Person, next: &Person) -> AccountBody {
        let mut body = carol.next_body(AccountKind::Notice);
        body.announced = IdentityKey::from(&next.identity).announcement();
        assert_ne!(body.announced, KeyAnnouncement::NONE);
        body
    }

    /// Carol's account with a delay of an hour, and a notice for a thief's key, both published.
    pub(super) fn carol_with_notice(&mut self) -> Person {
        let mut carol = self.carol(3600);
        let body = self.notice(&carol, &Person::new("thief", 66));
        carol.newest = body.sign(&[(Role::Recovery, &self.world.keys.recovery)]).unwrap();
        self.publish(carol.label(), carol.newest.bytes());
        carol
    }

    /// Publishes the recovery of an account to somebody's key, signed as it must be.
    fn recovered(&mut self, carol: &Person, next: &Person) -> Answer {
        let mut body = carol.next_body(AccountKind::Recovery);
        body.identity = IdentityKey::from(&next.identity);
        let keys = [
            (Role::Identity, &next.identity),
            (Role::Recovery, &self.world.keys.recovery),
        ];
        let record = body.sign(&keys).unwrap();
        self.publish(carol.label(), record.bytes())
    }

    /// Lets time pass.
    fn wait(&mut self, seconds: u64) {
        self.world.now = self.world.now.plus(seconds * 1000);
    }
}
