//! Where it cannot be known that a database has everything, nothing is signed until somebody says so.

use std::path::Path;

use super::Terms;
use super::pair::Pair;
use crate::cluster::Commits;
use crate::process::{built, command};

/// Promotes a standby that lacks what was acknowledged, lets two sequencers run on two primaries, and brings an old guard
/// back. Answers the reasons of the refusals.
///
/// # Panics
/// Anything is signed that must not be.
pub fn refusals(terms: Terms, program: &Path) -> Vec<String> {
    let mut pair = Pair::start(Commits::Asynchronous, terms, program);
    pair.publish(10);
    let mut reasons = vec![two_primaries(&mut pair), asynchronous(&mut pair)];
    reasons.push(accepted_too_late(&mut pair));
    reasons.push(old_guard(&mut pair));
    reasons
}

/// The standby is promoted while the primary and its sequencer go on: the other sequencer finds only the new primary.
fn two_primaries(pair: &mut Pair) -> String {
    let other = 1 - pair.holder;
    // The stand-by waits for the lease as the old primary has it; now it sees the new one, where the lease ends.
    let next = pair.site.databases.most_advanced();
    pair.site.databases.promote(next);
    pair.to_primary[other].aim(pair.site.databases.port(next));
    let reason = pair.ended(other, &["promotion-unknown"]);
    pair.publish(5);
    reason
}

/// Started again it says the same.
fn asynchronous(pair: &mut Pair) -> String {
    let other = 1 - pair.holder;
    pair.other().start();
    pair.ended(other, &["promotion-unknown"])
}

/// An operator wants to go on from the new primary. Epochs were signed on the old one since: that is never accepted.
fn accepted_too_late(pair: &mut Pair) -> String {
    let (first, other) = (pair.holder, 1 - pair.holder);
    pair.stop_clients();
    pair.site.sequencers[first].kill();
    let said = command(&built("keyglass-server"))
        .arg("--config")
        .arg(pair.site.sequencers[other].folder().join("keyglass.toml"))
        .args(["guard", "accept"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success() && text.contains("(guard-ahead)"), "{text}");
    "guard-ahead".to_owned()
}

/// The guard as it was before: it is behind what was signed.
fn old_guard(pair: &mut Pair) -> String {
    let guard = pair.guard();
    let folder = guard.parent().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("guard") {
            let text = std::fs::read_to_string(&path).unwrap();
            let old: Vec<&str> = text.lines().collect();
            let mut lines: Vec<String> = old.iter().map(|line| (*line).to_owned()).collect();
            lines[2] = "1".to_owned();
            std::fs::write(&path, format!("{}\n", lines.join("\n"))).unwrap();
        }
    }
    // On the primary that has everything.
    let first = pair.holder;
    pair.site.sequencers[first].start();
    pair.ended(first, &["guard-behind", "guard-fork"])
}
