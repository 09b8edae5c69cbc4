//! The program itself: settings, start, refusals, exit codes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

pub fn program(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyglass-server"));
    command.current_dir(dir).args(args).env_clear();
    command
}

fn run(dir: &Path, args: &[&str]) -> Output {
    program(dir, args).output().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that is killed when the test ends, however it ends.
pub struct Server {
    child: Child,
    facts: Vec<(String, String)>,
}

pub const PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

impl Server {
    /// Starts it and reads what it says about itself.
    fn start(dir: &Path, args: &[&str]) -> Self {
        let mut command = program(dir, &[&PORTS, args].concat());
        command.stderr(Stdio::null());
        Self::of(command)
    }

    /// Starts this command and reads what it says about itself.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(5);
        let facts = lines
            .map(|line| {
                let line = line.unwrap();
                let (name, value) = line.split_once(' ').unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect();
        Self { child, facts }
    }

    pub fn fact(&self, name: &str) -> &str {
        let found = self.facts.iter().find(|(n, _)| n == name);
        &found.unwrap_or_else(|| panic!("no {name} in {:?}", self.facts)).1
    }

    /// Waits until the first epoch is complete.
    pub fn ready(self) -> Self {
        let address = self.fact("admin").trim_start_matches("http://").to_owned();
        loop {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream
                .write_all(b"GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            if answer.starts_with("HTTP/1.1 200") {
                return self;
            }
        }
    }

    /// SIGTERM; the exit code.
    pub fn stop(mut self) -> Option<i32> {
        let kill = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(kill.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn without_arguments_it_makes_its_keys_and_keeps_them() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let names: Vec<&str> = server.facts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["origin", "log-vkey", "config-sha256", "api", "admin"]);
    assert!(
        server
            .fact("log-vkey")
            .starts_with(&format!("{}+", server.fact("origin")))
    );
    assert_eq!(server.fact("config-sha256").len(), 64);
    for name in ["api", "admin"] {
        assert!(
            server.fact(name).starts_with("http://127.0.0.1:"),
            "{}",
            server.fact(name)
        );
    }
    let (vkey, config) = (
        server.fact("log-vkey").to_owned(),
        server.fact("config-sha256").to_owned(),
    );
    assert_eq!(server.stop(), Some(0), "SIGTERM ends it with 0");
    for entry in std::fs::read_dir(dir.path().join("keyglass-data/keys")).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = Server::start(dir.path(), &[]);
    assert_eq!(
        (again.fact("log-vkey"), again.fact("config-sha256")),
        (vkey.as_str(), config.as_str())
    );
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn keys_that_others_may_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(run(dir.path(), &["keygen"]).status.success());
    let key = dir.path().join("keyglass-data/keys/log.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let output = run(dir.path(), &PORTS);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("(key-exposed)"), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn wrong_missing_and_changed_keys_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    Server::start(dir.path(), &["--origin", "log.example"])
        .ready()
        .stop();
    assert!(
        run(other.path(), &["keygen", "--origin", "log.example"])
            .status
            .success()
    );
    let keys = |name: &str| dir.path().join("keyglass-data/keys").join(name);
    let others = |name: &str| other.path().join("keyglass-data/keys").join(name);
    let swapped = |names: &[&str]| {
        let kept: Vec<_> = names
            .iter()
            .map(|n| (keys(n), std::fs::read(keys(n)).unwrap()))
            .collect();
        names
            .iter()
            .for_each(|n| std::fs::write(keys(n), std::fs::read(others(n)).unwrap()).unwrap());
        let output = run(dir.path(), &PORTS);
        kept.iter()
            .for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    for (names, reason) in [
        (&["wrapping.key"][..], "wrong-wrapping-key"),
        (&["vrf.wrapped"], "wrong-wrapping-key"),
        (
            &["wrapping.key", "vrf.wrapped", "storage.wrapped"],
            "wrong-storage-key",
        ),
        (&["log.key"], "config-log-key-changed"),
        (&["receipt.key"], "configuration-changed"),
    ] {
        let text = swapped(names);
        assert!(text.contains(&format!("({reason})")), "{names:?}: {text}");
    }
    for name in ["log.key", "heartbeat.key", "vrf.wrapped", "wrapping.key"] {
        let kept = std::fs::read(keys(name)).unwrap();
        std::fs::remove_file(keys(name)).unwrap();
        let text = stderr(&run(dir.path(), &PORTS));
        assert!(text.contains("(key-io)") && text.contains(name), "{text}");
        std::fs::write(keys(name), "nonsense\n").unwrap();
        std::fs::set_permissions(keys(name), std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(
            stderr(&run(dir.path(), &PORTS)).contains("(key-malformed)"),
            "{name}"
        );
        std::fs::write(keys(name), kept).unwrap();
    }
    let text = stderr(&run(dir.path(), &["--origin", "another.example"]));
    assert!(text.contains("(other-origin)"), "{text}");
    std::fs::rename(dir.path().join("keyglass-data/keys"), dir.path().join("away")).unwrap();
    assert!(stderr(&run(dir.path(), &PORTS)).contains("(keys-missing)"));
    std::fs::rename(dir.path().join("away"), dir.path().join("keyglass-data/keys")).unwrap();
    assert_eq!(
        Server::start(dir.path(), &[]).stop(),
        Some(0),
        "with its own keys it starts again"
    );
}

#[test]
fn flag_over_environment_over_file() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("k.toml"),
        "data_dir = \"file\"\nlisten = \"127.0.0.1:1\"\nmax_batch = 5\n",
    )
    .unwrap();
    let check = |flags: &[&str], variables: &[(&str, &str)]| {
        let mut command = program(
            dir.path(),
            &[&["check-config", "--config", "k.toml"], flags].concat(),
        );
        let output = command.envs(variables.iter().copied()).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout.clone()).unwrap(),
            stderr(&output),
        )
    };
    let (code, text, _) = check(&[], &[]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("listen 127.0.0.1:1\n") && text.contains("data-dir file\n"),
        "{text}"
    );
    let (_, text, _) = check(&[], &[("KEYGLASS_LISTEN", "127.0.0.1:2")]);
    assert!(text.contains("\nlisten 127.0.0.1:2\n"), "{text}");
    let (_, text, _) = check(
        &["--listen", "127.0.0.1:3"],
        &[("KEYGLASS_LISTEN", "127.0.0.1:2")],
    );
    assert!(text.contains("\nlisten 127.0.0.1:3\n"), "{text}");

    for (flags, variables) in [
        (&["--listne", "127.0.0.1:3"][..], &[][..]),
        (&[], &[("KEYGLASS_LISTNE", "127.0.0.1:3")]),
        (&["--epoch-interval", "1"], &[]),
        (&["--role", "replica"], &[]),
        (&["--cosigner", "nonsense"], &[]),
        (&["--quorum", "1"], &[]),
        (&["--database", "mysql://x"], &[]),
    ] {
        let (code, text, error) = check(flags, variables);
        assert_eq!(
            (code, text.as_str()),
            (Some(2), ""),
            "{flags:?} {variables:?}: {error}"
        );
    }
    std::fs::write(dir.path().join("k.toml"), "listne = \"127.0.0.1:1\"\n").unwrap();
    let (code, _, error) = check(&[], &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("listne"), "{error}");
}

#[test]
fn keygen_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let first = run(dir.path(), &["keygen", "--origin", "log.example"]);
    assert!(String::from_utf8_lossy(&first.stdout).starts_with("origin log.example\nlog-vkey log.example+"));
    let second = run(dir.path(), &["keygen", "--origin", "log.example"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("(keys-exist)"));
}

#[test]
fn a_second_server_on_the_same_guard_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path(), &[]);
    let second = run(dir.path(), &PORTS);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("(guard-held)"), "{}", stderr(&second));
    assert_eq!(first.stop(), Some(0));
}

#[test]
fn a_lost_guard_is_rebuilt_with_guard_init() {
    let dir = tempfile::tempdir().unwrap();
    Server::start(dir.path(), &[]).ready().stop();
    std::fs::remove_file(dir.path().join("keyglass-data/guard")).unwrap();
    let refused = run(dir.path(), &PORTS);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("(guard-missing)"),
        "{}",
        stderr(&refused)
    );
    let rebuilt = run(dir.path(), &["guard", "init"]);
    assert!(
        String::from_utf8_lossy(&rebuilt.stdout).starts_with("guard 1 "),
        "{}",
        stderr(&rebuilt)
    );
    assert_eq!(Server::start(dir.path(), &[]).stop(), Some(0));
}
