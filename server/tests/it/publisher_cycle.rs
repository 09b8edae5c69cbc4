//! Publish, look up, verify: the whole way over HTTP, on both databases.

use crate::common::outside::Outside;
use crate::common::{BACKENDS, Place, Site, label, problem, run};
use keyglass_protocol::message::{Answer, ProtoMessage as _, ReceiptState};
use keyglass_protocol::quantity::{KeyVersion, LogSize};
use keyglass_protocol::tree;
use keyglass_protocol::verify::{self, Found};
use keyglass_schema::test_database::Backend;
use keyglass_server::publisher::{Progress, Step};
use keyglass_testkit::world::Person;

#[test]
fn an_update_is_promised_published_and_proven() {
    for backend in BACKENDS {
        run(async {
            let place = Place::new(backend);
            let mut site = Site::begun(&place).await;
            let mut outside = Outside::new(&site, None).await;
            let mut alice = Person::new("alice", 1);
            assert_eq!(outside.account(&site, &alice.label()).await, None);

            place.tick();
            let first = alice.newest.bytes().to_vec();
            let given = site.accept(&alice.label(), &first).await;
            outside.check_receipt(&given, &first);
            assert_eq!(
                outside.receipt_status(&site, &given).await.status,
                ReceiptState::Pending
            );
            assert_eq!(
                outside.account(&site, &alice.label()).await,
                None,
                "not published yet"
            );

            assert_eq!(site.advance().await.unwrap(), Progress::Published);
            assert_eq!(
                outside.account(&site, &alice.label()).await,
                Some(alice.newest.clone())
            );
            outside.check_fulfilled(&site, &given, &first).await;

            for seed in 2..9 {
                place.tick();
                let next = if seed % 2 == 0 {
                    alice.rotate(seed)
                } else {
                    alice.add_device(u32::from(seed), seed)
                };
                let given = site.accept(&alice.label(), next.bytes()).await;
                assert_eq!(given.version, u64::from(seed));
                assert_eq!(site.advance().await.unwrap(), Progress::Published);
                assert_eq!(outside.account(&site, &alice.label()).await, Some(next.clone()));
                outside.check_fulfilled(&site, &given, next.bytes()).await;
            }
            assert_eq!(outside.check_log(&site).await, LogSize::new(9));
            assert_eq!(site.advance().await.unwrap(), Progress::Idle);
            site.close().await;
        });
    }
}

#[test]
fn a_handle_is_claimed_followed_released_and_claimed_again() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let mut outside = Outside::new(&site, None).await;
        let (alice, bob) = (Person::new("1", 1), Person::new("2", 2));
        let handle = label("handle:alice");
        let claim = alice.claim("handle:alice", None);
        assert_eq!(
            site.refuse(&handle, claim.bytes()).await,
            (422, "account-absent".to_owned())
        );

        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.accept(&bob.label(), bob.newest.bytes()).await;
        site.advance().await.unwrap();
        site.accept(&handle, claim.bytes()).await;
        site.advance().await.unwrap();
        assert_eq!(outside.account(&site, &handle).await, Some(alice.newest.clone()));

        let stolen = bob.claim("handle:alice", Some(&claim));
        assert_eq!(
            site.refuse(&handle, stolen.bytes()).await,
            (422, "rule-broken".to_owned())
        );
        let release = alice.release(&claim);
        site.accept(&handle, release.bytes()).await;
        site.advance().await.unwrap();
        assert_eq!(outside.account(&site, &handle).await, None);
        let (_, answer) = outside.ask(&site, &handle).await;
        assert_eq!(answer.lookups.len(), 1, "a released alias has one step");

        site.accept(&handle, bob.claim("handle:alice", Some(&release)).bytes())
            .await;
        site.advance().await.unwrap();
        assert_eq!(outside.account(&site, &handle).await, Some(bob.newest.clone()));
        let (status, history) = site.get("/v1/handles/alice/history").await;
        assert_eq!(status, 200);
        let history: Answer = serde_json::from_slice(&history).unwrap();
        let epoch = outside.verify_epoch(&site, &history);
        let proven = verify::history(&epoch, &outside.trust, &handle, KeyVersion::FIRST, &history).unwrap();
        assert_eq!(proven.versions().len(), 3);
        outside.check_log(&site).await;
        site.close().await;
    });
}

