//! Reading at one, two and three replicas, and while a sequencer fails over: `cargo xtask long replicas [OPTIONS]`.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use keyglass_testkit::cluster::measure::{Plan, run};
use keyglass_testkit::process::built_beside;

/// So much longer may the 99th of 100 lookups take while a sequencer fails over.
const SLOWER: f64 = 2.0;

/// Starts a Postgres primary with two standbys, two sequencers, three replicas and an auditor; prints lookups per second,
/// their latency and what they cost, and the same while the first sequencer is killed and the second takes over.
#[derive(Parser)]
struct Cli {
    /// Accounts that are looked up
    #[arg(long, default_value_t = 200)]
    accounts: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Clients at the same time
    #[arg(long, default_value_t = 6)]
    clients: usize,
    /// Of so many lookups one is verified to the end
    #[arg(long, default_value_t = 50)]
    verified: usize,
    /// Sequencers; with 1 nothing fails over
    #[arg(long, default_value_t = 2)]
    sequencers: usize,
    /// Milliseconds for which a replica answers after its last acknowledgement; by default those of the server
    #[arg(long)]
    replica_lease: Option<u64>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let plan = Plan {
        accounts: cli.accounts,
        period: Duration::from_secs_f64(cli.seconds),
        clients: cli.clients,
        verified: cli.verified.max(1),
        sequencers: cli.sequencers.max(1),
        replica_lease: cli.replica_lease,
    };
    let report = run(&plan, &built_beside("faulty-server")?);
    print!("{report}");
    report.must_read_on();
    if let Some(failover) = &report.failover {
        let slower = failover.slower();
        ensure!(
            slower <= SLOWER,
            "lookups took {slower:.2} times as long while a sequencer failed over"
        );
    }
    Ok(())
}
