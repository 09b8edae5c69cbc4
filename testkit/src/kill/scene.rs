//! A directory on disk, and the independent auditor that it needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use keyglass_auditor::clock::SystemClock;
use keyglass_auditor::keys::Keys;
use keyglass_auditor::lock::DataDir;
use keyglass_auditor::moments::Unwatched;
use keyglass_auditor::run::Auditor;
use keyglass_auditor::settings::Layer as AuditorLayer;
use keyglass_auditor::source::{EpochSource, HttpSource};
use keyglass_protocol::config::{ConfigChain, ConfigDocument};
use keyglass_protocol::epoch::{TimeBounds, Trust};
use keyglass_protocol::note::VerifierKey;
use keyglass_server::bootstrap;
use keyglass_server::keys::SystemRandom;
use keyglass_server::publisher::Step;
use keyglass_server::settings::{Layer, Settings};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::http::Http;
use crate::process::{Process, free_ports};
use crate::world::{AUDITOR, ORIGIN};

/// Everything that outlives the server process.
pub struct Scene {
    program: PathBuf,
    dir: TempDir,
    ports: [u16; 2],
    log_vkey: VerifierKey,
    auditor: Option<RunningAuditor>,
    database: Option<String>,
}

impl Scene {
    /// A new directory whose server is `program`, with an auditor as its quorum or without any.
    pub fn new(program: &Path, audited: bool) -> Self {
        Self::on(program, audited, None)
    }

    /// The same on another database than a SQLite file.
    pub fn on(program: &Path, audited: bool, database: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ports = free_ports();
        let settings = Settings::resolve(Layer {
            data_dir: Some(dir.path().join("directory")),
            origin: Some(ORIGIN.to_owned()),
            ..Layer::default()
        });
        let keys = bootstrap::keys(&settings.unwrap(), &SystemRandom).unwrap();
        let log_vkey = keys.log.verifier().clone();
        let url = format!("http://127.0.0.1:{}", ports[0]);
        let auditor = audited.then(|| RunningAuditor::start(&dir.path().join("auditor"), &url, &log_vkey));
        Self {
            program: program.to_owned(),
            dir,
            ports,
            log_vkey,
            auditor,
            database: database.map(str::to_owned),
        }
    }

    /// Starts the server process, to stand still at a step or to run on.
    pub fn start(&self, stop_at: Option<(Step, u32)>) -> Process {
        match stop_at {
            Some((step, occurrence)) => {
                self.start_with(&["--stop-at".to_owned(), format!("{}:{occurrence}", step.name())])
            }
            None => self.start_with(&[]),
        }
    }

    /// Where everything lies.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the server process with more arguments.
    pub fn start_with(&self, more: &[String]) -> Process {
        let mut arguments: Vec<String> = [
            "--listen",
            &format!("127.0.0.1:{}", self.ports[0]),
            "--admin-listen",
            &format!("127.0.0.1:{}", self.ports[1]),
            "--data-dir",
            &self.dir.path().join("directory").to_string_lossy(),
            "--origin",
            ORIGIN,
            "--epoch-interval",
            "20ms",
            "--log",
            "warn",
            // All clients are one machine.
            "--rate-limit",
            "0",
        ]
        .map(str::to_owned)
        .into();
        if let Some(auditor) = &self.auditor {
            let cosigner = format!("{} {}", auditor.vkey, auditor.http.base());
            arguments.extend([
                "--cosigner".to_owned(),
                cosigner,
                "--quorum".to_owned(),
                "1".to_owned(),
            ]);
        }
        if let Some(database) = &self.database {
            arguments.extend(["--database".to_owned(), database.clone()]);
        }
        arguments.extend_from_slice(more);
        Process::start(&self.program, &arguments, &self.dir.path().join("server.log"))
    }

    /// A client of the API.
    pub fn http(&self) -> Http {
        Http::local(self.ports[0])
    }

    /// A client of the admin port.
    pub fn admin(&self) -> Http {
        Http::local(self.ports[1])
    }

    /// What a verifier pins: log key, configuration, and a policy that needs the auditor, if there is one.
    pub fn trust(&self) -> Trust {
        let document = ConfigDocument::parse(&self.http().body("/v1/config")).unwrap();
        let policy = self.auditor.as_ref().map(|auditor| {
            let text = format!(
                "log {}\nwitness a {}\ngroup auditors any a\nquorum auditors\n",
                self.log_vkey, auditor.vkey
            );
            text.parse().unwrap()
        });
        let chain = ConfigChain::start(document).unwrap();
        Trust::new(self.log_vkey.clone(), chain, policy, TimeBounds::default()).unwrap()
    }

    /// Where the auditor shows the newest checkpoint that it cosigned.
    pub(super) fn auditors_head(&self) -> Option<(Http, String)> {
        let auditor = self.auditor.as_ref()?;
        let name = Sha256::digest(ORIGIN)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>();
        Some((auditor.http.clone(), format!("/{name}/checkpoint")))
    }

    /// Demands that the auditor has no objection and has seen no evidence of a lie.
    ///
    /// # Panics
    /// Otherwise.
    pub fn auditor_is_content(&self) {
        let Some(auditor) = &self.auditor else {
            return;
        };
        let evidence: serde_json::Value = serde_json::from_slice(&auditor.http.body("/evidence")).unwrap();
        assert_eq!(evidence, serde_json::json!({ "evidence": [] }));
        let (status, body) = auditor.http.get("/readyz").unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    }
}

/// The real auditor in this process, on a thread of its own.
struct RunningAuditor {
    http: Http,
    vkey: VerifierKey,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RunningAuditor {
    fn start(dir: &Path, directory: &str, log_vkey: &VerifierKey) -> Self {
        let settings = AuditorLayer {
            directory: Some(directory.to_owned()),
            log_vkey: Some(log_vkey.to_string()),
            data_dir: Some(dir.to_owned()),
            listen: Some("127.0.0.1:0".to_owned()),
            name: Some(AUDITOR.to_owned()),
            ..AuditorLayer::default()
        };
        let settings = settings.settings().unwrap();
        let held = DataDir::open(dir).unwrap();
        // Nothing here is secret.
        let mut entropy = |bytes: &mut [u8]| {
            bytes.fill(6);
            Ok(())
        };
        let keys = Keys::load_or_create(dir, Some(AUDITOR), &mut entropy).unwrap();
        let vkey = keys.verifier().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let (address, found) = channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let over_http =
                    |url: &str| -> Result<Arc<dyn EpochSource>, _> { Ok(Arc::new(HttpSource::new(url)?)) };
                let (clock, moments) = (Arc::new(SystemClock), Arc::new(Unwatched));
                let auditor = Auditor::open(settings, held, keys, clock, moments, &over_http)
                    .await
                    .unwrap();
                address.send(auditor.address().unwrap()).unwrap();
                let asked_or_gone = async { drop(stopped.await) };
                auditor.run(asked_or_gone).await.unwrap();
            });
        });
        let http = Http::new(&format!("http://{}", found.recv().unwrap()));
        Self {
            http,
            vkey,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for RunningAuditor {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || matches!(ended, Some(Ok(()))),
            "the auditor died"
        );
    }
}
