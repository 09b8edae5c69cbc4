//! Hostile clients, all at once, against a real server process: nothing ends it, nothing is a 5xx, memory stays where it
//! was, and an honest client is answered all the while.

mod attacks;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::process::{Process, free_ports, poll};
use attacks::{ATTACKS, Attack};

/// How hostile, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Time of the mix.
    pub time: Duration,
    /// Clients that attack at once.
    pub clients: u64,
    /// Connections that are opened, begun, and left standing.
    pub standing: usize,
    /// Decides who does what.
    pub seed: u64,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Report {
    /// Answers to the attacks by status; 0 is a connection that was closed without one.
    pub answers: BTreeMap<u16, u64>,
    /// Attacks by name.
    pub attacks: BTreeMap<&'static str, u64>,
    /// Resident memory in bytes before the mix.
    pub before: u64,
    /// Most resident memory in bytes during the mix.
    pub peak: u64,
    /// Times of the honest client's lookups, sorted.
    pub honest: Vec<Duration>,
}

impl Report {
    /// By how many bytes the memory grew.
    pub fn growth(&self) -> u64 {
        self.peak.saturating_sub(self.before)
    }

    /// Answers that the server must never give.
    pub fn failures(&self) -> u64 {
        self.answers.range(500..).map(|(_, count)| count).sum()
    }

    fn quantile(&self, thousandths: usize) -> Duration {
        let place = self.honest.len().saturating_sub(1) * thousandths / 1000;
        self.honest.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        writeln!(f, "attacks {}", self.attacks.values().sum::<u64>())?;
        for (name, count) in &self.attacks {
            writeln!(f, "  {name} {count}")?;
        }
        writeln!(f, "answers (0: closed without one)")?;
        for (status, count) in &self.answers {
            writeln!(f, "  {status} {count}")?;
        }
        writeln!(
            f,
            "resident before {:.1} MiB, peak {:.1} MiB, growth {:.1} MiB",
            mib(self.before),
            mib(self.peak),
            mib(self.growth())
        )?;
        write!(
            f,
            "honest lookups {}: median {:?}, p99 {:?}",
            self.honest.len(),
            self.quantile(500),
            self.quantile(990)
        )
    }
}

/// Starts `server` in a folder of its own and attacks it.
///
/// # Panics
/// It ends, panics, or stops answering.
pub fn run(plan: &Plan, server: &Path) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let [api, admin] = free_ports();
    let log = dir.path().join("server.log");
    let arguments = [
        "--listen".to_owned(),
        format!("127.0.0.1:{api}"),
        "--admin-listen".to_owned(),
        format!("127.0.0.1:{admin}"),
        "--data-dir".to_owned(),
        dir.path().join("data").display().to_string(),
        // So that there are many clients, each with its limit.
        "--trusted-proxy".to_owned(),
        "127.0.0.1".to_owned(),
        "--request-timeout".to_owned(),
        "2s".to_owned(),
    ];
    let mut process = Process::start(server, &arguments, &log);
    let target = SocketAddr::from(([127, 0, 0, 1], api));
    let health = SocketAddr::from(([127, 0, 0, 1], admin));
    poll("readiness", Duration::from_secs(60), || {
        (status(&get(health, "/readyz", "")) == Some(200)).then_some(())
    });
    // What a server in use holds anyway is not growth.
    for n in 0..200 {
        let warm = get(
            target,
            &format!("/v1/accounts/warm-{n}"),
            &format!("192.0.2.{}", n % 200),
        );
        assert_eq!(status(&warm), Some(404));
    }
    let report = attack(plan, target, process.id());
    assert_eq!(process.ended(), None, "{}", process.last_words());
    assert_eq!(
        status(&get(target, "/v1/config", "203.0.113.9")),
        Some(200),
        "it answers afterwards"
    );
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(!said.contains("panicked"), "{}", process.last_words());
    report
}

/// Everybody at once.
fn attack(plan: &Plan, target: SocketAddr, process: u32) -> Report {
    let before = resident(process);
    let report = Mutex::new(Report {
        before,
        peak: before,
        ..Report::default()
    });
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for client in 0..plan.clients {
            let (report, over, seed) = (&report, &over, plan.seed.wrapping_add(client));
            scope.spawn(move || hostile(target, seed, over, report));
        }
        scope.spawn(|| leave_standing(target, plan.standing, &over));
        let honest = scope.spawn(|| honest(target, &over));
        let until = Instant::now() + plan.time;
        while Instant::now() < until {
            let now = resident(process);
            let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
            report.peak = report.peak.max(now);
            drop(report);
            std::thread::sleep(Duration::from_millis(50));
        }
        over.store(true, Ordering::Relaxed);
        let mut times = honest.join().unwrap();
        times.sort_unstable();
        report.lock().unwrap().honest = times;
    });
    report.into_inner().unwrap()
}

/// One attack after the other, in an order that the seed decides.
fn hostile(target: SocketAddr, seed: u64, over: &AtomicBool, report: &Mutex<Report>) {
    let mut random = StdRng::seed_from_u64(seed);
    while !over.load(Ordering::Relaxed) {
        let Attack { name, bytes, reads } = ATTACKS[random.random_range(0..ATTACKS.len())];
        let answer = send(target, &bytes(&mut random), reads);
        let mut report = report.lock().unwrap();
        *report.attacks.entry(name).or_default() += 1;
        *report.answers.entry(status(&answer).unwrap_or(0)).or_default() += 1;
    }
}

/// Connections with half a head, held as long as the server holds them.
fn leave_standing(target: SocketAddr, count: usize, over: &AtomicBool) {
    let mut open: Vec<TcpStream> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        open.retain(|stream| {
            let closed = matches!((&*stream).read(&mut [0; 256]), Ok(0));
            !closed
        });
        while open.len() < count {
            let Ok(stream) = TcpStream::connect(target) else {
                break;
            };
            stream.set_nonblocking(true).unwrap();
            let half = format!("GET /v1/config HTTP/1.1\r\nhost: a\r\nx: {}", "y".repeat(8_000));
            let _full = (&stream).write(half.as_bytes());
            open.push(stream);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Lookups of a client who does nothing wrong, at most 50 a second.
fn honest(target: SocketAddr, over: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let answer = get(target, "/v1/accounts/warm-1", "203.0.113.7");
        times.push(asked.elapsed());
        assert_eq!(status(&answer), Some(404), "{}", String::from_utf8_lossy(&answer));
        std::thread::sleep(Duration::from_millis(20));
    }
    times
}

/// A request of the client `from`.
fn get(target: SocketAddr, path: &str, from: &str) -> Vec<u8> {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {from}\r\nconnection: close\r\n\r\n");
    send(target, request.as_bytes(), true)
}

/// Sends bytes and returns what comes back, or nothing if it is not read.
fn send(target: SocketAddr, bytes: &[u8], reads: bool) -> Vec<u8> {
    let mut answer = Vec::new();
    let Ok(mut stream) = TcpStream::connect(target) else {
        return answer;
    };
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    // The server may close before it has read everything.
    let _cut_off = stream.write_all(bytes);
    if reads {
        let _cut_off = stream.take(1 << 22).read_to_end(&mut answer);
    }
    answer
}

/// The status of the last answer in these bytes.
fn status(answer: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(answer);
    let line = text.split("HTTP/1.1 ").nth(1)?;
    line.get(..3)?.parse().ok()
}

/// Resident memory of a process in bytes.
fn resident(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
