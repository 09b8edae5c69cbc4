//! The lying directory as a real HTTP server on loopback: one scene at a time, one request after the other.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use keyglass_protocol::label::Label;
use keyglass_protocol::log::{bundle_entries, leaf_hash};
use keyglass_protocol::message::{Answer, PutRequest};
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::{Epoch, KeyVersion, Millis};
use keyglass_protocol::record::{AccountRecord, AliasRecord};
use serde_json::Value;

use crate::lies::{Promise, Scene};

/// What is told, and how updates are answered.
pub struct Stage {
    /// The directory and what it tells.
    pub scene: Scene,
    /// How updates are answered.
    pub promise: Promise,
    /// When updates were accepted.
    pub accepted: Millis,
}

/// A lying directory that listens on loopback until the process ends.
pub struct Liar {
    address: SocketAddr,
    stage: Arc<Mutex<Stage>>,
}

/// Status, content type, body.
type Response = (u16, &'static str, Vec<u8>);

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const BYTES: &str = "application/octet-stream";

impl Liar {
    /// Begins to listen.
    pub fn start(stage: Stage) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stage = Arc::new(Mutex::new(stage));
        let shared = Arc::clone(&stage);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that went away is no reason to stop.
                let _gone = serve(stream.unwrap(), &shared);
            }
        });
        Self { address, stage }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells something else from now on.
    pub fn tell(&self, stage: Stage) {
        *self.stage.lock().unwrap() = stage;
    }

    /// Changes what is told.
    pub fn change(&self, change: impl FnOnce(&mut Stage)) {
        change(&mut self.stage.lock().unwrap());
    }
}

fn serve(stream: TcpStream, stage: &Mutex<Stage>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut parts = line.split(' ');
    let (method, target) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (status, kind, content) = answer(&stage.lock().unwrap(), method, target, &body);
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        content.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes())?;
    stream.write_all(&content)
}

fn answer(stage: &Stage, method: &str, target: &str, body: &[u8]) -> Response {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: BTreeMap<&str, &str> = query.split('&').filter_map(|p| p.split_once('=')).collect();
    let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let scene = &stage.scene;
    match (method, segments.as_slice()) {
        ("GET", ["v1", "config"]) => {
            let newest = scene.world.leaf(scene.world.epoch()).config.to_string();
            document(scene, &newest)
        }
        ("GET", ["v1", "config", hash]) => document(scene, hash),
        ("GET", ["v1", "receipts", _]) => (200, JSON, br#"{"status": "pending"}"#.to_vec()),
        ("GET", ["v1", kind, name]) => lookup(scene, &label(kind, name)),
        ("GET", ["v1", kind, name, "history"]) => {
            let mut answer = scene.history(&label(kind, name));
            if let (None, Some(from)) = (&answer.consistency_proof, query.get("from")) {
                let from = from.parse().unwrap();
                answer.consistency_proof = scene.world.bare_answer(Some(from)).consistency_proof;
            }
            (200, JSON, serde_json::to_vec(&answer).unwrap())
        }
        ("PUT", ["v1", kind, name]) => update(stage, &label(kind, name), body),
        ("GET", ["log", "checkpoint"]) => {
            let note = scene.world.checkpoint(scene.world.size());
            (200, "text/plain; charset=utf-8", note.to_bytes())
        }
        ("GET", ["log", "tile", rest @ ..]) => tile(scene, rest),
        ("GET", ["log", "audit", epoch, _, _]) => {
            let epoch = Epoch::new(epoch.parse().unwrap());
            (200, BYTES, scene.world.audit_proof(epoch).to_vec())
        }
        _ => problem(404, Problem::NotFound, None),
    }
}

fn label(kind: &str, name: &str) -> Label {
    Label::parse(&format!("{}:{name}", kind.trim_end_matches('s'))).unwrap()
}

/// `%2B` and the like.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn document(scene: &Scene, hash: &str) -> Response {
    match scene.documents.get(hash) {
        Some(document) => (200, JSON, document.clone()),
        None => problem(404, Problem::NotFound, None),
    }
}

fn lookup(scene: &Scene, label: &Label) -> Response {
    if let Some(raw) = &scene.raw {
        return (200, JSON, raw.clone());
    }
    let answer = scene.told.clone().unwrap_or_else(|| scene.honest(label.as_str()));
    if answer.lookups.is_empty() && !answer.absences.is_empty() {
        return problem(404, Problem::Absent, Some(&answer));
    }
    (200, JSON, serde_json::to_vec(&answer).unwrap())
}

fn problem(status: u16, problem: Problem, with: Option<&Answer>) -> Response {
    let mut json = with.map_or(Value::Object(serde_json::Map::new()), |a| {
        serde_json::to_value(a).unwrap()
    });
    json["type"] = problem.uri().into();
    json["title"] = problem.code().into();
    json["status"] = status.into();
    (status, PROBLEM, json.to_string().into_bytes())
}

fn update(stage: &Stage, label: &Label, body: &[u8]) -> Response {
    let request: PutRequest = serde_json::from_slice(body).unwrap();
    let record = &request.record.0;
    let version: KeyVersion = match label {
        Label::Account(_) => AccountRecord::decode(record).unwrap().body().version,
        Label::Handle(_) | Label::Phone(_) => AliasRecord::decode(record).unwrap().body().version,
    };
    let promise = stage
        .promise
        .make(&stage.scene.world, label, version, record, stage.accepted);
    (202, JSON, serde_json::to_vec(&promise).unwrap())
}

/// The log is short: it has one tile of hashes and one bundle of entries.
fn tile(scene: &Scene, path: &[&str]) -> Response {
    let entries = path.first() == Some(&"entries");
    let width = path.last().and_then(|w| w.parse::<u64>().ok()).unwrap_or(0);
    if width > scene.world.size().get() || !matches!(path, ["0" | "entries", "000.p", _]) {
        return problem(404, Problem::NotFound, None);
    }
    let leaves: Vec<Vec<u8>> = (0..width)
        .map(|i| scene.world.leaf(Epoch::new(i)).encode())
        .collect();
    let bytes = if entries {
        bundle_entries(&leaves.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    } else {
        leaves.iter().flat_map(|l| *leaf_hash(l).as_bytes()).collect()
    };
    (200, BYTES, bytes)
}
