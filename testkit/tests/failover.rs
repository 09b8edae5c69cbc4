//! One history and no lost promise, whichever machine goes away. `cargo xtask long failover` does it at every publishing step,
//! and with the lease of a real sequencer.

use std::path::Path;

use keyglass_server::publisher::Step;
use keyglass_testkit::failover::{LIMIT, Report, Terms, cuts, deaths, refusals, silences};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_faulty-server"))
}

fn check(report: &Report) {
    println!("{report}");
    assert!(report.slowest() < LIMIT, "{report}");
    assert!(
        report.seen.epochs > 5 && report.seen.acknowledged > 30,
        "{report}"
    );
}

#[test]
fn a_primary_that_dies_inside_a_step_takes_nothing_with_it() {
    let steps = [Step::TreeCommitted, Step::GuardSwapped];
    let report = deaths(&steps, Terms::SHORT, program());
    check(&report);
    assert_eq!(report.takeovers.len(), 2 * steps.len());
}

#[test]
fn a_sequencer_that_stands_still_or_is_cut_off_changes_nothing_later() {
    let report = silences(Terms::SHORT, program());
    check(&report);
    assert_eq!(report.takeovers.len(), 2);
}

#[test]
fn a_network_that_is_cut_anywhere_stops_what_it_must_and_no_more() {
    let report = cuts(Terms::SHORT, program());
    check(&report);
    assert_eq!(report.takeovers.len(), 2);
}

#[test]
fn where_nobody_can_know_nothing_is_signed() {
    let reasons = refusals(Terms::SHORT, program());
    println!("{}", reasons.join(", "));
    let expected = [
        "promotion-unknown",
        "promotion-unknown",
        "guard-ahead",
        "guard-ahead",
        "guard-behind",
    ];
    assert_eq!(reasons, expected);
}
