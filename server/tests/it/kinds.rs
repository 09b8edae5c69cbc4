//! Every kind of record over HTTP: who may write it, when, and what an outsider makes of it.

use std::sync::Arc;

use keyglass_protocol::quantity::{Millis, RecordHash};
use keyglass_protocol::record::{AccountKind, AccountState};
use keyglass_schema::test_database::Backend;
use keyglass_server::clock::{Clock as _, ManualClock};
use keyglass_server::publisher::Progress;
use keyglass_server::settings::Layer;
use keyglass_testkit::world::{ORIGIN, Person};

use crate::common::outside::Outside;
use crate::common::{BACKENDS, Place, Site, label, run};

const HOUR: u32 = 3_600;

fn refused(status: u16, code: &str, reason: &str) -> (u16, String, String) {
    (status, code.to_owned(), reason.to_owned())
}

fn broken(reason: &str) -> (u16, String, String) {
    refused(422, "rule-broken", reason)
}

/// An account with an hour's recovery delay.
async fn delayed(place: &Place, site: &mut Site) -> Person {
    let mut alice = Person::new("alice", 1);
    site.publish(place, &alice.label(), alice.newest.bytes()).await;
    let delay = alice.delay(HOUR);
    site.publish(place, &alice.label(), delay.bytes()).await;
    alice
}

#[test]
fn the_platform_recovers_an_account_after_notice_and_delay() {
    for backend in BACKENDS {
        run(async {
            let place = Place::new(backend);
            let recovery = place.secret("recovery");
            let mut site = Site::begun(&place).await;
            let mut outside = Outside::new(&site, None).await;
            let mut alice = delayed(&place, &mut site).await;

            let rash = alice.clone().let_in(2, &recovery);
            assert_eq!(
                site.refuse_for(&alice.label(), rash.bytes()).await,
                broken("notice-missing")
            );
            let stranger = alice.clone().announce(Some(2), &alice.identity.clone());
            assert_eq!(site.refuse_for(&alice.label(), stranger.bytes()).await.0, 401);

            let notice = alice.announce(Some(2), &recovery);
            site.accept(&alice.label(), notice.bytes()).await;
            let early = alice.clone().let_in(2, &recovery);
            assert_eq!(
                site.refuse(&alice.label(), early.bytes()).await,
                (409, "stale-version".to_owned()),
                "the notice is not published yet"
            );
            place.tick();
            site.advance().await.unwrap();
            assert_eq!(
                site.refuse_for(&alice.label(), early.bytes()).await,
                broken("recovery-too-early")
            );
            place.clock.advance(u64::from(HOUR) * 1_000 - 1);
            assert_eq!(
                site.refuse_for(&alice.label(), early.bytes()).await,
                broken("recovery-too-early"),
                "a millisecond"
            );
            let other = alice.clone().let_in(3, &recovery);
            assert_eq!(
                site.refuse_for(&alice.label(), other.bytes()).await,
                broken("not-what-was-announced")
            );
            place.clock.advance(1);
            let recovered = alice.let_in(2, &recovery);
            let given = site.accept(&alice.label(), recovered.bytes()).await;
            assert_eq!(site.advance().await.unwrap(), Progress::Published);
            outside.check_log(&site).await;
            outside.check_fulfilled(&site, &given, recovered.bytes()).await;
            assert_eq!(outside.account(&site, &alice.label()).await, Some(recovered));
            site.close().await;
        });
    }
}

#[test]
fn a_clock_that_goes_back_makes_no_recovery_early() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let recovery = place.secret("recovery");
        let mut site = Site::begun(&place).await;
        let mut alice = delayed(&place, &mut site).await;
        let notice = alice.announce(Some(2), &recovery);
        site.publish(&place, &alice.label(), notice.bytes()).await;
        place.clock.advance(u64::from(HOUR) * 1_000);
        let recovered = alice.let_in(2, &recovery);
        let given = site.accept(&alice.label(), recovered.bytes()).await;
        site.close().await;
        // What the publisher sees is less than an hour after the notice; the leaf is dated by the acceptance.
        let earlier = Arc::new(ManualClock::new(Millis::new(place.clock.now().get() - 30_000)));
        let place = Place {
            clock: earlier,
            ..place
        };
        let mut site = Site::open(&place).await;
        site.advance().await.unwrap();
        let mut outside = Outside::new(&site, None).await;
        outside.check_log(&site).await;
        outside.check_fulfilled(&site, &given, recovered.bytes()).await;
        assert_eq!(outside.account(&site, &alice.label()).await, Some(recovered));
        site.close().await;
    });
}

