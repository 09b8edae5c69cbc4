//! An import survives kill -9 at any moment, and a real auditor is content with all of it.

use std::path::Path;

use keyglass_server::publisher::Step;
use keyglass_testkit::mixed::import::killed;

#[test]
fn killed_at_several_points_it_goes_on() {
    let kills = [
        (Step::TreeCommitting, 2),
        (Step::TreeCommitted, 2),
        (Step::LeafStaged, 3),
        (Step::GuardSwapped, 2),
        (Step::HeadFlipped, 2),
    ];
    let done = killed(Path::new(env!("CARGO_BIN_EXE_faulty-server")), 450, &kills);
    assert_eq!(done.imported + done.known, 900, "{done:?}");
    assert!(done.known > 0 && done.resumed >= 4, "{done:?}");
    assert!(done.looked_up >= 300 && done.epochs >= 10, "{done:?}");
}
