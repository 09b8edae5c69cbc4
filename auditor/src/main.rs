//! `keyglass-auditor`: flags in, exit code out. The program is the library.

mod cli;
mod oneshot;
mod verdict;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser as _;
use keyglass_auditor::clock::SystemClock;
use keyglass_auditor::keys::Keys;
use keyglass_auditor::lock::DataDir;
use keyglass_auditor::moments::Unwatched;
use keyglass_auditor::refusal::Stop;
use keyglass_auditor::run::Auditor;
use keyglass_auditor::settings::{ENV_CONFIG, Layer, Settings};
use keyglass_auditor::source::{EpochSource, HttpSource};
use keyglass_monitoring::{LogFormat, init_logging};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Cli, Command, Keygen};

/// Exit code of wrong usage or settings.
const USAGE: u8 = 2;
/// Exit code of our own failures.
const INTERNAL: u8 = 70;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = cli
        .config
        .or_else(|| std::env::var_os(ENV_CONFIG).map(Into::into));
    match cli.command {
        Command::Run(layer) => match settings(*layer, config.as_deref()) {
            Ok(settings) => finish(run(settings)),
            Err(error) => fail(USAGE, &error),
        },
        Command::CheckConfig(layer) => match check(*layer, config.as_deref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(USAGE, &error),
        },
        Command::Keygen(keygen) => finish(make_keys(&keygen, config.as_deref())),
        Command::AuditFile(args) => oneshot::audit_file(&args).exit(args.output.json),
        Command::Audit(args) => oneshot::audit(&args).exit(args.output.json),
        Command::Evidence(cli::Evidence::Verify(args)) => oneshot::evidence(&args).exit(args.json),
        Command::Latch(latch) => finish(oneshot::latch(&latch, config.as_deref())),
    }
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(INTERNAL, &error),
    }
}

#[expect(clippy::print_stderr, reason = "logging may not be set up yet")]
fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    eprintln!("keyglass-auditor: {error:#}");
    ExitCode::from(code)
}

/// A flag over the environment over the file.
pub(crate) fn layers(flags: Layer, file: Option<&Path>) -> anyhow::Result<Layer> {
    let below = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Layer::of_toml(&text.with_context(|| path.display().to_string())?)?
        }
        None => Layer::default(),
    };
    let ours = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let env = Layer::of_env(std::env::vars_os().filter_map(ours))?;
    Ok(flags.over(env).over(below))
}

fn settings(flags: Layer, file: Option<&Path>) -> anyhow::Result<Settings> {
    Ok(layers(flags, file)?.settings()?)
}

fn check(flags: Layer, file: Option<&Path>) -> anyhow::Result<()> {
    let settings = settings(flags, file)?;
    for directory in &settings.directories {
        if let Some(path) = &directory.from_checkpoint {
            let note = std::fs::read(path).with_context(|| path.display().to_string())?;
            keyglass_protocol::note::SignedCheckpoint::open(&note, &directory.log_vkey)
                .with_context(|| path.display().to_string())?;
        }
    }
    match Keys::load(&settings.data_dir, settings.name.as_deref())? {
        Some(keys) => print_lines(&keys.vkeys()),
        None => say("no keys yet: the first run makes them, or keygen"),
    }?;
    say(&format!(
        "good: {} to follow, listening on {}, data in {}",
        settings.directories.len(),
        settings.listen,
        settings.data_dir.display()
    ))
}

/// For people, on stderr.
fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "keyglass-auditor: {line}")?)
}

fn make_keys(keygen: &Keygen, file: Option<&Path>) -> anyhow::Result<()> {
    let flags = Layer {
        data_dir: keygen.data_dir.clone(),
        name: keygen.name.clone(),
        ..Layer::default()
    };
    let layer = layers(flags, file)?;
    let dir = layer.data_dir();
    let keys = match Keys::load(&dir, layer.name.as_deref())? {
        Some(keys) => keys,
        None => create_keys(
            &DataDir::open(&dir).with_context(|| dir.display().to_string())?,
            &dir,
            &layer.name,
        )?,
    };
    print_lines(&keys.vkeys())
}

fn create_keys(_held: &DataDir, dir: &Path, name: &Option<String>) -> anyhow::Result<Keys> {
    let mut entropy =
        |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|e| std::io::Error::other(e.to_string()));
    Ok(Keys::load_or_create(dir, name.as_deref(), &mut entropy)?)
}

fn run(settings: Settings) -> anyhow::Result<()> {
    let format: LogFormat = settings.log_format.parse()?;
    init_logging(
        format,
        &settings.log_filter,
        std::env::var_os("NO_COLOR").is_none(),
    )?;
    let dir = settings.data_dir.clone();
    let data_dir = DataDir::open(&dir).with_context(|| dir.display().to_string())?;
    let keys = create_keys(&data_dir, &dir, &settings.name)?;
    print_lines(&keys.vkeys())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (clock, moments) = (Arc::new(SystemClock), Arc::new(Unwatched));
        let auditor = Auditor::open(settings, data_dir, keys, clock, moments, &over_http).await?;
        tracing::info!(address = %auditor.address()?, "serving");
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        };
        auditor.run(stop).await?;
        Ok(())
    })
}

fn over_http(url: &str) -> Result<Arc<dyn EpochSource>, Stop> {
    Ok(Arc::new(HttpSource::new(url)?))
}

/// Data on stdout.
pub(crate) fn print_lines(lines: &[String]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(())
}
