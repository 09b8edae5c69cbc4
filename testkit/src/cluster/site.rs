//! Databases, sequencers, replicas and an auditor, put together.

use std::path::{Path, PathBuf};

use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{TimeBounds, Trust};
use keyglass_server::bootstrap;
use keyglass_server::keys::SystemRandom;
use keyglass_server::settings::{Layer, Settings};
use tempfile::TempDir;

use super::auditor::Auditor;
use super::{Commits, Databases, Link, NODES, Server};
use crate::http::Http;
use crate::world::ORIGIN;

/// What a site consists of.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What commits wait for.
    pub commits: Commits,
    /// Sequencers; the first one is meant to be the first to publish.
    pub sequencers: usize,
    /// Replicas, on the standbys in turn.
    pub replicas: usize,
    /// Whether an auditor must cosign.
    pub audited: bool,
}

/// Everything, in one temporary folder. Servers are not started until they are told to.
pub struct Site {
    /// The sequencers. They find the primary wherever it is.
    pub sequencers: Vec<Server>,
    /// The replicas. Each reads from one node.
    pub replicas: Vec<Server>,
    /// The databases.
    pub databases: Databases,
    /// Where the auditor, and whoever likes to, finds the directory: leads to the first sequencer until it is aimed
    /// elsewhere.
    pub front: Link,
    to_database: Vec<Vec<Link>>,
    to_sequencers: Vec<Vec<Link>>,
    log_vkey: String,
    auditor: Option<Auditor>,
    dir: TempDir,
}

impl Site {
    /// Starts the databases, makes keys and settings. `program` is `faulty-server` or `keyglass-server`.
    pub fn new(plan: Plan, program: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let databases = Databases::start(plan.commits);
        let servers = |role: &str, count: usize| -> Vec<Server> {
            let name = |number| format!("{role}{number}");
            (0..count)
                .map(|n| Server::new(&name(n), program, dir.path()))
                .collect()
        };
        let (sequencers, replicas) = (
            servers("sequencer", plan.sequencers),
            servers("replica", plan.replicas),
        );
        let front = Link::to(sequencers[0].ports()[0]);
        let log_vkey = make_keys(sequencers[0].folder());
        let mut this = Self {
            to_database: Vec::new(),
            to_sequencers: Vec::new(),
            auditor: plan
                .audited
                .then(|| Auditor::new(&dir.path().join("auditor"), front.port())),
            sequencers,
            replicas,
            databases,
            front,
            log_vkey,
            dir,
        };
        this.set_up_sequencers();
        this.set_up_replicas();
        this
    }

    fn set_up_sequencers(&mut self) {
        let token = make_token(self.dir.path());
        let keys = self.sequencers[0].folder().join("keys");
        let shared = self.shared();
        std::fs::create_dir_all(&shared).unwrap();
        for sequencer in &mut self.sequencers {
            for setting in ["guard", "artefacts_dir", "journal_dir"] {
                sequencer.set(setting, shared.join(setting).display().to_string());
            }
            copy_keys(&keys, &sequencer.folder().join("keys"), |_| true);
            let links: Vec<Link> = (0..NODES)
                .map(|node| Link::to(self.databases.port(node)))
                .collect();
            let ports: Vec<u16> = links.iter().map(Link::port).collect();
            sequencer.set("database", Databases::primary_among(&ports));
            sequencer.set("origin", ORIGIN);
            sequencer.set("epoch_interval", "50ms");
            sequencer.set("replica_token", token.clone());
            if let Some(auditor) = &self.auditor {
                let cosigner = format!("{} http://127.0.0.1:{}", auditor.vkey, auditor.found_by.port());
                sequencer.set("cosigner", vec![cosigner]);
                sequencer.set("quorum", "1");
            }
            self.to_database.push(links);
        }
    }

