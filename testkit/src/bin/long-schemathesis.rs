//! A schema-driven tester against a real server: `cargo xtask long schemathesis [EXAMPLES] [SECONDS]`.
//!
//! Needs Python 3 with venv and the package index once. The tests call every operation until it has given every documented
//! answer; this looks for what nobody thought of.

#![expect(
    clippy::indexing_slicing,
    reason = "a JSON value answers null for what is not there"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutRequest};
use keyglass_testkit::http::Http;
use keyglass_testkit::process::{Process, poll};
use keyglass_testkit::tokens::Platform;
use keyglass_testkit::world::{ORIGIN, Person};
use serde_json::Value;

/// The version whose findings are known.
const TESTER: &str = "schemathesis==4.32.5";

/// What a schema cannot say (canonical base64, forms of names, signatures) may be refused although the schema is met; and
/// what is too long may be refused as that.
const CONFIGURATION: &str = "\
[checks]
negative_data_rejection.expected-statuses = ['4xx']
";

/// Generates requests from the description of the API, and holds every answer against it.
#[derive(Parser)]
struct Cli {
    /// Generated requests per operation
    #[arg(default_value_t = 50)]
    examples: u32,
    /// Longest time of the run
    #[arg(default_value_t = 300)]
    seconds: u32,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let own = std::env::current_exe()?;
    let folder = own.parent().context("this program lies in a folder")?;
    let tester = install(&folder.join("../schemathesis"))?;
    let dir = tempfile::tempdir()?;
    let site = Site::start(&folder.join("keyglass-server"), dir.path())?;
    site.populate()?;
    std::fs::write(dir.path().join("schemathesis.toml"), CONFIGURATION)?;
    let har = dir.path().join("run.har");
    let status = Command::new(tester)
        .current_dir(dir.path())
        .args(["run", &format!("{}/v1/openapi.json", site.http.base())])
        .args(["--header", &format!("Authorization: Bearer {}", token())])
        .args([
            "--checks",
            "all",
            "--exclude-checks",
            "positive_data_acceptance",
            "--phases",
            "examples,coverage,fuzzing",
        ])
        .args([
            "--max-examples",
            &cli.examples.to_string(),
            "--max-time",
            &cli.seconds.to_string(),
        ])
        .args([
            "--seed",
            "1",
            "--continue-on-failure",
            "--no-color",
            "--warnings",
            "off",
        ])
        .args(["--report", "har", "--report-har-path"])
        .arg(&har)
        .status()?;
    let document: Value = serde_json::from_slice(&site.get("/v1/openapi.json")?)?;
    print_reached(&document, &serde_json::from_slice(&std::fs::read(&har)?)?);
    ensure!(status.success(), "the tester found something");
    Ok(())
}

/// The tester in an environment of its own.
fn install(place: &Path) -> Result<PathBuf> {
    let program = place.join("bin").join("schemathesis");
    if !program.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(place).status()?;
        ensure!(made.success(), "python3 -m venv failed");
        let pip = Command::new(place.join("bin").join("pip"))
            .args(["install", "-q", TESTER])
            .status()?;
        ensure!(pip.success(), "{TESTER} is not to be had");
    }
    Ok(program)
}

/// A token for everything that an account can do.
fn token() -> String {
    let claims = serde_json::json!({
        "aud": ORIGIN, "sub": "alice-1", "scope": "account recovery import lookup", "exp": 4_102_444_800_u64,
        "phone_number": "+14155550100",
    });
    Platform::new(1).token(&claims)
}

struct Site {
    _server: Process,
    http: Http,
}

impl Site {
    fn start(server: &Path, dir: &Path) -> Result<Self> {
        let keys = dir.join("token-keys.json");
        std::fs::write(&keys, Platform::new(1).key_set())?;
        let data = dir.join("data");
        let arguments = [
            ("--listen", "127.0.0.1:0".to_owned()),
            ("--admin-listen", "127.0.0.1:0".to_owned()),
            ("--data-dir", data.display().to_string()),
            ("--origin", ORIGIN.to_owned()),
            ("--token-keys", keys.display().to_string()),
        ];
        let arguments: Vec<String> = arguments
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect();
        let mut process = Process::start(server, &arguments, &dir.join("server.log"));
        let api = process.wait_for(Duration::from_secs(60), |line| {
            line.strip_prefix("api ").map(str::to_owned)
        });
        Ok(Self {
            _server: process,
            http: Http::new(&api),
        })
    }

