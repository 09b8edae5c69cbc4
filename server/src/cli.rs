//! The command line.

mod export;
mod guard;
mod import;
mod store;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand};
use keyglass_monitoring::init_logging;
use keyglass_server::clock::SystemClock;
use keyglass_server::import::Import;
use keyglass_server::keys::SystemRandom;
use keyglass_server::publisher::NoSteps;
use keyglass_server::server::{self, Running};
use keyglass_server::settings::{Layer, Role, Settings, SettingsError, refuse_unknown_variables};
use keyglass_server::{bootstrap, guard_init};

/// The server refused or ended by itself; the reason is on stderr.
const REFUSED: u8 = 1;
/// Settings that cannot be used.
const USAGE: u8 = 2;
/// A failure of the machine.
const INTERNAL: u8 = 70;

/// A key-transparency directory: publishes keys in signed, audited epochs and proves every answer.
///
/// Without arguments: data in ./keyglass-data, SQLite, API on 127.0.0.1:8600, health and metrics on 127.0.0.1:8601, open
/// registration. Every setting is also a KEYGLASS_… variable and a key of the settings file.
#[derive(Parser)]
#[command(name = "keyglass-server", version)]
struct Cli {
    /// Settings file (TOML)
    #[arg(long, global = true, env = "KEYGLASS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    layer: Layer,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make a complete set of keys
    Keygen {
        /// Make the log, heartbeat and receipt key in a PKCS#11 token:
        /// pkcs11:token=LABEL?module-path=LIBRARY&pin-source=FILE
        #[arg(long, value_name = "URI")]
        pkcs11: Option<String>,
    },
    /// Write what a replica needs of the keys into a new folder: nothing that signs
    ReplicaKeys {
        /// The folder, which must not exist; it becomes `keys` in the replica's data folder
        dir: PathBuf,
    },
    /// Check settings, keys and cosigners without starting
    CheckConfig,
    /// Import records from a file, one {"record": "<base64>"} a line, signed by their owners or by the import key
    ///
    /// The directory answers meanwhile and takes no updates. The same command goes on where an earlier run ended, however
    /// it ended; a file that was imported already changes nothing.
    Import {
        /// The file
        file: PathBuf,
        /// Report bad lines and go on, instead of ending at the first
        #[arg(long)]
        skip_bad: bool,
    },
    /// Copy the database into a new folder; the server may be running
    Backup {
        /// The folder, which must not exist
        dir: PathBuf,
        /// Afterwards, remove the files of the journal that this backup makes superfluous
        #[arg(long)]
        prune_journal: bool,
    },
    /// Bring a backup back into an empty place, and forward with the journal; the server must not run
    ///
    /// A restored database is older than what was signed, and the server refuses to sign from it. `--replay` reproduces the
    /// epochs since from the journal, bit for bit; without DIR, of the database as it is.
    Restore {
        /// The backup
        #[arg(required_unless_present = "replay")]
        dir: Option<PathBuf>,
        /// Bring the database forward with the journal
        #[arg(long)]
        replay: bool,
    },
    /// Compute every root and every proof of the stored directory again, and say what is wrong where; the server must not run
    VerifyStore {
        /// Make and verify the lookups of so many labels, not of all
        #[arg(long, value_name = "N")]
        sample: Option<u64>,
    },
    /// Split the large tables of a Postgres database by hash; before there is much in it, and while no server runs
    Partition {
        /// Parts of each table, 2 to 1024
        #[arg(long, value_name = "N")]
        parts: u16,
    },
    /// Print the last state of a log that has ended, for the settings of the log that continues it
    FinalState,
    /// Write every key of a log that has ended as lines for the `import` of the log that continues it
    ///
    /// The lines are signed with that log's import key and name the final records of this one, so that whoever has pinned
    /// this log can check what moves. Closed accounts and released names stay behind.
    ExportFinal {
        /// The file, which must not exist
        file: PathBuf,
        /// The import key of the log that continues this one: its `import.key`
        #[arg(long, value_name = "FILE")]
        import_key: PathBuf,
    },
    /// The guard: what the log key signed last
    Guard {
        #[command(subcommand)]
        command: GuardCommand,
    },
}