    fn set_up_replicas(&mut self) {
        let token = make_token(self.dir.path());
        let [updates_to, admin] =
            [0, 1].map(|which| -> Vec<u16> { self.sequencers.iter().map(|s| s.ports()[which]).collect() });
        let keys = self.sequencers[0].folder().join("keys");
        for (number, replica) in self.replicas.iter_mut().enumerate() {
            let secret = |file: &str| ["vrf.wrapped", "storage.wrapped", "wrapping.key"].contains(&file);
            copy_keys(&keys, &replica.folder().join("keys"), secret);
            std::fs::write(
                replica.folder().join("keys/log.vkey"),
                format!("{}\n", self.log_vkey),
            )
            .unwrap();
            let node = 1 + number % (NODES - 1);
            let link = Link::to(self.databases.port(node));
            let url = format!(
                "postgres://keyglass@127.0.0.1:{}/keyglass?connect_timeout=2",
                link.port()
            );
            let sequencers: Vec<Link> = admin.iter().map(|port| Link::to(*port)).collect();
            let at = |port: u16| format!("http://127.0.0.1:{port}");
            let acknowledge_to = sequencers.iter().map(|link| at(link.port()));
            replica.set("role", "replica");
            replica.set("replica_name", replica.name().to_owned());
            replica.set("replica_token", token.clone());
            replica.set("sequencer", acknowledge_to.collect::<Vec<_>>());
            replica.set(
                "updates_to",
                updates_to.iter().map(|port| at(*port)).collect::<Vec<_>>(),
            );
            replica.set("head_poll", "50ms");
            replica.set("database", url);
            self.to_sequencers.push(sequencers);
            self.to_database.push(vec![link]);
        }
    }

    /// The folder of everything.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The storage that all sequencers see: the guard, the journal and the artefacts are there.
    pub fn shared(&self) -> PathBuf {
        self.dir.path().join("shared")
    }

    /// By which a sequencer finds a node.
    pub fn sequencer_to_database(&self, sequencer: usize, node: usize) -> &Link {
        &self.to_database[sequencer][node]
    }

    /// By which a replica finds its node.
    pub fn replica_to_database(&self, replica: usize) -> &Link {
        &self.to_database[self.sequencers.len() + replica][0]
    }

    /// By which a replica finds the admin port of a sequencer.
    pub fn replica_to_sequencer(&self, replica: usize, sequencer: usize) -> &Link {
        &self.to_sequencers[replica][sequencer]
    }

    /// By which sequencers find the auditor, and by which it finds them.
    ///
    /// # Panics
    /// The plan has none.
    pub fn auditor_links(&self) -> [&Link; 2] {
        let auditor = self.auditor.as_ref().unwrap();
        [&auditor.found_by, &auditor.finds]
    }

    /// Starts the auditor, or starts it again after it was killed.
    ///
    /// # Panics
    /// The plan has none.
    pub fn start_auditor(&mut self) {
        let auditor = self.auditor.as_mut().unwrap();
        auditor.start(self.dir.path(), &self.log_vkey);
    }

    /// SIGKILL for the auditor.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill_auditor(&mut self) {
        self.auditor.as_mut().unwrap().kill();
    }

    /// A client of the auditor.
    pub fn auditor(&self) -> Option<Http> {
        Some(Http::local(self.auditor.as_ref()?.port))
    }

    /// What a verifier pins: log key, configuration as shown by `http`, and a policy that needs the auditor, if there is
    /// one.
    pub fn trust(&self, http: &Http) -> Trust {
        let document = ConfigDocument::parse(&http.body("/v1/config")).unwrap();
        let policy = self.auditor.as_ref().map(|auditor| {
            let (log, vkey) = (&self.log_vkey, &auditor.vkey);
            let text = format!("log {log}\nwitness a {vkey}\ngroup auditors any a\nquorum auditors\n");
            text.parse().unwrap()
        });
        let chain = ConfigChain::start(document).unwrap();
        Trust::new(
            self.log_vkey.parse().unwrap(),
            chain,
            policy,
            TimeBounds::default(),
        )
        .unwrap()
    }
}

/// Makes the keys of the log in the data folder of its first sequencer; answers its verifier key.
fn make_keys(data_dir: &Path) -> String {
    let settings = Settings::resolve(Layer {
        data_dir: Some(data_dir.to_owned()),
        origin: Some(ORIGIN.to_owned()),
        ..Layer::default()
    });
    let keys = bootstrap::keys(&settings.unwrap(), &SystemRandom).unwrap();
    keys.log.verifier().to_string()
}

/// The secret of replicas and sequencers.
fn make_token(dir: &Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join("replica.token");
    if !path.exists() {
        std::fs::write(
            &path,
            "nothing here is secret, but it is long enough".replace(' ', "-"),
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    path.display().to_string()
}

/// Copies the key files that `wanted` names.
fn copy_keys(from: &Path, to: &PathBuf, wanted: impl Fn(&str) -> bool) {
    if from == to {
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        if wanted(&name.to_string_lossy()) {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
}
