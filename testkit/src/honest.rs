//! Honest directories of every shape: whatever they answer must be believed.
//!
//! Each town is a directory with a random life: accounts come, change devices and keys, are recovered, closed,
//! imported; handles and numbers are claimed, released, handed over, reassigned. After every epoch some labels are
//! looked up by clients that have seen an older head or none.

mod town;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

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

/// Asks honest directories until the plan is fulfilled.
pub fn run(plan: &Plan, say: &mut dyn FnMut(&Tally)) -> Tally {
    let mut tally = Tally::default();
    while tally.answers < plan.answers {
        let seed = plan.seed.wrapping_mul(1_000_003).wrapping_add(tally.towns as u64);
        live(plan, Town::new(ChaCha8Rng::seed_from_u64(seed)), seed, &mut tally);
        tally.towns += 1;
        say(&tally);
    }
    tally
}

/// One town's life.
fn live(plan: &Plan, mut town: Town, seed: u64, tally: &mut Tally) {
    let mut asked = BTreeSet::new();
    for _ in 0..plan.epochs {
        town.live_on();
        for label in town.questions(plan.questions) {
            if tally.answers == plan.answers
                || !asked.insert((label.clone(), town.version(&label), town.world.epoch()))
            {
                continue;
            }
            tally.answers += 1;
            ask(&town, &label, seed, tally);
        }
        town.remember_head();
    }
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