#[test]
fn the_owner_cancels_a_recovery() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let recovery = place.secret("recovery");
        let mut site = Site::begun(&place).await;
        let outside = Outside::new(&site, None).await;
        let mut alice = delayed(&place, &mut site).await;
        let notice = alice.announce(Some(2), &recovery);
        site.publish(&place, &alice.label(), notice.bytes()).await;
        let cancelled = alice.add_device(2, 9);
        site.publish(&place, &alice.label(), cancelled.bytes()).await;
        place.clock.advance(u64::from(HOUR) * 1_000);
        let late = alice.clone().let_in(2, &recovery);
        assert_eq!(
            site.refuse_for(&alice.label(), late.bytes()).await,
            broken("notice-missing")
        );
        site.refresh().await.unwrap();
        assert_eq!(outside.account(&site, &alice.label()).await, Some(cancelled));
        site.close().await;
    });
}

#[test]
fn accounts_close_by_their_owner_or_by_the_platform() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let recovery = place.secret("recovery");
        let mut site = Site::begun(&place).await;
        let mut outside = Outside::new(&site, None).await;
        let mut alice = delayed(&place, &mut site).await;
        let rash = alice.clone().end(Some(&recovery));
        assert_eq!(
            site.refuse_for(&alice.label(), rash.bytes()).await,
            broken("notice-missing")
        );
        let notice = alice.announce(None, &recovery);
        site.publish(&place, &alice.label(), notice.bytes()).await;
        place.clock.advance(u64::from(HOUR) * 1_000);
        let closed = alice.end(Some(&recovery));
        site.publish(&place, &alice.label(), closed.bytes()).await;
        let history = outside.history(&site, &alice.label()).await;
        assert_eq!(history.chain().state(), AccountState::Closed);

        let after = alice.clone().delay(0);
        assert_eq!(
            site.refuse_for(&alice.label(), after.bytes()).await,
            broken("after-closed")
        );
        let claim = alice.claim("handle:ghost", None);
        assert_eq!(
            site.refuse_for(&label("handle:ghost"), claim.bytes()).await,
            refused(422, "account-absent", "alias-account-closed")
        );
        let notice = alice.announce(Some(4), &recovery);
        site.publish(&place, &alice.label(), notice.bytes()).await;
        let claim = alice.claim("handle:ghost", None);
        assert_eq!(
            site.refuse_for(&label("handle:ghost"), claim.bytes()).await,
            refused(422, "account-absent", "alias-account-closed"),
            "still closed below the notice"
        );
        place.clock.advance(u64::from(HOUR) * 1_000);
        let back = alice.let_in(4, &recovery);
        site.publish(&place, &alice.label(), back.bytes()).await;
        assert_eq!(outside.account(&site, &alice.label()).await, Some(back));

        let mut bob = Person::new("bob", 5);
        site.publish(&place, &bob.label(), bob.newest.bytes()).await;
        let closed = bob.end(None);
        assert_eq!(closed.kind, AccountKind::Closed);
        site.publish(&place, &bob.label(), closed.bytes()).await;
        assert_eq!(outside.account(&site, &bob.label()).await, Some(closed));
        outside.check_log(&site).await;
        site.close().await;
    });
}

#[test]
fn an_alias_and_the_closing_of_its_holder_exclude_each_other() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let mut alice = Person::new("alice", 1);
        site.publish(&place, &alice.label(), alice.newest.bytes()).await;
        let claim = alice.claim("handle:wonderland", None);
        let closed = alice.end(None);
        site.accept(&alice.label(), closed.bytes()).await;
        let pending = (409, "update-pending".to_owned());
        assert_eq!(
            site.refuse(&label("handle:wonderland"), claim.bytes()).await,
            pending
        );
        site.close().await;
    });
}