    fn get(&self, path: &str) -> Result<Vec<u8>> {
        let answer = reqwest::blocking::get(format!("{}{path}", self.http.base()))?;
        Ok(answer.bytes()?.to_vec())
    }

    /// The account and the aliases that stand as examples in the description.
    fn populate(&self) -> Result<()> {
        let alice = Person::new("alice-1", 1);
        poll("the account", Duration::from_secs(60), || {
            self.publish(&alice.label(), alice.newest.bytes()).ok()
        });
        let publish = |text: &str| self.publish(&Label::parse(text)?, alice.claim(text, None).bytes());
        publish("handle:alice")?;
        if let Err(error) = publish("phone:+14155550100") {
            println!("without a telephone number: {error}");
        }
        Ok(())
    }

    /// Submits a record and waits until it can be looked up.
    fn publish(&self, label: &Label, record: &[u8]) -> Result<()> {
        let path = format!("/v1/{}s/{}", label.kind(), label.name());
        let client = reqwest::blocking::Client::new();
        let url = format!("{}{path}", self.http.base());
        let body = serde_json::to_vec(&PutRequest {
            record: B64(record.to_vec()),
        })?;
        let put = client
            .put(&url)
            .bearer_auth(token())
            .header("content-type", "application/json")
            .body(body)
            .send()?;
        ensure!(put.status() == 202, "{path}: {}", put.text()?);
        poll("the update", Duration::from_secs(60), || {
            let found = client.get(&url).bearer_auth(token()).send().ok()?;
            (found.status() == 200).then_some(())
        });
        Ok(())
    }
}

/// Which documented answers were given, and which were not.
fn print_reached(document: &Value, har: &Value) {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in har["log"]["entries"].as_array().into_iter().flatten() {
        let (method, url) = (
            entry["request"]["method"].as_str(),
            entry["request"]["url"].as_str(),
        );
        let (Some(method), Some(url), Some(status)) = (method, url, entry["response"]["status"].as_u64())
        else {
            continue;
        };
        let path = url
            .splitn(4, '/')
            .nth(3)
            .unwrap_or_default()
            .split('?')
            .next()
            .unwrap_or_default();
        if let Some(id) = operation(document, method, &format!("/{path}")) {
            seen.entry(id).or_default().insert(status.to_string());
        }
    }
    let paths = document["paths"]
        .as_object()
        .into_iter()
        .flat_map(|paths| paths.values());
    for operation in paths.flat_map(|methods| methods.as_object().into_iter().flat_map(|m| m.values())) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let none = BTreeSet::new();
        let reached = seen.get(id).unwrap_or(&none);
        let documented = operation["responses"]
            .as_object()
            .into_iter()
            .flat_map(|r| r.keys());
        let (yes, no): (Vec<&String>, Vec<&String>) =
            documented.partition(|status| reached.contains(*status));
        println!("{id}: reached {yes:?}, left to the tests {no:?}");
    }
}

/// The operation that a request is.
fn operation(document: &Value, method: &str, path: &str) -> Option<String> {
    let fits = |template: &str| {
        let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        let one = |(t, p): (&&str, &&str)| t.split_once('}').map_or(t == p, |(_, suffix)| p.contains(suffix));
        let fixed = template.iter().filter(|t| !t.contains('{')).count();
        (template.len() == path.len() && template.iter().zip(&path).all(one)).then_some(fixed)
    };
    let paths = document["paths"].as_object()?.iter();
    let found = paths
        .filter_map(|(template, methods)| Some((fits(template)?, methods.get(method.to_lowercase())?)))
        .max_by_key(|(fixed, _)| *fixed)?;
    found.1["operationId"].as_str().map(str::to_owned)
}
