//! `import`: a progress bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use keyglass_server::bootstrap;
use keyglass_server::clock::SystemClock;
use keyglass_server::import::{self, Advance, BadRecord, Counts, Import, Watcher};
use keyglass_server::keys::SystemRandom;
use keyglass_server::publisher::NoSteps;
use keyglass_server::settings::Settings;

use super::{Failure, print, stop_signals};

/// What stands beside the bar.
const STYLE: &str = "{bar:32} {bytes}/{total_bytes}  {msg}  {elapsed} (ETA {eta})";

pub(super) async fn run(settings: Settings, import: Import) -> Result<(), Failure> {
    // Said before anything is started: the usual mistake.
    if let Err(error) = std::fs::File::open(&import.file) {
        let text = format!("{}: {error}", import.file.display());
        return Err(Failure::refused("import-io", &text));
    }
    let keys = bootstrap::keys(&settings, &SystemRandom).map_err(|e| Failure::refused(e.reason(), &e))?;
    let (clock, steps) = (Arc::new(SystemClock), Arc::new(NoSteps));
    let importing = import::start(settings, keys, clock, steps, import, watcher())
        .await
        .map_err(|e| Failure::refused(e.reason(), &e))?;
    let stopper = importing.server.stopper();
    let signals = stop_signals()?;
    tokio::spawn(async move {
        signals.await;
        stopper.stop();
    });
    let done = importing
        .wait()
        .await
        .map_err(|e| Failure::refused(e.reason(), &e))?;
    let Counts {
        lines,
        imported,
        known,
        skipped,
    } = done.counts;
    print(&format!(
        "lines {lines}\nimported {imported}\nknown {known}\nskipped {skipped}\nepoch {}\n",
        done.epoch
    ));
    Ok(())
}

fn watcher() -> Box<dyn Watcher> {
    if std::io::stderr().is_terminal() {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template(STYLE) {
            bar.set_style(style);
        }
        Box::new(Bar(bar))
    } else {
        Box::new(Lines)
    }
}

fn told(at: &Advance) -> String {
    let Counts {
        lines,
        imported,
        known,
        skipped,
    } = at.counts;
    format!(
        "line {lines}: {imported} imported, {known} known, {skipped} skipped; epoch {}",
        at.epoch
    )
}

fn bad(line: u64, why: &BadRecord) -> String {
    format!("line {line}: skipped: {why} ({})", why.reason())
}

struct Bar(ProgressBar);

impl Watcher for Bar {
    fn resumed(&mut self, at: &Advance) {
        self.0.println(format!("going on after {}", told(at)));
        self.advanced(at);
    }

    fn advanced(&mut self, to: &Advance) {
        self.0.set_length(to.length);
        self.0.set_position(to.offset);
        self.0.set_message(told(to));
    }

    fn skipped(&mut self, line: u64, why: &BadRecord) {
        self.0.println(bad(line, why));
    }
}

struct Lines;

impl Lines {
    /// Writes to stderr; nobody may be reading.
    fn say(line: &str) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

impl Watcher for Lines {
    fn resumed(&mut self, at: &Advance) {
        Self::say(&format!("going on after {}", told(at)));
    }

    fn advanced(&mut self, to: &Advance) {
        let percent = to
            .offset
            .saturating_mul(100)
            .checked_div(to.length)
            .unwrap_or(100);
        Self::say(&format!("{percent:>3} %  {}", told(to)));
    }

    fn skipped(&mut self, line: u64, why: &BadRecord) {
        Self::say(&bad(line, why));
    }
}
