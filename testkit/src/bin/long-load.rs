//! Imports a platform's accounts and runs it under load: `cargo xtask long load [OPTIONS]`.

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use keyglass_schema::test_database::Backend;
use keyglass_testkit::mixed::{Plan, run};
use keyglass_testkit::process::built_beside;

/// Imports accounts, then 90 % lookups, 5 % histories, 4 % updates and 1 % audit artefacts, with a kill -9 each minute and
/// a real auditor; verifies everything and prints figures.
#[derive(Parser)]
struct Cli {
    /// Accounts that are imported, each with a handle
    #[arg(long, default_value_t = 200_000)]
    accounts: u64,
    /// Minutes of mixed load
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Seconds between two kills
    #[arg(long, default_value_t = 60.0)]
    kill_every: f64,
    /// Clients at the same time
    #[arg(long, default_value_t = 4)]
    clients: u8,
    /// The databases
    #[arg(long, value_enum, default_values = ["sqlite", "postgres"])]
    database: Vec<Database>,
    /// Most memory of the server process, in MiB
    #[arg(long, default_value_t = 512)]
    max_memory: u64,
    /// Decides who is asked for
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let program = built_beside("faulty-server")?;
    for database in &cli.database {
        let plan = Plan {
            accounts: cli.accounts,
            duration: Duration::from_secs_f64(cli.minutes * 60.0),
            kill_every: Duration::from_secs_f64(cli.kill_every),
            clients: cli.clients,
            backend: match database {
                Database::Sqlite => Backend::Sqlite,
                Database::Postgres => Backend::Postgres,
            },
            max_memory: cli.max_memory,
            seed: cli.seed,
        };
        println!("{database:?}\n{}", run(&plan, &program));
    }
    Ok(())
}
