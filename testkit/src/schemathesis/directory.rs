//! A directory with tokens, limits, and a cosigner that hands its cosignatures in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutAnswer, PutRequest};
use keyglass_protocol::note::{Checkpoint, Note, VerifierKey};
use keyglass_server::bootstrap;
use keyglass_server::keys::Keys;
use keyglass_server::settings::{Layer, Settings};
use tempfile::TempDir;

use crate::http::Http;
use crate::process::{Process, poll};
use crate::tokens::Platform;
use crate::world::{AUDITOR, ORIGIN, Person};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Epochs that fill a tile.
const TILE: u64 = 256;
/// The telephone number of the description's examples.
pub(super) const PHONE: &str = "+14155550100";

/// It has what the description shows as examples, and publishes nothing more while it is tested.
pub(super) struct Directory {
    /// The account of the examples, at its second version.
    pub(super) alice: Person,
    /// The last receipt, in hex.
    pub(super) receipt: String,
    /// Signs for the cosigner [`AUDITOR`].
    pub(super) cosigner: SigningKey,
    http: Http,
    _server: Process,
    dir: TempDir,
}

impl Directory {
    pub(super) fn start(server: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cosigner = SigningKey::from_bytes(&[7; 32]);
        std::fs::write(dir.path().join("tokens.json"), Platform::new(1).key_set()).unwrap();
        let quick = [("--epoch-interval", "10ms")];
        let (process, http) = launch(server, dir.path(), &cosigner, &quick);
        let (alice, receipt) = populate(&http);
        process.kill();
        let still = [
            ("--epoch-interval", "1h"),
            ("--request-timeout", "1s"),
            ("--trusted-proxy", "127.0.0.1"),
            ("--rate-limit", "1"),
            ("--rate-burst", "500"),
        ];
        let (process, http) = launch(server, dir.path(), &cosigner, &still);
        Self {
            alice,
            receipt,
            cosigner,
            http,
            _server: process,
            dir,
        }
    }

    /// A client of the API.
    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// The keys of the log.
    pub(super) fn keys(&self) -> Keys {
        let settings = Settings::resolve(Layer {
            data_dir: Some(data(self.dir.path())),
            origin: Some(ORIGIN.to_owned()),
            ..Layer::default()
        });
        bootstrap::existing_keys(&settings.unwrap()).unwrap()
    }
}

fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn launch(server: &Path, dir: &Path, cosigner: &SigningKey, more: &[(&str, &str)]) -> (Process, Http) {
    let cosigner = VerifierKey::new_cosignature(AUDITOR, cosigner.verifying_key().as_bytes()).unwrap();
    let arguments = [
        ("--listen", "127.0.0.1:0".to_owned()),
        ("--admin-listen", "127.0.0.1:0".to_owned()),
        ("--data-dir", data(dir).display().to_string()),
        ("--origin", ORIGIN.to_owned()),
        ("--token-keys", dir.join("tokens.json").display().to_string()),
        ("--cosigner", cosigner.to_string()),
        ("--quorum", "0".to_owned()),
    ];
    let more = more.iter().map(|(flag, value)| (*flag, (*value).to_owned()));
    let arguments: Vec<String> = arguments
        .into_iter()
        .chain(more)
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect();
    let mut process = Process::start(server, &arguments, &dir.join("server.log"));
    let api = process.wait_for(PATIENCE, |line| line.strip_prefix("api ").map(str::to_owned));
    let http = Http::new(&api);
    poll("the log", PATIENCE, || size(&http));
    (process, http)
}

/// The size of the log; `None` before the first checkpoint.
fn size(http: &Http) -> Option<u64> {
    let (status, note) = http.get("/log/checkpoint").ok()?;
    if status != 200 {
        return None;
    }
    let note = Note::parse(&note).unwrap();
    Some(Checkpoint::parse_text(note.text()).unwrap().size.get())
}

/// The account and the aliases of the examples, and so many more accounts that a tile is full and another one begun.
fn populate(http: &Http) -> (Person, String) {
    let mut alice = Person::new("alice-1", 1);
    publish(http, "alice-1", &alice.label(), alice.newest.bytes());
    for alias in ["handle:alice".to_owned(), format!("phone:{PHONE}")] {
        let claim = alice.claim(&alias, None);
        publish(http, "alice-1", &Label::parse(&alias).unwrap(), claim.bytes());
    }
    let next = alice.rotate(2);
    let mut receipt = publish(http, "alice-1", &alice.label(), next.bytes());
    for number in 0.. {
        if size(http) > Some(TILE) {
            break;
        }
        let one = Person::new(&format!("crowd-{number}"), 1);
        receipt = publish(http, one.id.as_str(), &one.label(), one.newest.bytes());
    }
    (alice, receipt)
}

/// Submits a record and waits until readers have it; answers the id of the receipt.
fn publish(http: &Http, account: &str, label: &Label, record: &[u8]) -> String {
    let before = size(http);
    let url = format!("{}/v1/{}s/{}", http.base(), label.kind(), label.name());
    let body = PutRequest {
        record: B64(record.to_vec()),
    };
    let answer = reqwest::blocking::Client::new()
        .put(url)
        .bearer_auth(token(account, "account", PHONE))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&body).unwrap())
        .send()
        .unwrap();
    let bytes = answer.bytes().unwrap();
    let answer: PutAnswer =
        serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&bytes)));
    poll("the update", PATIENCE, || (size(http) > before).then_some(()));
    answer.id
}

/// A token of an account whose session has verified a telephone number.
pub(super) fn token(account: &str, scope: &str, phone: &str) -> String {
    let claims = serde_json::json!({
        "aud": ORIGIN, "sub": account, "scope": scope, "exp": 4_102_444_800_u64, "phone_number": phone,
    });
    Platform::new(1).token(&claims)
}
