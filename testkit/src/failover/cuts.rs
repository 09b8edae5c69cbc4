//! The network between two parts is cut, silently: what was sent may arrive much later.

use std::path::Path;
use std::time::{Duration, Instant};

use super::pair::{Guarded, Pair, SIGNED, STILL, nothing_new_is_signed, signing_goes_on, stays};
use super::{Report, Takeover, Terms};
use crate::cluster::{Commits, PATIENCE};
use crate::process::poll;

/// How much later a slow standby hears of everything.
const SLOW: Duration = Duration::from_millis(100);

/// Cuts the publishing sequencer off from the guard's Postgres, from the auditor, and the primary from its standbys; slows the
/// standbys down; then promotes one while the primary and its sequencer go on beside it.
///
/// # Panics
/// Anything acknowledged is lost, or there is more than one history.
pub fn cuts(terms: Terms, program: &Path) -> Report {
    let began = Instant::now();
    let mut pair = Pair::start_with(Guarded::ByPostgres, Commits::Synchronous, terms, program);
    pair.publish(10);
    from_guard(&mut pair);
    from_auditor(&mut pair);
    slow_standbys(&pair);
    from_standbys(&mut pair);
    let takeovers = vec![
        beside_a_promoted_one(&mut pair, Knowing::Guard),
        beside_a_promoted_one(&mut pair, Knowing::Nobody),
    ];
    Report {
        takeovers,
        seen: pair.verify(),
        took: began.elapsed(),
    }
}

/// The lease is kept: another sequencer could not do more.
fn from_guard(pair: &mut Pair) {
    let holder = pair.holder;
    pair.to_guard[holder].cut();
    nothing_new_is_signed(pair);
    pair.to_guard[holder].heal();
    pair.publish(10);
    assert_eq!(pair.holder, holder);
}

/// An auditor that is not found finds the directory, and brings its cosignatures. If it does not find the directory, one epoch more
/// is signed and shown to nobody.
fn from_auditor(pair: &mut Pair) {
    for (which, demand) in [signing_goes_on, nothing_new_is_signed].into_iter().enumerate() {
        pair.site.auditor_links()[which].cut();
        demand(pair);
        pair.site.auditor_links()[which].heal();
        pair.publish(10);
    }
}

fn slow_standbys(pair: &Pair) {
    let delay = |by| {
        for node in pair.site.databases.standbys() {
            pair.site.databases.upstream(node).delay(by);
        }
    };
    delay(SLOW);
    pair.publish(5);
    delay(Duration::ZERO);
}

/// Nothing is acknowledged, since nobody else has it.
fn from_standbys(pair: &mut Pair) {
    let cut = |pair: &Pair| {
        for node in pair.site.databases.standbys() {
            pair.site.databases.upstream(node).cut();
        }
    };
    cut(pair);
    let mut before = pair.acknowledged();
    let mut since = Instant::now();
    poll("the last receipt", PATIENCE, || {
        if pair.acknowledged() != before {
            (before, since) = (pair.acknowledged(), Instant::now());
        }
        (since.elapsed() > STILL / 3).then_some(())
    });
    stays("nothing is acknowledged", STILL, || pair.acknowledged() == before);
    for node in pair.site.databases.standbys() {
        pair.site.databases.upstream(node).heal();
    }
    pair.find_holder();
    pair.publish(10);
}

/// Whom a sequencer that was cut off together with its primary still reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Knowing {
    /// The guard, from which it learns that it is not the one any more.
    Guard,
    /// Nobody, until the network is whole again.
    Nobody,
}

/// The primary is cut off from its standbys, together with its sequencer: one of them is promoted, and the other sequencer goes
/// on there. The first one can renew its lease for ever.
fn beside_a_promoted_one(pair: &mut Pair, knowing: Knowing) -> Takeover {
    let (first, old) = (pair.holder, pair.site.databases.primary());
    let standbys = pair.site.databases.standbys();
    if knowing == Knowing::Nobody {
        pair.to_guard[first].cut();
    }
    for node in &standbys {
        pair.site.databases.upstream(*node).cut();
    }
    let cut = Instant::now();
    let next = pair.site.databases.most_advanced();
    pair.site.databases.promote(next);
    // They lead to the new one now.
    for node in &standbys {
        pair.site.databases.upstream(*node).heal();
    }
    let other = 1 - first;
    pair.to_primary[other].aim(pair.site.databases.port(next));
    let takeover = pair.taken_over("a standby was promoted beside the primary", cut);
    if knowing == Knowing::Nobody {
        let server = &mut pair.site.sequencers[first];
        let before = server.reading(SIGNED);
        stays("nothing is signed without the guard", STILL, || {
            server.reading(SIGNED) == before
        });
    }
    pair.publish(10);
    if knowing == Knowing::Nobody {
        pair.to_guard[first].heal();
    }
    pair.ended(first, &["guard-fenced"]);
    pair.site.databases.kill(old);
    pair.site.databases.copy_primary(old);
    pair.to_primary[first].aim(pair.site.databases.port(next));
    pair.other().start();
    pair.wait_until_other_stands_by();
    takeover
}
