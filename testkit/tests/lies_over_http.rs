//! Every lie, told by a real server to the real `keyglass`: the reason in its JSON, and its exit code.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use keyglass_protocol::codec::base64_encode;
use keyglass_protocol::quantity::Millis;
use keyglass_testkit::liar::{Liar, Stage};
use keyglass_testkit::lies::{self, CALL, CALL_LIES, CallLie, CallScene, Lie, Promise, RECEIPT_LIES, Scene};
use keyglass_testkit::process::{built, command};
use keyglass_testkit::world::Person;
use serde_json::Value;
use tempfile::TempDir;

/// A liar, and people who trusted it while it told the truth.
struct Stand {
    liar: Liar,
    program: PathBuf,
    dir: TempDir,
    /// Time of the first leaf.
    first: Millis,
    people: u32,
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Millis::new(since.as_millis() as u64)
}

/// Signed now, whenever its leaves were made.
fn signed_now(mut scene: Scene) -> Stage {
    scene.world.signed_at = Some(now());
    Stage {
        scene,
        promise: Promise::HONEST,
        accepted: now(),
    }
}

impl Stand {
    /// Somebody pins the directory at size 3 and remembers this head.
    fn new() -> Self {
        // Building may take longer than signatures are fresh.
        let program = built("keyglass");
        let first = Millis::new(now().get() - 3 * 3_600_000);
        let stage = signed_now(Scene::as_seen(first));
        let (policy, log_vkey) = (
            stage.scene.world.policy().to_string(),
            stage.scene.world.keys.log_vkey(),
        );
        let config = stage.scene.world.config.hash().to_string();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("policy"), policy).unwrap();
        let stand = Self {
            liar: Liar::start(stage),
            program,
            first,
            people: 0,
            dir,
        };
        let (url, log_vkey, policy) = (stand.liar.url(), log_vkey.to_string(), stand.path("policy"));
        let pins = ["--log-vkey", &log_vkey, "--config-sha256", &config];
        let policy = ["--policy", policy.to_str().unwrap()];
        stand.good(
            "template",
            &[&["trust", "add", &url], &pins[..], &policy].concat(),
        );
        stand.good("template", &["checkpoint", "show"]);
        stand
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Somebody else with the same memory.
    fn person(&mut self) -> String {
        self.people += 1;
        let name = format!("person{}", self.people);
        copy(&self.path("template"), &self.path(&name));
        name
    }

    fn keyglass(&self, person: &str, arguments: &[&str]) -> (i32, Value) {
        let output = command(&self.program)
            .env("KEYGLASS_HOME", self.path(person))
            .args(arguments)
            .arg("--json")
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", String::from_utf8_lossy(&output.stderr)));
        let code = output.status.code().unwrap();
        assert_eq!(answer["exit_code"], code, "{answer}");
        (code, answer)
    }

    fn good(&self, person: &str, arguments: &[&str]) -> Value {
        let (code, answer) = self.keyglass(person, arguments);
        assert_eq!(code, 0, "{arguments:?}: {answer}");
        answer
    }

    /// What somebody hears who asks for the lie's label.
    fn hear(&mut self, lie: &Lie) -> (i32, Value) {
        let mut stage = signed_now(Scene::at(self.first));
        let answer = (lie.tell)(&mut stage.scene);
        stage.scene.told = Some(answer);
        self.liar.tell(stage);
        let person = self.person();
        self.keyglass(&person, &["lookup", lie.label])
    }

    /// What bob hears who is called by alice, and checks whether it is her.
    fn answer_call(&mut self, prepare: impl FnOnce(&mut CallScene)) -> (i32, Value) {
        let mut scene = Scene::at(self.first);
        scene.world.signed_at = Some(now());
        let mut call = CallScene::of(scene);
        prepare(&mut call);
        let file = self.path("binding");
        std::fs::write(&file, base64_encode(&call.binding().encode().unwrap())).unwrap();
        self.liar.tell(signed_now(call.scene));
        let person = self.person();
        let id: String = CALL.iter().map(|b| format!("{b:02x}")).collect();
        let arguments = ["--call-id", &id, "--direction", "offer"];
        let file = file.to_str().unwrap();
        self.keyglass(
            &person,
            &[&["call", "verify", "account:alice", file], &arguments[..]].concat(),
        )
    }
}

fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Lies whose contradiction the program can prove, since it may ask for more than one answer: an alarm with evidence.
const PROVEN: [(&str, &str); 3] = [
    ("history-rewritten-before-the-seen-head", "fork"),
    ("smaller-head-than-seen", "freeze"),
    ("another-log-of-a-greater-size", "fork"),
];

