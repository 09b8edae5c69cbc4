//! Honest directories of every shape: whatever they answer must be believed.
//!
//! Each town is a directory with a random life: accounts come, change devices and keys, are recovered, closed,
//! imported; handles and numbers are claimed, released, handed over, reassigned. After every epoch some labels are
//! looked up by clients that have seen an older head or none. Towns know nothing of each other and name their people
//! differently, so that several can be asked at once and no answer is another one's repetition.

mod town;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use keyglass_protocol::label::Label;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::client::Verified;
pub use town::Town;

/// How much is asked.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// Answers in all.
    pub answers: usize,
    /// Epochs of each town.
    pub epochs: u64,
    /// Most questions after each epoch.
    pub questions: usize,
    /// Towns that are asked at the same time.
    pub threads: usize,
}

/// What was asked and what came out.
#[derive(Debug, Default)]
pub struct Tally {
    /// Distinct answers: label, version and epoch.
    pub answers: usize,
    /// Towns.
    pub towns: usize,
    /// How many answers were of each kind, or showed something in their history.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Answers that were not believed.
    pub refused: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.towns += other.towns;
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.refused.extend(other.refused);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.kinds {
            writeln!(f, "{count:>8}  {kind}")?;
        }
        for line in self.refused.iter().take(20) {
            writeln!(f, "REFUSED   {line}")?;
        }
        let (answers, towns, refused) = (self.answers, self.towns, self.refused.len());
        write!(
            f,
            "{answers} distinct honest answers of {towns} directories: {refused} refused"
        )
    }
}

/// Asks honest directories until the plan is fulfilled; `say` hears the sum after each town.
pub fn run(plan: &Plan, say: &mut dyn FnMut(&Tally)) -> Tally {
    let (next, left) = (AtomicU64::new(0), AtomicUsize::new(plan.answers));
    let mut sum = Tally::default();
    std::thread::scope(|scope| {
        let (lived, towns) = channel();
        for _ in 0..plan.threads {
            let (lived, next, left) = (lived.clone(), &next, &left);
            scope.spawn(move || inhabit(plan, next, left, &lived));
        }
        drop(lived);
        for town in towns {
            sum.add(town);
            say(&sum);
        }
    });
    sum
}

/// One town after the other, until every question was asked.
fn inhabit(plan: &Plan, next: &AtomicU64, left: &AtomicUsize, lived: &Sender<Tally>) {
    while left.load(Ordering::Relaxed) > 0 {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let seed = plan.seed.wrapping_mul(1_000_003).wrapping_add(number);
        let town = Town::new(number, ChaCha8Rng::seed_from_u64(seed));
        let tally = live(plan, town, seed, left);
        if tally.answers > 0 {
            let _nobody_listens = lived.send(tally);
        }
    }
}

/// One town's life.
fn live(plan: &Plan, mut town: Town, seed: u64, left: &AtomicUsize) -> Tally {
    let mut tally = Tally {
        towns: 1,
        ..Tally::default()
    };
    let mut asked = BTreeSet::new();
    for _ in 0..plan.epochs {
        town.live_on();
        for label in town.questions(plan.questions) {
            if !asked.insert((label.clone(), town.version(&label), town.world.epoch())) {
                continue;
            }
            if !take_one(left) {
                return tally;
            }
            tally.answers += 1;
            ask(&town, &label, seed, &mut tally);
        }
        town.remember_head();
    }
    tally
}

/// Takes one of the questions that are left to ask.
fn take_one(left: &AtomicUsize) -> bool {
    let less = |n: usize| n.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .is_ok()
}

fn ask(town: &Town, label: &Label, seed: u64, tally: &mut Tally) {
    let mut count = |kind: &'static str| *tally.kinds.entry(kind).or_default() += 1;
    match town.client().ask(&mut &*town, label) {
        Err(refused) => {
            let epoch = town.world.epoch();
            let line = format!(
                "town {seed}, epoch {epoch}, {}: {}",
                label.as_str(),
                refused.reason()
            );
            tally.refused.push(line);
        }
        Ok(found) => {
            let (kind, right) = town.is_right(label, &found);
            count(kind);
            for shown in town.shown(label) {
                count(shown);
            }
            if !right {
                tally.refused.push(format!(
                    "town {seed}, {}: another record than was published",
                    label.as_str()
                ));
            }
        }
    }
}

/// What a verdict is called.
fn name_of(found: &Verified, label: &Label) -> &'static str {
    match (found, label) {
        (Verified::Account(_), Label::Account(_)) => "answer: an account",
        (Verified::Account(_), _) => "answer: an alias and its account",
        (Verified::Closed, _) => "answer: a closed account, or an alias of one",
        (Verified::Released, _) => "answer: a released alias",
        (Verified::Absent, _) => "answer: an absence",
    }
}
