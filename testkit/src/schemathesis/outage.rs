//! Servers that must not answer: a sequencer that stands by for another one, and a replica whose sequencers are dead.

use std::path::Path;

use crate::cluster::{Commits, PATIENCE, Plan, Site};
use crate::http::Http;
use crate::process::poll;

/// Two sequencers and a replica.
pub(super) struct Outage(Site);

impl Outage {
    pub(super) fn start(server: &Path) -> Self {
        let mut site = Site::new(
            Plan {
                commits: Commits::Asynchronous,
                sequencers: 2,
                replicas: 1,
                audited: false,
            },
            server,
        );
        site.sequencers[0].start();
        site.sequencers[0].wait_until_ready();
        site.replicas[0].start();
        site.replicas[0].wait_until_ready();
        site.sequencers[1].start();
        Self(site)
    }

    /// The sequencer that stands by.
    pub(super) fn standing_by(&self) -> Http {
        refusing(self.0.sequencers[1].http())
    }

    /// The replica, once both sequencers are dead and nobody has acknowledged it for long enough.
    pub(super) fn cut_off(&mut self) -> Http {
        self.0.sequencers[1].kill();
        self.0.sequencers[0].kill();
        refusing(self.0.replicas[0].http())
    }
}

/// Waits until it says that it must not answer.
fn refusing(http: Http) -> Http {
    poll("a server that refuses", PATIENCE, || {
        matches!(http.get("/log/checkpoint"), Ok((503, _))).then_some(())
    });
    http
}
