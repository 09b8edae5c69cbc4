//! Asks honest directories a great many questions: `cargo xtask long honest-answers [ANSWERS] [SEED]`.

use anyhow::{Result, ensure};
use clap::Parser;
use keyglass_testkit::honest::{Plan, run};

/// Asks honest directories of every shape and demands that every answer is believed.
#[derive(Parser)]
struct Cli {
    /// Distinct answers in all
    #[arg(default_value_t = 100_000)]
    answers: usize,
    /// Decides everything
    #[arg(default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let plan = Plan {
        seed: cli.seed,
        answers: cli.answers,
        epochs: 30,
        questions: 30,
        threads: 2,
    };
    let mut next = 0;
    let tally = run(&plan, &mut |tally| {
        if tally.answers >= next {
            eprintln!("{} answers, {} refused", tally.answers, tally.refused.len());
            next = tally.answers + 5_000;
        }
    });
    println!("{tally}");
    ensure!(
        tally.refused.is_empty(),
        "{} honest answers were refused",
        tally.refused.len()
    );
    Ok(())
}
