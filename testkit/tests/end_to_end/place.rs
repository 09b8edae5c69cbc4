//! Where the three programs run.
#![allow(dead_code, reason = "each test uses a part of this")]

use std::path::PathBuf;
use std::time::Duration;

use keyglass_testkit::http::Http;
use keyglass_testkit::process::{Process, built, command, free_ports, poll};
use keyglass_testkit::world::{AUDITOR, ORIGIN};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A directory, its auditor and the people who use it.
pub(crate) struct Place {
    dir: TempDir,
    ports: [u16; 2],
    auditor_port: u16,
    auditor_vkey: String,
    log_vkey: String,
    config_sha256: String,
    server: Option<Process>,
    auditor: Option<Process>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = command(&built("keyglass-auditor"))
            .args(["keygen", "--name", AUDITOR, "--data-dir"])
            .arg(dir.path().join("auditor"))
            .output()
            .unwrap();
        let vkeys = String::from_utf8(made.stdout).unwrap();
        let [auditor_port, _] = free_ports();
        Self {
            dir,
            ports: free_ports(),
            auditor_port,
            auditor_vkey: vkeys.lines().next().unwrap().to_owned(),
            log_vkey: String::new(),
            config_sha256: String::new(),
            server: None,
            auditor: None,
        }
    }

    /// Starts a directory with this data folder, always at the same address. One that ran before is killed.
    pub(crate) fn start_directory(&mut self, folder: &str, audited: bool) {
        self.start_directory_with(folder, audited, &[]);
    }

    /// The same with more settings.
    pub(crate) fn start_directory_with(&mut self, folder: &str, audited: bool, more: &[&str]) {
        drop(self.server.take());
        let mut arguments = vec![
            "--data-dir".to_owned(),
            self.path(folder).to_string_lossy().into_owned(),
            "--listen".to_owned(),
            format!("127.0.0.1:{}", self.ports[0]),
            "--admin-listen".to_owned(),
            format!("127.0.0.1:{}", self.ports[1]),
            "--origin".to_owned(),
            ORIGIN.to_owned(),
        ];
        if audited {
            let cosigner = format!("{} http://127.0.0.1:{}", self.auditor_vkey, self.auditor_port);
            arguments.extend([
                "--cosigner".to_owned(),
                cosigner,
                "--quorum".to_owned(),
                "1".to_owned(),
            ]);
        }
        arguments.extend(more.iter().map(|a| (*a).to_owned()));
        let mut server = Process::start(&built("keyglass-server"), &arguments, &self.path("server.log"));
        let said = |name: &str, server: &mut Process| {
            server.wait_for(PATIENCE, |line| Some(line.strip_prefix(name)?.trim().to_owned()))
        };
        let (log_vkey, config_sha256) = (said("log-vkey", &mut server), said("config-sha256", &mut server));
        self.server = Some(server);
        // The pins of those who were here first stay.
        if self.log_vkey.is_empty() {
            (self.log_vkey, self.config_sha256) = (log_vkey, config_sha256);
        }
    }

    pub(crate) fn start_auditor(&mut self) {
        let arguments = [
            "run",
            "--directory",
            &format!("http://127.0.0.1:{}", self.ports[0]),
            "--log-vkey",
            &self.log_vkey,
            "--listen",
            &format!("127.0.0.1:{}", self.auditor_port),
            "--data-dir",
            &self.path("auditor").to_string_lossy(),
            "--name",
            AUDITOR,
        ]
        .map(str::to_owned);
        let log = self.path("auditor.log");
        self.auditor = Some(Process::start(&built("keyglass-auditor"), &arguments, &log));
    }

    pub(crate) fn stop_directory(&mut self) {
        drop(self.server.take());
    }

    pub(crate) fn stop_auditor(&mut self) {
        self.auditor.take().unwrap().kill();
    }

    /// Waits until the directory has an epoch that readers see.
    pub(crate) fn ready(&mut self) {
        let admin = Http::local(self.ports[1]);
        let server = self.server.as_mut().unwrap();
        poll("the directory", PATIENCE, || {
            assert!(server.ended().is_none(), "ended by itself{}", server.last_words());
            matches!(admin.get("/readyz"), Ok((200, _))).then_some(())
        });
    }

    /// Copies only the keys of a directory.
    pub(crate) fn copy_keys(&self, from: &str, to: &str) {
        let (from, to) = (self.path(from).join("keys"), self.path(to).join("keys"));
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the auditor answers.
    pub(crate) fn auditor_http(&self) -> Http {
        Http::local(self.auditor_port)
    }

    /// Puts new keys of these roles in the place of a directory's.
    pub(crate) fn renew_keys(&self, folder: &str, roles: &[&str]) {
        let other = self.path("other-keys");
        let made = command(&built("keyglass-server"))
            .args(["keygen", "--origin", ORIGIN, "--data-dir"])
            .arg(&other)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for role in roles {
            let [from, to] =
                [other.clone(), self.path(folder)].map(|d| d.join("keys").join(format!("{role}.key")));
            std::fs::copy(from, to).unwrap();
        }
    }

    pub(crate) fn http(&self) -> Http {
        Http::local(self.ports[0])
    }

    /// A policy that needs the auditor.
    pub(crate) fn policy(&self) -> String {
        format!(
            "log {}\nwitness a {}\ngroup auditors all a\nquorum auditors\n",
            self.log_vkey, self.auditor_vkey
        )
    }

    /// Pins the directory and demands the auditor.
    pub(crate) fn trust(&self, person: &str) {
        let policy = self.path("policy");
        std::fs::write(&policy, self.policy()).unwrap();
        self.pin(person, &["--policy", policy.to_str().unwrap()]);
    }

    pub(crate) fn trust_without_policy(&self, person: &str) {
        self.pin(person, &[]);
    }

    fn pin(&self, person: &str, more: &[&str]) {
        let url = format!("http://127.0.0.1:{}", self.ports[0]);
        let pins = [
            "--log-vkey",
            &self.log_vkey,
            "--config-sha256",
            &self.config_sha256,
        ];
        self.good(
            person,
            &[&["trust", "add", &url], &pins as &[&str], more].concat(),
        );
    }

    /// What `keyglass --json` answers to a person.
    pub(crate) fn keyglass(&self, person: &str, arguments: &[&str]) -> (i32, Value) {
        let output = command(&built("keyglass"))
            .env("KEYGLASS_HOME", self.path(person))
            .args(arguments)
            .arg("--json")
            .output()
            .unwrap();
        let code = output.status.code().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(answer["exit_code"], code, "{answer}");
        (code, answer)
    }

    /// The same, and it must be exit code 0.
    pub(crate) fn good(&self, person: &str, arguments: &[&str]) -> Value {
        let (code, answer) = self.keyglass(person, arguments);
        assert_eq!(code, 0, "{arguments:?}: {answer}");
        answer
    }
}
