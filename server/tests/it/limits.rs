//! What each client may spend, over HTTP.

use keyglass_schema::test_database::Backend;
use keyglass_server::settings::Layer;
use reqwest::header::HeaderMap;

use crate::common::{Place, Site, problem, run};

/// Behind a proxy on this machine; 500 to spend, which come back too slowly to matter here.
fn limited() -> Place {
    Place::with(
        Backend::Sqlite,
        Layer {
            trusted_proxy: Some(vec!["127.0.0.0/8".to_owned()]),
            rate_limit: Some(1),
            rate_burst: Some(500),
            ..Layer::default()
        },
    )
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// What is left by the `RateLimit` field.
    fn left(&self) -> u32 {
        let field = self.headers["ratelimit"].to_str().unwrap();
        let left = field
            .strip_prefix("\"client\";r=")
            .unwrap()
            .split(';')
            .next()
            .unwrap();
        left.parse().unwrap()
    }
}

async fn send(request: reqwest::RequestBuilder, client: &str) -> Answer {
    let response = request.header("x-forwarded-for", client).send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

async fn get(site: &Site, path: &str, client: &str) -> Answer {
    send(site.client.get(format!("{}{path}", site.url)), client).await
}

#[test]
fn a_flood_is_answered_429_and_others_are_answered() {
    run(async {
        let site = Site::begun(&limited()).await;
        let mut refused = 0;
        for _ in 0..520 {
            let answer = get(&site, "/v1/config", "192.0.2.1").await;
            if answer.status == 429 {
                refused += 1;
                assert_eq!(problem(&answer.body), "too-many-requests");
                let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=2).contains(&wait), "{wait}");
                assert_eq!(answer.left(), 0);
            } else {
                assert_eq!(answer.status, 200);
            }
        }
        assert!(refused > 0);
        let other = get(&site, "/v1/accounts/nobody", "192.0.2.2").await;
        assert_eq!((other.status, other.left()), (404, 499));
        assert_eq!(other.headers["ratelimit-policy"], "\"client\";q=500;w=500");
        // Who writes a list of his own invents nobody: the proxy's entry is the last.
        let liar = get(&site, "/v1/config", "198.51.100.7, 192.0.2.1").await;
        assert_eq!(liar.status, 429);
        site.close().await;
    });
}

#[test]
fn each_kind_has_its_price_also_inside_batches() {
    run(async {
        let site = Site::begun(&limited()).await;
        let cases = [
            ("/v1/config", 1),
            ("/v1/accounts/a", 1),
            ("/v1/handles/a", 2),
            ("/v1/phones/+14155550100", 5),
            ("/v1/accounts/a?since=1", 5),
            ("/v1/accounts/a/history", 5),
            ("/v1/handles/a/history", 10),
            ("/v1/phones/+14155550100/history", 25),
            ("/v1/accounts/%20", 1),
            ("/v1/nothing", 1),
        ];
        for (n, (path, price)) in cases.iter().enumerate() {
            let left = get(&site, path, &format!("192.0.2.{n}")).await.left();
            assert_eq!(left, 500 - price, "{path}");
        }
        let batch = |labels: &[String]| {
            let request = site.client.post(format!("{}/v1/lookups", site.url));
            let body = serde_json::json!({ "labels": labels }).to_string();
            request.header("content-type", "application/json").body(body)
        };
        let mixed = ["account:a", "handle:a", "phone:+14155550100"].map(str::to_owned);
        assert_eq!(send(batch(&mixed), "198.51.100.1").await.left(), 492);
        let phones: Vec<String> = (100..200).map(|n| format!("phone:+14155550{n}")).collect();
        let whole = send(batch(&phones), "198.51.100.2").await;
        assert_eq!(
            (whole.status, whole.left()),
            (200, 0),
            "the dearest batch can be paid"
        );
        let second = send(batch(&phones), "198.51.100.2").await;
        assert_eq!(second.status, 429);
        let put = site.client.put(format!("{}/v1/accounts/a", site.url)).body("{");
        assert_eq!(send(put, "198.51.100.3").await.left(), 495);
        site.close().await;
    });
}

#[test]
fn a_program_on_the_same_machine_is_not_limited() {
    run(async {
        let place = Place::with(
            Backend::Sqlite,
            Layer {
                rate_limit: Some(1),
                rate_burst: Some(500),
                ..Layer::default()
            },
        );
        let site = Site::begun(&place).await;
        for _ in 0..510 {
            let answer = get(&site, "/v1/config", "192.0.2.1").await;
            assert_eq!(answer.status, 200);
            assert!(!answer.headers.contains_key("ratelimit"));
        }
        site.close().await;
    });
}
