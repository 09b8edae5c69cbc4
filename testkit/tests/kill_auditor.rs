//! kill -9 at every write of the auditor: never two different cosignatures for one size, no epoch skipped, nothing
//! forgotten. `cargo xtask long kill-auditor` does it more often.

use std::path::Path;

use keyglass_auditor::moments::Moment;
use keyglass_testkit::audited::kill::{Plan, run};

#[test]
fn the_auditor_signs_one_root_per_size_whenever_it_is_killed() {
    let plan = Plan {
        each_moment: 3,
        random: 10,
        seed: 20_260_101,
    };
    let report = run(&plan, Path::new(env!("CARGO_BIN_EXE_faulty-auditor")));
    println!("{report}");
    assert!(
        Moment::ALL
            .iter()
            .all(|moment| report.moments.contains_key(moment))
    );
    assert!(report.epochs > 100 && report.sizes >= 6, "{report}");
}
