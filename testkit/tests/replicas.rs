//! Replicas on real standbys: every answer verifies, reads go on, and what must not answer does not.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use keyglass_protocol::label::Label;
use keyglass_testkit::cluster::{Asking, Commits, NODES, PATIENCE, Plan, Readers, Site, measure};
use keyglass_testkit::failover::LIMIT;
use keyglass_testkit::http::Http;
use keyglass_testkit::kill::{Acknowledged, Load, Observer, verify};
use keyglass_testkit::process::poll;

/// How long a replica answers after its last acknowledgement; it may be one epoch behind for a quarter of that.
const LEASE: &str = "4s";

/// A site with an auditor and two replicas that serve.
fn site(commits: Commits) -> Site {
    let plan = Plan {
        commits,
        sequencers: 1,
        replicas: 2,
        audited: true,
    };
    let mut site = Site::new(plan, Path::new(env!("CARGO_BIN_EXE_faulty-server")));
    for replica in &mut site.replicas {
        replica.set("replica_lease", LEASE);
    }
    site.sequencers[0].set("replica_lease", LEASE);
    start(&mut site);
    site
}

/// The same with a second sequencer that stands by, and with settings of its own.
fn site_with_stand_by(set: impl FnOnce(&mut Site)) -> Site {
    let plan = Plan {
        commits: Commits::Synchronous,
        sequencers: 2,
        replicas: 2,
        audited: true,
    };
    let mut site = Site::new(plan, Path::new(env!("CARGO_BIN_EXE_faulty-server")));
    set(&mut site);
    start(&mut site);
    site.sequencers[1].start();
    let admin = site.sequencers[1].admin();
    poll("the stand-by", PATIENCE, || admin.get("/readyz").ok());
    site
}

/// Starts the auditor, the first sequencer and the replicas.
fn start(site: &mut Site) {
    site.start_auditor();
    site.sequencers[0].start();
    site.sequencers[0].wait_until_ready();
    for replica in &mut site.replicas {
        replica.start();
        replica.wait_until_ready();
    }
}

fn asking(site: &Site, acknowledged: &[Acknowledged]) -> Asking {
    Asking {
        replicas: site.replicas.iter().map(|r| r.http()).collect(),
        trust: site.trust(&site.sequencers[0].http()),
        accounts: accounts(acknowledged),
        clients: 2,
        verified: 1,
    }
}

fn accounts(acknowledged: &[Acknowledged]) -> Vec<Label> {
    let mut labels: Vec<Label> = acknowledged.iter().map(|update| update.label.clone()).collect();
    labels.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    labels.dedup();
    labels
}

