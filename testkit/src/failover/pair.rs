//! Two sequencers on three databases, an auditor, clients, and somebody who notes every head.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keyglass_protocol::epoch::Trust;
use sha2::{Digest as _, Sha256};

use super::{Takeover, Terms};
use crate::cluster::{Commits, Databases, Link, PATIENCE, Plan, Server, Site};
use crate::http::Http;
use crate::kill::{Load, Observer, Seen, verify};
use crate::process::poll;
use crate::world::ORIGIN;

/// Where the guard is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Guarded {
    /// In a folder that both sequencers see.
    ByFiles,
    /// In a Postgres of its own.
    ByPostgres,
}

/// Something is to stand still for so long, which is longer than a short lease.
pub(super) const STILL: Duration = Duration::from_secs(3);

pub(super) struct Pair {
    pub(super) site: Site,
    /// The sequencer that publishes.
    pub(super) holder: usize,
    /// By which each sequencer finds the primary.
    pub(super) to_primary: [Link; 2],
    /// By which each finds the guard's Postgres, if the guard is there.
    pub(super) to_guard: Vec<Link>,
    trust: Trust,
    load: Option<Load>,
    observer: Observer,
}

impl Pair {
    /// Starts everything; the first sequencer publishes, the second stands by, clients are at work. The guard is on shared
    /// storage.
    pub(super) fn start(commits: Commits, terms: Terms, program: &Path) -> Self {
        Self::start_with(Guarded::ByFiles, commits, terms, program)
    }

    /// The same with the guard where `guarded` says.
    pub(super) fn start_with(guarded: Guarded, commits: Commits, terms: Terms, program: &Path) -> Self {
        let plan = Plan {
            commits,
            sequencers: 2,
            replicas: 0,
            audited: true,
        };
        let mut site = Site::new(plan, program);
        let primary = site.databases.port(site.databases.primary());
        let to_primary = [Link::to(primary), Link::to(primary)];
        let to_guard = match guarded {
            Guarded::ByFiles => Vec::new(),
            Guarded::ByPostgres => {
                let node = site.databases.start_another();
                let port = site.databases.port(node);
                vec![Link::to(port), Link::to(port)]
            }
        };
        for (sequencer, link) in site.sequencers.iter_mut().zip(&to_primary) {
            sequencer.set("database", Databases::primary_among(&[link.port()]));
            sequencer.set("promotions", "most-advanced");
            sequencer.set("lease_ttl", terms.ttl);
            sequencer.set("lease_renew", terms.renew);
        }
        for (sequencer, link) in site.sequencers.iter_mut().zip(&to_guard) {
            sequencer.set("guard", Databases::primary_among(&[link.port()]));
        }
        site.sequencers[0].start();
        site.start_auditor();
        site.sequencers[0].wait_until_ready();
        let front = Http::local(site.front.port());
        let trust = site.trust(&front);
        let auditor = site.auditor().unwrap();
        let name: String = Sha256::digest(ORIGIN)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let places = vec![
            (front.clone(), "/log/checkpoint".to_owned()),
            (auditor, format!("/{name}/checkpoint")),
        ];
        let observer = Observer::of(places, &trust);
        let load = Some(Load::start(&front, &trust));
        let mut this = Self {
            site,
            holder: 0,
            to_primary,
            to_guard,
            trust,
            load,
            observer,
        };
        this.other().start();
        this.wait_until_other_stands_by();
        this
    }

    pub(super) fn holder(&mut self) -> &mut Server {
        &mut self.site.sequencers[self.holder]
    }

    pub(super) fn other(&mut self) -> &mut Server {
        &mut self.site.sequencers[1 - self.holder]
    }

    pub(super) fn guard(&self) -> PathBuf {
        self.site.shared().join("guard")
    }

    pub(super) fn wait_until_other_stands_by(&mut self) {
        let other = self.other();
        poll("a stand-by", PATIENCE, || stands_by(other).then_some(()));
    }

    /// Waits until the other one has taken over, and leads everybody to it: what balances the load sends nobody to a
    /// sequencer that is not ready, and so the auditor may wait for an answer of the first one until then.
    pub(super) fn taken_over(&mut self, after: &str, since: Instant) -> Takeover {
        let other = self.other();
        other.wait_until_ready();
        let took = since.elapsed();
        let port = other.ports()[0];
        self.holder = 1 - self.holder;
        self.site.front.aim(port);
        Takeover {
            after: after.to_owned(),
            took,
        }
    }

