//! The primary is killed while a sequencer stands inside a publishing step, and a standby is promoted.

use std::path::Path;
use std::time::Instant;

use keyglass_server::publisher::Step;

use super::pair::Pair;
use super::{Report, Takeover, Terms};
use crate::cluster::{Commits, PATIENCE};

/// Kills the primary inside each of `steps`, and the sequencer before.
///
/// # Panics
/// Anything acknowledged is lost, or there is more than one history.
pub fn deaths(steps: &[Step], terms: Terms, program: &Path) -> Report {
    let began = Instant::now();
    let mut pair = Pair::start(Commits::Synchronous, terms, program);
    let mut takeovers = Vec::new();
    for step in steps {
        pair.publish(5);
        takeovers.extend(death(&mut pair, *step));
    }
    Report {
        takeovers,
        seen: pair.verify(),
        took: began.elapsed(),
    }
}

fn death(pair: &mut Pair, step: Step) -> [Takeover; 2] {
    // The stand-by will stand still at the step, the second time that it gets there.
    pair.other().kill();
    pair.other().start_to_stop_at(step, 2);
    pair.wait_until_other_stands_by();
    let killed = Instant::now();
    pair.holder().kill();
    let first = pair.taken_over("the sequencer was killed", killed);
    pair.other().start();
    let reached = format!("reached {}", step.name());
    pair.holder()
        .process()
        .wait_for(PATIENCE, |line| (line == reached).then_some(()));
    pair.wait_until_other_stands_by();

    let killed = Instant::now();
    let lost = pair.lose_primary();
    let stood_still = pair.holder;
    let after = format!("the primary was killed inside {}", step.name());
    let second = pair.taken_over(&after, killed);
    // It still stands there; that its lease is lost it learns all the same.
    pair.ended(stood_still, &["fenced", "database-promoted"]);
    pair.publish(5);
    pair.site.databases.copy_primary(lost);
    pair.other().start();
    pair.wait_until_other_stands_by();
    [first, second]
}
