//! Hostile requests over real sockets: each has its status, none kills anything.

use keyglass_schema::test_database::Backend;
use keyglass_server::settings::Layer;
use keyglass_testkit::world::Person;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{Place, Site, path_of, problem, run};

/// Sends bytes as they are and returns everything that comes back until the server closes.
pub async fn raw(site: &Site, bytes: &[u8]) -> String {
    raw_at(site.url.trim_start_matches("http://").to_owned(), bytes.to_vec()).await
}

/// The same, of an address.
pub async fn raw_at(address: String, bytes: Vec<u8>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close before it has read everything.
    let _ = stream.write_all(&bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0)
}

#[test]
fn labels_that_are_none() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        let long = "a".repeat(129);
        let labels = [
            "/v1/accounts/",
            "/v1/handles/",
            "/v1/accounts/%20",
            "/v1/accounts/a%00b",
            "/v1/accounts/%ff%fe",
            "/v1/accounts/%C3%BC",
            "/v1/accounts/a%2Fb",
            "/v1/accounts/a%25b",
            "/v1/accounts/..%2f",
            "/v1/accounts/%2",
            &format!("/v1/accounts/{long}"),
            "/v1/handles/Alice",
            "/v1/handles/a%E2%80%AEb",
            "/v1/handles/%D7%90a%D7%91%31",
            "/v1/handles/%EF%BD%81",
            "/v1/phones/14155550100",
            "/v1/phones/+0123",
            "/v1/phones/+1415555010012345",
        ];
        for path in labels {
            let (status, body) = site.get(path).await;
            assert_eq!(
                (status, problem(&body)),
                (400, "malformed-label".to_owned()),
                "{path}"
            );
            let (status, _) = site.put_raw(path, r#"{"record":"AA=="}"#).await;
            assert_eq!(status, 400, "PUT {path}");
        }
        for path in ["/v1/accounts", "/v1/accounts/alice/", "/v1/"] {
            assert_eq!(site.get(path).await.0, 404, "{path}");
        }
        assert_eq!(
            site.get("/v1/accounts/%41lice").await.0,
            404,
            "an escape of an allowed character is that character"
        );
        site.close().await;
    });
}

