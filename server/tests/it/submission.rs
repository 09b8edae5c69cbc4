//! Which updates are accepted, and the status of each refusal.

use ed25519_dalek::SigningKey;
use keyglass_protocol::label::AccountId;
use keyglass_protocol::message::{B64, PutRequest};
use keyglass_protocol::note::Origin;
use keyglass_protocol::quantity::{KeyVersion, RecordHash};
use keyglass_protocol::record::{AccountBody, AccountKind, IdentityKey, Role};
use keyglass_schema::test_database::Backend;
use keyglass_testkit::world::Person;

use crate::common::outside::Outside;
use crate::common::{BACKENDS, Place, Site, label, path_of, run};

#[test]
fn a_byte_identical_repeat_gets_the_byte_identical_receipt() {
    for backend in BACKENDS {
        run(async {
            let place = Place::new(backend);
            let mut site = Site::begun(&place).await;
            let outside = Outside::new(&site, None).await;
            let mut alice = Person::new("alice", 1);
            let (status, first) = site.put(&alice.label(), alice.newest.bytes()).await;
            assert_eq!(status, 202);
            place.tick();
            assert_eq!(
                site.put(&alice.label(), alice.newest.bytes()).await,
                (202, first.clone()),
                "while pending"
            );
            site.advance().await.unwrap();
            place.tick();
            assert_eq!(
                site.put(&alice.label(), alice.newest.bytes()).await,
                (202, first.clone()),
                "when published"
            );
            site.close().await;
            let mut site = Site::open(&place).await;
            site.advance().await.unwrap();
            assert_eq!(
                site.put(&alice.label(), alice.newest.bytes()).await,
                (202, first),
                "after a restart"
            );
            let old = alice.newest.clone();
            let next = alice.rotate(2);
            let given = site.accept(&alice.label(), next.bytes()).await;
            outside.check_receipt(&given, next.bytes());
            site.advance().await.unwrap();
            assert_eq!(
                site.refuse(&alice.label(), old.bytes()).await,
                (409, "stale-version".to_owned())
            );
            site.close().await;
        });
    }
}

#[test]
fn one_pending_update_at_a_time() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let mut alice = Person::new("alice", 1);
        let other = Person::new("alice", 2);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        assert_eq!(
            site.refuse(&alice.label(), other.newest.bytes()).await,
            (409, "update-pending".to_owned())
        );
        let second = alice.rotate(3);
        assert_eq!(
            site.refuse(&alice.label(), second.bytes()).await,
            (409, "stale-version".to_owned())
        );
        site.advance().await.unwrap();
        assert_eq!(
            site.refuse(&alice.label(), other.newest.bytes()).await,
            (409, "stale-version".to_owned())
        );
        site.accept(&alice.label(), second.bytes()).await;
        // An alias must not name a key that is about to change, nor the other way round.
        let mut bob = Person::new("bob", 4);
        site.accept(&bob.label(), bob.newest.bytes()).await;
        site.advance().await.unwrap();
        let handle = label("handle:bob");
        site.accept(&handle, bob.claim("handle:bob", None).bytes()).await;
        let rotated = bob.rotate(5);
        assert_eq!(
            site.refuse(&bob.label(), rotated.bytes()).await,
            (409, "update-pending".to_owned())
        );
        site.advance().await.unwrap();
        site.accept(&bob.label(), rotated.bytes()).await;
        let held = label("handle:robert");
        assert_eq!(
            site.refuse(&held, bob.claim("handle:robert", None).bytes()).await,
            (422, "account-absent".to_owned()),
            "signed by a key that is not published yet"
        );
        site.close().await;
    });
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

