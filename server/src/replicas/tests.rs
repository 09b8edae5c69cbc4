#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]
use super::*;

const LEASE: Duration = Duration::from_secs(5);

fn replicas() -> (Replicas, Instant) {
    (Replicas::new(LEASE), Instant::now())
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn nobody_is_waited_for_who_never_served() {
    let (replicas, now) = replicas();
    assert_eq!(replicas.behind(Epoch::new(9), now), None);
}

#[test]
fn the_slowest_is_waited_for_until_it_follows_or_gives_up() {
    let (replicas, now) = replicas();
    replicas.ack("a", Epoch::new(4), now).unwrap();
    replicas.ack("b", Epoch::new(3), now).unwrap();
    assert_eq!(replicas.behind(Epoch::new(3), now), None);
    let waits = replicas.behind(Epoch::new(4), now).unwrap();
    assert_eq!((waits.replica.as_deref(), waits.until), (Some("b"), now + LEASE));
    assert_eq!(
        replicas.standing(Epoch::new(5), now),
        Standing {
            alive: 2,
            most_behind: 2
        }
    );
    replicas.ack("b", Epoch::new(4), now + seconds(1)).unwrap();
    assert_eq!(replicas.behind(Epoch::new(4), now + seconds(1)), None);
    // b goes on acknowledging an old epoch, then falls silent.
    assert!(replicas.behind(Epoch::new(5), now + seconds(5)).is_some());
    assert_eq!(replicas.behind(Epoch::new(5), now + seconds(6)), None);
}

#[test]
fn an_acknowledgement_again_renews_the_lease_and_may_go_back() {
    let (replicas, now) = replicas();
    replicas.ack("a", Epoch::new(4), now).unwrap();
    // It was started again, and reads the tree anew.
    replicas.ack("a", Epoch::new(2), now + seconds(4)).unwrap();
    let waits = replicas.behind(Epoch::new(4), now + seconds(8)).unwrap();
    assert_eq!(waits.until, now + seconds(9));
}

fn named(names: &[&str]) -> Strangers {
    Strangers {
        named: names.iter().map(|name| (*name).to_owned()).collect(),
        others: false,
    }
}

#[test]
fn readers_of_the_one_before_are_waited_for_until_they_are_heard_of() {
    let (replicas, now) = replicas();
    let (epoch, patience) = (Epoch::new(4), seconds(6));
    replicas.expect(&named(&["a", "b"]), patience, now);
    // Nobody knows where they stand.
    let standing = replicas.standing(epoch, now);
    assert_eq!((standing.alive, standing.most_behind), (0, 0));
    replicas.ack("a", epoch, now).unwrap();
    let waits = replicas.behind(epoch, now + seconds(1)).unwrap();
    // The one before may have heard of it at the end of its own lease.
    let until = now + patience + LEASE;
    assert_eq!((waits.replica.as_deref(), waits.until), (Some("b"), until));
    replicas.ack("b", Epoch::new(3), now + seconds(1)).unwrap();
    assert!(replicas.behind(epoch, now + seconds(2)).is_some());
    replicas.ack("b", epoch, now + seconds(2)).unwrap();
    assert_eq!(replicas.behind(epoch, now + seconds(2)), None);

    // One that died with the sequencer.
    replicas.expect(&named(&["a"]), patience, now);
    assert!(replicas.behind(epoch, until - seconds(1)).is_some());
    assert_eq!(replicas.behind(epoch, until), None);
}

#[test]
fn where_others_may_be_about_all_of_them_get_their_time() {
    let (replicas, now) = replicas();
    let strangers = Strangers {
        others: true,
        ..named(&["a"])
    };
    replicas.expect(&strangers, seconds(6), now);
    replicas.ack("a", Epoch::new(4), now + seconds(10)).unwrap();
    let waits = replicas.behind(Epoch::new(4), now + seconds(10)).unwrap();
    assert_eq!((waits.replica, waits.until), (None, now + seconds(11)));
    assert_eq!(replicas.behind(Epoch::new(4), now + seconds(11)), None);
    // As long as this one waits, the next one has to.
    let note = |now| Strangers::noted(&replicas.to_note(now), false);
    replicas.expect(&strangers, seconds(6), now);
    assert_eq!(note(now + seconds(10)), strangers);
    assert_eq!(note(now + seconds(11)), Strangers::default());
    assert!(Strangers::noted(&strangers.named, true).others);
}

#[test]
fn a_new_one_counts_once_the_next_sequencer_would_know_it() {
    let (replicas, now) = replicas();
    let epoch = Epoch::new(4);
    replicas.expect(&Strangers::default(), seconds(6), now);
    assert_eq!(replicas.ack("a", epoch, now), Err(AckError::NotYet));
    assert_eq!(replicas.standing(epoch, now).alive, 0);
    assert_eq!(replicas.behind(Epoch::new(9), now), None);
    let note = replicas.to_note(now + seconds(1));
    assert_eq!(note, named(&["a"]).named);
    assert_eq!(replicas.ack("a", epoch, now + seconds(1)), Err(AckError::NotYet));
    replicas.noted(note);
    replicas.ack("a", epoch, now + seconds(2)).unwrap();
    assert_eq!(replicas.standing(epoch, now + seconds(2)).alive, 1);
    // Another one does not count with it.
    assert_eq!(replicas.ack("b", epoch, now + seconds(2)), Err(AckError::NotYet));
}

#[test]
fn one_that_has_given_up_is_taken_out_of_the_note_before_it_counts_again() {
    let (replicas, now) = replicas();
    let epoch = Epoch::new(4);
    replicas.expect(&named(&["a"]), Duration::ZERO, now);
    let gone = now + LEASE;
    assert_eq!(replicas.to_note(gone), BTreeSet::new());
    // The note is being written.
    assert_eq!(replicas.ack("a", epoch, gone), Err(AckError::NotYet));
    replicas.noted(BTreeSet::new());
    assert_eq!(replicas.ack("a", epoch, gone), Err(AckError::NotYet));
    replicas.noted(replicas.to_note(gone));
    replicas.ack("a", epoch, gone).unwrap();
}

#[test]
fn odd_names_and_too_many_are_refused() {
    let (replicas, now) = replicas();
    for bad in ["", "a b", "ä", "a\"", &"x".repeat(65)] {
        assert_eq!(replicas.ack(bad, Epoch::ZERO, now), Err(AckError::Id), "{bad}");
    }
    for number in 0..MAX_REPLICAS {
        replicas.ack(&number.to_string(), Epoch::ZERO, now).unwrap();
    }
    assert_eq!(replicas.ack("more", Epoch::ZERO, now), Err(AckError::TooMany));
    replicas.ack("7", Epoch::new(1), now).unwrap();
    replicas.ack("more", Epoch::ZERO, now + LEASE).unwrap();
}