#[test]
fn imports_are_accepted_while_they_can_be_published_in_time() {
    for backend in BACKENDS {
        run(async {
            let layer = Layer {
                import_closed_after_epoch: Some(4),
                max_batch: Some(1),
                ..Layer::default()
            };
            let place = Place::with(backend, layer);
            let import = place.secret("import");
            let mut site = Site::begun(&place).await;
            let mut outside = Outside::new(&site, None).await;
            let person = |n: u8| {
                let mut person = Person::new(&format!("old{n}"), n);
                person.newest = person.imported(ORIGIN, RecordHash::ZERO, &import);
                person
            };
            let people: Vec<Person> = (1..=9).map(person).collect();
            let closed = refused(422, "kind-not-accepted", "import-closed");
            // Epoch 1 may be frozen already, so these enter the epochs 2, 3 and 4, one each.
            for old in &people[..3] {
                site.accept(&old.label(), old.newest.bytes()).await;
            }
            let late = &people[3];
            assert_eq!(site.refuse_for(&late.label(), late.newest.bytes()).await, closed);
            // What came before it in the queue would have pushed it out: the last epoch of imports takes everything.
            for n in 20..24 {
                let new = Person::new(&format!("new{n}"), n);
                site.accept(&new.label(), new.newest.bytes()).await;
            }
            for _ in 1..=3 {
                place.tick();
                site.advance().await.unwrap();
            }
            assert_eq!(site.refuse_for(&late.label(), late.newest.bytes()).await, closed);
            place.tick();
            site.advance().await.unwrap();
            assert_eq!(site.service.store.queue_depth().unwrap(), 0);
            outside.check_log(&site).await;
            for old in &people[..3] {
                let history = outside.history(&site, &old.label()).await;
                assert!(history.chain().is_imported());
            }
            let mut first = people[0].clone();
            let own = first.add_device(2, 40);
            site.publish(&place, &first.label(), own.bytes()).await;
            assert!(!outside.history(&site, &first.label()).await.chain().is_imported());
            site.close().await;
        });
    }
}

#[test]
fn aliases_change_hands_by_everybody_who_may() {
    for backend in BACKENDS {
        run(async {
            let place = Place::new(backend);
            let (recovery, import) = (place.secret("recovery"), place.secret("import"));
            let mut site = Site::begun(&place).await;
            let mut outside = Outside::new(&site, None).await;
            let people: Vec<Person> = (1..=3).map(|n| Person::new(&format!("p{n}"), n)).collect();
            let [alice, bob, carol] = people.as_slice() else {
                unreachable!("three people");
            };
            for person in &people {
                site.accept(&person.label(), person.newest.bytes()).await;
            }
            place.tick();
            site.advance().await.unwrap();
            for name in ["handle:wonderland", "phone:+14155550100"] {
                let alias = label(name);
                let claimed = alice.claim(name, None);
                site.publish(&place, &alias, claimed.bytes()).await;
                let stolen = bob.transfer(&claimed, bob);
                assert_eq!(
                    site.refuse_for(&alias, stolen.bytes()).await,
                    refused(422, "account-absent", "alias-holder-key")
                );
                let transferred = alice.transfer(&claimed, bob);
                site.publish(&place, &alias, transferred.bytes()).await;
                assert_eq!(outside.account(&site, &alias).await, Some(bob.newest.clone()));
                let forged = carol.reassign(&transferred, &carol.identity);
                assert_eq!(site.refuse(&alias, forged.bytes()).await.0, 401);
                let reassigned = carol.reassign(&transferred, &recovery);
                site.publish(&place, &alias, reassigned.bytes()).await;
                let released = carol.release(&reassigned);
                site.publish(&place, &alias, released.bytes()).await;
                assert_eq!(outside.account(&site, &alias).await, None);
                let again = alice.claim(name, Some(&released));
                site.publish(&place, &alias, again.bytes()).await;
                assert_eq!(outside.alias(&site, &alias).await, Ok(again));
            }
            let old = bob.imported_alias("phone:+14155550101", ORIGIN, RecordHash::ZERO, &import);
            let alias = old.label();
            site.publish(&place, &alias, old.bytes()).await;
            assert_eq!(outside.alias(&site, &alias).await, Ok(old));
            let nobody = Person::new("nobody", 9).claim("handle:nobody", None);
            assert_eq!(
                site.refuse_for(&label("handle:nobody"), nobody.bytes()).await,
                refused(422, "account-absent", "alias-account-absent")
            );
            outside.check_log(&site).await;
            site.close().await;
        });
    }
}

