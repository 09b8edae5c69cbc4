//! One `keyglass-server` of a site: its settings file, its process, its ports.

use std::path::{Path, PathBuf};

use keyglass_server::publisher::Step;
use toml::{Table, Value};

use super::PATIENCE;
use crate::http::Http;
use crate::process::{Process, free_ports, poll};

/// A server, running or not. Its ports stay the same; dropping it kills it.
pub struct Server {
    name: String,
    program: PathBuf,
    folder: PathBuf,
    ports: [u16; 2],
    settings: Table,
    process: Option<Process>,
}

impl Server {
    /// A server in a folder of its own, not yet started.
    pub(super) fn new(name: &str, program: &Path, site: &Path) -> Self {
        let mut this = Self {
            name: name.to_owned(),
            program: program.to_owned(),
            folder: site.join(name),
            ports: free_ports(),
            settings: Table::new(),
            process: None,
        };
        std::fs::create_dir_all(&this.folder).unwrap();
        let [api, admin] = this.ports.map(|port| format!("127.0.0.1:{port}"));
        this.set("listen", api);
        this.set("admin_listen", admin);
        this.set("data_dir", this.folder.display().to_string());
        // All clients are one machine.
        this.set("rate_limit", 0);
        this.set("log", "info");
        this
    }

    /// Sets a setting, for the next start.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.settings.insert(name.to_owned(), value.into());
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its data folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ports of the API and of health and metrics.
    pub fn ports(&self) -> [u16; 2] {
        self.ports
    }

    /// A client of the API.
    pub fn http(&self) -> Http {
        Http::local(self.ports[0])
    }

    /// A client of the admin port.
    pub fn admin(&self) -> Http {
        Http::local(self.ports[1])
    }

    /// Starts it. It need not be ready when this returns.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts `faulty-server`, to stand still when it reaches a step for the n-th time.
    pub fn start_to_stop_at(&mut self, step: Step, occurrence: u32) {
        self.start_with(&["--stop-at".to_owned(), format!("{}:{occurrence}", step.name())]);
    }

    fn start_with(&mut self, more: &[String]) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let file = self.folder.join("keyglass.toml");
        std::fs::write(&file, toml::to_string(&self.settings).unwrap()).unwrap();
        let mut arguments = vec!["--config".to_owned(), file.display().to_string()];
        arguments.extend_from_slice(more);
        let log = self.folder.join("server.log");
        self.process = Some(Process::start(&self.program, &arguments, &log));
    }

    /// The process.
    ///
    /// # Panics
    /// It does not run.
    pub fn process(&mut self) -> &mut Process {
        let name = &self.name;
        self.process
            .as_mut()
            .unwrap_or_else(|| panic!("{name} does not run"))
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// It ends before, or takes too long.
    pub fn wait_until_ready(&mut self) {
        let admin = self.admin();
        let what = format!("readiness of {}", self.name);
        let process = self.process();
        poll(&what, PATIENCE, || {
            assert!(process.ended().is_none(), "{what}: ended{}", process.last_words());
            matches!(admin.get("/readyz"), Ok((200, _))).then_some(())
        });
    }

    /// Whether it is ready now.
    pub fn is_ready(&self) -> bool {
        matches!(self.admin().get("/readyz"), Ok((200, _)))
    }

    /// The value of a metric without labels, now.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.admin().get("/metrics").ok()?;
        let text = String::from_utf8(text).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line?.trim().parse().ok()
    }

    /// The value of a metric that a server which runs must have.
    ///
    /// # Panics
    /// It does not answer, or has no such metric; then with what it said last.
    pub fn reading(&mut self, name: &str) -> f64 {
        let read = self.metric(name);
        let (server, process) = (self.name.clone(), self.process());
        read.unwrap_or_else(|| {
            let ended = process.ended();
            panic!("{server} has no {name}, ended: {ended:?}{}", process.last_words())
        })
    }

    /// It has ended by itself: it can be started again.
    ///
    /// # Panics
    /// It runs.
    pub fn forget(&mut self) {
        assert!(self.process().ended().is_some(), "{} runs", self.name);
        self.process = None;
    }

    /// SIGKILL.
    ///
    /// # Panics
    /// It does not run, or had ended by itself.
    pub fn kill(&mut self) {
        self.process();
        self.process.take().unwrap().kill();
    }

    /// SIGSTOP: it stands still, and knows nothing of it afterwards.
    pub fn pause(&mut self) {
        self.process().pause();
    }

    /// SIGCONT, after [`Self::pause`].
    pub fn wake(&mut self) {
        self.process().wake();
    }
}
