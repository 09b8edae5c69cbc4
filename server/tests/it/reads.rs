//! Forms, tags and web pages: how answers travel.

use keyglass_protocol::message::{Answer, BatchRequest, PROTOBUF_MEDIA_TYPE, ProtoMessage as _, PutRequest};
use keyglass_protocol::message::{B64, PutAnswer, ReceiptAnswer, ReceiptState};
use keyglass_schema::test_database::Backend;
use keyglass_testkit::world::Person;
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;

use crate::common::{BACKENDS, Place, Site, label, path_of, problem, run};

async fn get(site: &Site, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = site.client.get(format!("{}{path}", site.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn json<T: DeserializeOwned>(site: &Site, path: &str) -> T {
    let response = get(site, path, &[]).await;
    assert_eq!(response.headers()["content-type"], "application/json", "{path}");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn protobuf(site: &Site, path: &str) -> Vec<u8> {
    let response = get(site, path, &[("accept", PROTOBUF_MEDIA_TYPE)]).await;
    assert_eq!(response.headers()["content-type"], PROTOBUF_MEDIA_TYPE, "{path}");
    response.bytes().await.unwrap().to_vec()
}

/// Alice with three versions and a handle, among others.
async fn populated(place: &Place) -> (Site, Person) {
    let mut site = Site::begun(place).await;
    let mut alice = Person::new("alice", 1);
    site.accept(&alice.label(), alice.newest.bytes()).await;
    for n in 0..12 {
        let other = Person::new(&format!("other-{n}"), n + 100);
        site.accept(&other.label(), other.newest.bytes()).await;
    }
    site.advance().await.unwrap();
    for seed in [2, 3] {
        place.tick();
        let next = alice.rotate(seed);
        site.accept(&alice.label(), next.bytes()).await;
        site.advance().await.unwrap();
    }
    place.tick();
    site.accept(&label("handle:alice"), alice.claim("handle:alice", None).bytes())
        .await;
    site.advance().await.unwrap();
    (site, alice)
}

#[test]
fn protobuf_says_the_same_and_shorter() {
    for backend in BACKENDS {
        run(async {
            let place = Place::new(backend);
            let (site, alice) = populated(&place).await;
            let own = path_of(&alice.label());
            for path in [
                own.clone(),
                format!("{own}?from=2&since=2"),
                format!("{own}?since=1"),
                format!("{own}/history"),
                format!("{own}/history?since=3&from=1"),
                "/v1/handles/alice".to_owned(),
                "/v1/handles/alice?since=1".to_owned(),
                "/v1/handles/alice/history".to_owned(),
            ] {
                let expected: Answer = json(&site, &path).await;
                let bytes = protobuf(&site, &path).await;
                assert_eq!(Answer::from_protobuf(&bytes).unwrap(), expected, "{path}");
                let markers = expected.lookups.iter().flat_map(|l| &l.markers);
                let proofs = expected.lookups.iter().map(|l| l.proof.0.len()).sum::<usize>()
                    + markers
                        .map(|m| m.vrf_proof.0.len() + m.proof.0.len())
                        .sum::<usize>()
                    + expected.history.iter().map(|h| h.proof.0.len()).sum::<usize>();
                let rest = Answer {
                    lookups: Vec::new(),
                    history: None,
                    ..expected
                };
                let shorter = bytes.len() - rest.to_protobuf().len();
                assert!(shorter < proofs, "{path}: {shorter} of {proofs}");
            }
            site.close().await;
        });
    }
}

#[test]
fn requests_in_protobuf_are_answered_in_protobuf() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let (mut site, _) = populated(&place).await;
        let send = async |site: &Site, method: Method, path: &str, body: Vec<u8>| {
            let request = site.client.request(method, format!("{}{path}", site.url));
            let request = request
                .header("content-type", PROTOBUF_MEDIA_TYPE)
                .header("accept", PROTOBUF_MEDIA_TYPE);
            let response = request.body(body).send().await.unwrap();
            (
                response.status().as_u16(),
                response.bytes().await.unwrap().to_vec(),
            )
        };
        let labels = [
            "handle:alice",
            "account:other-3",
            "handle:nobody",
            "phone:+14155550100",
        ];
        let asked = BatchRequest {
            labels: labels.map(str::to_owned).to_vec(),
        };
        let (status, body) = send(&site, Method::POST, "/v1/lookups", asked.to_protobuf()).await;
        let answer = Answer::from_protobuf(&body).unwrap();
        let found: Vec<&str> = answer.lookups.iter().map(|l| l.label.as_str()).collect();
        let absent: Vec<&str> = answer.absences.iter().map(|a| a.label.as_str()).collect();
        assert_eq!(status, 200);
        assert_eq!(found, ["handle:alice", "account:alice", "account:other-3"]);
        assert_eq!(absent, ["handle:nobody", "phone:+14155550100"]);

        let bob = Person::new("bob", 9);
        let update = PutRequest {
            record: B64(bob.newest.bytes().to_vec()),
        };
        let (status, body) = send(&site, Method::PUT, "/v1/accounts/bob", update.to_protobuf()).await;
        let given = PutAnswer::from_protobuf(&body).unwrap();
        assert_eq!((status, given.label.as_str()), (202, "account:bob"));
        let receipt = format!("/v1/receipts/{}", given.id);
        let pending = ReceiptAnswer::from_protobuf(&protobuf(&site, &receipt).await).unwrap();
        assert_eq!(pending.status, ReceiptState::Pending);
        site.advance().await.unwrap();
        let included = ReceiptAnswer::from_protobuf(&protobuf(&site, &receipt).await).unwrap();
        assert_eq!(included, json(&site, &receipt).await);
        assert_eq!(included.status, ReceiptState::Included);

        for bad in [&b"\x0a"[..], b"\x0a\x01a\x10\x01", b"\x08\x01", b""] {
            let (status, body) = send(&site, Method::POST, "/v1/lookups", bad.to_vec()).await;
            assert_eq!(
                (status, problem(&body)),
                (400, "malformed-body".to_owned()),
                "{bad:?}"
            );
        }
        site.close().await;
    });
}

#[test]
fn who_has_an_answer_is_not_sent_it_again() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let (mut site, alice) = populated(&place).await;
        let own = path_of(&alice.label());
        let hash = site.service.config.hash();
        for (path, cached) in [
            (own.clone(), "private, no-cache"),
            (format!("{own}/history"), "private, no-cache"),
            ("/v1/config".to_owned(), "public, no-cache"),
            (
                format!("/v1/config/{hash}"),
                "public, max-age=31536000, immutable",
            ),
            ("/log/checkpoint".to_owned(), "public, max-age=1"),
            ("/v1/openapi.json".to_owned(), "public, no-cache"),
        ] {
            let first = get(&site, &path, &[]).await;
            assert_eq!(first.status(), 200, "{path}");
            assert_eq!(first.headers()["cache-control"], cached, "{path}");
            let tag = first.headers()["etag"].to_str().unwrap().to_owned();
            for known in [tag.clone(), format!("W/{tag}, \"other\""), "*".to_owned()] {
                let again = get(&site, &path, &[("if-none-match", &known)]).await;
                assert_eq!(again.status(), 304, "{path} {known}");
                assert_eq!(again.headers()["etag"], tag.as_str(), "{path}");
                assert_eq!(again.headers()["cache-control"], cached, "{path}");
                assert!(again.bytes().await.unwrap().is_empty());
            }
            assert_eq!(
                get(&site, &path, &[("if-none-match", "\"other\"")])
                    .await
                    .status(),
                200
            );
        }
        let json_tag = get(&site, &own, &[]).await.headers()["etag"].clone();
        let accept = ("accept", PROTOBUF_MEDIA_TYPE);
        let binary = get(
            &site,
            &own,
            &[accept, ("if-none-match", json_tag.to_str().unwrap())],
        )
        .await;
        assert_eq!(binary.status(), 200, "each form has its own tag");
        assert_eq!(binary.headers()["vary"], "accept");
        // An absence is never kept, whatever the client says that it has.
        let absent = get(&site, "/v1/accounts/nobody", &[("if-none-match", "*")]).await;
        assert_eq!(absent.status(), 404);
        assert_eq!(absent.headers()["cache-control"], "no-store");
        place.tick();
        let bob = Person::new("bob", 9);
        site.accept(&bob.label(), bob.newest.bytes()).await;
        site.advance().await.unwrap();
        let moved = get(&site, &own, &[("if-none-match", json_tag.to_str().unwrap())]).await;
        assert_eq!(moved.status(), 200, "another head is another answer");
        site.close().await;
    });
}