#[test]
fn bodies_that_are_none() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        let deep = format!("{{\"record\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
        let bodies = [
            "",
            "{",
            "null",
            "[]",
            "{}",
            r#"{"record":1}"#,
            r#"{"record":"AA==","record":"AA=="}"#,
            r#"{"record":"AA==","more":1}"#,
            r#"{"record":"AA="}"#,
            r#"{"record":"AB=="}"#,
            r#"{"record":"A_=="}"#,
            r#"{"record":"AA==\n"}"#,
            "{\"record\":\"AA==\"}{}",
            "\u{feff}{\"record\":\"AA==\"}",
            &deep,
        ];
        for body in bodies {
            let (status, answer) = site.put_raw("/v1/accounts/alice", body.to_owned()).await;
            let shown: String = body.chars().take(40).collect();
            assert_eq!(
                (status, problem(&answer)),
                (400, "malformed-body".to_owned()),
                "{shown}"
            );
        }
        let post = async |body: String| {
            let request = site.client.post(format!("{}/v1/lookups", site.url));
            let response = request
                .header("content-type", "application/json")
                .body(body)
                .send()
                .await
                .unwrap();
            (
                response.status().as_u16(),
                problem(&response.bytes().await.unwrap()),
            )
        };
        let many: Vec<String> = (0..101).map(|n| format!("account:{n}")).collect();
        let malformed = (400, "malformed-body".to_owned());
        assert_eq!(
            post(serde_json::json!({ "labels": many }).to_string()).await,
            malformed
        );
        assert_eq!(post(r#"{"labels":[]}"#.to_owned()).await, malformed);
        assert_eq!(
            post(r#"{"labels":["account:a","account:a"]}"#.to_owned()).await,
            malformed
        );
        let bad_label = (400, "malformed-label".to_owned());
        assert_eq!(post(r#"{"labels":["padding:00"]}"#.to_owned()).await, bad_label);
        assert_eq!(post(r#"{"labels":["alice"]}"#.to_owned()).await, bad_label);
        site.close().await;
    });
}

#[test]
fn sizes_types_and_encodings() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        let url = format!("{}/v1/accounts/alice", site.url);
        let put = async |headers: &[(&str, &str)], body: Vec<u8>| {
            let mut request = site.client.put(&url).body(body);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = request.send().await.unwrap();
            (
                response.status().as_u16(),
                problem(&response.bytes().await.unwrap()),
            )
        };
        let json = ("content-type", "application/json");
        let good = br#"{"record":"AA=="}"#.to_vec();
        assert_eq!(
            put(&[json], vec![b' '; 24 * 1024 + 1]).await,
            (413, "too-large".to_owned())
        );
        let unsupported = (415, "unsupported-media-type".to_owned());
        for kind in [
            "text/plain",
            "application/xml",
            "application/json; charset=latin1",
            "application/jsonx",
        ] {
            assert_eq!(
                put(&[("content-type", kind)], good.clone()).await,
                unsupported,
                "{kind}"
            );
        }
        assert_eq!(put(&[], good.clone()).await, unsupported);
        for encoding in ["gzip", "identity", "br", "x"] {
            assert_eq!(
                put(&[json, ("content-encoding", encoding)], good.clone()).await,
                unsupported,
                "{encoding}"
            );
        }
        let get = site
            .client
            .get(&url)
            .header("content-encoding", "gzip")
            .send()
            .await
            .unwrap();
        assert_eq!(get.status(), 415);
        let get = site
            .client
            .get(&url)
            .header("accept", "text/html")
            .send()
            .await
            .unwrap();
        assert_eq!(
            (get.status().as_u16(), problem(&get.bytes().await.unwrap())),
            (406, "not-acceptable".to_owned())
        );
        // Without a length, the bound holds as well.
        let mut chunked =
            b"PUT /v1/accounts/a HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
                .to_vec();
        for _ in 0..40 {
            chunked.extend_from_slice(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes());
        }
        let answer = raw(&site, &chunked).await;
        assert_eq!(status(&answer), 413, "{answer}");
        site.close().await;
    });
}

#[test]
fn methods_routes_and_queries() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        for (method, path, expected) in [
            ("DELETE", "/v1/accounts/alice", "method-not-allowed"),
            ("POST", "/v1/accounts/alice", "method-not-allowed"),
            ("PUT", "/v1/accounts/alice/history", "method-not-allowed"),
            ("GET", "/v1/lookups", "method-not-allowed"),
            ("BREW", "/v1/config", "method-not-allowed"),
            ("GET", "/v1/nothing", "not-found"),
            ("GET", "/v2/accounts/alice", "not-found"),
            ("GET", "/v1/accounts/alice/", "not-found"),
            ("GET", "/v1/accounts/%2e%2e", "malformed-label"),
            ("GET", "/v1/accounts/alice?since=0", "malformed-request"),
            ("GET", "/v1/accounts/alice?since=01", "malformed-request"),
            ("GET", "/v1/accounts/alice?since=1&since=1", "malformed-request"),
            ("GET", "/v1/accounts/alice?form=1", "malformed-request"),
            (
                "GET",
                "/v1/accounts/alice?from=18446744073709551616",
                "malformed-request",
            ),
            (
                "GET",
                "/v1/accounts/alice?from=18446744073709551615",
                "unknown-size",
            ),
            ("GET", "/v1/config?x=1", "malformed-request"),
            ("GET", "/v1/config/zz", "malformed-request"),
            ("GET", "/log/checkpoint?x=1", "malformed-request"),
            ("GET", "/log/audit?before=x", "malformed-request"),
            ("GET", "/log/tile/0/000", "not-found"),
            ("GET", "/log/tile/0/000.p/2", "not-found"),
            ("GET", "/log/tile/0/000.p/0", "not-found"),
            ("GET", "/log/tile/entries/0.p/1", "not-found"),
            ("GET", "/log/tile/00/000.p/1", "not-found"),
            ("GET", "/log/tile/64/000.p/1", "not-found"),
            ("GET", "/log/audit/0/00/00", "not-found"),
            ("GET", "/log/audit/1/../..", "not-found"),
        ] {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let answer = raw(
                &site,
                format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes(),
            )
            .await;
            let body = answer
                .split_once("\r\n\r\n")
                .map(|(_, body)| body)
                .unwrap_or_default();
            assert_eq!(problem(body.as_bytes()), expected, "{method} {path}");
        }
        let head = site
            .client
            .head(format!("{}/log/checkpoint", site.url))
            .send()
            .await
            .unwrap();
        assert_eq!(
            (head.status().as_u16(), head.bytes().await.unwrap().len()),
            (200, 0)
        );
        site.close().await;
    });
}

