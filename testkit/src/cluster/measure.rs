//! What reading costs with one, two and three replicas, and while a sequencer fails over.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use keyglass_protocol::label::Label;
use keyglass_protocol::message::{B64, PutRequest};

use super::{Asking, Commits, Figures, PATIENCE, Plan as SitePlan, Readers, Server, Site};
use crate::kill::Load;
use crate::process::poll;
use crate::world::Person;

/// Clock ticks a second in `/proc/<pid>/stat`, on every Linux.
const TICKS: f64 = 100.0;

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Accounts that are looked up.
    pub accounts: usize,
    /// How long each measurement takes.
    pub period: Duration,
    /// Clients at the same time.
    pub clients: usize,
    /// Of so many lookups one is verified to the end.
    pub verified: usize,
    /// Sequencers: with two, the first is killed while clients read.
    pub sequencers: usize,
    /// The fence's lease, in ms; `None`: what the server takes by itself.
    pub replica_lease: Option<u64>,
}

/// Lookups of one period.
#[derive(Debug)]
pub struct Measured {
    /// Replicas that were asked.
    pub replicas: usize,
    /// What the clients saw.
    pub figures: Figures,
    /// How long it took.
    pub took: Duration,
    /// CPU seconds of the replicas' processes meanwhile.
    pub cpu: f64,
}

/// What was measured.
#[derive(Debug)]
pub struct Report {
    /// With 1, 2 and 3 replicas.
    pub scaled: Vec<Measured>,
    /// At rest, then from the kill of the sequencer until another one publishes; none with one sequencer.
    pub failover: Option<Failover>,
}

/// One failover.
#[derive(Debug)]
pub struct Failover {
    /// Lookups while all was well, under the same updates.
    pub before: Measured,
    /// Lookups from the kill on.
    pub during: Measured,
    /// From the kill until an update is acknowledged again.
    pub takeover: Duration,
    /// From the kill until that update is proven by every replica.
    pub published: Duration,
}

/// How long a takeover may take.
const TAKEOVER: Duration = Duration::from_secs(15);

impl Report {
    /// Demands that every lookup was answered, also while a sequencer failed over, and that another one went on soon.
    ///
    /// # Panics
    /// It is not so.
    pub fn must_read_on(&self) {
        let failover = self.failover.iter().flat_map(|one| [&one.before, &one.during]);
        for measured in self.scaled.iter().chain(failover) {
            assert_eq!(measured.figures.refused, [], "reads did not go on\n{self}");
            assert!(measured.figures.verified > 0, "{self}");
        }
        let takeover = self.failover.as_ref().map_or(Duration::ZERO, |one| one.takeover);
        assert!(takeover <= TAKEOVER, "{self}");
    }
}

impl Failover {
    /// The 99th of 100 lookups while the sequencer failed over, in parts of the one before.
    pub fn slower(&self) -> f64 {
        let p99 = |m: &Measured| m.figures.within(0.99).as_secs_f64();
        p99(&self.during) / p99(&self.before)
    }
}

impl Measured {
    fn per_second(&self) -> f64 {
        self.figures.took.len() as f64 / self.took.as_secs_f64()
    }

