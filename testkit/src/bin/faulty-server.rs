//! The real server, which can be told to stand still for ever at a step of publishing, so that a test can kill it
//! exactly there. It ends when its stdin ends, so it never outlives the test that started it.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use keyglass_monitoring::init_logging;
use keyglass_server::bootstrap;
use keyglass_server::clock::SystemClock;
use keyglass_server::import::{self, Advance, BadRecord, Import, Watcher};
use keyglass_server::keys::{Keys, SystemRandom};
use keyglass_server::publisher::{Step, Steps};
use keyglass_server::server::{self, ServerError};
use keyglass_server::settings::{Layer, Role, Settings};

#[derive(Parser)]
struct Cli {
    /// Settings file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    layer: Layer,
    /// Stand still when this step is reached for the n-th time, such as leaf-staged:2
    #[arg(long, value_name = "STEP:N")]
    stop_at: Option<StopAt>,
    /// Import this file instead of serving
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
}

#[derive(Clone, Copy)]
struct StopAt {
    step: Step,
    occurrence: u32,
}

impl FromStr for StopAt {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, occurrence) = text.split_once(':').context("write STEP:N")?;
        let step = Step::ALL.into_iter().find(|step| step.name() == name);
        let Some(step) = step else {
            bail!("no step {name:?}")
        };
        Ok(Self {
            step,
            occurrence: occurrence.parse()?,
        })
    }
}

/// Says that a step was reached, and never lets the publisher go on.
struct StandStill {
    step: Option<Step>,
    left: AtomicU32,
}

impl Steps for StandStill {
    fn reached(&self, step: Step) {
        if self.step == Some(step) && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            say(&format!("reached {}", step.name()));
            loop {
                std::thread::park();
            }
        }
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    std::thread::spawn(end_with_stdin);
    let below = cli.config.map(|file| Layer::from_file(&file)).transpose()?;
    let settings = Settings::resolve(cli.layer.over(below.unwrap_or_default()))?;
    init_logging(settings.log_format, &settings.log, false)?;
    let steps = StandStill {
        step: cli.stop_at.map(|at| at.step),
        left: AtomicU32::new(cli.stop_at.map_or(0, |at| at.occurrence)),
    };
    let steps = Arc::new(steps);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        if settings.role == Role::Replica {
            let keys = bootstrap::reading_keys(&settings)?;
            let clock = Arc::new(SystemClock);
            let running = server::start_replica(settings, keys, clock, &SystemRandom).await?;
            say("serving");
            return Ok(running.wait().await?);
        }
        let keys = bootstrap::keys(&settings, &SystemRandom)?;
        match cli.import {
            Some(file) => import(settings, keys, steps, file).await,
            None => {
                let named = |e: ServerError| anyhow::anyhow!("{e} ({})", e.reason());
                let started = server::start(settings, keys, Arc::new(SystemClock), steps).await;
                let running = started.map_err(named)?;
                say("serving");
                running.wait().await.map_err(named)
            }
        }
    });
    // As the server does: whoever waits for a database that is gone is not waited for.
    runtime.shutdown_background();
    done
}

async fn import(settings: Settings, keys: Keys, steps: Arc<StandStill>, file: PathBuf) -> Result<()> {
    let import = Import {
        file,
        skip_bad: false,
    };
    let importing = import::start(
        settings,
        keys,
        Arc::new(SystemClock),
        steps,
        import,
        Box::new(Progress),
    );
    let done = importing.await?.wait().await?;
    say(&format!(
        "imported {} known {}",
        done.counts.imported, done.counts.known
    ));
    Ok(())
}

struct Progress;

impl Watcher for Progress {
    fn resumed(&mut self, at: &Advance) {
        say(&format!("resumed {}", at.counts.lines));
    }

    fn advanced(&mut self, to: &Advance) {
        say(&format!("advanced {}", to.counts.lines));
    }

    fn skipped(&mut self, line: u64, why: &BadRecord) {
        say(&format!("skipped {line} {why}"));
    }
}

/// Nothing is tidied up: the test has gone, or wants exactly that.
fn end_with_stdin() {
    let mut nothing = Vec::new();
    let _ended = std::io::stdin().read_to_end(&mut nothing);
    std::process::abort();
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _nobody_reads = writeln!(out, "{line}").and_then(|()| out.flush());
}