fn reason(site: &Site, replica: usize) -> Option<String> {
    let (status, body) = site.replicas[replica].http().get("/log/checkpoint").ok()?;
    let document: serde_json::Value = serde_json::from_slice(&body).ok()?;
    (status == 503).then(|| document["reason"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn every_answer_verifies_while_epochs_are_published_through_replicas() {
    let mut site = site(Commits::Synchronous);
    let (first, second) = (site.replicas[0].http(), site.replicas[1].http());
    let trust = site.trust(&first);
    // Updates come in by a replica as well, and heads never go back or fork at either.
    let places = [&first, &second].map(|http| (http.clone(), "/log/checkpoint".to_owned()));
    let (load, observer) = (Load::start(&first, &trust), Observer::of(places.into(), &trust));
    load.wait_for(6);
    let some = load.acknowledged();
    // What is acknowledged is published soon, and then proven by either.
    for http in [&first, &second] {
        for update in &some {
            let path = format!("/v1/accounts/{}", update.label.name());
            poll(&path, PATIENCE, || {
                matches!(http.get(&path), Ok((200, _))).then_some(())
            });
        }
    }
    let readers = Readers::start(&asking(&site, &some));
    load.wait_for(60);
    let figures = readers.finish();
    let acknowledged = load.finish();
    let heads = observer.finish();
    assert!(figures.took.len() > 20, "{} lookups", figures.took.len());
    assert_eq!(figures.refused, [], "reads did not go on");
    assert_eq!(figures.verified, figures.took.len());
    for http in [&first, &second] {
        let last = acknowledged.last().unwrap();
        poll("the last update at a replica", PATIENCE, || {
            is_included(http, last).then_some(())
        });
    }
    let seen = verify(&site.sequencers[0].http(), &trust, &heads, &acknowledged);
    assert!(seen.epochs > 5, "{seen}");

    // An update that finds no sequencer is refused, and the log does not say whose it was.
    site.sequencers[0].kill();
    let (status, _) = first
        .put("/v1/accounts/whose-name-is-secret", b"{}".into())
        .unwrap();
    assert_eq!(status, 503);
    let log = std::fs::read_to_string(site.replicas[0].folder().join("server.log")).unwrap();
    assert!(log.contains("not passed on") && !log.contains("secret"), "{log}");
}

/// `cargo xtask long replicas` does it for longer and with figures.
#[test]
fn reads_go_on_while_a_sequencer_fails_over() {
    let plan = measure::Plan {
        accounts: 20,
        period: Duration::from_secs(2),
        clients: 2,
        verified: 5,
        sequencers: 2,
        replica_lease: None,
    };
    let report = measure::run(&plan, Path::new(env!("CARGO_BIN_EXE_faulty-server")));
    println!("{report}");
    report.must_read_on();
    let failover = report.failover.unwrap();
    // Nobody waits for replicas that go on: less than one of them would answer by itself.
    let waited = failover.published - failover.takeover;
    assert!(waited < Duration::from_secs(10), "{waited:?}");
}

/// One replica reads from the standby that is promoted, the other from the one that follows it then.
#[test]
fn reads_go_on_while_the_primary_is_replaced() {
    let mut site = site_with_stand_by(|site| {
        for sequencer in &mut site.sequencers {
            sequencer.set("promotions", "most-advanced");
        }
    });
    let (first, second) = (site.replicas[0].http(), site.replicas[1].http());
    let trust = site.trust(&first);
    let places = [&first, &second].map(|http| (http.clone(), "/log/checkpoint".to_owned()));
    let (load, observer) = (Load::start(&first, &trust), Observer::of(places.into(), &trust));
    load.wait_for(6);
    let some = poll("published accounts", PATIENCE, || {
        Some(published(&site, &load)).filter(|some| some.len() > 3)
    });
    let readers = Readers::start(&asking(&site, &some));

    let killed = Instant::now();
    site.databases.kill_primary();
    let next = site.databases.most_advanced();
    site.databases.promote(next);
    for (sequencer, node) in (0..2).flat_map(|sequencer| (0..NODES).map(move |node| (sequencer, node))) {
        let link = site.sequencer_to_database(sequencer, node);
        link.aim(site.databases.port(next));
    }
    site.front.aim(site.sequencers[1].ports()[0]);
    site.sequencers[1].wait_until_ready();
    assert!(killed.elapsed() < LIMIT, "{:?}", killed.elapsed());
    let enough = load.acknowledged().len() + 1;
    load.wait_for(enough);
    // Names of replicas may have been lost with the primary: the next epoch waits as if there were others.
    poll("the updates since", PATIENCE, || {
        (published(&site, &load).len() >= enough).then_some(())
    });
    let figures = readers.finish();
    assert_eq!(figures.refused, [], "reads did not go on");
    assert!(figures.verified > 20, "{} lookups", figures.verified);
    let (acknowledged, heads) = (load.finish(), observer.finish());
    let seen = verify(&site.sequencers[1].http(), &trust, &heads, &acknowledged);
    assert_eq!(seen.late, 0, "{seen}");
}

/// One replica finds no sequencer, the other not its database: the next sequencer waits for neither longer than their lease.
#[test]
fn replicas_that_are_cut_off_while_a_sequencer_fails_over_answer_nothing_old() {
    let mut site = site_with_stand_by(|site| {
        for server in site.sequencers.iter_mut().chain(&mut site.replicas) {
            server.set("replica_lease", LEASE);
        }
    });
    let front = Http::local(site.front.port());
    let trust = site.trust(&front);
    let places = site
        .replicas
        .iter()
        .map(|one| (one.http(), "/log/checkpoint".to_owned()));
    let (load, observer) = (
        Load::start(&front, &trust),
        Observer::of(places.collect(), &trust),
    );
    load.wait_for(6);

    let killed = Instant::now();
    site.sequencers[0].kill();
    for sequencer in 0..2 {
        site.replica_to_sequencer(0, sequencer).cut();
    }
    site.replica_to_database(1).cut();
    site.sequencers[1].wait_until_ready();
    assert!(killed.elapsed() < LIMIT, "{:?}", killed.elapsed());
    site.front.aim(site.sequencers[1].ports()[0]);
    let enough = load.acknowledged().len() + 10;
    load.wait_for(enough);
    let last = load.acknowledged().pop().unwrap();
    poll("an epoch after the failover", PATIENCE, || {
        nothing_old(&site);
        is_included(&site.sequencers[1].http(), &last).then_some(())
    });
    for replica in 0..2 {
        poll("its fence", PATIENCE, || {
            nothing_old(&site);
            reason(&site, replica)
        });
    }

    for sequencer in 0..2 {
        site.replica_to_sequencer(0, sequencer).heal();
    }
    site.replica_to_database(1).heal();
    poll("the updates since", PATIENCE, || {
        nothing_old(&site);
        (published(&site, &load).len() >= enough).then_some(())
    });
    let (acknowledged, heads) = (load.finish(), observer.finish());
    let seen = verify(&site.sequencers[1].http(), &trust, &heads, &acknowledged);
    assert_eq!(seen.late, 0, "{seen}");
}

/// No replica answers from before the epoch that came before the second sequencer's newest.
fn nothing_old(site: &Site) {
    let size = |http: Http| {
        let (status, body) = http.get("/log/checkpoint").ok()?;
        let text = String::from_utf8(body).unwrap();
        (status == 200).then(|| text.lines().nth(1).unwrap().parse::<u64>().unwrap())
    };
    let newest = size(site.sequencers[1].http()).unwrap();
    for replica in &site.replicas {
        if let Some(shown) = size(replica.http()) {
            assert!(shown + 1 >= newest, "{shown} beside {newest}");
        }
    }
}

/// What either replica proves to be in the log.
fn published(site: &Site, load: &Load) -> Vec<Acknowledged> {
    let mut acknowledged = load.acknowledged();
    acknowledged.retain(|update| {
        let mut replicas = site.replicas.iter();
        replicas.all(|replica| is_included(&replica.http(), update))
    });
    acknowledged
}

/// Whether somebody proves an update to be in the log.
fn is_included(http: &Http, update: &Acknowledged) -> bool {
    let Ok((200, body)) = http.get(&format!("/v1/receipts/{}", update.id)) else {
        return false;
    };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    answer["status"] == "included"
}

#[test]
fn a_replica_that_cannot_follow_or_acknowledge_fences_itself_and_comes_back() {
    let mut site = site(Commits::Asynchronous);
    let trust = site.trust(&site.sequencers[0].http());
    let load = Load::start(&site.sequencers[0].http(), &trust);
    let places = site
        .replicas
        .iter()
        .map(|one| (one.http(), "/log/checkpoint".to_owned()));
    let observer = Observer::of(places.collect(), &trust);
    load.wait_for(3);

    // Its standby stands still.
    site.databases.pause_replay(1);
    poll("the fence of the slow one", PATIENCE, || reason(&site, 0));
    assert!(!site.replicas[0].is_ready());
    poll("its metric", PATIENCE, || {
        (site.replicas[0].metric("keyglass_replica_fenced") == Some(1.0)).then_some(())
    });
    // Nobody waits for it.
    let enough = load.acknowledged().len() + 10;
    load.wait_for(enough);
    assert!(site.replicas[1].is_ready());
    site.databases.resume_replay(1);
    poll("its return", PATIENCE, || {
        site.replicas[0].is_ready().then_some(())
    });

    // The sequencer does not hear of it.
    site.replica_to_sequencer(1, 0).cut();
    poll("the fence of the unheard", PATIENCE, || {
        (reason(&site, 1)? == "replica-unacknowledged").then_some(())
    });
    site.replica_to_sequencer(1, 0).heal();
    poll("its return", PATIENCE, || {
        site.replicas[1].is_ready().then_some(())
    });

    // Its database does not answer.
    site.replica_to_database(1).cut();
    poll("the fence of the cut off", PATIENCE, || reason(&site, 1));
    site.replica_to_database(1).heal();
    poll("its return", PATIENCE, || {
        site.replicas[1].is_ready().then_some(())
    });

    // It sleeps for longer than its lease, and knows when it wakes.
    site.replicas[0].pause();
    let enough = load.acknowledged().len() + 20;
    load.wait_for(enough);
    let waited = Instant::now();
    poll("the end of its lease", PATIENCE, || {
        (waited.elapsed().as_secs() >= 4).then_some(())
    });
    site.replicas[0].wake();
    poll("its return", PATIENCE, || {
        site.replicas[0].is_ready().then_some(())
    });
    let acknowledged = load.finish();
    let heads = observer.finish();
    let figures = {
        let readers = Readers::start(&asking(&site, &acknowledged[..3]));
        let began = Instant::now();
        poll("lookups", PATIENCE, || {
            (began.elapsed().as_millis() > 200).then_some(())
        });
        readers.finish()
    };
    assert!(figures.verified > 0 && figures.refused.is_empty(), "{figures:?}");
    let seen = verify(&site.sequencers[0].http(), &trust, &heads, &acknowledged);
    assert!(seen.epochs > 5 && seen.heads > 5, "{seen}");
}
