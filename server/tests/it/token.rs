//! Keys in a PKCS#11 token: Debian's SoftHSM, with the real program.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::program::{PORTS, Server, program, stderr};

/// Where Debian has its library.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
];
const PIN: &str = "1234 pin";

/// A token of its own in a folder of its own.
struct Token {
    dir: tempfile::TempDir,
    conf: PathBuf,
}

impl Token {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("softhsm2.conf");
        let token = Self { dir, conf };
        std::fs::write(
            &token.conf,
            format!(
                "directories.tokendir = {}\nlog.level = ERROR\n",
                token.store().display()
            ),
        )
        .unwrap();
        token.write_pin(PIN, 0o600);
        token.make();
        token
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("tokens")
    }

    /// Makes the token, empty. One that was there is gone.
    fn make(&self) {
        let _none_before = std::fs::remove_dir_all(self.store());
        std::fs::create_dir(self.store()).unwrap();
        let made = Command::new("softhsm2-util")
            .args([
                "--init-token",
                "--free",
                "--label",
                "a token",
                "--pin",
                PIN,
                "--so-pin",
                PIN,
            ])
            .env("SOFTHSM2_CONF", &self.conf)
            .output()
            .expect("softhsm2-util is installed (package softhsm2)");
        assert!(made.status.success(), "{}", stderr(&made));
    }

    fn write_pin(&self, pin: &str, mode: u32) {
        let path = self.dir.path().join("pin");
        std::fs::write(&path, format!("{pin}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn uri(&self) -> String {
        let library = LIBRARIES.into_iter().find(|l| Path::new(l).exists());
        let library = library.expect("SoftHSM's library is installed (package softhsm2)");
        format!(
            "pkcs11:token=a%20token?module-path={library}&pin-source={}",
            self.dir.path().join("pin").display()
        )
    }

    fn command(&self, dir: &Path, args: &[&str]) -> Command {
        let mut command = program(dir, args);
        command.env("SOFTHSM2_CONF", &self.conf).stderr(Stdio::piped());
        command
    }

    fn run(&self, dir: &Path, args: &[&str]) -> Output {
        self.command(dir, args).output().unwrap()
    }

    fn start(&self, dir: &Path) -> Server {
        Server::of(self.command(dir, &PORTS)).ready()
    }

    /// The reason why the server does not start.
    fn refusal(&self, dir: &Path) -> String {
        let output = self.run(dir, &PORTS);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        stderr(&output)
    }
}

#[test]
fn a_directory_signs_with_keys_that_never_leave_their_token() {
    let token = Token::new();
    let dir = tempfile::tempdir().unwrap();
    let made = token.run(
        dir.path(),
        &["keygen", "--origin", "log.example", "--pkcs11", &token.uri()],
    );
    assert!(made.status.success(), "{}", stderr(&made));
    let keys = dir.path().join("keyglass-data/keys");
    let mut names: Vec<String> = std::fs::read_dir(&keys)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "heartbeat.pkcs11",
            "import.key",
            "log.pkcs11",
            "receipt.pkcs11",
            "recovery.key",
            "storage.wrapped",
            "vrf.wrapped",
            "wrapping.key"
        ]
    );
    // Ready means: a checkpoint that verifies, with a heartbeat.
    let server = token.start(dir.path());
    let vkey = server.fact("log-vkey").to_owned();
    assert!(String::from_utf8_lossy(&made.stdout).contains(&vkey));
    assert_eq!(server.stop(), Some(0));
    let again = token.start(dir.path());
    assert_eq!(again.fact("log-vkey"), vkey);
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn wrong_missing_and_changed_tokens_are_refused_with_the_reason() {
    let token = Token::new();
    let dir = tempfile::tempdir().unwrap();
    let uri = token.uri();
    let keygen =
        |dir: &Path, uri: &str| token.run(dir, &["keygen", "--origin", "log.example", "--pkcs11", uri]);
    assert!(keygen(dir.path(), &uri).status.success());

    token.write_pin("wrong", 0o600);
    assert!(token.refusal(dir.path()).contains("login"), "a wrong PIN");
    token.write_pin(PIN, 0o644);
    let text = token.refusal(dir.path());
    assert!(text.contains("0600") && text.contains("(key-token)"), "{text}");
    token.write_pin(PIN, 0o600);

    // Another key under the same name.
    token.make();
    let text = token.refusal(dir.path());
    assert!(
        text.contains("no Ed25519 key") && text.contains("(key-token)"),
        "{text}"
    );
    let other = tempfile::tempdir().unwrap();
    assert!(keygen(other.path(), &uri).status.success());
    let text = token.refusal(dir.path());
    assert!(text.contains("(key-changed)"), "{text}");
    // A key in a token is never overwritten.
    let third = tempfile::tempdir().unwrap();
    let twice = keygen(third.path(), &uri);
    assert!(stderr(&twice).contains("never overwritten"), "{}", stderr(&twice));
    assert!(!third.path().join("keyglass-data/keys").exists());

    // A key in a file beside the one in the token: which one counts?
    let files = tempfile::tempdir().unwrap();
    assert!(
        token
            .run(files.path(), &["keygen", "--origin", "log.example"])
            .status
            .success()
    );
    let path = |dir: &Path, name: &str| dir.join("keyglass-data/keys").join(name);
    std::fs::copy(path(files.path(), "log.key"), path(other.path(), "log.key")).unwrap();
    assert!(token.refusal(other.path()).contains("(key-twice)"));

    std::fs::remove_dir_all(token.store()).unwrap();
    std::fs::create_dir(token.store()).unwrap();
    assert!(token.refusal(dir.path()).contains("no token is called"));
    for bad in [
        "pkcs11:token=x",
        "token",
        "pkcs11:token=x?module-path=/nowhere.so&pin-source=/nowhere",
    ] {
        let output = keygen(third.path(), bad);
        assert!(
            stderr(&output).contains("(key-token)"),
            "{bad}: {}",
            stderr(&output)
        );
    }
}
