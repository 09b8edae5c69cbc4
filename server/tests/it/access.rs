//! The platform's tokens over HTTP: who may submit, and who may look telephone numbers up.

use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutRequest};
use keyglass_schema::test_database::Backend;
use keyglass_server::settings::Layer;
use keyglass_testkit::tokens::Platform;
use keyglass_testkit::world::{FIRST_TIME, ORIGIN, Person};
use serde_json::{Value, json};

use crate::common::{Place, Site, label, path_of, problem, run};

/// A place whose callers are known by tokens of `Platform::new(1)`.
fn guarded(more: Layer) -> Place {
    let mut place = Place::with(Backend::Sqlite, more);
    let file = place.dir.path().join("token-keys.json");
    std::fs::write(&file, Platform::new(1).key_set()).unwrap();
    place.layer.token_keys = Some(file);
    place
}

fn token(account: &str, scope: &str) -> String {
    Platform::new(1).session(ORIGIN, Some(account), scope, FIRST_TIME.seconds().get() + 3_600)
}

/// Status, problem code and reason.
async fn outcome(request: reqwest::RequestBuilder) -> (u16, String, String) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let asked = response.headers().get("www-authenticate").cloned();
    let body = response.bytes().await.unwrap();
    if status < 300 {
        return (status, String::new(), String::new());
    }
    let code = problem(&body);
    assert_eq!(asked.is_some(), code == "unauthorized", "{code}");
    let document: Value = serde_json::from_slice(&body).unwrap();
    (
        status,
        code,
        document["reason"].as_str().unwrap_or_default().to_owned(),
    )
}

async fn put(site: &Site, label: &Label, record: &[u8], token: Option<&str>) -> (u16, String, String) {
    let body = serde_json::to_vec(&PutRequest {
        record: B64(record.to_vec()),
    })
    .unwrap();
    let request = site.client.put(format!("{}{}", site.url, path_of(label)));
    let mut request = request.header("content-type", "application/json").body(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    outcome(request).await
}

fn is(status: u16, code: &str, reason: &str) -> (u16, String, String) {
    (status, code.to_owned(), reason.to_owned())
}

#[test]
fn an_update_needs_a_token_of_its_own_account() {
    run(async {
        let place = guarded(Layer::default());
        let mut site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        let submit =
            async |token: Option<&str>| put(&site, &alice.label(), alice.newest.bytes(), token).await;
        assert_eq!(submit(None).await, is(401, "unauthorized", "token-missing"));
        let forged = Platform::new(2).sign(
            &Platform::new(1).header().to_string(),
            &json!({ "aud": ORIGIN, "sub": "alice", "scope": "account", "exp": u32::MAX }).to_string(),
        );
        assert_eq!(
            submit(Some(&forged)).await,
            is(401, "unauthorized", "token-signature")
        );
        let old = Platform::new(1).session(ORIGIN, Some("alice"), "account", FIRST_TIME.seconds().get());
        assert_eq!(submit(Some(&old)).await, is(401, "unauthorized", "token-expired"));
        let elsewhere = Platform::new(1).session("other.example", Some("alice"), "account", u32::MAX.into());
        assert_eq!(
            submit(Some(&elsewhere)).await,
            is(401, "unauthorized", "token-audience")
        );
        assert_eq!(
            submit(Some(&token("bob", "account"))).await,
            is(403, "forbidden", "token-other-account")
        );
        assert_eq!(
            submit(Some(&token("alice", "lookup"))).await,
            is(403, "forbidden", "token-scope")
        );
        assert_eq!(submit(Some(&token("alice", "account"))).await.0, 202);
        let twice = site.client.put(format!("{}/v1/accounts/alice", site.url));
        let good = format!("Bearer {}", token("alice", "account"));
        let twice = twice
            .header("authorization", &good)
            .header("authorization", &good);
        assert_eq!(outcome(twice).await, is(401, "unauthorized", "token-scheme"));

        site.advance().await.unwrap();
        let handle = label("handle:alice");
        let claim = alice.claim("handle:alice", None);
        let bob = token("bob", "account");
        assert_eq!(
            put(&site, &handle, claim.bytes(), Some(&bob)).await,
            is(403, "forbidden", "token-other-account"),
            "the holder decides whose session it must be"
        );
        let own = token("alice", "account");
        assert_eq!(put(&site, &handle, claim.bytes(), Some(&own)).await.0, 202);
        site.close().await;
    });
}

#[test]
fn the_token_is_asked_for_before_the_body_is_read() {
    run(async {
        let place = guarded(Layer::default());
        let site = Site::begun(&place).await;
        let request = site.client.put(format!("{}/v1/accounts/alice", site.url));
        let request = request.header("content-type", "application/json").body("{");
        assert_eq!(outcome(request).await, is(401, "unauthorized", "token-missing"));
        site.close().await;
    });
}

#[test]
fn telephone_numbers_need_a_token_also_inside_batches_and_histories() {
    for (open, expected) in [(false, 401), (true, 404)] {
        run(async {
            let place = guarded(Layer {
                phone_lookups: open.then(|| "open".to_owned()),
                ..Layer::default()
            });
            let site = Site::begun(&place).await;
            let get = async |path: &str, token: Option<&str>| {
                let request = site.client.get(format!("{}{path}", site.url));
                outcome(match token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                })
                .await
                .0
            };
            let lookup = token("service", "lookup");
            for path in ["/v1/phones/+14155550100", "/v1/phones/+14155550100/history"] {
                assert_eq!(get(path, None).await, expected, "{path}");
                assert_eq!(get(path, Some("nonsense")).await, 401, "{path}");
                assert_eq!(get(path, Some(&lookup)).await, 404, "{path}");
                let without = get(path, Some(&token("alice", "account"))).await;
                assert_eq!(without, if open { 404 } else { 403 }, "{path}");
            }
            assert_eq!(get("/v1/handles/nobody", None).await, 404);
            let batch = async |token: Option<&str>| {
                let request = site.client.post(format!("{}/v1/lookups", site.url));
                let request = request
                    .header("content-type", "application/json")
                    .body(r#"{"labels":["account:a","phone:+14155550100"]}"#);
                outcome(match token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                })
                .await
                .0
            };
            assert_eq!(batch(None).await, if open { 200 } else { 401 });
            assert_eq!(batch(Some(&lookup)).await, 200);
            site.close().await;
        });
    }
}

