//! A [`World`] over HTTP, on loopback: what a verifier that is a program of its own can be told and lied to.
//!
//! Answers are signed at the real time, so that they are fresh; updates are published at once, whoever signed them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use akd::proto::specs::types::LookupProof;
use keyglass_protocol::config::{ConfigDocument, Predecessor};
use keyglass_protocol::label::{AccountId, Handle, Label, Phone};
use keyglass_protocol::log::{SubtreeHashes as _, TileKind, TilePath, bundle_entries};
use keyglass_protocol::message::{Answer, B64, PutAnswer, PutRequest, ReceiptAnswer, ReceiptState};
use keyglass_protocol::note::VerifierKey;
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::{Epoch, KeyVersion, LogSize, Millis, Nonce};
use keyglass_protocol::receipt::Receipt;
use keyglass_protocol::record::{AccountBody, AccountKind, AccountRecord, AliasRecord, IdentityKey, Role};
use keyglass_protocol::tree::{self, Freshness};
use protobuf::Message as _;

use crate::world::World;

/// What is served; a test may change it between two requests.
pub struct Stage {
    /// The directory.
    pub world: World,
    /// Configuration documents beside the world's newest one.
    pub configs: Vec<ConfigDocument>,
    /// Updates are promised and never published.
    pub withholds: bool,
    /// Answers carry signatures of the world's own time instead of now.
    pub old_signatures: bool,
    /// New leaves are not earlier than this.
    pub leaf_times_from: Option<Millis>,
    /// Promises, by id, with the epoch in which each was kept.
    promises: Vec<(String, Option<Epoch>)>,
}

/// A directory on loopback; it stops when this is dropped.
pub struct Front {
    address: SocketAddr,
    stage: Arc<Mutex<Stage>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// Serves a world on a free port.
    pub fn start(world: World) -> Self {
        Self::start_at(world, 0)
    }