#[test]
fn any_page_may_read_and_none_may_write() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let (site, alice) = populated(&place).await;
        let origin = ("origin", "https://verifier.example");
        for path in [
            path_of(&alice.label()),
            "/v1/accounts/nobody".to_owned(),
            "/v1/nothing".to_owned(),
        ] {
            let response = get(&site, &path, &[origin]).await;
            assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
            let exposed = response.headers()["access-control-expose-headers"]
                .to_str()
                .unwrap();
            for name in ["etag", "ratelimit", "retry-after", "keyglass-registration"] {
                assert!(exposed.split(", ").any(|e| e == name), "{exposed}");
            }
            assert!(
                !response
                    .headers()
                    .contains_key("access-control-allow-credentials")
            );
        }
        let preflight = async |method: &str| {
            let request = site
                .client
                .request(Method::OPTIONS, format!("{}/v1/accounts/alice", site.url));
            let request = request
                .header(origin.0, origin.1)
                .header("access-control-request-method", method)
                .header("access-control-request-headers", "authorization");
            request.send().await.unwrap()
        };
        let allowed = preflight("GET").await;
        assert_eq!(allowed.status(), 204);
        assert_eq!(allowed.headers()["access-control-allow-origin"], "*");
        assert_eq!(
            allowed.headers()["access-control-allow-methods"],
            "GET, HEAD, POST"
        );
        let headers = allowed.headers()["access-control-allow-headers"]
            .to_str()
            .unwrap();
        assert!(
            headers.contains("authorization") && headers.contains("if-none-match"),
            "{headers}"
        );
        let writing = preflight("PUT").await;
        assert!(
            !writing.headers()["access-control-allow-methods"]
                .to_str()
                .unwrap()
                .contains("PUT")
        );
        site.close().await;
    });
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        for (path, allow) in [
            ("/v1/accounts/a", "GET, HEAD, PUT"),
            ("/v1/config", "GET, HEAD"),
            ("/v1/lookups", "POST"),
        ] {
            let request = site.client.request(Method::DELETE, format!("{}{path}", site.url));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 405, "{path}");
            assert_eq!(response.headers()["allow"], allow, "{path}");
        }
        site.close().await;
    });
}

#[test]
fn the_page_of_the_description_loads_nothing_from_elsewhere() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        for (path, kind) in [
            ("/docs", "text/html; charset=utf-8"),
            ("/docs/docs.css", "text/css; charset=utf-8"),
            ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ] {
            let response = get(&site, path, &[]).await;
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()["content-type"], kind);
            let policy = response.headers()["content-security-policy"]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self';"),
                "{policy}"
            );
            let text = response.text().await.unwrap();
            assert!(!text.contains("//cdn") && !text.contains("https://"), "{path}");
            assert!(!text.contains("innerHTML"), "{path}");
        }
        assert_eq!(get(&site, "/docs/other", &[]).await.status(), 404);
        site.close().await;
    });
}
