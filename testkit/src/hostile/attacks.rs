//! What hostile clients send.

use rand::Rng as _;
use rand::rngs::StdRng;

use crate::tokens::Platform;

/// One way to be hostile.
#[derive(Clone, Copy)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) bytes: fn(&mut StdRng) -> Vec<u8>,
    /// Whether the answer is read.
    pub(super) reads: bool,
}

const fn attack(name: &'static str, bytes: fn(&mut StdRng) -> Vec<u8>) -> Attack {
    Attack {
        name,
        bytes,
        reads: true,
    }
}

pub(super) const ATTACKS: &[Attack] = &[
    attack("noise", noise),
    attack("tls", |_| {
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()
    }),
    attack("header flood", header_flood),
    attack("long header", long_header),
    attack("long path", |r| {
        request(r, "GET", &format!("/v1/accounts/{}", "a".repeat(12_000)), "", b"")
    }),
    attack("two framings", two_framings),
    attack("bare line feeds", |_| {
        b"GET /v1/config HTTP/1.1\nhost: a\n\n".to_vec()
    }),
    attack("long body", long_body),
    attack("endless chunks", endless_chunks),
    attack("half a body", half_a_body),
    attack("deep JSON", |r| {
        put(r, format!("{{\"record\":{}", "[".repeat(20_000)).as_bytes())
    }),
    attack("bad JSON", |r| put(r, br#"{"record":"AA==","record":"AA=="}"#)),
    attack("long numbers", |r| {
        put(r, format!("{{\"record\":{}}}", "9".repeat(20_000)).as_bytes())
    }),
    attack("records of noise", noisy_record),
    attack("protobuf of noise", noisy_protobuf),
    attack("compressed", |r| {
        request(
            r,
            "PUT",
            "/v1/accounts/a",
            "content-encoding: gzip\r\n",
            b"\x1f\x8b\x08\0",
        )
    }),
    attack("labels of noise", noisy_label),
    attack("guessing names", |r| {
        let name = r.random::<u64>();
        request(r, "GET", &format!("/v1/handles/{name:x}"), "", b"")
    }),
    attack("guessing in batches", guessing),
    attack("queries of noise", |r| {
        let number = r.random::<u64>();
        request(
            r,
            "GET",
            &format!("/v1/accounts/warm-1?from={number}&since={number}"),
            "",
            b"",
        )
    }),
    attack("tokens of others", tokens),
    attack("cosignatures of noise", |r| {
        request(
            r,
            "POST",
            "/log/cosignatures",
            "content-type: text/plain\r\n",
            &[b'x'; 9_000],
        )
    }),
    attack("tiles of the future", |r| {
        let index = r.random_range(0..1000);
        request(r, "GET", &format!("/log/tile/0/{index:03}.p/255"), "", b"")
    }),
    Attack {
        reads: false,
        ..attack("asking without reading", pipeline)
    },
    Attack {
        reads: false,
        ..attack("hanging up", |r| {
            request(r, "GET", "/v1/accounts/warm-1?since=1", "", b"")
        })
    },
];

/// A request of a client of its own.
fn request(random: &mut StdRng, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let client: [u8; 3] = random.random();
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 10.{}.{}.{}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        client[0],
        client[1],
        client[2],
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn put(random: &mut StdRng, body: &[u8]) -> Vec<u8> {
    request(
        random,
        "PUT",
        "/v1/accounts/a",
        "content-type: application/json\r\n",
        body,
    )
}

fn some_bytes(random: &mut StdRng, max: usize) -> Vec<u8> {
    let count = random.random_range(0..max);
    (0..count).map(|_| random.random()).collect()
}

fn noise(random: &mut StdRng) -> Vec<u8> {
    some_bytes(random, 4_000)
}

fn header_flood(random: &mut StdRng) -> Vec<u8> {
    let count = random.random_range(65..5_000);
    format!(
        "GET /v1/config HTTP/1.1\r\nhost: a\r\n{}\r\n",
        "x: y\r\n".repeat(count)
    )
    .into_bytes()
}

fn long_header(random: &mut StdRng) -> Vec<u8> {
    let count = random.random_range(1..200_000);
    format!(
        "GET /v1/config HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
        "y".repeat(count)
    )
    .into_bytes()
}

fn two_framings(_: &mut StdRng) -> Vec<u8> {
    b"PUT /v1/accounts/a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec()
}

fn long_body(random: &mut StdRng) -> Vec<u8> {
    put(random, &vec![b' '; 300_000])
}

fn endless_chunks(random: &mut StdRng) -> Vec<u8> {
    let mut bytes =
        b"PUT /v1/accounts/a HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..random.random_range(1..300) {
        bytes.extend_from_slice(format!("400\r\n{}\r\n", " ".repeat(1024)).as_bytes());
    }
    bytes
}

fn half_a_body(_: &mut StdRng) -> Vec<u8> {
    b"PUT /v1/accounts/a HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 20000\r\n\r\n{".to_vec()
}

fn noisy_record(random: &mut StdRng) -> Vec<u8> {
    let mut record = b"KGA1".to_vec();
    record.extend(some_bytes(random, 12_000));
    let record = keyglass_protocol::codec::base64_encode(&record);
    put(random, format!("{{\"record\":\"{record}\"}}").as_bytes())
}

fn noisy_protobuf(random: &mut StdRng) -> Vec<u8> {
    let body = some_bytes(random, 2_000);
    request(
        random,
        "POST",
        "/v1/lookups",
        "content-type: application/x-protobuf\r\n",
        &body,
    )
}

fn noisy_label(random: &mut StdRng) -> Vec<u8> {
    let label: String = some_bytes(random, 200)
        .iter()
        .map(|b| format!("%{b:02x}"))
        .collect();
    request(random, "GET", &format!("/v1/handles/{label}"), "", b"")
}

fn guessing(random: &mut StdRng) -> Vec<u8> {
    let labels: Vec<String> = (0..100)
        .map(|_| format!("\"account:{:x}\"", random.random::<u64>()))
        .collect();
    let body = format!("{{\"labels\":[{}]}}", labels.join(","));
    request(
        random,
        "POST",
        "/v1/lookups",
        "content-type: application/json\r\n",
        body.as_bytes(),
    )
}

fn tokens(random: &mut StdRng) -> Vec<u8> {
    let token = Platform::new(9).session("other.example", Some("a"), "account", random.random());
    let headers = format!("content-type: application/json\r\nauthorization: Bearer {token}\r\n");
    request(random, "PUT", "/v1/accounts/a", &headers, b"{}")
}

/// Many requests on one connection, whose answers nobody takes.
fn pipeline(random: &mut StdRng) -> Vec<u8> {
    let one = request(random, "GET", "/v1/accounts/warm-1", "", b"");
    let text = String::from_utf8_lossy(&one).replace("connection: close\r\n", "");
    text.repeat(200).into_bytes()
}
