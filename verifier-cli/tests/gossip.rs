//! Two people compare heads; forks and freezes become evidence, a lagging replica does not.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod town;

use keyglass_testkit::world::{Person, World};
use town::Town;

/// A directory of this length; `seed` makes the last epoch differ.
fn world(epochs: u8, seed: u8) -> World {
    let mut world = World::new(1);
    for n in 1..=epochs {
        let keys = if n == epochs { seed } else { n };
        world.publish(&[Person::new(&format!("p{n}"), keys).entry()]);
    }
    world
}

fn look(town: &Town, who: &str) {
    town.good(who, &["checkpoint", "show"]);
}

fn export(town: &Town, who: &str) -> String {
    let file = town.text(&format!(
        "{who}-{}.head",
        std::fs::read_dir(town.dir.path()).unwrap().count()
    ));
    town.good(who, &["checkpoint", "export", &file]);
    file
}

fn compare(town: &Town, who: &str, file: &str, more: &[&str]) -> (i32, String) {
    let (code, answer) = town.keyglass(who, &[&["checkpoint", "compare", file], more].concat());
    if code == 5 {
        let saved = answer["saved"].as_str().unwrap();
        assert_eq!(
            town.verdict(who, &["evidence", "verify", saved]),
            (0, "proven".into())
        );
        town.good(who, &["evidence", "show", saved]);
    }
    (code, answer["reason"].as_str().unwrap().to_owned())
}

#[test]
fn friends_who_see_the_same_log() {
    let town = Town::with(world(3, 3));
    for who in ["alice", "bob"] {
        town.trust(who);
        look(&town, who);
    }
    let old = export(&town, "bob");
    assert_eq!(
        compare(&town, "alice", &old, &["--offline"]),
        (0, "same-log".into())
    );
    town.front
        .with(|s| s.world.publish(&[Person::new("late", 9).entry()]));
    look(&town, "alice");
    // Her memory holds the head of that size too.
    assert_eq!(
        compare(&town, "alice", &old, &["--offline"]),
        (0, "same-log".into())
    );
    let new = export(&town, "alice");
    assert_eq!(
        compare(&town, "bob", &new, &["--offline"]),
        (3, "other-size".into())
    );
    assert_eq!(compare(&town, "bob", &new, &[]), (0, "same-log".into()));
    town.trust("carol");
    assert_eq!(compare(&town, "carol", &old, &[]), (0, "same-log".into()));
}

#[test]
fn a_split_view_of_one_size_is_evidence() {
    let town = Town::with(world(3, 3));
    town.trust("alice");
    look(&town, "alice");
    town.front.show(world(3, 99));
    town.trust("bob");
    look(&town, "bob");
    let his = export(&town, "bob");
    assert_eq!(compare(&town, "alice", &his, &["--offline"]), (5, "fork".into()));
    // And she is alarmed by the directory itself.
    assert_eq!(town.verdict("alice", &["checkpoint", "show"]), (5, "fork".into()));
}

#[test]
fn a_split_view_of_different_sizes_is_evidence() {
    let town = Town::with(world(4, 4));
    town.trust("alice");
    look(&town, "alice");
    let hers = export(&town, "alice");
    let mut other = world(4, 99);
    other.publish(&[Person::new("late", 9).entry()]);
    town.front.show(other);
    town.trust("bob");
    look(&town, "bob");
    assert_eq!(compare(&town, "bob", &hers, &[]), (5, "fork".into()));
    // The directory itself shows her another log than before, a longer one.
    let (code, answer) = town.keyglass("alice", &["lookup", "account:p1"]);
    assert_eq!((code, answer["reason"].as_str()), (5, Some("fork")), "{answer}");
    let saved = answer["saved"].as_str().unwrap();
    assert_eq!(
        town.verdict("alice", &["evidence", "verify", saved]),
        (0, "proven".into())
    );
}

#[test]
fn a_replica_that_lags_is_no_freeze() {
    let town = Town::with(world(3, 3));
    town.trust("alice");
    look(&town, "alice");
    // A replica's head carries an old heartbeat.
    let mut old = world(2, 2);
    old.now = keyglass_testkit::world::FIRST_TIME;
    town.front.show(old);
    town.front.with(|s| s.old_signatures = true);
    let lax = [
        "--max-heartbeat-age",
        "99999999999",
        "--max-cosignature-age",
        "99999999999",
    ];
    assert_eq!(
        town.verdict("alice", &[&["checkpoint", "show"], &lax as &[&str]].concat()),
        (4, "stale-head".into())
    );
}

#[test]
fn an_old_head_that_is_vouched_for_now_is_a_freeze() {
    let town = Town::with(world(3, 3));
    town.trust("alice");
    look(&town, "alice");
    let hers = export(&town, "alice");
    town.front.show(world(2, 2));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let (code, answer) = town.keyglass("alice", &["lookup", "account:p1"]);
    assert_eq!((code, answer["reason"].as_str()), (5, Some("freeze")), "{answer}");
    let saved = answer["saved"].as_str().unwrap();
    assert_eq!(
        town.verdict("alice", &["evidence", "verify", saved]),
        (0, "proven".into())
    );
    // A friend who saw less is told by her head.
    town.trust("bob");
    assert_eq!(compare(&town, "bob", &hers, &[]), (5, "freeze".into()));
}

#[test]
fn a_head_that_the_log_did_not_sign_is_refused() {
    let town = Town::with(world(2, 2));
    town.trust("alice");
    look(&town, "alice");
    let file = export(&town, "alice");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("\nkeyglass.test/world\n3\n", "\nkeyglass.test/world\n4\n"),
    )
    .unwrap();
    assert_eq!(town.verdict("alice", &["checkpoint", "compare", &file]).0, 1);
    std::fs::write(&file, "hello").unwrap();
    assert_eq!(town.verdict("alice", &["checkpoint", "compare", &file]).0, 1);
    assert_eq!(town.verdict("alice", &["evidence", "verify", &file]).0, 65);
    town.trust("bob");
    assert_eq!(
        town.verdict("bob", &["checkpoint", "export"]),
        (3, "nothing-seen".into())
    );
}
