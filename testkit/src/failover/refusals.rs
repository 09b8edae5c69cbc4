//! Where it cannot be known that a database has everything, nothing is signed until somebody says so.

use std::path::{Path, PathBuf};

use super::Terms;
use super::pair::Pair;
use crate::cluster::{Commits, PATIENCE};
use crate::process::{built, command, poll};

/// Promotes a standby that lacks what was acknowledged, lets two sequencers run on two primaries, and brings an old backup and
/// an old guard back. Answers the reasons of the refusals.
///
/// # Panics
/// Anything is signed that must not be.
pub fn refusals(terms: Terms, program: &Path) -> Vec<String> {
    let mut pair = Pair::start(Commits::Asynchronous, terms, program);
    pair.publish(10);
    let guard = poll("a copy of the guard", PATIENCE, || guard_now(&pair));
    // It stays as it is: the backup of this moment.
    let backup = pair.site.databases.standbys()[1];
    pair.site.databases.kill(backup);
    pair.publish(10);
    vec![
        two_primaries(&mut pair),
        asynchronous(&mut pair),
        accepted_too_late(&mut pair),
        old_backup(&mut pair, backup),
        old_guard(&mut pair, &guard),
    ]
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

/// The database as it was before, on the same timeline and with the same fencing number: only the guard knows better.
fn old_backup(pair: &mut Pair, backup: usize) -> String {
    let first = pair.holder;
    pair.site.databases.restart_alone(backup);
    pair.to_primary[first].aim(pair.site.databases.port(backup));
    pair.site.sequencers[first].start();
    pair.ended(first, &["guard-ahead"])
}

/// The files of the guard.
fn guard_files(pair: &Pair) -> Vec<PathBuf> {
    let guard = pair.guard();
    let entries = std::fs::read_dir(guard.parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("guard"))
        .collect()
}

/// A copy of the guard. Its files are replaced all the time.
fn guard_now(pair: &Pair) -> Option<Vec<(PathBuf, Vec<u8>)>> {
    let files = guard_files(pair).into_iter();
    let read: Vec<_> = files
        .filter_map(|path| std::fs::read(&path).ok().map(|content| (path, content)))
        .collect();
    (!read.is_empty()).then_some(read)
}

/// The guard as it was before, where the database is the newest: it is behind what was signed.
fn old_guard(pair: &mut Pair, old: &[(PathBuf, Vec<u8>)]) -> String {
    for path in guard_files(pair) {
        std::fs::remove_file(path).unwrap();
    }
    for (path, content) in old {
        std::fs::write(path, content).unwrap();
    }
    let first = pair.holder;
    pair.to_primary[first].aim(pair.site.databases.port(0));
    pair.site.sequencers[first].start();
    pair.ended(first, &["guard-behind", "guard-fork"])
}