    /// Serves a world on this port.
    pub fn start_at(world: World, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let stage = Arc::new(Mutex::new(Stage {
            world,
            configs: Vec::new(),
            withholds: false,
            old_signatures: false,
            leaf_times_from: None,
            promises: Vec::new(),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let (served, stopped) = (Arc::clone(&stage), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                // A client that hangs up is its own affair.
                let _gone = stream.and_then(|s| serve(&s, &served));
            }
        });
        Self {
            address,
            stage,
            stop,
            thread: Some(thread),
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks behind the scenes, or changes them.
    pub fn with<T>(&self, act: impl FnOnce(&mut Stage) -> T) -> T {
        act(&mut self.stage.lock().unwrap())
    }

    /// Serves another world from now on.
    pub fn show(&self, world: World) -> World {
        self.with(|stage| std::mem::replace(&mut stage.world, world))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Stage {
    /// Publishes records as one epoch whose leaf has the real time.
    pub fn publish(&mut self, batch: &[(Label, Vec<u8>)]) -> Epoch {
        self.set_leaf_time();
        self.world.publish(batch)
    }

    /// Ends the log for the one of this key; returns its final state.
    pub fn end(&mut self, next: VerifierKey) -> Predecessor {
        self.set_leaf_time();
        self.configs.push(self.world.config.clone());
        self.world.end(next)
    }

    fn set_leaf_time(&mut self) {
        let newest = self.world.leaf(self.world.epoch()).time;
        let time = real_time()
            .max(newest.plus(1))
            .max(self.leaf_times_from.unwrap_or_default());
        self.world.now = Millis::new(time.get() - 1000);
    }

    fn put(&mut self, label: &Label, record: Vec<u8>) -> Option<PutAnswer> {
        let version = match label {
            Label::Account(_) => AccountRecord::decode(&record).ok()?.version,
            _ => AliasRecord::decode(&record).ok()?.version,
        };
        let accepted = real_time();
        let epoch = (!self.withholds).then(|| self.publish(&[(label.clone(), record.clone())]));
        let nonce = match epoch {
            Some(_) => self.nonce(label),
            None => Nonce::new([9; 32]),
        };
        let vrf_proof = self.world.vrf_proof(label, version.get());
        let trust = self.world.trust();
        let fresh = Freshness::Fresh;
        let receipt = Receipt {
            origin: trust.document().values().origin.clone(),
            config: trust.document().hash(),
            leaf_label: tree::verify_vrf(trust.vrf(), label.as_bytes(), fresh, version, &vrf_proof).unwrap(),
            commitment: tree::commitment(&record, &nonce),
            accepted,
            deadline: accepted.plus(if self.withholds { 0 } else { 60_000 }),
        };
        let keys = &self.world.keys;
        let signed = receipt.sign(&keys.receipt_name(), &keys.receipt).unwrap();
        let id = receipt.id().to_string();
        self.promises.push((id.clone(), epoch));
        Some(PutAnswer {
            id,
            receipt: String::from_utf8(signed.note().to_bytes()).unwrap(),
            vrf_proof: B64(vrf_proof),
            nonce: B64(nonce.as_bytes().to_vec()),
            label: label.as_str().to_owned(),
            version: version.get(),
        })
    }

    /// What opens the newest commitment of a label.
    fn nonce(&self, label: &Label) -> Nonce {
        let answer = self.world.lookup(label, None, None);
        let proof = LookupProof::parse_from_bytes(&answer.lookups[0].proof.0).unwrap();
        Nonce::try_from(proof.commitment_nonce()).unwrap()
    }

    fn receipt(&self, id: &str) -> Option<ReceiptAnswer> {
        let (_, epoch) = self.promises.iter().find(|(known, _)| known == id)?;
        let size = self.world.size();
        Some(ReceiptAnswer {
            status: epoch.map_or(ReceiptState::Pending, |_| ReceiptState::Included),
            checkpoint: epoch.map(|_| String::from_utf8(self.world.checkpoint(size).to_bytes()).unwrap()),
            epoch: epoch.map(|e| self.world.epoch_proof(e, size)),
        })
    }

    fn tile(&self, path: &str) -> Option<Vec<u8>> {
        let path: TilePath = path.parse().ok()?;
        let first = path.index() * 256;
        let (entries, level) = match path.kind() {
            TileKind::Entries => (true, 0),
            TileKind::Hashes(level) => (false, level * 8),
        };
        let last = (first + u64::from(path.width())) << level;
        if last > self.world.size().get() {
            return None;
        }
        let all = first..first + u64::from(path.width());
        if entries {
            let leaves: Vec<_> = all.map(|n| self.world.leaf(Epoch::new(n)).encode()).collect();
            let leaves: Vec<&[u8]> = leaves.iter().map(|l| l.as_slice()).collect();
            return bundle_entries(&leaves).ok();
        }
        Some(
            all.flat_map(|n| *self.world.subtree(level, n).unwrap().as_bytes())
                .collect(),
        )
    }

    fn config(&self, hash: &str) -> Option<Vec<u8>> {
        let all = [&self.world.config].into_iter().chain(&self.configs);
        all.into_iter()
            .find(|c| c.hash().to_string() == hash)
            .map(|c| c.bytes().to_vec())
    }
}

/// No signature is older than the leaf that it is about.
fn leaf_time_of(world: &World) -> Millis {
    world.leaf(world.epoch()).time
}

fn real_time() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Millis::new(since.as_millis() as u64)
}

/// The value that a lookup's last step shows.
pub fn value(answer: &Answer) -> Vec<u8> {
    let proof = LookupProof::parse_from_bytes(&answer.lookups.last().unwrap().proof.0).unwrap();
    proof.value().to_vec()
}

/// A request: method, path without query, query, body.
struct Request {
    method: String,
    path: String,
    query: Vec<(String, u64)>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream) -> std::io::Result<Option<Self>> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            match header.trim().to_ascii_lowercase().split_once(':') {
                Some(("content-length", n)) => length = n.trim().parse().unwrap_or_default(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect();
        Ok(Some(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query,
            body,
        }))
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.query
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| *value)
    }
}

type Response = (u16, Vec<u8>);

fn serve(stream: &TcpStream, stage: &Mutex<Stage>) -> std::io::Result<()> {
    let Some(request) = Request::read(stream)? else {
        return Ok(());
    };
    let (status, body) = {
        let mut stage = stage.lock().unwrap();
        let leaf_time = stage.world.now;
        if !stage.old_signatures {
            stage.world.now = real_time().max(leaf_time_of(&stage.world));
        }
        let before = stage.world.epoch();
        let response = respond(&request, &mut stage);
        if stage.world.epoch() == before {
            stage.world.now = leaf_time;
        }
        response
    };
    let mut stream = stream;
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}

fn respond(request: &Request, stage: &mut Stage) -> Response {
    let found = |body: Option<Vec<u8>>| body.map_or((404, b"nothing here".to_vec()), |b| (200, b));
    let path = request.path.as_str();
    if let Some(hash) = path.strip_prefix("/v1/config") {
        let newest = stage.world.config.hash().to_string();
        let hash = hash.strip_prefix('/').unwrap_or(&newest);
        return found(stage.config(hash));
    }
    if let Some(id) = path.strip_prefix("/v1/receipts/") {
        return found(stage.receipt(id).map(|r| json(&r)));
    }
    if matches!(path, "/log/checkpoint" | "/log/pending") {
        let size = stage.world.size();
        return (200, stage.world.checkpoint(size).to_bytes());
    }
    if let Some(rest) = path.strip_prefix("/log/audit/") {
        let epoch = rest.split('/').next().and_then(|e| e.parse().ok());
        let epoch = epoch.filter(|e| *e < stage.world.size().get());
        return found(epoch.map(|e| stage.world.audit_proof(Epoch::new(e)).to_vec()));
    }
    if let Some(tile) = path.strip_prefix("/log/") {
        return found(stage.tile(tile));
    }
    if request.method == "POST" {
        return found(swap(path, stage));
    }
    let Some((label, is_history)) = label_of(path) else {
        return problem(Problem::MalformedLabel, None);
    };
    if request.method == "PUT" {
        let record = serde_json::from_slice::<PutRequest>(&request.body).ok();
        return match record.and_then(|r| stage.put(&label, r.record.0)) {
            Some(answer) => (202, json(&answer)),
            None => problem(Problem::MalformedRecord, None),
        };
    }
    look(&stage.world, &label, is_history, request)
}

/// Publishes another key for an account: `/swap/<id>` with no signature that counts, `/recover/<id>` with the platform's.
fn swap(path: &str, stage: &mut Stage) -> Option<Vec<u8>> {
    let (kind, id) = path.strip_prefix('/')?.split_once('/')?;
    let label = Label::Account(AccountId::parse(id).ok()?);
    let shown = stage.world.lookup(&label, None, None);
    let newest = AccountRecord::decode(&value(shown.absences.is_empty().then_some(&shown)?)).ok()?;
    let new = ed25519_dalek::SigningKey::from_bytes(&[66; 32]);
    let is_recovery = kind == "recover";
    let body = AccountBody {
        kind: if is_recovery {
            AccountKind::Recovery
        } else {
            AccountKind::Owner
        },
        version: newest.version.next()?,
        previous: newest.hash(),
        identity: IdentityKey::from(&new),
        ..newest.body().clone()
    };
    let mut keys = vec![(Role::Identity, &new)];
    let recovery = stage.world.keys.recovery.clone();
    if is_recovery {
        keys.push((Role::Recovery, &recovery));
    }
    let record = body.sign(&keys).ok()?;
    stage.publish(&[(label, record.bytes().to_vec())]);
    Some(format!("{id} has another key now\n").into_bytes())
}

/// A lookup or a history, honest.
fn look(world: &World, label: &Label, is_history: bool, request: &Request) -> Response {
    let from = request.number("from");
    if from.is_some_and(|f| LogSize::new(f) > world.size()) {
        return problem(Problem::UnknownSize, None);
    }
    let shown = world.lookup(label, None, from);
    if !shown.absences.is_empty() {
        return problem(Problem::Absent, Some(&shown));
    }
    let of = if is_history {
        shown.lookups.first()
    } else {
        shown.lookups.last()
    };
    let newest = LookupProof::parse_from_bytes(&of.unwrap().proof.0)
        .unwrap()
        .version();
    let since = request.number("since");
    if since.is_some_and(|s| s > newest) {
        return problem(Problem::SinceBeyondNewest, None);
    }
    let answer = if is_history {
        Answer {
            consistency_proof: shown.consistency_proof,
            ..world.history(label, since.unwrap_or(KeyVersion::FIRST.get()))
        }
    } else {
        world.lookup(label, since, from)
    };
    (200, json(&answer))
}

fn label_of(path: &str) -> Option<(Label, bool)> {
    let (path, is_history) = match path.strip_suffix("/history") {
        Some(path) => (path, true),
        None => (path, false),
    };
    let mut parts = path.strip_prefix("/v1/")?.split('/');
    let (kind, name) = (parts.next()?, decoded(parts.next()?)?);
    let label = match kind {
        "accounts" => AccountId::parse(&name).ok().map(Label::Account),
        "handles" => Handle::parse(&name).ok().map(Label::Handle),
        "phones" => Phone::parse(&name).ok().map(Label::Phone),
        _ => None,
    };
    Some((label?, is_history))
}

/// Percent-decoding.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        };
        out.push(byte);
    }
    String::from_utf8(out).ok()
}

fn problem(problem: Problem, answer: Option<&Answer>) -> Response {
    let mut body = answer.map_or(serde_json::json!({}), |a| serde_json::to_value(a).unwrap());
    body["type"] = problem.uri().into();
    body["title"] = problem.title().into();
    (problem.status(), body.to_string().into_bytes())
}

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}