    /// Finds out which sequencer has the lease after neither could write for longer than one lasts, and leads everybody to it.
    /// If it is the other one, the first has ended and stands by.
    pub(super) fn find_holder(&mut self) {
        let sequencers = &self.site.sequencers;
        let found = poll("a sequencer that is ready", PATIENCE, || {
            (0..sequencers.len()).find(|which| sequencers[*which].is_ready())
        });
        if found == self.holder {
            return;
        }
        let first = std::mem::replace(&mut self.holder, found);
        let port = self.holder().ports()[0];
        self.site.front.aim(port);
        self.ended(first, &["fenced", "guard-fenced"]);
        self.other().start();
        self.wait_until_other_stands_by();
    }

    /// Kills the primary and promotes the standby that has most.
    pub(super) fn lose_primary(&mut self) -> usize {
        let lost = self.site.databases.primary();
        self.site.databases.kill_primary();
        let next = self.site.databases.most_advanced();
        self.site.databases.promote(next);
        for link in &self.to_primary {
            link.aim(self.site.databases.port(next));
        }
        lost
    }

    /// Waits until clients got so many more receipts.
    pub(super) fn publish(&self, updates: usize) {
        let load = self.load.as_ref().unwrap();
        self.observer.must_run();
        load.wait_for(load.acknowledged().len() + updates);
    }

    /// Receipts so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.load.as_ref().unwrap().acknowledged().len()
    }

    /// Waits until a sequencer has ended by itself, with a non-zero code and this reason in its log.
    pub(super) fn ended(&mut self, which: usize, reasons: &[&str]) -> String {
        let server = &mut self.site.sequencers[which];
        let log = server.folder().join("server.log");
        let status = poll("the end of a sequencer", PATIENCE, || server.process().ended());
        assert!(!status.success(), "{status}");
        server.forget();
        let text = std::fs::read_to_string(log).unwrap();
        let last = text.lines().rev().take(100).collect::<Vec<_>>().join("\n");
        let found = reasons.iter().find(|reason| last.contains(**reason));
        found
            .unwrap_or_else(|| panic!("none of {reasons:?} in\n{last}"))
            .to_string()
    }

    /// Stops the clients and verifies everything.
    pub(super) fn verify(mut self) -> Seen {
        self.publish(10);
        let acknowledged = self.load.take().unwrap().finish();
        let front = Http::local(self.site.front.port());
        let heads = self.observer.finish();
        let seen = verify(&front, &self.trust, &heads, &acknowledged);
        let evidence = self.site.auditor().unwrap().body("/evidence");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&evidence).unwrap(),
            serde_json::json!({ "evidence": [] })
        );
        seen
    }

    /// Stops the clients, whatever they got.
    pub(super) fn stop_clients(&mut self) {
        if let Some(load) = self.load.take() {
            drop(load.finish());
        }
    }
}

/// Whether a server says that it waits for another.
pub(super) fn stands_by(server: &Server) -> bool {
    let Ok((503, body)) = server.admin().get("/readyz") else {
        return false;
    };
    let told: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    told["reason"] == "stand-by"
}

/// For so long nothing may happen that must not.
pub(super) fn stays(what: &str, time: Duration, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        assert!(holds(), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The metric of the newest signed epoch.
pub(super) const SIGNED: &str = "keyglass_server_signed_epoch";

/// The newest epoch that the sequencer which publishes has signed.
fn signed(pair: &mut Pair) -> f64 {
    pair.holder().reading(SIGNED)
}

/// At most one epoch that was under way is signed, soon, and nothing after it, while answers go on.
pub(super) fn nothing_new_is_signed(pair: &mut Pair) {
    let at_first = signed(pair);
    let (mut last, mut since) = (at_first, Instant::now());
    poll("the last epoch", PATIENCE, || {
        let now = signed(pair);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (since.elapsed() > STILL / 2).then_some(())
    });
    assert!(last <= at_first + 1.0, "from {at_first} to {last}");
    stays("nothing is signed", STILL, || {
        let answered = pair.holder().http().get("/log/checkpoint");
        assert!(
            matches!(answered, Ok((200, _))),
            "answers do not go on: {answered:?}"
        );
        signed(pair) == last
    });
}

/// Waits until more is signed, and shown, than what was under way.
pub(super) fn signing_goes_on(pair: &mut Pair) {
    let before = signed(pair);
    poll("further epochs", PATIENCE, || {
        (signed(pair) > before + 2.0).then_some(())
    });
}
