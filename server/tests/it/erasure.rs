//! Closed accounts are erased: what may be deleted is gone, and the history stays provable.

use keyglass_protocol::message::PutAnswer;
use keyglass_protocol::quantity::{KeyVersion, Nonce};
use keyglass_protocol::record::{AccountState, RecordError};
use keyglass_protocol::verify::Refusal;
use keyglass_schema::test_database::Backend;
use keyglass_server::settings::Layer;
use keyglass_testkit::world::Person;

use crate::common::faults::{break_writes, mend_writes};
use crate::common::outside::Outside;
use crate::common::{BACKENDS, Place, Site, label, run};

const HOUR: u64 = 3_600_000;

fn place(backend: Backend) -> Place {
    Place::with(
        backend,
        Layer {
            erase_closed_after: Some("1h".parse().unwrap()),
            ..Layer::default()
        },
    )
}

/// An account of three versions, the last of which closes it.
async fn closed(place: &Place, site: &mut Site) -> (Person, Vec<PutAnswer>) {
    let mut alice = Person::new("alice", 1);
    let mut given = vec![site.publish(place, &alice.label(), alice.newest.bytes()).await];
    let second = alice.add_device(2, 9);
    given.push(site.publish(place, &alice.label(), second.bytes()).await);
    let third = alice.end(None);
    given.push(site.publish(place, &alice.label(), third.bytes()).await);
    (alice, given)
}

fn blank(site: &Site, person: &Person) -> Vec<bool> {
    let versions = 1..=person.newest.version.get();
    versions
        .map(|v| {
            let stored = site
                .service
                .store
                .version(&person.label(), KeyVersion::new(v).unwrap());
            stored.unwrap().unwrap().value.is_empty()
        })
        .collect()
}

fn erase(place: &Place, site: &mut Site) -> Result<(), keyglass_server::publisher::PublishError> {
    place.clock.advance(60_000);
    site.publisher.as_mut().unwrap().erase_due()
}

#[test]
fn a_closed_account_is_erased_when_its_time_has_come() {
    for backend in BACKENDS {
        run(async {
            let place = place(backend);
            let recovery = place.secret("recovery");
            let mut site = Site::begun(&place).await;
            let mut outside = Outside::new(&site, None).await;
            let (mut alice, given) = closed(&place, &mut site).await;
            place.clock.advance(HOUR - 62_000);
            erase(&place, &mut site).unwrap();
            assert_eq!(blank(&site, &alice), [false, false, false], "a minute too early");
            site.refresh().await.unwrap();
            let before = outside.history(&site, &alice.label()).await;
            assert_eq!(before.chain().state(), AccountState::Closed);
            // The answer from a moment ago is not given again.
            erase(&place, &mut site).unwrap();
            assert_eq!(blank(&site, &alice), [true, true, false]);

            let history = outside.history(&site, &alice.label()).await;
            assert_eq!(history.chain().state(), AccountState::Erased);
            assert_eq!(history.newest(), &alice.newest);
            outside.check_log(&site).await;
            for (receipt, opens) in given.iter().zip([false, false, true]) {
                let id = hex::decode(&receipt.id).unwrap().try_into().unwrap();
                let kept = site.service.store.receipt(&id).unwrap().unwrap();
                assert_eq!(kept.row.nonce != Nonce::new([0; 32]), opens);
                assert_eq!(kept.row.note.is_empty(), !opens);
                let status = outside.receipt_status(&site, receipt).await;
                assert!(status.epoch.is_some(), "that it was kept is still shown");
            }
            let again = site.accept(&alice.label(), alice.newest.bytes()).await;
            assert_eq!(again, given[2], "the closing is not erased");

            let notice = alice.announce(Some(2), &recovery);
            let (status, code, reason) = site.refuse_for(&alice.label(), notice.bytes()).await;
            assert_eq!(
                (status, code.as_str(), reason.as_str()),
                (422, "rule-broken", "account-erased")
            );
            assert_eq!(place.database.count("closings"), 0);
            site.close().await;
        });
    }
}

