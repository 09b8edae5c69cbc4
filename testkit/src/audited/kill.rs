//! The real auditor is killed with SIGKILL between every two writes and at random moments, while its directory goes on.
//! Whatever left it is collected outside: one root per size for ever, and the same bytes for one size and time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keyglass_auditor::clock::{Clock as _, SystemClock};
use keyglass_auditor::moments::Moment;
use keyglass_auditor::run::DATABASE_FILE;
use keyglass_protocol::note::SignedCheckpoint;
use keyglass_protocol::quantity::{Epoch, LogHash, LogSize};
use keyglass_schema::auditor::AuditorStore;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{World, note, site};
use crate::http::Http;
use crate::process::{Process, poll};

const PATIENCE: Duration = Duration::from_secs(60);
/// Latest random moment, counted from the start of the process.
const RANDOM_UNTIL_MS: u64 = 400;
/// Between two epochs, and longest for all of them: leaves may neither lie ahead nor an hour behind.
const STEP_MS: u64 = 100;
const EPOCHS_TAKE_MS: u64 = 1_800_000;
/// Name of the log.
const LOG: &str = "log.example/1";

/// How often to kill.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Times at each moment.
    pub each_moment: u32,
    /// Times at a random moment.
    pub random: u32,
    /// Decides the random ones.
    pub seed: u64,
}

/// What was done and found.
#[derive(Debug)]
pub struct Report {
    /// Kills at each moment.
    pub moments: BTreeMap<Moment, u32>,
    /// Kills at a random moment.
    pub random: u32,
    /// Epochs of the directory, all verified.
    pub epochs: u64,
    /// Different sizes for which a cosignature was seen.
    pub sizes: usize,
    /// Cosigned notes that were seen outside.
    pub notes: usize,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kills = self.moments.values().sum::<u32>() + self.random;
        writeln!(f, "{kills:>5}  kills of the auditor with SIGKILL")?;
        for (moment, count) in &self.moments {
            writeln!(f, "{count:>5}    at the moment {}", moment.name())?;
        }
        writeln!(f, "{:>5}    at a random moment", self.random)?;
        writeln!(f, "{:>5}  epochs, all verified, none skipped", self.epochs)?;
        writeln!(
            f,
            "{:>5}  cosigned notes seen outside over {} sizes, one root each",
            self.notes, self.sizes
        )?;
        writeln!(f, "{:>5}  seconds", self.took.as_secs())
    }
}

/// What was seen of the auditor from outside.
#[derive(Default)]
struct Seen {
    roots: BTreeMap<u64, LogHash>,
    lines: BTreeMap<(u64, u64), String>,
    notes: usize,
}

impl Seen {
    fn take(&mut self, world: &World, bytes: &[u8]) {
        let open = SignedCheckpoint::open(bytes, &world.log_key()).unwrap();
        let head = open.checkpoint();
        let size = head.size.get();
        let root = *self.roots.entry(size).or_insert(head.root);
        assert_eq!(root, head.root, "two roots cosigned for size {size}");
        assert_eq!(root, world.root_of(size), "a root cosigned that is not the log's");
        let ours: Vec<String> = open
            .note()
            .signatures()
            .iter()
            .filter(|line| line.name != LOG)
            .map(keyglass_protocol::note::SignatureLine::to_line)
            .collect();
        assert_eq!(ours.len(), 2, "an Ed25519 and an ML-DSA-44 line");
        let time = u64::from_be_bytes(open.note().signatures()[1].signature[..8].try_into().unwrap());
        let lines = self
            .lines
            .entry((size, time))
            .or_insert_with(|| ours.join("\n"))
            .clone();
        assert_eq!(
            lines,
            ours.join("\n"),
            "two cosignatures for size {size} at one time"
        );
        self.notes += 1;
    }
}

struct Scene {
    program: PathBuf,
    dir: TempDir,
    world: World,
    runtime: Runtime,
    base: String,
    seen: Seen,
    taken: usize,
}

impl Scene {
    fn new(program: &Path) -> Self {
        let runtime = Runtime::new().unwrap();
        // The real clock is asked how old leaves are.
        let start = SystemClock.now().get() - EPOCHS_TAKE_MS;
        let world = runtime.block_on(World::starting_at(start, STEP_MS));
        let base = site::serve(world.source.clone());
        Self {
            program: program.to_owned(),
            dir: tempfile::tempdir().unwrap(),
            world,
            runtime,
            base,
            seen: Seen::default(),
            taken: 0,
        }
    }

    fn publish(&mut self, epochs: u64) {
        for _ in 0..epochs {
            let staged = self.runtime.block_on(self.world.stage(1));
            self.world.put(&staged);
        }
        self.world.sign();
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("auditor")
    }

    fn start(&self, stop_at: Option<(Moment, u32)>) -> Process {
        let mut arguments: Vec<String> = [
            "--directory",
            &self.base,
            "--log-vkey",
            &self.world.log_key().to_string(),
            "--data-dir",
            &self.data().to_string_lossy(),
            "--listen",
            "127.0.0.1:0",
            "--poll-interval-ms",
            "10",
            "--refresh-interval-seconds",
            "1",
            "--log-filter",
            "warn",
        ]
        .map(str::to_owned)
        .into();
        if let Some((moment, occurrence)) = stop_at {
            arguments.extend(["--stop-at".to_owned(), format!("{}:{occurrence}", moment.name())]);
        }
        Process::start(&self.program, &arguments, &self.dir.path().join("auditor.log"))
    }