    fn cpu_per_lookup(&self) -> f64 {
        self.cpu * 1e6 / (self.figures.took.len().max(1) as f64)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |part| self.figures.within(part).as_secs_f64() * 1e3;
        write!(
            f,
            "{:>7.0} lookups/s, median {:.1} ms, 99th of 100 {:.1} ms, {:.0} us of replica CPU each; {} verified, {} refused",
            self.per_second(),
            ms(0.5),
            ms(0.99),
            self.cpu_per_lookup(),
            self.figures.verified,
            self.figures.refused.len()
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.scaled.first().map_or(f64::NAN, Measured::per_second);
        for measured in &self.scaled {
            let ratio = measured.per_second() / one;
            writeln!(
                f,
                "{} replicas, {ratio:.2} times one: {measured}",
                measured.replicas
            )?;
        }
        let Some(failover) = &self.failover else {
            return Ok(());
        };
        writeln!(f, "before the failover: {}", failover.before)?;
        writeln!(f, "during the failover: {}", failover.during)?;
        writeln!(
            f,
            "99th of 100 during / before: {:.2}; an update was acknowledged again after {:.1} s, and proven by every replica \
             after {:.1} s",
            failover.slower(),
            failover.takeover.as_secs_f64(),
            failover.published.as_secs_f64()
        )
    }
}

/// Does the plan with the program `faulty-server` or `keyglass-server`.
///
/// # Panics
/// An answer does not verify.
pub fn run(plan: &Plan, program: &Path) -> Report {
    let mut site = Site::new(
        SitePlan {
            commits: Commits::Synchronous,
            sequencers: plan.sequencers,
            replicas: 3,
            audited: true,
        },
        program,
    );
    for server in site.sequencers.iter_mut().chain(&mut site.replicas) {
        if let Some(lease) = plan.replica_lease {
            server.set("replica_lease", format!("{lease}ms"));
        }
    }
    site.start_auditor();
    site.sequencers[0].start();
    site.sequencers[0].wait_until_ready();
    for replica in &mut site.replicas {
        replica.start();
        replica.wait_until_ready();
    }
    let accounts = publish(&site, plan.accounts);
    let asking = |site: &Site, replicas: usize| Asking {
        replicas: site.replicas[..replicas].iter().map(Server::http).collect(),
        trust: site.trust(&site.replicas[0].http()),
        accounts: accounts.clone(),
        clients: plan.clients,
        verified: plan.verified,
    };
    let scaled = (1..=3).map(|replicas| {
        let asking = asking(&site, replicas);
        measure(&mut site, &asking, |_| wait(plan.period))
    });
    let scaled = scaled.collect();
    let failover = (plan.sequencers > 1).then(|| {
        let asking = asking(&site, 3);
        fail_over(&mut site, plan, &asking)
    });
    Report { scaled, failover }
}

/// Publishes accounts and waits until every replica knows them.
fn publish(site: &Site, count: usize) -> Vec<Label> {
    let http = site.replicas[0].http();
    let people: Vec<Person> = (0..count)
        .map(|n| Person::new(&format!("reader{n}"), n as u8))
        .collect();
    for person in &people {
        let request = PutRequest {
            record: B64(person.newest.bytes().to_vec()),
        };
        let (path, body) = (path_of(&person.label()), serde_json::to_vec(&request).unwrap());
        poll("an account", PATIENCE, || {
            matches!(http.put(&path, body.clone()), Ok((202, _))).then_some(())
        });
    }
    let labels: Vec<Label> = people.iter().map(Person::label).collect();
    for replica in &site.replicas {
        let http = replica.http();
        for path in labels.iter().map(path_of) {
            poll(&path, PATIENCE, || {
                matches!(http.get(&path), Ok((200, _))).then_some(())
            });
        }
    }
    labels
}

fn path_of(label: &Label) -> String {
    format!("/v1/accounts/{}", label.name())
}

fn measure(site: &mut Site, asking: &Asking, work: impl FnOnce(&mut Site)) -> Measured {
    let (before, began) = (cpu(site), Instant::now());
    let readers = Readers::start(asking);
    work(site);
    let figures = readers.finish();
    Measured {
        replicas: asking.replicas.len(),
        figures,
        took: began.elapsed(),
        cpu: cpu(site) - before,
    }
}

fn fail_over(site: &mut Site, plan: &Plan, asking: &Asking) -> Failover {
    // The stand-by waits for its turn.
    site.sequencers[1].start();
    let admin = site.sequencers[1].admin();
    poll("the stand-by", PATIENCE, || admin.get("/readyz").ok());
    let http = site.replicas[0].http();
    let load = Load::start(&http, &site.trust(&http));
    load.wait_for(5);
    let before = measure(site, asking, |_| wait(plan.period));
    let (mut takeover, mut published) = (Duration::ZERO, Duration::ZERO);
    let during = measure(site, asking, |site| {
        let began = Instant::now();
        site.sequencers[0].kill();
        let acknowledged = load.acknowledged().len();
        let next = site.sequencers[1].ports()[0];
        site.front.aim(next);
        // The last one may have been on its way when the sequencer died.
        load.wait_for(acknowledged + 4);
        takeover = began.elapsed();
        wait_for_proof(site, &load);
        published = began.elapsed();
        wait(plan.period.saturating_sub(published));
    });
    load.finish();
    Failover {
        before,
        during,
        takeover,
        published,
    }
}

/// Waits until every replica proves the newest update.
fn wait_for_proof(site: &Site, load: &Load) {
    let newest = load.acknowledged().pop().unwrap();
    for replica in &site.replicas {
        let (http, path) = (replica.http(), format!("/v1/receipts/{}", newest.id));
        poll("the update at a replica", PATIENCE, || {
            let (_, body) = http.get(&path).ok()?;
            let answer: serde_json::Value = serde_json::from_slice(&body).ok()?;
            (answer["status"] == "included").then_some(())
        });
    }
}

/// Nothing to wait for but time: this is what is measured.
fn wait(period: Duration) {
    std::thread::sleep(period);
}

/// CPU seconds of all replicas so far.
fn cpu(site: &mut Site) -> f64 {
    let used = site.replicas.iter_mut().map(|replica| {
        let path = format!("/proc/{}/stat", replica.process().id());
        let stat = std::fs::read_to_string(path).unwrap();
        // After the name, which is in parentheses: utime and stime are the 12th and the 13th.
        let after = stat.rsplit(')').next().unwrap();
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS
    });
    used.sum()
}