#[test]
fn the_directory_says_whether_it_is_open() {
    run(async {
        let said = async |place: &Place| {
            let site = Site::begun(place).await;
            let response = site
                .client
                .get(format!("{}/v1/config", site.url))
                .send()
                .await
                .unwrap();
            let said = response.headers()["keyglass-registration"]
                .to_str()
                .unwrap()
                .to_owned();
            let metrics = site
                .client
                .get(format!("{}/metrics", site.admin))
                .send()
                .await
                .unwrap();
            let metrics = metrics.text().await.unwrap();
            site.close().await;
            (said, metrics.contains("\nkeyglass_server_open_registration 1\n"))
        };
        assert_eq!(
            said(&Place::new(Backend::Sqlite)).await,
            ("open".to_owned(), true)
        );
        assert_eq!(
            said(&guarded(Layer::default())).await,
            ("token".to_owned(), false)
        );
    });
}

#[test]
fn each_kind_of_record_needs_its_scope() {
    run(async {
        let place = guarded(Layer::default());
        let (recovery, import) = (place.secret("recovery"), place.secret("import"));
        let mut site = Site::begun(&place).await;
        let (mut alice, bob) = (Person::new("alice", 1), Person::new("bob", 2));
        let scope = is(403, "forbidden", "token-scope");
        let other = is(403, "forbidden", "token-other-account");
        let good = is(202, "", "");
        let check = async |site: &Site,
                           label: &Label,
                           record: &[u8],
                           refused: &[(String, (u16, String, String))],
                           accepted: String| {
            for (token, expected) in refused {
                assert_eq!(put(site, label, record, Some(token)).await, *expected);
            }
            assert_eq!(put(site, label, record, Some(&accepted)).await, good);
        };
        let imported = alice.imported(ORIGIN, keyglass_protocol::quantity::RecordHash::ZERO, &import);
        let refused = [(token("alice", "account"), scope.clone())];
        check(
            &site,
            &alice.label(),
            imported.bytes(),
            &refused,
            token("bob", "import"),
        )
        .await;
        let refused = [(token("bob", "import"), scope.clone())];
        check(
            &site,
            &bob.label(),
            bob.newest.bytes(),
            &refused,
            token("bob", "account"),
        )
        .await;
        site.advance().await.unwrap();
        place.tick();

        // Whoever may recover may not write in the owner's name, and the other way round.
        alice.newest = imported;
        let handle = label("handle:alice");
        let claim = alice.claim("handle:alice", None);
        let refused = [(token("alice", "recovery"), scope.clone())];
        check(&site, &handle, claim.bytes(), &refused, token("alice", "account")).await;
        let recovered = alice.let_in(3, &recovery);
        let refused = [
            (token("alice", "account"), scope.clone()),
            (token("bob", "recovery"), other.clone()),
        ];
        for (token, expected) in &refused {
            assert_eq!(
                put(&site, &alice.label(), recovered.bytes(), Some(token)).await,
                *expected
            );
        }
        site.advance().await.unwrap();
        place.tick();
        check(
            &site,
            &alice.label(),
            recovered.bytes(),
            &refused,
            token("alice", "recovery"),
        )
        .await;
        site.advance().await.unwrap();
        place.tick();

        let reassigned = bob.reassign(&claim, &recovery);
        let refused = [
            (token("bob", "account"), scope.clone()),
            (token("alice", "recovery"), other.clone()),
        ];
        check(
            &site,
            &handle,
            reassigned.bytes(),
            &refused,
            token("bob", "recovery"),
        )
        .await;
        site.advance().await.unwrap();
        place.tick();
        // Either side of a transfer may hand it in; both have signed.
        let transferred = bob.transfer(&reassigned, &alice);
        let refused = [(token("carol", "account"), other.clone())];
        check(
            &site,
            &handle,
            transferred.bytes(),
            &refused,
            token("bob", "account"),
        )
        .await;
        site.advance().await.unwrap();
        place.tick();
        let back = alice.transfer(&transferred, &bob);
        check(&site, &handle, back.bytes(), &refused, token("bob", "account")).await;
        site.advance().await.unwrap();
        place.tick();
        let closed = alice.clone().end(Some(&recovery));
        let refused = [(token("alice", "account"), scope)];
        check(
            &site,
            &alice.label(),
            closed.bytes(),
            &refused,
            token("alice", "recovery"),
        )
        .await;
        site.close().await;
    });
}
