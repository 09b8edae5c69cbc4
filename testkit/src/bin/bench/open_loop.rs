//! Latency under an open load: a request is due at its time, whether or not earlier ones were answered, and what it took
//! is counted from then on. First with nothing else to do, then while a batch is published.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use keyglass_protocol::message::{B64, PutRequest};
use keyglass_testkit::world::Person;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::Options;
use crate::served::{Address, Connection, Server, database, path};

/// Connections at the same time.
const CONNECTIONS: u8 = 16;
/// How long the knee is looked for, and how long an open load lasts with nothing else to do.
const LOAD: Duration = Duration::from_secs(10);
/// Time between two epochs: long enough to hand in a whole batch.
const INTERVAL: Duration = Duration::from_secs(120);
/// The open load begins so long before the publish.
const LEAD: Duration = Duration::from_secs(3);
/// The longest publish that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// Part of the knee that is offered.
const PART: f64 = 0.7;

/// What was seen.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OpenLoop {
    /// Lookups a second that all connections together get when each asks at once again.
    pub(crate) knee: f64,
    /// 99th of 100 in seconds, with nothing else to do.
    pub(crate) idle: f64,
    /// The same while a batch is published.
    pub(crate) publishing: f64,
    /// How long that took, from the freezing of the batch until its account is found. Seconds.
    pub(crate) publish: f64,
}

impl OpenLoop {
    /// No figure at all.
    pub(crate) const UNMEASURED: Self = Self {
        knee: f64::NAN,
        idle: f64::NAN,
        publishing: f64::NAN,
        publish: f64::NAN,
    };
}

/// One answered request: when it was due, and what it took from then.
type Taken = (Instant, f64);

/// Serves the directory in `folder`, and adds a batch of accounts to it.
pub(crate) fn measure(o: &Options, folder: &Path) -> Result<OpenLoop> {
    let interval = format!("{}s", INTERVAL.as_secs());
    let batch = o.batch.to_string();
    let more = ["--epoch-interval", &interval, "--max-batch", &batch];
    let running = Server::start(folder, &[database(o).as_slice(), &more].concat())?;
    let server = &running.address;
    let people = people(o.batch);
    let (first, rest) = people.split_first().ok_or_else(|| anyhow!("no batch"))?;
    submit(&mut server.connect()?, first)?;
    let epoch = Instant::now();
    found(server, first)?;
    let knee = closed(o, server)?;
    let rate = knee * PART;
    let (begin, end) = (Instant::now(), Instant::now() + LOAD);
    let idle = open(o, server, (rate, 1), begin, || end)?;
    hand_in(server, rest)?;
    let due = epoch + INTERVAL;
    ensure!(
        Instant::now() + LEAD < due,
        "handing in took longer than an epoch"
    );
    let last = rest.last().unwrap_or(first);
    let flipped = Mutex::new(None);
    let busy = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            found(server, last)?;
            *flipped.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
            anyhow::Ok(())
        });
        let until = || {
            let flipped = *flipped.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            flipped.unwrap_or_else(|| Instant::now() + LEAD)
        };
        let busy = open(o, server, (rate, 2), due - LEAD, until);
        watch.join().map_err(|_| anyhow!("the watch died"))??;
        busy
    })?;
    let end = flipped
        .into_inner()
        .ok()
        .flatten()
        .ok_or_else(|| anyhow!("no flip"))?;
    let during = busy.into_iter().filter(|(at, _)| (due..end).contains(at));
    Ok(OpenLoop {
        knee,
        idle: percentile(idle.into_iter()),
        publishing: percentile(during),
        publish: end.saturating_duration_since(due).as_secs_f64(),
    })
}

/// New accounts: each a record, signed.
fn people(count: u32) -> Vec<Person> {
    (0..count).map(|i| Person::new(&format!("new-{i}"), 1)).collect()
}