#[test]
fn an_account_that_was_let_in_again_is_not_erased() {
    run(async {
        let place = place(Backend::Sqlite);
        let recovery = place.secret("recovery");
        let mut site = Site::begun(&place).await;
        let (mut alice, _) = closed(&place, &mut site).await;
        let notice = alice.announce(Some(2), &recovery);
        site.publish(&place, &alice.label(), notice.bytes()).await;
        place.clock.advance(HOUR);
        erase(&place, &mut site).unwrap();
        assert!(
            !blank(&site, &alice).contains(&true),
            "a notice stands on the closing"
        );
        let recovered = alice.let_in(2, &recovery);
        site.accept(&alice.label(), recovered.bytes()).await;
        place.clock.advance(2 * HOUR);
        erase(&place, &mut site).unwrap();
        assert!(
            !blank_until(&site, &alice, 4).contains(&true),
            "its recovery waits"
        );
        site.advance().await.unwrap();
        place.clock.advance(2 * HOUR);
        erase(&place, &mut site).unwrap();
        assert!(!blank(&site, &alice).contains(&true));
        assert_eq!(place.database.count("closings"), 0, "forgotten");
        site.close().await;
    });
}

fn blank_until(site: &Site, person: &Person, last: u64) -> Vec<bool> {
    (1..=last)
        .map(|v| {
            let stored = site
                .service
                .store
                .version(&person.label(), KeyVersion::new(v).unwrap());
            stored.unwrap().unwrap().value.is_empty()
        })
        .collect()
}

#[test]
fn nobody_elses_handle_becomes_unverifiable_by_an_erasure() {
    for backend in BACKENDS {
        run(async {
            let place = place(backend);
            let mut site = Site::begun(&place).await;
            let outside = Outside::new(&site, None).await;
            let (mut alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
            let mut carol = Person::new("carol", 3);
            for person in [&alice, &bob, &carol] {
                site.accept(&person.label(), person.newest.bytes()).await;
            }
            place.tick();
            site.advance().await.unwrap();
            // Bob has what was Alice's; nobody has yet what was Carol's.
            let (first, second) = (label("handle:wonderland"), label("handle:nowhere"));
            let held = alice.claim(first.as_str(), None);
            site.publish(&place, &first, held.bytes()).await;
            let released = alice.release(&held);
            site.publish(&place, &first, released.bytes()).await;
            let taken = bob.claim(first.as_str(), Some(&released));
            site.publish(&place, &first, taken.bytes()).await;
            let held = carol.claim(second.as_str(), None);
            site.publish(&place, &second, held.bytes()).await;
            let released = carol.release(&held);
            site.publish(&place, &second, released.bytes()).await;
            for person in [&mut alice, &mut carol] {
                let end = person.end(None);
                site.publish(&place, &person.label(), end.bytes()).await;
            }
            place.clock.advance(HOUR);
            erase(&place, &mut site).unwrap();
            site.refresh().await.unwrap();
            assert_eq!(
                blank(&site, &alice),
                [false, false],
                "kept: Bob's handle relies on her"
            );
            assert_eq!(blank(&site, &carol), [true, false]);
            assert_eq!(outside.alias(&site, &first).await, Ok(taken));

            let late = bob.claim(second.as_str(), Some(&released));
            let (status, code, reason) = site.refuse_for(&second, late.bytes()).await;
            assert_eq!(
                (status, code.as_str(), reason.as_str()),
                (422, "handle-refused", "handle-retired")
            );
            assert_eq!(
                outside.alias(&site, &second).await,
                Err(Refusal::Record(RecordError::AccountErased)),
                "whoever took it could not be verified"
            );
            site.close().await;
        });
    }
}

#[test]
fn an_erasure_happens_as_a_whole_or_not_at_all() {
    let writes = [
        ("label_states", "UPDATE"),
        ("receipts", "UPDATE"),
        ("closings", "DELETE"),
    ];
    for (number, (table, event)) in writes.into_iter().enumerate() {
        for backend in BACKENDS.into_iter().take(1 + number % 2) {
            run(async {
                let place = place(backend);
                let mut site = Site::begun(&place).await;
                let outside = Outside::new(&site, None).await;
                let (alice, _) = closed(&place, &mut site).await;
                place.clock.advance(HOUR);
                break_writes(&place.database, table, event);
                let error = erase(&place, &mut site).expect_err(table);
                assert!(!error.is_fatal(), "{error}");
                assert_eq!(blank(&site, &alice), [false, false, false], "{table}");
                mend_writes(&place.database, table);
                erase(&place, &mut site).unwrap();
                assert_eq!(blank(&site, &alice), [true, true, false], "{table}");
                site.refresh().await.unwrap();
                let history = outside.history(&site, &alice.label()).await;
                assert_eq!(history.chain().state(), AccountState::Erased);
                site.close().await;
            });
        }
    }
}

#[test]
fn without_the_setting_nothing_is_erased() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let (alice, _) = closed(&place, &mut site).await;
        place.clock.advance(1_000 * HOUR);
        erase(&place, &mut site).unwrap();
        assert!(!blank(&site, &alice).contains(&true));
        site.close().await;
    });
}