#[test]
fn every_broken_rule_has_its_status() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        let first = alice.newest.body().clone();
        let refused = async |body: &AccountBody, keys: &[(Role, &SigningKey)]| {
            site.refuse(&label("account:alice"), body.sign(keys).unwrap().bytes())
                .await
        };
        let own: &[(Role, &SigningKey)] = &[(Role::Identity, &alice.identity)];
        let with = |change: &dyn Fn(&mut AccountBody)| {
            let mut body = first.clone();
            change(&mut body);
            body
        };

        let origin = with(&|b| b.origin = Origin::new("another.example").unwrap());
        assert_eq!(refused(&origin, own).await, (400, "malformed-record".to_owned()));
        let other = with(&|b| b.account = AccountId::parse("bob").unwrap());
        assert_eq!(refused(&other, own).await, (400, "malformed-record".to_owned()));
        assert_eq!(
            refused(&first, &[(Role::Identity, &key(66))]).await,
            (401, "bad-signature".to_owned())
        );
        assert_eq!(
            refused(&first, &[]).await,
            (422, "rule-broken".to_owned()),
            "no signature at all"
        );
        let second = with(&|b| b.version = KeyVersion::new(2).unwrap());
        assert_eq!(refused(&second, own).await, (409, "stale-version".to_owned()));
        let dangling = with(&|b| b.previous = RecordHash::new([1; 32]));
        assert_eq!(refused(&dangling, own).await, (422, "rule-broken".to_owned()));
        let delay = with(&|b| b.recovery_delay = 31 * 86_400);
        assert_eq!(refused(&delay, own).await, (422, "rule-broken".to_owned()));
        let owner = with(&|b| b.kind = AccountKind::Owner);
        assert_eq!(refused(&owner, own).await, (422, "rule-broken".to_owned()));
        for kind in [
            AccountKind::Imported,
            AccountKind::Notice,
            AccountKind::Recovery,
            AccountKind::Closed,
        ] {
            let body = with(&|b| b.kind = kind);
            assert_eq!(
                refused(&body, own).await,
                (422, "rule-broken".to_owned()),
                "{kind:?}: signed by the wrong key, or no first version"
            );
        }
        let phone = label("phone:+14155550100");
        let claim = alice.claim("phone:+14155550100", None);
        assert_eq!(
            site.refuse(&phone, claim.bytes()).await,
            (422, "account-absent".to_owned())
        );

        // Changes of an existing account.
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();
        let refused = async |body: &AccountBody, keys: &[(Role, &SigningKey)]| {
            site.refuse(&label("account:alice"), body.sign(keys).unwrap().bytes())
                .await
        };
        let mut stolen = alice.next_body(AccountKind::Owner);
        stolen.identity = IdentityKey::from(&key(66));
        assert_eq!(
            refused(&stolen, &[(Role::Identity, &key(66))]).await,
            (422, "rule-broken".to_owned())
        );
        let both = [(Role::Identity, &key(66)), (Role::PreviousIdentity, &key(67))];
        assert_eq!(refused(&stolen, &both).await, (401, "bad-signature".to_owned()));
        let mut forked = alice.next_body(AccountKind::Owner);
        forked.previous = RecordHash::new([9; 32]);
        assert_eq!(refused(&forked, own).await, (422, "rule-broken".to_owned()));
        let again = with(&|b| {
            b.version = KeyVersion::new(2).unwrap();
            b.previous = alice.newest.hash();
        });
        assert_eq!(
            refused(&again, own).await,
            (422, "rule-broken".to_owned()),
            "created twice"
        );
        assert_eq!(
            site.advance().await.unwrap(),
            keyglass_server::publisher::Progress::Idle,
            "nothing was accepted"
        );
        site.close().await;
    });
}

#[test]
fn malformed_records_are_400() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        let good = alice.newest.bytes().to_vec();
        let mutated = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            bytes
        };
        let cases = [
            ("empty", Vec::new(), "malformed-record"),
            ("other magic", mutated(&|b| b[0] = b'X'), "malformed-record"),
            ("unknown kind", mutated(&|b| b[4] = 99), "malformed-record"),
            (
                "truncated",
                mutated(&|b| b.truncate(b.len() - 1)),
                "malformed-record",
            ),
            ("trailing", mutated(&|b| b.push(0)), "malformed-record"),
            (
                "an alias where an account belongs",
                alice.claim("handle:a", None).bytes().to_vec(),
                "malformed-record",
            ),
        ];
        for (what, bytes, code) in cases {
            assert_eq!(
                site.refuse(&alice.label(), &bytes).await,
                (400, code.to_owned()),
                "{what}"
            );
        }
        // The identity key stands behind the hash of the previous record.
        let position = good
            .windows(32)
            .position(|w| w == alice.identity.verifying_key().as_bytes())
            .unwrap();
        for weak in [[0; 32], [1; 32], [0xff; 32]] {
            let bytes = mutated(&|b| b[position..position + 32].copy_from_slice(&weak));
            let (status, code) = site.refuse(&alice.label(), &bytes).await;
            if weak != [1; 32] {
                assert_eq!((status, code.as_str()), (400, "bad-key"), "{weak:?}");
            } else {
                assert!(
                    (status, code.as_str()) == (400, "bad-key") || status == 401,
                    "{status} {code}"
                );
            }
        }
        // The malleable twin of a good signature: S + L.
        let twin = mutated(&|b| {
            let start = b.len() - 32;
            add_order(&mut b[start..]);
        });
        assert_eq!(site.refuse(&alice.label(), &twin).await.0, 401);
        site.close().await;
    });
}

/// Adds the order of the group to a scalar, little-endian.
fn add_order(scalar: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0_u16;
    for (byte, add) in scalar.iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry.to_le_bytes()[0];
        carry >>= 8;
    }
}

#[test]
fn protobuf_updates_are_accepted() {
    run(async {
        use keyglass_protocol::message::{ProtoMessage as _, PutAnswer};
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        let outside = Outside::new(&site, None).await;
        let alice = Person::new("alice", 1);
        let body = PutRequest {
            record: B64(alice.newest.bytes().to_vec()),
        }
        .to_protobuf();
        let request = site
            .client
            .put(format!("{}{}", site.url, path_of(&alice.label())));
        let request = request
            .header("content-type", "application/x-protobuf")
            .header("accept", "application/x-protobuf");
        let response = request.body(body).send().await.unwrap();
        assert_eq!(response.status(), 202);
        let given = PutAnswer::from_protobuf(&response.bytes().await.unwrap()).unwrap();
        outside.check_receipt(&given, alice.newest.bytes());
        site.close().await;
    });
}

#[test]
fn receipts_that_do_not_exist() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        assert_eq!(
            site.get(&format!("/v1/receipts/{}", "ab".repeat(32))).await.0,
            404
        );
        for bad in ["AB", "zz", &"AB".repeat(32), &"ab".repeat(33)] {
            assert_eq!(site.get(&format!("/v1/receipts/{bad}")).await.0, 400, "{bad}");
        }
        site.close().await;
    });
}