    /// What the directory was given since the last look.
    fn collect(&mut self) {
        let handed_in = self.world.source.handed_in();
        for note in &handed_in[self.taken..] {
            self.seen.take(&self.world, note);
        }
        self.taken = handed_in.len();
    }

    /// What the auditor itself shows.
    fn shown(&mut self, http: &Http) -> Option<u64> {
        let (status, note) = http.get(&format!("/{}/checkpoint", log_path())).ok()?;
        if status != 200 {
            return None;
        }
        self.seen.take(&self.world, &note);
        let open = SignedCheckpoint::open(&note, &self.world.log_key()).unwrap();
        Some(open.checkpoint().size.get())
    }

    fn kill_at(&mut self, moment: Moment, occurrence: u32) {
        let mut auditor = self.start(Some((moment, occurrence)));
        let reached = format!("reached {}", moment.name());
        auditor.wait_for(PATIENCE, |line| (line == reached).then_some(()));
        auditor.kill();
        self.collect();
    }

    fn kill_after(&mut self, moment: Duration) {
        let auditor = self.start(None);
        // Not to wait for anything: this is the moment.
        std::thread::sleep(moment);
        auditor.kill();
        self.collect();
    }

    /// Runs until everything is cosigned.
    fn catch_up(&mut self) -> (Process, Http) {
        let mut auditor = self.start(None);
        let address = auditor.wait_for(PATIENCE, |line| Some(line.strip_prefix("serving ")?.to_owned()));
        let http = Http::new(&format!("http://{address}"));
        let all = self.world.size().get();
        poll("the auditor", PATIENCE, || {
            assert!(
                auditor.ended().is_none(),
                "ended by itself{}",
                auditor.last_words()
            );
            (self.shown(&http) == Some(all)).then_some(())
        });
        self.collect();
        (auditor, http)
    }
}

fn log_path() -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(LOG.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Does the whole plan with the program `faulty-auditor`.
///
/// # Panics
/// Anything that must hold does not.
pub fn run(plan: &Plan, program: &Path) -> Report {
    let began = Instant::now();
    let mut scene = Scene::new(program);
    let mut moments = BTreeMap::new();
    let mut random = plan.seed;
    for turn in 0..plan.each_moment {
        for moment in Moment::ALL {
            if matches!(moment, Moment::Evidence | Moment::Latched) {
                continue;
            }
            // Enough epochs for several commits now and then.
            scene.publish(if turn % 2 == 0 { 2 } else { 70 });
            // What is shown first after a start is what was signed before.
            let second = matches!(moment, Moment::Signed | Moment::Kept | Moment::Shown) && turn > 0;
            scene.kill_at(moment, if second { 2 } else { 1 });
            *moments.entry(moment).or_default() += 1;
        }
        let (auditor, _) = scene.catch_up();
        auditor.kill();
    }
    for _ in 0..plan.random {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        scene.publish(3);
        scene.kill_after(Duration::from_millis((random >> 33) % RANDOM_UNTIL_MS));
    }
    let (auditor, http) = scene.catch_up();
    // What it shows may have been signed before its last start: then it has yet to check it again.
    poll("the auditor to be ready", PATIENCE, || {
        let (status, _) = http.get("/readyz").unwrap();
        (status == 200).then_some(())
    });
    auditor.kill();
    nothing_skipped(&scene);
    killed_while_accusing(&mut scene, &mut moments);
    Report {
        moments,
        random: plan.random,
        epochs: scene.world.size().get(),
        sizes: scene.seen.roots.len(),
        notes: scene.seen.notes,
        took: began.elapsed(),
    }
}

fn nothing_skipped(scene: &Scene) {
    let store = AuditorStore::open(&scene.data().join(DATABASE_FILE)).unwrap();
    let (_, id) = store.directories().unwrap().remove(0);
    let verified = store.verified(id).unwrap();
    assert_eq!(
        (verified.start, verified.size),
        (LogSize::ZERO, scene.world.size())
    );
    assert_eq!(verified.root, scene.world.root());
    for (epoch, entry) in (0..).zip(&scene.world.entries) {
        assert_eq!(store.leaf(id, Epoch::new(epoch)).unwrap().as_ref(), Some(entry));
    }
}

/// The directory forks and takes it back, and the auditor dies in between: it must not forget.
fn killed_while_accusing(scene: &mut Scene, moments: &mut BTreeMap<Moment, u32>) {
    for moment in [Moment::Evidence, Moment::Latched] {
        let fork = note(10, scene.world.size(), LogHash::new([3; 32]));
        scene.world.source.put("/log/pending", fork);
        scene.kill_at(moment, 1);
        *moments.entry(moment).or_default() += 1;
        scene.publish(1);
        let mut auditor = scene.start(None);
        let address = auditor.wait_for(PATIENCE, |line| Some(line.strip_prefix("serving ")?.to_owned()));
        let http = Http::new(&format!("http://{address}"));
        let (status, body) = http.get("/readyz").unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(status == 503 && body.contains("two-roots-at-one-size"), "{body}");
        auditor.kill();
        let store = AuditorStore::open(&scene.data().join(DATABASE_FILE)).unwrap();
        let (_, id) = store.directories().unwrap().remove(0);
        let now = store.latched(id).unwrap().unwrap().at;
        assert_eq!(store.clear_latches(id, "a test", now).unwrap(), 1);
        // With the owner's consent it goes on, and signs the one true head.
        let (auditor, _) = scene.catch_up();
        auditor.kill();
    }
}
