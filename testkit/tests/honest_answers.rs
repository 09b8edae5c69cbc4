//! Whatever an honest directory answers is believed; `cargo xtask long honest-answers` asks 100,000 times.

use keyglass_testkit::honest::{Plan, run};

#[test]
fn no_honest_answer_is_refused() {
    let plan = Plan {
        seed: 7,
        answers: 1_000,
        epochs: 30,
        questions: 15,
        threads: 2,
    };
    let tally = run(&plan, &mut |_| {});
    println!("{tally}");
    assert_eq!(tally.refused, Vec::<String>::new());
    assert_eq!(tally.answers, plan.answers);
    // Every kind of life was met.
    for kind in [
        "answer: an account",
        "answer: an alias and its account",
        "answer: a closed account, or an alias of one",
        "answer: a released alias",
        "answer: an absence",
        "created",
        "imported",
        "owner",
        "rotation",
        "notice",
        "recovery",
        "closed",
        "claim",
        "claim of a released alias",
        "release",
        "transfer",
        "reassign",
    ] {
        assert!(
            tally.kinds.get(kind).is_some_and(|n| *n > 0),
            "no {kind}: {tally}"
        );
    }
}
