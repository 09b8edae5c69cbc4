//! Hostile clients of every kind at once, for a few seconds; `cargo xtask long hostile` takes its time.

use std::path::Path;
use std::time::Duration;

use keyglass_testkit::hostile::{Plan, run};

#[test]
fn a_hostile_mix_neither_ends_nor_swells_the_server() {
    let plan = Plan {
        time: Duration::from_secs(6),
        clients: 8,
        standing: 200,
        seed: 20_260_101,
    };
    let report = run(&plan, Path::new(env!("CARGO_BIN_EXE_keyglass-server")));
    println!("{report}");
    assert_eq!(report.failures(), 0, "{report}");
    assert!(report.growth() <= 64 << 20, "{report}");
    let refused: u64 = report.answers.range(400..500).map(|(_, count)| count).sum();
    assert!(refused > 50 && report.honest.len() > 10, "{report}");
}
