//! A sequencer stands still, or is cut off: another one goes on, and what comes later from the first changes nothing.

use std::path::Path;
use std::time::Instant;

use super::pair::{Pair, nothing_new_is_signed};
use super::{Report, Takeover, Terms};
use crate::cluster::{Commits, PATIENCE};
use crate::process::poll;

/// Pauses a sequencer, cuts it off from the databases, then takes the guard and the auditor away for a while.
///
/// # Panics
/// Anything acknowledged is lost, or there is more than one history.
pub fn silences(terms: Terms, program: &Path) -> Report {
    let began = Instant::now();
    let mut pair = Pair::start(Commits::Synchronous, terms, program);
    let takeovers = vec![paused(&mut pair), cut_off(&mut pair)];
    guard_is_away(&mut pair);
    auditor_is_away(&mut pair);
    Report {
        takeovers,
        seen: pair.verify(),
        took: began.elapsed(),
    }
}

fn paused(pair: &mut Pair) -> Takeover {
    pair.publish(10);
    let paused = Instant::now();
    let first = pair.holder;
    pair.holder().pause();
    let takeover = pair.taken_over("the sequencer stood still", paused);
    pair.publish(10);
    // It wakes up in the middle of whatever it was doing, and believes that no time has passed.
    pair.site.sequencers[first].wake();
    pair.ended(first, &["fenced", "guard-fenced"]);
    pair.publish(10);
    pair.other().start();
    pair.wait_until_other_stands_by();
    takeover
}

fn cut_off(pair: &mut Pair) -> Takeover {
    let (cut, first) = (Instant::now(), pair.holder);
    pair.to_primary[first].cut();
    let takeover = pair.taken_over("the sequencer was cut off from the databases", cut);
    pair.publish(10);
    // It serves nothing any more: its readers might be two epochs behind.
    poll("the end of its answers", PATIENCE, || {
        (!pair.site.sequencers[first].is_ready()).then_some(())
    });
    pair.to_primary[first].heal();
    pair.ended(first, &["fenced", "guard-fenced"]);
    pair.publish(10);
    pair.other().start();
    pair.wait_until_other_stands_by();
    takeover
}

/// Nothing is signed without the guard, and everything goes on with it.
fn guard_is_away(pair: &mut Pair) {
    let guard = pair.guard();
    let folder = guard.parent().unwrap().to_owned();
    let away = folder.with_extension("away");
    // The artefacts and the journal lie there as well.
    std::fs::rename(&folder, &away).unwrap();
    // Also if the last epoch was signed already, and the auditor now asks in vain for its proof.
    nothing_new_is_signed(pair);
    std::fs::rename(&away, &folder).unwrap();
    pair.publish(10);
}

/// Its cosignature is awaited, and comes.
fn auditor_is_away(pair: &mut Pair) {
    pair.site.kill_auditor();
    pair.site.start_auditor();
    pair.publish(10);
}
