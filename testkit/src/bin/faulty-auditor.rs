//! The real auditor, which can be told to stand still for ever at a moment between two writes, so that a test can kill
//! it exactly there. It ends when its stdin ends, so it never outlives the test that started it.

use std::io::{Read as _, Write as _};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use keyglass_auditor::clock::SystemClock;
use keyglass_auditor::keys::Keys;
use keyglass_auditor::lock::DataDir;
use keyglass_auditor::moments::{Moment, Moments};
use keyglass_auditor::refusal::Stop;
use keyglass_auditor::run::Auditor;
use keyglass_auditor::settings::Layer;
use keyglass_auditor::source::{EpochSource, HttpSource};
use keyglass_monitoring::init_logging;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    layer: Layer,
    /// Stand still when this moment comes for the n-th time, such as stored:2
    #[arg(long, value_name = "MOMENT:N")]
    stop_at: Option<StopAt>,
}

#[derive(Clone, Copy)]
struct StopAt {
    moment: Moment,
    occurrence: u32,
}

impl FromStr for StopAt {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, occurrence) = text.split_once(':').context("write MOMENT:N")?;
        let Some(moment) = Moment::ALL.into_iter().find(|moment| moment.name() == name) else {
            bail!("no moment {name:?}")
        };
        Ok(Self {
            moment,
            occurrence: occurrence.parse()?,
        })
    }
}

/// Says that a moment came, and never lets the auditor go on.
struct StandStill {
    moment: Option<Moment>,
    left: AtomicU32,
}

impl Moments for StandStill {
    fn reached(&self, moment: Moment) {
        if self.moment == Some(moment) && self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            say(&format!("reached {}", moment.name()));
            loop {
                std::thread::park();
            }
        }
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    std::thread::spawn(end_with_stdin);
    let settings = cli.layer.settings()?;
    init_logging(settings.log_format.parse()?, &settings.log_filter, false)?;
    let dir = settings.data_dir.clone();
    let held = DataDir::open(&dir)?;
    // Nothing here is secret, and every start has the same keys.
    let mut entropy = |bytes: &mut [u8]| {
        bytes.fill(21);
        Ok(())
    };
    let keys = Keys::load_or_create(&dir, settings.name.as_deref(), &mut entropy)?;
    let moments = Arc::new(StandStill {
        moment: cli.stop_at.map(|at| at.moment),
        left: AtomicU32::new(cli.stop_at.map_or(0, |at| at.occurrence)),
    });
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let over_http =
                |url: &str| -> Result<Arc<dyn EpochSource>, Stop> { Ok(Arc::new(HttpSource::new(url)?)) };
            let clock = Arc::new(SystemClock);
            let auditor = Auditor::open(settings, held, keys, clock, moments, &over_http).await?;
            say(&format!("serving {}", auditor.address()?));
            Ok(auditor.run(std::future::pending()).await?)
        })
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