/// Exit code and reason that the program owes.
fn owed(lie: &Lie) -> (i32, &'static str) {
    let proven = PROVEN.iter().find(|(name, _)| *name == lie.name);
    proven.map_or((lie.exit.into(), lie.reason), |(_, kind)| (5, *kind))
}

fn verdict((code, answer): &(i32, Value)) -> (i32, &str) {
    (*code, answer["reason"].as_str().unwrap())
}

#[test]
fn keyglass_names_every_lie() {
    let mut stand = Stand::new();
    // The truth first: the same questions, and nothing is refused.
    stand.liar.tell(signed_now(Scene::at(stand.first)));
    for (label, exit, reason) in [
        ("account:alice", 0, "authorised"),
        ("handle:alice", 0, "authorised"),
        ("account:nobody", 3, "proven-absent"),
        ("handle:old", 3, "released"),
    ] {
        let person = stand.person();
        let heard = stand.keyglass(&person, &["lookup", label]);
        assert_eq!(verdict(&heard), (exit, reason), "{label}: {}", heard.1);
    }
    let mut wrong = Vec::new();
    let all = lies::all();
    for (name, _) in PROVEN {
        assert!(all.iter().any(|lie| lie.name == name), "nobody tells {name}");
    }
    for lie in all {
        let heard = stand.hear(&lie);
        if verdict(&heard) != owed(&lie) {
            wrong.push(format!(
                "{}: {:?} instead of {:?}",
                lie.name,
                verdict(&heard),
                owed(&lie)
            ));
        }
        if heard.1["audited"] != false {
            wrong.push(format!("{}: called audited", lie.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Without a key there is nothing to hold the binding against: the program says so before it reads it.
const NO_KEY: (&str, &str) = ("call-from-a-closed-account", "closed");

#[test]
fn keyglass_takes_nobody_else_for_the_caller() {
    let mut stand = Stand::new();
    let exported = stand.path("bob.account");
    std::fs::write(&exported, CallScene::new().callee()).unwrap();
    stand.good("template", &["identity", "import", exported.to_str().unwrap()]);
    let heard = stand.answer_call(|_| {});
    assert_eq!(verdict(&heard), (0, "call-verified"), "{}", heard.1);
    let owed = |lie: &CallLie| {
        let said_before = lie.name == NO_KEY.0;
        (lie.exit.into(), if said_before { NO_KEY.1 } else { lie.reason })
    };
    let mut wrong = Vec::new();
    for lie in CALL_LIES {
        let heard = stand.answer_call(|call| (lie.tell)(call));
        if verdict(&heard) != owed(lie) {
            wrong.push(format!(
                "{}: {:?} instead of {:?}",
                lie.name,
                verdict(&heard),
                owed(lie)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn keyglass_takes_no_worthless_promise() {
    let mut stand = Stand::new();
    let mut wrong = Vec::new();
    stand.good("template", &["identity", "new", "--account", "carol"]);
    let person = stand.person();
    let heard = stand.keyglass(&person, &["identity", "publish", "--no-wait"]);
    assert_eq!(verdict(&heard), (0, "promised"), "{}", heard.1);
    for lie in RECEIPT_LIES {
        let mut stage = signed_now(Scene::at(stand.first));
        stage.promise = Promise::of(lie);
        stand.liar.tell(stage);
        let person = stand.person();
        let heard = stand.keyglass(&person, &["identity", "publish", "--no-wait"]);
        if verdict(&heard) != (lie.exit.into(), lie.reason) {
            wrong.push(format!(
                "{}: {:?} instead of ({}, {})",
                lie.name,
                verdict(&heard),
                lie.exit,
                lie.reason
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_broken_promise_is_evidence() {
    let mut stand = Stand::new();
    stand.good("template", &["identity", "new", "--account", "carol"]);
    let person = stand.person();
    // Accepted so long ago that its deadline is over; carol's clock and the directory's may differ by as much.
    stand
        .liar
        .change(|stage| stage.accepted = Millis::new(now().get() - 200_000));
    stand.good(&person, &["identity", "publish", "--no-wait"]);
    stand.liar.change(|stage| {
        stage.scene.world.now = Millis::new(now().get() - 1_000);
        stage.scene.world.publish(&[Person::new("somebody", 90).entry()]);
        stage.scene.world.signed_at = Some(now());
    });
    let heard = stand.keyglass(&person, &["receipt", "check"]);
    assert_eq!(verdict(&heard), (5, "broken-receipt"), "{}", heard.1);
    let evidence = heard.1["saved"].as_str().unwrap();
    assert!(Path::new(evidence).exists(), "{evidence}");
}
