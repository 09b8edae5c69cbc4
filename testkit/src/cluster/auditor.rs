//! The auditor of a site.

use std::path::Path;

use super::Link;
use crate::process::{Process, built, command, free_ports};
use crate::world::AUDITOR;

pub(super) struct Auditor {
    pub(super) vkey: String,
    pub(super) port: u16,
    /// By which sequencers find it.
    pub(super) found_by: Link,
    /// By which it finds the front.
    pub(super) finds: Link,
    process: Option<Process>,
}

impl Auditor {
    pub(super) fn new(dir: &Path, front: u16) -> Self {
        let made = command(&built("keyglass-auditor"))
            .args(["keygen", "--name", AUDITOR, "--data-dir"])
            .arg(dir)
            .output()
            .unwrap();
        let vkeys = String::from_utf8(made.stdout).unwrap();
        let port = free_ports()[0];
        Self {
            vkey: vkeys.lines().next().unwrap().to_owned(),
            port,
            found_by: Link::to(port),
            finds: Link::to(front),
            process: None,
        }
    }

    pub(super) fn start(&mut self, site: &Path, log_vkey: &str) {
        let arguments = [
            "run",
            "--directory",
            &format!("http://127.0.0.1:{}", self.finds.port()),
            "--log-vkey",
            log_vkey,
            "--listen",
            &format!("127.0.0.1:{}", self.port),
            "--data-dir",
            &site.join("auditor").to_string_lossy(),
            "--name",
            AUDITOR,
        ]
        .map(str::to_owned);
        let log = site.join("auditor.log");
        self.process = Some(Process::start(&built("keyglass-auditor"), &arguments, &log));
    }

    pub(super) fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }
}