#[derive(Subcommand)]
enum GuardCommand {
    /// Rebuild a lost guard from the database and the cosigners' heads
    Init,
    /// Print what it remembers
    Show,
    /// Go on from this Postgres although it is not known whether it has every acknowledged update; no server may run
    Accept,
}

/// Why the program ends, with its exit code.
struct Failure {
    code: u8,
    reason: &'static str,
    text: String,
}

impl Failure {
    fn refused(reason: &'static str, error: &dyn std::fmt::Display) -> Self {
        Self {
            code: REFUSED,
            reason,
            text: error.to_string(),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self {
            code: USAGE,
            reason: error.reason(),
            text: error.to_string(),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self {
            code: INTERNAL,
            reason: "io",
            text: error.to_string(),
        }
    }
}

pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Said once more in plain words, whatever the log filter is.
            let _ = writeln!(
                std::io::stderr(),
                "keyglass-server: {} ({})",
                failure.text,
                failure.reason
            );
            ExitCode::from(failure.code)
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let settings = settings(cli.config, cli.layer)?;
    let colour = std::env::var_os("NO_COLOR").is_none();
    // akd may name labels in its own messages; ours never do.
    let filter = format!("{},akd=off,akd_core=off", settings.log);
    init_logging(settings.log_format, &filter, colour).map_err(|e| Failure {
        code: USAGE,
        reason: e.reason(),
        text: e.to_string(),
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = match cli.command {
        None => runtime.block_on(serve(settings)),
        Some(Command::Keygen { pkcs11 }) => keygen(&settings, pkcs11.as_deref()),
        Some(Command::ReplicaKeys { dir }) => replica_keys(&settings, &dir),
        Some(Command::CheckConfig) => check(&settings),
        Some(Command::Import { file, skip_bad }) => {
            runtime.block_on(import::run(settings, Import { file, skip_bad }))
        }
        Some(Command::Backup { dir, prune_journal }) => store::back_up(&settings, &dir, prune_journal),
        Some(Command::Restore { dir, replay }) => runtime.block_on(store::bring_back(settings, dir, replay)),
        Some(Command::VerifyStore { sample }) => runtime.block_on(store::verify(settings, sample)),
        Some(Command::Partition { parts }) => store::partition(&settings, parts),
        Some(Command::FinalState) => final_state(&settings),
        Some(Command::ExportFinal { file, import_key }) => export::run(&settings, &file, &import_key),
        Some(Command::Guard {
            command: GuardCommand::Init,
        }) => runtime.block_on(rebuild_guard(settings)),
        Some(Command::Guard {
            command: GuardCommand::Show,
        }) => guard::show(&settings),
        Some(Command::Guard {
            command: GuardCommand::Accept,
        }) => guard::accept(&settings),
    };
    // Whoever waits for a database that is gone is not waited for.
    runtime.shutdown_background();
    done
}

fn settings(file: Option<PathBuf>, given: Layer) -> Result<Settings, SettingsError> {
    let command = Cli::command();
    let known: Vec<String> = command
        .get_arguments()
        .filter_map(|a| a.get_env())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    refuse_unknown_variables(
        &known,
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()),
    )?;
    let below = file
        .map(|path| Layer::from_file(&path))
        .transpose()?
        .unwrap_or_default();
    Settings::resolve(given.over(below))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let running = start(settings).await?;
    let stopper = running.stopper();
    // Before anybody is told that it runs, and may want to stop it.
    let signals = stop_signals()?;
    announce(&running);
    tokio::spawn(async move {
        signals.await;
        tracing::info!("stopping");
        stopper.stop();
    });
    running.wait().await.map_err(|e| Failure::refused(e.reason(), &e))
}

async fn start(settings: Settings) -> Result<Running, Failure> {
    let clock = Arc::new(SystemClock);
    let started = match settings.role {
        Role::Sequencer => {
            let keys =
                bootstrap::keys(&settings, &SystemRandom).map_err(|e| Failure::refused(e.reason(), &e))?;
            server::start(settings, keys, clock, Arc::new(NoSteps)).await
        }
        Role::Replica => {
            let keys = bootstrap::reading_keys(&settings).map_err(|e| Failure::refused(e.reason(), &e))?;
            server::start_replica(settings, keys, clock, &SystemRandom).await
        }
    };
    started.map_err(|e| Failure::refused(e.reason(), &e))
}

/// One fact per line, for people and for scripts.
fn announce(running: &Running) {
    let text = format!(
        "origin {}\nlog-vkey {}\nconfig-sha256 {}\napi http://{}\nadmin http://{}\n",
        running.origin, running.log_vkey, running.config_sha256, running.api, running.admin
    );
    print(&text);
}

/// Writes to stdout; nobody may be reading.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn stop_signals() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

fn keygen(settings: &Settings, pkcs11: Option<&str>) -> Result<(), Failure> {
    let made = match pkcs11 {
        Some(token) => bootstrap::generate_in_token(settings, &SystemRandom, token),
        None => bootstrap::generate(settings, &SystemRandom),
    };
    made.map_err(|e| Failure::refused(e.reason(), &e))?;
    let keys = bootstrap::keys(settings, &SystemRandom).map_err(|e| Failure::refused(e.reason(), &e))?;
    print(&format!(
        "origin {}\nlog-vkey {}\n",
        keys.origin(),
        keys.log.verifier()
    ));
    Ok(())
}

fn replica_keys(settings: &Settings, dir: &std::path::Path) -> Result<(), Failure> {
    let log = bootstrap::export_for_reading(settings, dir).map_err(|e| Failure::refused(e.reason(), &e))?;
    print(&format!("origin {}\nlog-vkey {log}\n", log.name()));
    Ok(())
}

fn check(settings: &Settings) -> Result<(), Failure> {
    let cosigners = keyglass_server::cosigners::Cosigners::from_settings(settings).map_err(|e| Failure {
        code: USAGE,
        reason: e.reason(),
        text: e.to_string(),
    })?;
    let keys = if settings.role == Role::Replica {
        let keys = bootstrap::reading_keys(settings).map_err(|e| Failure::refused(e.reason(), &e))?;
        format!("origin {}\nlog-vkey {}\n", keys.log.name(), keys.log)
    } else if settings.key_dir().exists() {
        let keys = bootstrap::keys(settings, &SystemRandom).map_err(|e| Failure::refused(e.reason(), &e))?;
        format!("origin {}\nlog-vkey {}\n", keys.origin(), keys.log.verifier())
    } else {
        "keys none yet: made at the first start\n".to_owned()
    };
    print(&format!(
        "{keys}listen {}\nadmin-listen {}\ndata-dir {}\ndatabase {}\nguard {}\nepoch-interval {}ms\ncosigners {}\n",
        settings.listen,
        settings.admin_listen,
        settings.data_dir.display(),
        settings.database,
        keyglass_server::guard::place(settings),
        settings.epoch_interval.as_millis(),
        cosigners.list().len(),
    ));
    Ok(())
}

fn final_state(settings: &Settings) -> Result<(), Failure> {
    let keys = bootstrap::keys(settings, &SystemRandom).map_err(|e| Failure::refused(e.reason(), &e))?;
    let state =
        keyglass_server::final_state::open(settings, &keys).map_err(|e| Failure::refused(e.reason(), &e))?;
    print(&state.to_json().map_err(|e| Failure::refused(e.reason(), &e))?);
    Ok(())
}

async fn rebuild_guard(settings: Settings) -> Result<(), Failure> {
    let keys = bootstrap::keys(&settings, &SystemRandom).map_err(|e| Failure::refused(e.reason(), &e))?;
    let guarded = guard_init::rebuild(&settings, &keys)
        .await
        .map_err(|e| Failure::refused(e.reason(), &e))?;
    print(&format!("guard {} {}\n", guarded.size, guarded.root));
    Ok(())
}
