//! The server is killed with SIGKILL, again and again, inside every step of publishing and at random moments, while
//! clients publish. Afterwards everything is verified from outside, over HTTP, with `protocol` only.

mod load;
mod observer;
mod outside;
mod scene;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use keyglass_server::publisher::Step;

pub(crate) use load::Updater;
pub use load::{Acknowledged, Load};
pub use observer::{Heads, Observer};
pub use outside::{Seen, verify};
pub use scene::Scene;

use crate::process::Process;

/// How long a step may take to be reached, and the server to be ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// Latest random moment, counted from the start of the process.
const RANDOM_UNTIL_MS: u64 = 900;

/// How often to kill.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Times inside each step.
    pub each_step: u32,
    /// Times at a random moment.
    pub random: u32,
    /// Decides order and moments.
    pub seed: u64,
}

/// What was done and found.
#[derive(Debug)]
pub struct Report {
    /// Kills inside each step.
    pub steps: BTreeMap<Step, u32>,
    /// Kills at a random moment.
    pub random: u32,
    /// What the outside observer found.
    pub seen: Seen,
    /// How long it took.
    pub took: Duration,
    /// How much of it was the verification at the end.
    pub verifying: Duration,
}

impl Report {
    /// All kills.
    pub fn kills(&self) -> u32 {
        self.steps.values().sum::<u32>() + self.random
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>5}  kills with SIGKILL", self.kills())?;
        for step in Step::ALL {
            let count = self.steps.get(&step).copied().unwrap_or_default();
            writeln!(f, "{count:>5}    inside {}", step.name())?;
        }
        writeln!(f, "{:>5}    at a random moment", self.random)?;
        write!(f, "{}", self.seen)?;
        let (took, verifying) = (self.took.as_secs_f32(), self.verifying.as_secs_f32());
        writeln!(f, "{took:>5.0}  seconds, {verifying:.0} of them to verify")
    }
}

/// One kill.
#[derive(Clone, Copy)]
enum Kill {
    Inside(Step, u32),
    After(Duration),
}

/// Does the whole plan with the program `faulty-server`.
pub fn run(plan: &Plan, program: &Path) -> Report {
    let began = Instant::now();
    let mut random = Random(plan.seed);
    let mut steps = BTreeMap::new();
    // The empty tree is made once in the life of a directory: each of these kills needs a fresh one.
    for _ in 1..plan.each_step {
        fresh_directory(program, &mut random);
    }
    let scene = Scene::new(program, true);
    inside(&scene, Step::TreeCreated, 1);
    steps.insert(Step::TreeCreated, plan.each_step);

    // Once in peace, so that clients learn whom to trust.
    let server = scene.ready();
    let trust = scene.trust();
    server.kill();
    let (load, observer) = (
        Load::start(&scene.http(), &trust),
        Observer::start(&scene, &trust),
    );
    for kill in schedule(plan, &mut random) {
        load.must_run();
        observer.must_run();
        match kill {
            Kill::Inside(step, occurrence) => {
                inside(&scene, step, occurrence);
                *steps.entry(step).or_default() += 1;
            }
            Kill::After(moment) => after(&scene, moment),
        }
    }
    let server = scene.ready();
    let acknowledged = load.finish();
    let heads = observer.finish();
    let verified = Instant::now();
    let seen = verify(&scene.http(), &trust, &heads, &acknowledged);
    scene.auditor_is_content();
    let verifying = verified.elapsed();
    server.kill();
    Report {
        steps,
        random: plan.random,
        seen,
        took: began.elapsed(),
        verifying,
    }
}

/// Killed as soon as its tree exists, then while it makes epoch 0; then it must work as if nothing had been.
fn fresh_directory(program: &Path, random: &mut Random) {
    let scene = Scene::new(program, false);
    inside(&scene, Step::TreeCreated, 1);
    let moment = random.below(RANDOM_UNTIL_MS / 4);
    after(&scene, Duration::from_millis(moment));
    let server = scene.ready();
    let trust = scene.trust();
    let (load, observer) = (
        Load::start(&scene.http(), &trust),
        Observer::start(&scene, &trust),
    );
    load.wait_for(3);
    let acknowledged = load.finish();
    let seen = verify(&scene.http(), &trust, &observer.finish(), &acknowledged);
    assert!(seen.epochs >= 2, "nothing was published");
    server.kill();
}

fn inside(scene: &Scene, step: Step, occurrence: u32) {
    let mut server = scene.start(Some((step, occurrence)));
    let reached = format!("reached {}", step.name());
    server.wait_for(PATIENCE, |line| (line == reached).then_some(()));
    server.kill();
}

fn after(scene: &Scene, moment: Duration) {
    let server = scene.start(None);
    // Not to wait for anything: this is the moment.
    std::thread::sleep(moment);
    server.kill();
}

/// All kills but those that need a fresh directory, in random order.
fn schedule(plan: &Plan, random: &mut Random) -> Vec<Kill> {
    let mut kills = Vec::new();
    for step in Step::ALL.into_iter().filter(|step| *step != Step::TreeCreated) {
        for count in 0..plan.each_step {
            // The first time is mostly what recovery does, the others are new epochs under load.
            kills.push(Kill::Inside(step, count % 3 + 1));
        }
    }
    for _ in 0..plan.random {
        kills.push(Kill::After(Duration::from_millis(random.below(RANDOM_UNTIL_MS))));
    }
    for last in (1..kills.len()).rev() {
        let other = random.below(last as u64 + 1) as usize;
        kills.swap(last, other);
    }
    kills
}

/// SplitMix64: the same seed, the same run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }
}

impl Scene {
    /// Starts the server and waits until readers stand on an epoch.
    pub fn ready(&self) -> Process {
        let mut server = self.start(None);
        crate::process::poll("readiness", PATIENCE, || {
            assert!(server.ended().is_none(), "ended by itself{}", server.last_words());
            matches!(self.admin().get("/readyz"), Ok((200, _))).then_some(())
        });
        server
    }
}