#[test]
fn a_batch_proves_the_present_and_the_absent_under_one_checkpoint() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let outside = Outside::new(&site, None).await;
        let people: Vec<Person> = (1..6).map(|n| Person::new(&format!("p{n}"), n)).collect();
        for person in &people {
            site.accept(&person.label(), person.newest.bytes()).await;
        }
        site.advance().await.unwrap();
        site.accept(&label("handle:one"), people[0].claim("handle:one", None).bytes())
            .await;
        site.accept(&label("handle:uno"), people[0].claim("handle:uno", None).bytes())
            .await;
        site.advance().await.unwrap();

        let labels = [
            "handle:one",
            "handle:uno",
            "account:p1",
            "account:nobody",
            "account:p5",
        ];
        let body = serde_json::json!({ "labels": labels }).to_string();
        let request = site.client.post(format!("{}/v1/lookups", site.url));
        let response = request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let answer: Answer = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        let epoch = outside.verify_epoch(&site, &answer);
        let mut steps = answer.lookups.as_slice();
        for text in ["handle:one", "handle:uno", "account:p1", "account:p5"] {
            let (found, rest) = verify::lookup_steps(&epoch, &outside.trust, &label(text), steps).unwrap();
            assert_eq!(matches!(found, Found::Alias { .. }), text.starts_with("handle"));
            steps = rest;
        }
        assert!(steps.is_empty());
        let nobody = label("account:nobody");
        assert_eq!(answer.absences.len(), 1);
        verify::absence(&epoch, &outside.trust, &nobody, &answer.absences[0]).unwrap();
        site.close().await;
    });
}

#[test]
fn histories_from_any_version_and_beyond_the_newest() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let outside = Outside::new(&site, None).await;
        let mut alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();
        for seed in 2..6 {
            site.accept(&alice.label(), alice.rotate(seed).bytes()).await;
            site.advance().await.unwrap();
        }
        for since in 1..=5 {
            let (status, body) = site
                .get(&format!("/v1/accounts/alice/history?since={since}"))
                .await;
            assert_eq!(status, 200);
            let answer: Answer = serde_json::from_slice(&body).unwrap();
            assert!(answer.lookups.is_empty());
            let epoch = outside.verify_epoch(&site, &answer);
            let since = KeyVersion::new(since).unwrap();
            let history = verify::history(&epoch, &outside.trust, &alice.label(), since, &answer).unwrap();
            assert_eq!(history.versions().len() as u64, 6 - since.get());
        }
        for path in ["/v1/accounts/alice/history?since=6", "/v1/accounts/alice?since=6"] {
            let (status, body) = site.get(path).await;
            assert_eq!((status, problem(&body)), (409, "since-beyond-newest".to_owned()));
            let answer: Answer = serde_json::from_slice(&body).unwrap();
            let epoch = outside.verify_epoch(&site, &answer);
            let found = verify::lookup(&epoch, &outside.trust, &alice.label(), &answer).unwrap();
            assert!(
                matches!(found, Found::Account(a) if a.version().get() == 5),
                "the newest is proven"
            );
        }
        let (status, body) = site.get("/v1/accounts/nobody/history").await;
        assert_eq!((status, problem(&body)), (404, "absent".to_owned()));
        site.close().await;
    });
}

#[test]
fn protobuf_carries_the_same_as_json() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();
        let url = format!("{}/v1/accounts/alice?since=1&from=1", site.url);
        let request = site.client.get(&url).header("accept", "application/x-protobuf");
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/x-protobuf");
        let binary = Answer::from_protobuf(&response.bytes().await.unwrap()).unwrap();
        let json: Answer =
            serde_json::from_slice(&site.client.get(&url).send().await.unwrap().bytes().await.unwrap())
                .unwrap();
        assert_eq!(binary, json);
        site.close().await;
    });
}

#[test]
fn steps_are_reached_in_their_order() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        place.stop_at.arm(None);
        let alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();
        let expected: Vec<Step> = Step::ALL
            .into_iter()
            .filter(|s| !matches!(s, Step::TreeCreated | Step::CosignersAsked))
            .collect();
        assert_eq!(*place.stop_at.seen.lock().unwrap(), expected);
        site.close().await;
    });
}

#[test]
fn a_large_batch_is_one_epoch_and_the_bound_makes_more() {
    run(async {
        let mut place = Place::new(Backend::Sqlite);
        place.layer.max_batch = Some(40);
        let mut site = Site::begun(&place).await;
        let mut outside = Outside::new(&site, None).await;
        let mut given = Vec::new();
        for n in 0..100_u8 {
            let person = Person::new(&format!("p{n}"), n);
            given.push((site.accept(&person.label(), person.newest.bytes()).await, person));
        }
        for _ in 0..3 {
            assert_eq!(site.advance().await.unwrap(), Progress::Published);
        }
        assert_eq!(site.advance().await.unwrap(), Progress::Idle);
        assert_eq!(outside.check_log(&site).await, LogSize::new(4));
        for (answer, person) in &given {
            outside
                .check_fulfilled(&site, answer, person.newest.bytes())
                .await;
        }
        assert_eq!(
            outside.account(&site, &given[77].1.label()).await,
            Some(given[77].1.newest.clone())
        );
        let (_, list) = site.get_json("/log/audit").await;
        let sizes: Vec<u64> = list["epochs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["epoch"].as_u64().unwrap())
            .collect();
        assert_eq!(sizes, [3, 2, 1]);
        let (_, list) = site.get_json("/log/audit?before=3").await;
        assert_eq!(list["epochs"][0]["epoch"], 2);
        assert_eq!(
            tree::empty_root().to_string(),
            list["epochs"][1]["previous_root"].as_str().unwrap()
        );
        site.close().await;
    });
}