#[test]
fn what_may_be_cached_says_so() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let mut site = Site::begun(&place).await;
        let alice = Person::new("alice", 1);
        site.accept(&alice.label(), alice.newest.bytes()).await;
        site.advance().await.unwrap();
        let (_, list) = site.get_json("/log/audit").await;
        let entry = &list["epochs"][0];
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        let audit = format!("/log/audit/1/{}/{}", text("previous_root"), text("root"));
        let config = format!("/v1/config/{}", site.service.config.hash());
        let forever = "public, max-age=31536000, immutable";
        for (path, expected) in [
            (audit.as_str(), forever),
            (config.as_str(), forever),
            ("/log/tile/0/000.p/2", forever),
            ("/log/tile/entries/000.p/1", forever),
            ("/log/checkpoint", "public, max-age=1"),
            ("/log/pending", "no-store"),
            ("/log/audit", "no-store"),
            ("/v1/config", "public, no-cache"),
            (&path_of(&alice.label()), "private, no-cache"),
            ("/v1/accounts/nobody", "no-store"),
            ("/v1/nothing", "no-store"),
        ] {
            let response = site
                .client
                .get(format!("{}{path}", site.url))
                .send()
                .await
                .unwrap();
            assert_eq!(response.headers()["cache-control"], expected, "{path}");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        }
        site.close().await;
    });
}

#[test]
fn requests_that_could_be_read_in_two_ways() {
    run(async {
        let place = Place::new(Backend::Sqlite);
        let site = Site::begun(&place).await;
        let cases: [(&str, &[u8]); 9] = [
            ("CL and TE", b"PUT /v1/accounts/a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            ("two lengths", b"PUT /v1/accounts/a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde"),
            ("two equal lengths", b"PUT /v1/accounts/a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 4\r\n\r\nabcd"),
            ("a length with a sign", b"PUT /v1/accounts/a HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\nabcd"),
            ("bare LF", b"GET /v1/config HTTP/1.1\nhost: a\n\n"),
            ("one bare LF", b"GET /v1/config HTTP/1.1\r\nhost: a\nx: b\r\n\r\n"),
            ("bare CR", b"GET /v1/config HTTP/1.1\r\nhost: a\rb\r\n\r\n"),
            ("a space before the colon", b"GET /v1/config HTTP/1.1\r\nhost : a\r\n\r\n"),
            ("a folded header", b"GET /v1/config HTTP/1.1\r\nhost: a\r\n x: b\r\n\r\n"),
        ];
        for (what, bytes) in cases {
            let answer = raw(&site, bytes).await;
            assert_eq!(status(&answer), 400, "{what}: {answer}");
            assert!(
                answer.contains("urn:keyglass:problem:malformed-request"),
                "{what}: {answer}"
            );
        }
        assert_eq!(site.get("/v1/config").await.0, 200);
        site.close().await;
    });
}

#[test]
fn slow_and_swollen_requests_are_cut_off() {
    run(async {
        let layer = Layer {
            request_timeout: Some("400ms".parse().unwrap()),
            ..Layer::default()
        };
        let place = Place::with(Backend::Sqlite, layer);
        let site = Site::begun(&place).await;
        let slow_head = raw(&site, b"GET /v1/config HTTP/1.1\r\nhost: a\r\n").await;
        assert_eq!(status(&slow_head), 408, "{slow_head}");
        assert_eq!(raw(&site, b"").await, "", "who says nothing gets no answer");
        let slow_body = raw(
            &site,
            b"PUT /v1/accounts/a HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{",
        )
        .await;
        assert_eq!(status(&slow_body), 408, "{slow_body}");

        let mut many = b"GET /v1/config HTTP/1.1\r\nhost: a\r\n".to_vec();
        for n in 0..2_000 {
            many.extend_from_slice(format!("x-{n}: y\r\n").as_bytes());
        }
        many.extend_from_slice(b"\r\n");
        let answer = raw(&site, &many).await;
        assert_eq!(status(&answer), 431, "{answer}");
        let mut long = b"GET /v1/config HTTP/1.1\r\nhost: a\r\nx: ".to_vec();
        long.resize(1 << 20, b'y');
        let answer = raw(&site, &long).await;
        assert!(
            answer.is_empty() || [400, 431].contains(&status(&answer)),
            "{answer}"
        );
        assert_eq!(site.get("/v1/config").await.0, 200);
        site.close().await;
    });
}

#[test]
fn who_asks_without_reading_is_cut_off() {
    run(async {
        let layer = Layer {
            request_timeout: Some("200ms".parse().unwrap()),
            ..Layer::default()
        };
        let place = Place::with(Backend::Sqlite, layer);
        let site = Site::begun(&place).await;
        let address = site.url.trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(address).await.unwrap();
        // More than the buffers of both sides hold.
        let asked = "GET /v1/openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(400);
        let mut cut_off = stream.write_all(asked.as_bytes()).await.is_err();
        for _ in 0..1_000 {
            if cut_off {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            cut_off = stream.write_all(b"GET ").await.is_err();
        }
        assert!(cut_off);
        assert_eq!(site.get("/v1/config").await.0, 200);
        site.close().await;
    });
}
