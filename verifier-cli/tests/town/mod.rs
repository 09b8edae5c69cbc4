//! A directory in memory, served on loopback, and people with the real program.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests; each uses a part of this"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ed25519_dalek::SigningKey;
use keyglass_protocol::label::Label;
use keyglass_protocol::record::{AccountBody, AccountKind, AccountRecord, KeyAnnouncement};
use keyglass_testkit::front::Front;
use keyglass_testkit::process::command;
use keyglass_testkit::world::World;
use serde_json::Value;

/// A directory and a folder with everybody's memory.
pub(crate) struct Town {
    pub(crate) front: Front,
    pub(crate) dir: tempfile::TempDir,
}

impl Town {
    pub(crate) fn new() -> Self {
        Self::with(World::new(1))
    }

    pub(crate) fn with(world: World) -> Self {
        Self {
            front: Front::start(world),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Pins the directory with the right keys and its auditor.
    pub(crate) fn trust(&self, who: &str) {
        let policy = self.text("auditors.policy");
        let (text, vkey, hash) = self.front.with(|s| {
            let keys = (s.world.policy().to_string(), s.world.keys.log_vkey().to_string());
            (keys.0, keys.1, s.world.config.hash().to_string())
        });
        std::fs::write(&policy, text).unwrap();
        let url = self.front.url();
        let pins = ["--log-vkey", &vkey, "--config-sha256", &hash, "--policy", &policy];
        self.good(who, &[&["trust", "add", &url], &pins as &[&str]].concat());
    }

    /// Somebody with a published account.
    pub(crate) fn settle(&self, who: &str) {
        self.trust(who);
        self.good(who, &["identity", "new", "--account", who]);
        self.good(who, &["identity", "publish"]);
    }

    pub(crate) fn program(&self, who: &str) -> Command {
        let mut command = command(Path::new(env!("CARGO_BIN_EXE_keyglass")));
        command
            .env("KEYGLASS_HOME", self.path(who))
            .current_dir(self.dir.path());
        command
    }

    pub(crate) fn words(&self, who: &str, arguments: &[&str]) -> Output {
        self.program(who).args(arguments).output().unwrap()
    }

    /// What `keyglass --json` answers.
    pub(crate) fn keyglass(&self, who: &str, arguments: &[&str]) -> (i32, Value) {
        let output = self.program(who).args(arguments).arg("--json").output().unwrap();
        let code = output.status.code().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(answer["exit_code"], code, "{answer}");
        (code, answer)
    }

    pub(crate) fn good(&self, who: &str, arguments: &[&str]) -> Value {
        let (code, answer) = self.keyglass(who, arguments);
        assert_eq!(code, 0, "{who} {arguments:?}: {answer}");
        answer
    }

    /// The exit code and reason.
    pub(crate) fn verdict(&self, who: &str, arguments: &[&str]) -> (i32, String) {
        let (code, answer) = self.keyglass(who, arguments);
        (code, answer["reason"].as_str().unwrap().to_owned())
    }

    /// Newest record of an account in the directory.
    pub(crate) fn newest(&self, id: &str) -> AccountRecord {
        let label = Label::parse(&format!("account:{id}")).unwrap();
        self.front.with(|s| {
            let answer = s.world.lookup(&label, None, None);
            let value = keyglass_testkit::front::value(&answer);
            AccountRecord::decode(&value).unwrap()
        })
    }

    /// The body of the next version of an account, not signed.
    pub(crate) fn next(&self, id: &str, kind: AccountKind) -> AccountBody {
        let newest = self.newest(id);
        AccountBody {
            kind,
            version: newest.version.next().unwrap(),
            previous: newest.hash(),
            announced: KeyAnnouncement::NONE,
            ..newest.body().clone()
        }
    }

    /// Publishes a record past every check of a real server.
    pub(crate) fn publish(&self, record: &AccountRecord) {
        let entry = (record.label(), record.bytes().to_vec());
        self.front.with(|s| s.publish(&[entry]));
    }

    /// The private identity key in somebody's memory, as a thief copies it.
    pub(crate) fn stolen_key(&self, who: &str) -> SigningKey {
        let state = std::fs::read(self.path(who).join("state.json")).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        let accounts = state["directories"][0]["accounts"].as_object().unwrap();
        let file = accounts.values().next().unwrap()["identity"]["file"]
            .as_str()
            .unwrap()
            .to_owned();
        let text = std::fs::read_to_string(self.path(who).join("keys").join(file)).unwrap();
        let seed = hex::decode(text.lines().nth(3).unwrap()).unwrap();
        SigningKey::from_bytes(&seed.try_into().unwrap())
    }
}

/// The findings of `monitor` that are no good news: reason and level.
pub(crate) fn findings(answer: &Value) -> Vec<(String, String)> {
    let all = answer["findings"].as_array().unwrap();
    let told = all.iter().filter(|f| f["level"] != "good");
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    told.map(|f| (text(&f["reason"]), text(&f["level"]))).collect()
}