#[test]
fn a_label_has_so_many_versions_and_a_few_more_for_its_end() {
    run(async {
        let layer = Layer {
            limit_owner_versions: Some(2),
            limit_versions: Some(3),
            ..Layer::default()
        };
        let place = Place::with(Backend::Sqlite, layer);
        let mut site = Site::begun(&place).await;
        let mut alice = Person::new("alice", 1);
        site.publish(&place, &alice.label(), alice.newest.bytes()).await;
        let second = alice.add_device(2, 9);
        site.publish(&place, &alice.label(), second.bytes()).await;
        let third = alice.clone().add_device(3, 9);
        let limit = refused(422, "version-limit", "version-limit");
        assert_eq!(site.refuse_for(&alice.label(), third.bytes()).await, limit);
        let closed = alice.end(None);
        site.publish(&place, &alice.label(), closed.bytes()).await;
        let recovery = place.secret("recovery");
        let fourth = alice.announce(Some(2), &recovery);
        assert_eq!(site.refuse_for(&alice.label(), fourth.bytes()).await, limit);
        site.close().await;
    });
}

#[test]
fn a_platform_without_its_keys_recovers_and_imports_nobody() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let (recovery, import) = (place.secret("recovery"), place.secret("import"));
        for role in ["recovery", "import"] {
            std::fs::remove_file(place.settings().key_dir().join(format!("{role}.key"))).unwrap();
        }
        let mut site = Site::begun(&place).await;
        let mut alice = Person::new("alice", 1);
        let imported = alice.imported(ORIGIN, RecordHash::ZERO, &import);
        assert_eq!(
            site.refuse_for(&alice.label(), imported.bytes()).await,
            refused(422, "kind-not-accepted", "no-import-key")
        );
        site.publish(&place, &alice.label(), alice.newest.bytes()).await;
        let notice = alice.announce(Some(2), &recovery);
        assert_eq!(
            site.refuse_for(&alice.label(), notice.bytes()).await,
            refused(422, "kind-not-accepted", "no-recovery-key")
        );
        site.close().await;
    });
}

#[test]
fn handles_that_are_reserved_or_look_like_another_are_refused() {
    for backend in BACKENDS {
        run(async {
            let layer = Layer {
                reserved_handle: Some(vec!["acme".to_owned()]),
                ..Layer::default()
            };
            let place = Place::with(backend, layer);
            let import = place.secret("import");
            let mut site = Site::begun(&place).await;
            let (alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
            site.accept(&alice.label(), alice.newest.bytes()).await;
            site.publish(&place, &bob.label(), bob.newest.bytes()).await;
            let claim = async |site: &Site, person: &Person, name: &str| {
                let record = person.claim(name, None);
                site.refuse_for(&label(name), record.bytes()).await
            };
            let reserved = refused(422, "handle-refused", "handle-reserved");
            for name in ["handle:admin", "handle:adm1n", "handle:acme", "handle:ѕuрроrt"] {
                assert_eq!(claim(&site, &alice, name).await, reserved, "{name}");
            }
            let restricted = refused(422, "handle-refused", "handle-restricted");
            assert_eq!(claim(&site, &alice, "handle:аlice").await, restricted);

            let paul = alice.claim("handle:paul", None);
            site.accept(&label("handle:paul"), paul.bytes()).await;
            let confusable = refused(422, "handle-refused", "handle-confusable");
            assert_eq!(
                claim(&site, &bob, "handle:pau1").await,
                confusable,
                "while it waits"
            );
            place.tick();
            site.advance().await.unwrap();
            assert_eq!(claim(&site, &bob, "handle:pau1").await, confusable);
            let released = alice.release(&paul);
            site.publish(&place, &label("handle:paul"), released.bytes())
                .await;
            assert_eq!(claim(&site, &bob, "handle:pau1").await, confusable, "for good");
            let again = bob.claim("handle:paul", Some(&released));
            site.publish(&place, &label("handle:paul"), again.bytes()).await;

            // The platform had them before: nobody is thrown out.
            for name in ["handle:pau1", "handle:support"] {
                let old = alice.imported_alias(name, ORIGIN, RecordHash::ZERO, &import);
                site.publish(&place, &label(name), old.bytes()).await;
            }
            site.close().await;
        });
    }
}

#[test]
fn a_platform_may_allow_handles_that_look_alike() {
    run(async {
        let layer = Layer {
            confusable_handles: Some("allow".to_owned()),
            ..Layer::default()
        };
        let place = Place::with(Backend::Sqlite, layer);
        let mut site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        site.publish(&place, &alice.label(), alice.newest.bytes()).await;
        for name in ["handle:paul", "handle:pau1"] {
            site.accept(&label(name), alice.claim(name, None).bytes()).await;
        }
        site.close().await;
    });
}
