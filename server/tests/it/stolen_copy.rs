//! A thief takes everything but the key files: database, WAL, backups, journal, artefacts, logs. He finds no label, no key,
//! no unkeyed hash of either.

use std::fs::File;
use std::path::Path;

use keyglass_protocol::message::{B64, PutRequest};
use keyglass_protocol::record::AccountRecord;
use keyglass_schema::DatabaseUrl;
use keyglass_schema::test_database::{Backend, TestDatabase};
use keyglass_testkit::http::Http;
use keyglass_testkit::thief::Needles;
use keyglass_testkit::world::{ORIGIN, Person};

use crate::common::BACKENDS;
use crate::common::lines::{imported, imported_handle, key_in, line};
use crate::common::path_of;
use crate::program::{PORTS, Server, program};

/// A directory that lives on disk, and whose programs write logs.
struct Loot {
    dir: tempfile::TempDir,
    database: Option<TestDatabase>,
    needles: Needles,
}

impl Loot {
    fn new(backend: Backend) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            database: (backend == Backend::Postgres).then(|| TestDatabase::on_own_server(backend)),
            needles: Needles::default(),
        }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program(self.dir.path(), arguments);
        command.args(["--origin", ORIGIN, "--log", "debug"]);
        if let Some(DatabaseUrl::Postgres(url)) = self.database.as_ref().map(TestDatabase::url) {
            command.args(["--database", url]);
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("log"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stderr(log.unwrap());
        command
    }

    fn done(&self, arguments: &[&str]) {
        assert!(
            self.command(arguments).status().unwrap().success(),
            "{arguments:?}: {}",
            self.log()
        );
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// A person, and everything about her that is to be found nowhere.
    fn person(&mut self, name: &str, seed: u8) -> Person {
        let person = Person::new(name, seed);
        self.needles.label(person.label().as_str());
        self.record(&person.newest);
        person
    }

    fn record(&mut self, record: &AccountRecord) {
        self.needles.secret("identity key", record.identity.as_bytes());
        for device in &record.devices {
            self.needles.secret("device key", device.dh_key.as_bytes());
            self.needles.secret("device key", device.signing_key.as_bytes());
        }
        self.needles.secret("record", record.bytes());
    }

    /// Where anything is found, but for the keys.
    fn search(&self) -> Vec<String> {
        let keys = self.dir.path().join("keyglass-data/keys");
        let lines = self.dir.path().join("lines");
        let mut found = self.needles.search(self.dir.path(), &[&keys, &lines]);
        if let Some(database) = &self.database {
            found.extend(self.needles.search(&database.directory(), &[]));
        }
        found
            .into_iter()
            .map(|(path, what)| format!("{what} in {}", path.display()))
            .collect()
    }
}

fn put(http: &Http, label: &keyglass_protocol::label::Label, record: &[u8]) {
    let body = PutRequest {
        record: B64(record.to_vec()),
    };
    let (status, answer) = http
        .put(&path_of(label), serde_json::to_vec(&body).unwrap())
        .unwrap();
    assert_eq!(status, 202, "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_stolen_copy_says_nothing() {
    for backend in BACKENDS {
        let mut loot = Loot::new(backend);
        loot.done(&["keygen"]);
        let key = key_in(&loot.dir.path().join("keyglass-data/keys"));
        let mut text = String::new();
        for seed in 1..=40 {
            let person = loot.person(&format!("nobody-may-find-me-{seed}"), seed);
            let record = imported(&person, &key);
            loot.record(&record);
            let handle = format!("secret_handle_{seed}");
            loot.needles.label(&format!("handle:{handle}"));
            text += &line(record.bytes());
            text += &line(imported_handle(&person, &handle, &key).bytes());
        }
        std::fs::write(loot.dir.path().join("lines"), text).unwrap();
        loot.done(&[&["import", "lines"], &PORTS[..]].concat());

        let server = Server::of(loot.command(&PORTS)).ready();
        let http = Http::new(server.fact("api"));
        for seed in 101..=120 {
            let person = loot.person(&format!("newcomer-under-cover-{seed}"), seed);
            put(&http, &person.label(), person.newest.bytes());
            let (status, _) = http.get(&path_of(&person.label())).unwrap();
            assert!(status == 200 || status == 404);
            if seed == 110 {
                loot.done(&["backup", "backup"]);
            }
        }
        // Some of it may still wait: that is searched too. Killed, so that nothing is tidied up.
        drop(server);
        assert!(loot.needles.len() > 5_000);
        assert_eq!(loot.search(), Vec::<String>::new(), "{backend:?}");
        for name in [
            "backup/manifest.json",
            "keyglass-data/journal",
            "keyglass-data/artefacts/log/checkpoint",
            "log",
        ] {
            assert!(loot.dir.path().join(name).exists(), "{name} was searched");
        }
        assert!(loot.log().len() > 1_000, "logs were searched");
        if backend == Backend::Sqlite {
            assert!(loot.dir.path().join("keyglass-data/keyglass.sqlite-wal").exists());
        }
        // The search is no blind one: the import file has it all.
        std::fs::copy(loot.dir.path().join("lines"), loot.dir.path().join("planted")).unwrap();
        assert_eq!(loot.search().len(), 1);
    }
}

/// The file names of artefacts and of the database say nothing either.
#[test]
fn names_of_files_are_no_labels() {
    fn names(folder: &Path, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            all.push(entry.file_name().to_string_lossy().into_owned());
            if entry.path().is_dir() {
                names(&entry.path(), all);
            }
        }
    }
    let loot = Loot::new(Backend::Sqlite);
    loot.done(&["keygen"]);
    let server = Server::of(loot.command(&PORTS)).ready();
    let person = Person::new("in-no-name-of-a-file", 1);
    put(
        &Http::new(server.fact("api")),
        &person.label(),
        person.newest.bytes(),
    );
    drop(server);
    let mut all = Vec::new();
    names(loot.dir.path(), &mut all);
    assert!(
        all.len() > 10 && all.iter().all(|name| !name.contains("in-no-name")),
        "{all:?}"
    );
}