fn submit(connection: &mut Connection, person: &Person) -> Result<()> {
    let record = B64(person.newest.bytes().to_vec());
    let body = serde_json::to_vec(&PutRequest { record })?;
    let status = connection.put(&format!("/v1/accounts/{}", person.id), &body)?;
    ensure!(status == 202, "an account was not taken: {status}");
    Ok(())
}

fn hand_in(server: &Address, people: &[Person]) -> Result<()> {
    let share = people.len().div_ceil(usize::from(CONNECTIONS)).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = people
            .chunks(share)
            .map(|share| {
                scope.spawn(move || {
                    let mut connection = server.connect()?;
                    share
                        .iter()
                        .try_for_each(|person| submit(&mut connection, person))
                })
            })
            .collect();
        join(threads).map(drop)
    })
}

/// Waits until an account is found.
fn found(server: &Address, person: &Person) -> Result<()> {
    let (mut connection, until) = (server.connect()?, Instant::now() + PATIENCE);
    while connection.get(&format!("/v1/accounts/{}", person.id))?.0 != 200 {
        ensure!(
            Instant::now() < until,
            "a batch was not published within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Lookups a second when nobody waits for anything but the answer.
fn closed(o: &Options, server: &Address) -> Result<f64> {
    let began = Instant::now();
    let counts = each_connection(|number| {
        let (mut connection, mut random, mut count) =
            (server.connect()?, ChaCha8Rng::seed_from_u64(number.into()), 0_u32);
        while began.elapsed() < LOAD {
            ask(&mut connection, o, &mut random)?;
            count = count.saturating_add(1);
        }
        Ok(count)
    })?;
    Ok(counts.into_iter().map(f64::from).sum::<f64>() / began.elapsed().as_secs_f64())
}

/// Asks at a rate, for accounts that follow from a seed, from `start` until `until` lies in the past. Another seed each time: whoever
/// is asked for again costs a fifth.
fn open(
    o: &Options,
    server: &Address,
    (rate, seed): (f64, u64),
    start: Instant,
    until: impl Fn() -> Instant + Sync,
) -> Result<Vec<Taken>> {
    let pause = Duration::from_secs_f64(f64::from(CONNECTIONS) / rate);
    let taken = each_connection(|number| {
        let mut random = ChaCha8Rng::seed_from_u64(u64::from(number) + seed * 1_000);
        let mut at = start + pause.mul_f64(f64::from(number) / f64::from(CONNECTIONS));
        // Not before: the server closes a connection on which nothing is asked.
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        let mut connection = server.connect()?;
        let (mut taken, end) = (Vec::new(), Instant::now() + PATIENCE);
        while Instant::now() < until() && at < end {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
            ask(&mut connection, o, &mut random)?;
            taken.push((at, at.elapsed().as_secs_f64()));
            at += pause;
        }
        Ok(taken)
    })?;
    Ok(taken.into_iter().flatten().collect())
}

fn each_connection<T: Send>(work: impl Fn(u8) -> Result<T> + Sync) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads = (0..CONNECTIONS).map(|number| scope.spawn(move || work(number)));
        join(threads.collect())
    })
}

fn join<T>(threads: Vec<std::thread::ScopedJoinHandle<'_, Result<T>>>) -> Result<Vec<T>> {
    let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
    joined
        .map(|done| done.map_err(|_| anyhow!("a client died"))?)
        .collect()
}

/// Anybody's account.
fn ask(connection: &mut Connection, o: &Options, random: &mut ChaCha8Rng) -> Result<()> {
    let (status, _) = connection.get(&path(random.random_range(0..o.accounts)))?;
    ensure!(status == 200, "a lookup was answered with {status}");
    Ok(())
}

fn percentile(taken: impl Iterator<Item = Taken>) -> f64 {
    let mut all: Vec<f64> = taken.map(|(_, seconds)| seconds).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len().saturating_mul(99) / 100)
        .copied()
        .unwrap_or(f64::NAN)
}
